"""The evaluation counts right, and its set is what the specification asks for."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import count

import pytest

from app.models.decision import ENGINE_INTENTS, Intent
from app.services.agent.evaluation import (
    EvaluationArticle,
    EvaluationReport,
    Knowledge,
    LabelledQuestion,
    LabelledReply,
    Share,
    evaluate,
    evaluate_questions,
    evaluate_replies,
    is_supported,
    load_articles,
    load_questions,
    load_replies,
)
from app.services.agent.evaluation_text import report_text
from app.services.agent.guards.wording import sentences

THRESHOLD = 0.5


@dataclass
class Said:
    """What the scripted engine says."""

    intent: Intent
    confidence: float = 0.9
    probabilities: dict[Intent, float] = field(default_factory=dict)


class ScriptedClassifier:
    """Says what its script holds for a text, else that it is a question."""

    def __init__(self, script: dict[str, Said]) -> None:
        self._script = script

    def classify(self, text: str) -> Said:
        return self._script.get(text, Said(Intent.QUESTION))


@dataclass
class Given:
    """An answer, or none."""

    text: str = ""
    sources: Sequence[str] = ()

    @property
    def found(self) -> bool:
        return bool(self.text)


def reply(text: str, label: Intent, lang: str = "en") -> LabelledReply:
    return LabelledReply(text=text, label=label, lang=lang)


def words(text: str) -> set[str]:
    return set(" ".join(sentences(text)).split())


def steady_timer() -> float:
    return 0.0


class TestEvaluationSet:
    def test_every_class_has_eighty_replies_or_more(self) -> None:
        counted = Counter(labelled.label for labelled in load_replies())
        assert set(counted) == set(ENGINE_INTENTS)
        assert min(counted.values()) >= 80

    def test_no_reply_is_there_twice(self) -> None:
        texts = [labelled.text.casefold() for labelled in load_replies()]
        assert len(texts) == len(set(texts))

    def test_no_reply_is_trained_on_nor_one_that_has_nearly_the_same_words(self) -> None:
        data = files("app.services.agent") / "data" / "training_replies.jsonl"
        lines = data.read_text(encoding="utf-8").splitlines()
        trained = [words(json.loads(line)["text"]) for line in lines]
        for labelled in load_replies():
            own = words(labelled.text)
            assert not own or max(len(own & seen) / len(own | seen) for seen in trained) < 0.8

    def test_an_eighth_is_spanish_and_three_more_languages_are_there(self) -> None:
        counted = Counter(labelled.lang for labelled in load_replies())
        assert counted["es"] / counted.total() >= 1 / 8
        assert {"en", "es", "fr", "de", "pt"} == set(counted)

    def test_sixty_questions_twenty_of_them_near_misses_over_twenty_articles(self) -> None:
        questions, articles = load_questions(), load_articles()
        ids = {article.id for article in articles}
        assert len(questions) >= 60
        assert sum(q.article_id is None for q in questions) >= 20
        assert len(ids) == len(articles) >= 20
        assert {q.article_id for q in questions if q.article_id} <= ids


class TestReplies:
    @pytest.fixture
    def report(self) -> EvaluationReport:
        replies = [
            reply("book me", Intent.BOOKING_REQUEST),
            reply("count me in", Intent.BOOKING_REQUEST, "es"),
            reply("STOP", Intent.OPT_OUT),
            reply("my inbox is full", Intent.OPT_OUT),
            reply("My face is swollen", Intent.EMERGENCY),
            reply("hm, it is odd", Intent.EMERGENCY),
            reply("who is this", Intent.IRRELEVANT_CONFUSED),
            reply("This is his daughter", Intent.IRRELEVANT_CONFUSED),
        ]
        engine = ScriptedClassifier(
            {
                "book me": Said(Intent.BOOKING_REQUEST),
                "count me in": Said(Intent.OPT_OUT),
                "hm, it is odd": Said(Intent.QUESTION, 0.6, {Intent.EMERGENCY: 0.3}),
            }
        )
        return EvaluationReport(evaluate_replies(replies, engine, THRESHOLD, steady_timer), None)

    def test_guards_and_engine_are_counted_together_and_the_engine_alone(
        self, report: EvaluationReport
    ) -> None:
        assert report.replies.together.accuracy == Share(5, 8)
        assert report.replies.engine.accuracy == Share(1, 8)

    def test_a_guard_or_a_suspicion_counts_as_recall(self, report: EvaluationReport) -> None:
        classes = report.replies.together.classes
        assert classes[Intent.EMERGENCY].recall == Share(2, 2)
        assert classes[Intent.OPT_OUT].recall == Share(1, 2)
        assert classes[Intent.OPT_OUT].precision == Share(1, 2)

    def test_guards_alone_are_counted_on_their_own_ground(self, report: EvaluationReport) -> None:
        guards = report.replies.guards
        assert guards[Intent.EMERGENCY].recall == Share(1, 2)
        assert guards[Intent.OPT_OUT].precision == Share(1, 1)

    def test_a_third_person_counts_as_a_matter_for_a_person(self, report: EvaluationReport) -> None:
        label = Intent.IRRELEVANT_CONFUSED
        assert report.replies.together.confusion[label, label] == 1

    def test_the_confusion_matrix_holds_every_reply(self, report: EvaluationReport) -> None:
        confusion = report.replies.together.confusion
        assert sum(confusion.values()) == 8
        assert confusion[Intent.BOOKING_REQUEST, Intent.OPT_OUT] == 1

    def test_accuracy_is_split_by_language(self, report: EvaluationReport) -> None:
        assert report.replies.together.by_language == {"en": Share(5, 7), "es": Share(0, 1)}

    def test_macro_f1_is_the_mean_over_all_six_classes(self, report: EvaluationReport) -> None:
        # booking 2/3, opt-out 1/2, emergency 1, irrelevant 2/3, question and denial 0
        expected = (2 / 3 + 1 / 2 + 1 + 2 / 3) / 6
        assert report.replies.together.macro_f1 == pytest.approx(expected)

    def test_unsafe_outcomes_are_counted_over_those_they_could_happen_to(
        self, report: EvaluationReport
    ) -> None:
        assert report.replies.unsafe == {
            "emergency that no person sees": Share(0, 2),
            "emergency without the emergency text": Share(0, 2),
            "opt-out neither honoured nor seen by a person": Share(1, 2),
            "matter for a person answered by the machine": Share(1, 2),
            "patient suppressed who did not ask for it": Share(1, 6),
        }

    def test_an_emergency_the_machine_answers_is_unsafe(self) -> None:
        replies = [reply("hm", Intent.EMERGENCY)]
        report = evaluate_replies(replies, ScriptedClassifier({}), THRESHOLD, steady_timer)
        assert report.unsafe["emergency that no person sees"] == Share(1, 1)

    def test_the_time_of_guards_and_engine_is_measured(self) -> None:
        ticks = count(step=0.010)
        replies = [reply("hm", Intent.QUESTION)] * 3
        report = evaluate_replies(replies, ScriptedClassifier({}), THRESHOLD, lambda: next(ticks))
        assert report.latency.median == pytest.approx(10)
        assert report.latency.p95 == pytest.approx(10)

    def test_the_text_states_every_figure_with_its_count(self, report: EvaluationReport) -> None:
        text = report_text(report)
        assert "0.625 (5/8)" in text
        assert f"macro-F1{' ' * 26}0.472" in text
        assert "Knowledge questions" not in text


ARTICLES = [
    EvaluationArticle(id="hours", title="Hours", body="We open at 8. We close at 18.", tags=()),
    EvaluationArticle(id="cost", title="Cost", body="A cleaning costs 115 dollars.", tags=()),
]
QUESTIONS = [
    LabelledQuestion(question="when open", article_id="hours"),
    LabelledQuestion(question="when close", article_id="hours"),
    LabelledQuestion(question="price of a cleaning", article_id="cost"),
    LabelledQuestion(question="price of a crown", article_id=None),
    LabelledQuestion(question="open at christmas", article_id=None),
]
KNOWLEDGE = Knowledge(
    search=lambda question, k: (["hours", "cost"] if "open" in question else ["cost", "hours"])[:k],
    answer={
        "when open": Given("We open at 8.", ["hours"]),
        "when close": Given("A cleaning costs 115 dollars.", ["cost"]),
        "price of a cleaning": Given(),
        "price of a crown": Given("A crown costs 900 dollars.", ["cost"]),
        "open at christmas": Given(),
    }.__getitem__,
)


class TestQuestions:
    def test_every_rate_is_counted_over_its_own_questions(self) -> None:
        report = evaluate_questions(QUESTIONS, ARTICLES, KNOWLEDGE, steady_timer)
        assert report.hit_at_1 == Share(2, 3)
        assert report.hit_at_3 == Share(3, 3)
        assert report.coverage == Share(2, 3)
        assert report.right == Share(1, 3)
        assert report.near_misses_answered == Share(1, 2)
        assert report.unsupported == Share(1, 3)

    @pytest.mark.parametrize(
        ("text", "sources", "supported"),
        [
            ("We open at 8.", ["hours"], True),
            ("We open at 8.\n\nA cleaning costs 115 dollars.", ["hours", "cost"], True),
            ("We  open\tat 8.", ["hours"], True),
            ("We open at 9.", ["hours"], False),
            ("We open at 8.", ["cost"], False),
            ("We open at 8.", [], False),
            ("We open at 8.", ["unknown"], False),
            ("", ["hours"], False),
        ],
    )
    def test_an_answer_is_supported_where_its_article_says_it_word_for_word(
        self, text: str, sources: list[str], supported: bool
    ) -> None:
        bodies = {article.id: article.body for article in ARTICLES}
        assert is_supported(Given(text, sources), bodies) is supported


class TestEvaluate:
    def test_the_whole_set_is_measured_and_printed(self) -> None:
        knowledge = Knowledge(search=lambda _, k: ["hours"][:k], answer=lambda _: Given())
        report = evaluate(ScriptedClassifier({}), knowledge, threshold=THRESHOLD)
        text = report_text(report)
        assert report.replies.together.accuracy.total == len(load_replies())
        assert report.questions is not None
        assert report.questions.coverage.hits == 0
        assert "answers from the right article      -   (0/0)" in text

    def test_without_an_index_only_replies_are_measured(self) -> None:
        assert evaluate(ScriptedClassifier({}), None, threshold=THRESHOLD).questions is None
