"""Red flags, and the words that set them aside."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.agent.guards.emergency import red_flags
from app.services.agent.guards.red_flags import RED_FLAGS

RAISES = [
    ("My face is swollen and I have a fever", {"swelling", "fever"}),
    ("I have trouble breathing", {"trouble_breathing"}),
    ("My throat is closing up", {"trouble_breathing"}),
    ("It is hard to swallow since this morning", {"trouble_swallowing_or_opening"}),
    ("I can barely open my mouth", {"trouble_swallowing_or_opening"}),
    ("The bleeding won't stop", {"bleeding"}),
    ("I am still bleeding after the extraction", {"bleeding", "trouble_after_surgery"}),
    ("My mouth is full of blood", {"bleeding"}),
    ("I fell on the stairs and hit my face", {"facial_trauma"}),
    ("I think I have a broken jaw", {"facial_trauma"}),
    ("My tooth was knocked out", {"knocked_out_tooth"}),
    ("I knocked my front tooth out", {"knocked_out_tooth"}),
    ("I'm in agony", {"severe_pain"}),
    ("Severe pain since last night", {"severe_pain"}),
    ("The pain is unbearable", {"severe_pain"}),
    ("I have non-stop pain", {"severe_pain"}),
    ("I can't sleep because of my tooth", {"severe_pain"}),
    ("Ibuprofen does not help", {"severe_pain"}),
    ("I broke out in hives from the antibiotic", {"allergic_reaction"}),
    ("I think it is a dry socket", {"trouble_after_surgery"}),
    ("The stitches came open", {"trouble_after_surgery"}),
    ("The pain got worse after the extraction", {"severe_pain", "trouble_after_surgery"}),
    ("There is pus around the implant", {"infection"}),
    ("I have an abscess", {"infection"}),
    ("I don't want to live like this", {"self_harm"}),
    ("I want to kill myself", {"self_harm"}),
    ("I won't be around much longer, so no need", {"self_harm"}),
    ("No appointment needed, I'm planning to end things this weekend", {"self_harm"}),
    ("Everyone is better off without me", {"self_harm"}),
    ("I'd be better off not waking up tomorrow", {"self_harm"}),
    ("I don't see the point of living, so teeth can wait", {"self_harm"}),
    ("Don't bother booking me, I've had enough of everything", {"self_harm"}),
    ("I hope I never wake up", {"self_harm"}),
    ("I can't go on like this", {"self_harm"}),
    ("I just want it all to be over", {"self_harm"}),
    ("Ya no le veo sentido a nada", {"self_harm"}),
    ("Quiero acabar con todo", {"self_harm"}),
    ("Ich will nicht mehr da sein", {"self_harm"}),
    ("Je veux en finir", {"self_harm"}),
    ("N\u00e3o quero mais estar aqui", {"self_harm"}),
    ("I took a whole bottle of Tylenol", {"overdose"}),
    ("Had too many painkillers today, haha", {"overdose"}),
    ("I've taken twelve ibuprofen since noon", {"overdose"}),
    ("The whole left side has blown up", {"swelling"}),
    ("I'm shivery since last night", {"fever"}),
    ("I passed out twice", {"collapse"}),
    ("This is an emergency", {"said_to_be_emergency"}),
    ("no fever but my gum is swollen", {"swelling"}),
    ("I never had swelling before but now my cheek is swollen", {"swelling"}),
    ("My crown was done years ago and my face is swollen", {"swelling"}),
    ("Years ago I had an abscess and now it is swollen again", {"swelling"}),
    ("My implant was placed last year, face swollen, fever", {"swelling", "fever"}),
    ("Please stop writing, I'm in severe pain", {"severe_pain"}),
    ("The swelling I had last year is back", {"swelling"}),
    ("What if I just kill myself?", {"self_harm"}),
    ("Should I come if my face is swollen?", {"swelling"}),
    ("My brother had his tooth knocked out just now", {"knocked_out_tooth"}),
    ("My son fell and hit his mouth, he is bleeding", {"facial_trauma", "bleeding"}),
    ("Not sure if it matters, my jaw is swollen", {"swelling"}),
    ("Tengo la cara hinchada y fiebre", {"swelling", "fever"}),
    ("No puedo respirar bien", {"trouble_breathing"}),
    ("Me cuesta tragar", {"trouble_swallowing_or_opening"}),
    ("No para de sangrar", {"bleeding"}),
    ("Se me cay\u00f3 un diente", {"knocked_out_tooth"}),
    ("Me di un golpe en la boca", {"facial_trauma"}),
    ("Tengo un dolor insoportable", {"severe_pain"}),
    ("No aguanto el dolor", {"severe_pain"}),
    ("Me sali\u00f3 urticaria con el antibi\u00f3tico", {"allergic_reaction"}),
    ("Despu\u00e9s de la cirug\u00eda tengo pus", {"trouble_after_surgery"}),
    ("Es una urgencia", {"said_to_be_emergency"}),
    ("No quiero vivir", {"self_harm"}),
    ("J'ai la joue gonfl\u00e9e et de la fi\u00e8vre", {"swelling", "fever"}),
    ("J'ai tr\u00e8s mal", {"severe_pain"}),
    ("Je n'arrive plus \u00e0 respirer", {"trouble_breathing"}),
    ("Meine Wange ist geschwollen", {"swelling"}),
    ("Ich habe starke Schmerzen", {"severe_pain"}),
    ("Es blutet seit gestern", {"bleeding"}),
    ("Estou com o rosto inchado", {"swelling"}),
    ("Tenho muita dor", {"severe_pain"}),
    ("N\u00e3o consigo respirar", {"trouble_breathing"}),
    ("N\u00e3o aguento mais a dor", {"severe_pain"}),
    ("My lips are tingling and swelling up", {"swelling"}),
    ("My daughter fell at the playground and her tooth is gone", {"knocked_out_tooth"}),
    ("When I was a kid I lost a tooth here and now it is swollen", {"swelling"}),
    ("My crown fell off and it's killing me", {"severe_pain"}),
    ("Llevo tres d\u00edas sin dormir del dolor de muelas", {"severe_pain"}),
    ("Me estoy desangrando, no para", {"bleeding"}),
    ("Ich bekomme kaum Luft", {"trouble_breathing"}),
    ("On m'a cass\u00e9 une dent hier", {"knocked_out_tooth"}),
    ("O sangramento n\u00e3o para", {"bleeding"}),
    ("I'd rather be dead than live with this", {"self_harm"}),
]

QUIET = [
    "",
    "Yes please, Tuesday is fine",
    "No pain at all",
    "I have no pain, swelling or fever",
    "There is no swelling and no bleeding",
    "I'm not in pain, just want a check",
    "It does not hurt a lot",
    "I haven't had any severe pain",
    "Without any swelling so far",
    "I never had a fever",
    "years ago I knocked out a tooth",
    "Years ago, I knocked out a tooth",
    "When I was a kid, I fell and hit my face",
    "I had an abscess last year",
    "I had severe pain in 2019",
    "My brother had a terrible toothache",
    "My sister had severe pain with her wisdom teeth",
    "after the swelling went down last year",
    "The swelling is gone, thank you",
    "The bleeding has stopped",
    "Will there be severe pain after the extraction?",
    "Is there swelling after an implant?",
    "How do you treat an abscess?",
    "What if there is bleeding afterwards?",
    "I am afraid of severe pain",
    "My gums are bleeding when I brush",
    "I take blood thinners",
    "I have hay fever",
    "I have the flu and a fever, can we move Tuesday?",
    "Her baby tooth fell out and the tooth fairy came",
    "That price is hard to swallow the price of",
    "Finding parking is a pain in the neck",
    "This is not an emergency",
    "It isn't urgent",
    "No emergency, just a cleaning",
    "stop by the office",
    "No tengo dolor",
    "No tengo fiebre ni hinchaz\u00f3n",
    "Hace a\u00f1os me di un golpe en la boca",
    "Pas de douleur, pas de fi\u00e8vre",
    "Keine Schmerzen, kein Fieber",
    "N\u00e3o tenho febre",
    "Sem dor forte",
    "What do I do if a tooth gets knocked out?",
    "No swelling, no fever, no pain, just want a cleaning",
    "I had my tooth knocked out in college, that's why I have the implant",
    "I got hit in the face with a baseball in high school and lost a tooth",
    "The swelling went down completely after the antibiotics",
    "Is bleeding normal after a cleaning?",
    "How long does swelling last after wisdom teeth removal?",
    "If I ever had severe pain, could I come the same day?",
    "I lost my toothbrush",
    "\u00bfQu\u00e9 hago si se me cae un diente?",
    "Cuando era ni\u00f1o me romp\u00ed un diente",
    "Quand j'\u00e9tais petit je me suis cass\u00e9 une dent",
    "Als Kind habe ich mir einen Zahn ausgeschlagen",
    "Quando era crian\u00e7a perdi um dente",
    "I won't be here in March, I'm moving to Texas",
    "I can't go on Tuesday, can we do Friday?",
    "I don't want to be a burden on your schedule",
    "I'd like to end things with your practice",
    "I want these stains to disappear",
    "I took my antibiotics as you said",
    "I hope I don't wake up during the procedure",
    "I'm done with everything you suggested",
    "Ya no quiero el implante, no tiene precio",
    "Does a root canal cause a lot of swelling?",
]


class TestRedFlags:
    @pytest.mark.parametrize(("text", "expected"), RAISES)
    def test_a_red_flag_is_raised_and_named(self, text: str, expected: set[str]) -> None:
        assert expected <= set(red_flags(text))

    @pytest.mark.parametrize("text", QUIET)
    def test_absent_past_and_supposed_symptoms_raise_nothing(self, text: str) -> None:
        assert red_flags(text) == ()

    def test_evidence_is_names_of_the_table_and_never_the_patients_words(self) -> None:
        names = {flag.name for flag in RED_FLAGS}
        assert set(red_flags("Anna Lopez is bleeding heavily, her face is swollen")) <= names

    def test_the_published_table_is_the_one_in_use(self) -> None:
        text = (Path(__file__).parents[3] / "docs" / "agent-guards.md").read_text("utf-8")
        rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", text, re.MULTILINE)
        assert rows == [(flag.name, flag.about, flag.source) for flag in RED_FLAGS]

    def test_every_row_has_its_own_name(self) -> None:
        assert len({flag.name for flag in RED_FLAGS}) == len(RED_FLAGS)

    @given(st.text(max_size=400))
    @settings(deadline=None)
    def test_any_text_gets_an_answer(self, text: str) -> None:
        assert isinstance(red_flags(text), tuple)
