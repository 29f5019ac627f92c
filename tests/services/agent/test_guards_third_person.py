"""A death, another writer, a wrong recipient."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.agent.guards.third_person import ThirdPerson, third_person

DEATH = [
    "My husband passed away in June",
    "She died in March",
    "He has passed away, please update your files",
    "Mrs. Howard died two weeks ago",
    "John died last year",
    "I lost my wife in the spring",
    "She is no longer with us",
    "My late husband was your patient",
    "ya falleci\u00f3",
    "Mi mam\u00e1 falleci\u00f3 en mayo",
    "Mi esposo muri\u00f3 hace un mes",
    "Mon mari est d\u00e9c\u00e9d\u00e9 en mars",
    "Mein Mann ist leider verstorben",
    "A minha m\u00e3e faleceu",
]
OTHER_PERSON = [
    "This is his daughter",
    "This is Maria's son, she asked me to answer",
    "I am writing for my mother",
    "I'm replying on behalf of my father",
    "I am her caregiver",
    "My mother cannot read emails any more",
    "I hold power of attorney",
    "Soy su hija",
    "Escribo en nombre de mi madre",
    "Je suis sa fille",
    "Ich bin seine Tochter",
    "Sou a filha dela",
]
WRONG = [
    "Wrong person",
    "You have the wrong number",
    "I think you have the wrong e-mail",
    "I'm not Mr. Howard",
    "I am not Mrs Smith",
    "I'm not Peter",
    "This is not Maria",
    "No one here by that name",
    "I have never been a patient of yours",
    "Mr Howard no longer works here",
    "N\u00famero equivocado",
    "Se equivoc\u00f3 de persona",
    "No soy la se\u00f1ora Lopez",
    "Vous vous trompez de personne",
    "Falsche Person",
    "Pessoa errada",
]
NOBODY_ELSE = [
    "",
    "Yes please",
    "The nerve in my tooth died",
    "My tooth died in March",
    "My phone died last night, sorry",
    "I am dying to get whiter teeth",
    "Can I book for my son?",
    "I'm writing for an appointment",
    "I'm not sure",
    "I'm not interested",
    "I'm not Interested",
    "I'm the mother of three kids and busy",
    "My husband will call himself",
    "Is that the wrong tooth?",
    "I passed on the whitening last time",
    "No soy bueno para las ma\u00f1anas",
]


class TestThirdPerson:
    @pytest.mark.parametrize("text", DEATH)
    def test_a_death_is_noticed(self, text: str) -> None:
        assert third_person(text) is ThirdPerson.DEATH

    @pytest.mark.parametrize("text", OTHER_PERSON)
    def test_somebody_who_writes_for_the_patient_is_noticed(self, text: str) -> None:
        assert third_person(text) is ThirdPerson.OTHER_PERSON

    @pytest.mark.parametrize("text", WRONG)
    def test_a_wrong_recipient_is_noticed(self, text: str) -> None:
        assert third_person(text) is ThirdPerson.WRONG_RECIPIENT

    @pytest.mark.parametrize("text", NOBODY_ELSE)
    def test_the_patients_own_words_are_the_patients(self, text: str) -> None:
        assert third_person(text) is None

    def test_a_death_told_by_a_relative_is_a_death(self) -> None:
        assert third_person("This is his daughter. Dad passed away.") is ThirdPerson.DEATH

    @given(st.text(max_size=300))
    def test_any_text_gets_an_answer(self, text: str) -> None:
        assert third_person(text) in {None, *ThirdPerson}
