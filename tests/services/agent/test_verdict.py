"""Guards and engine put together: the more cautious wins."""

from dataclasses import dataclass, field

import pytest

from app.models.decision import ENGINE_INTENTS, Intent
from app.services.agent.guards.guard import GuardFindings
from app.services.agent.guards.third_person import ThirdPerson
from app.services.agent.verdict import EMERGENCY_BAR, OPT_OUT_BAR, combine

PATIENT = GuardFindings(sender_verified=True)
THRESHOLD = 0.5


@dataclass
class Engine:
    """What an engine said."""

    intent: Intent
    confidence: float = 0.9
    probabilities: dict[Intent, float] = field(default_factory=dict)


BOOKING = Engine(Intent.BOOKING_REQUEST)


class TestCombine:
    @pytest.mark.parametrize(
        "intent", [Intent.BOOKING_REQUEST, Intent.SERVICE_DENIAL, Intent.QUESTION, Intent.OPT_OUT]
    )
    def test_a_sure_engine_is_followed(self, intent: Intent) -> None:
        verdict = combine(PATIENT, Engine(intent), THRESHOLD)
        assert (verdict.intent, verdict.confidence, verdict.needs_person) == (intent, 0.9, False)
        assert verdict.opt_out == (intent is Intent.OPT_OUT)

    @pytest.mark.parametrize("intent", ENGINE_INTENTS)
    def test_below_the_threshold_a_person_decides(self, intent: Intent) -> None:
        verdict = combine(PATIENT, Engine(intent, confidence=0.49), THRESHOLD)
        assert verdict.needs_person
        assert verdict.reasons == ("engine:below_threshold",)

    def test_at_the_threshold_the_engine_is_sure_enough(self) -> None:
        engine = Engine(Intent.QUESTION, confidence=THRESHOLD)
        assert not combine(PATIENT, engine, THRESHOLD).needs_person

    @pytest.mark.parametrize("intent", [Intent.IRRELEVANT_CONFUSED, Intent.EMERGENCY])
    def test_what_is_not_the_loops_business_is_always_a_persons(self, intent: Intent) -> None:
        assert combine(PATIENT, Engine(intent), THRESHOLD).needs_person

    def test_a_red_flag_beats_a_sure_engine(self) -> None:
        findings = GuardFindings(sender_verified=True, emergency=("swelling", "fever"))
        verdict = combine(findings, BOOKING, THRESHOLD)
        assert verdict.intent is Intent.EMERGENCY
        assert verdict.needs_person
        assert verdict.reasons == ("guard:emergency", "red_flag:swelling", "red_flag:fever")

    def test_a_guards_opt_out_beats_a_sure_engine_and_needs_nobody(self) -> None:
        verdict = combine(GuardFindings(sender_verified=True, opt_out=True), BOOKING, THRESHOLD)
        assert (verdict.intent, verdict.opt_out, verdict.needs_person) == (
            Intent.OPT_OUT,
            True,
            False,
        )

    def test_an_opt_out_beside_a_red_flag_is_kept(self) -> None:
        findings = GuardFindings(sender_verified=True, opt_out=True, emergency=("fever",))
        verdict = combine(findings, None, THRESHOLD)
        assert verdict.intent is Intent.EMERGENCY
        assert verdict.opt_out
        assert "guard:opt_out" in verdict.reasons

    def test_the_engines_suspicion_of_an_emergency_wins_from_its_bar(self) -> None:
        engine = Engine(Intent.QUESTION, 0.7, {Intent.EMERGENCY: EMERGENCY_BAR})
        verdict = combine(PATIENT, engine, THRESHOLD)
        assert (verdict.intent, verdict.confidence) == (Intent.EMERGENCY, EMERGENCY_BAR)
        assert verdict.needs_person

    def test_below_its_bar_a_suspicion_does_not_count(self) -> None:
        weak = {Intent.EMERGENCY: EMERGENCY_BAR - 0.01, Intent.OPT_OUT: OPT_OUT_BAR - 0.01}
        verdict = combine(PATIENT, Engine(Intent.QUESTION, 0.6, weak), THRESHOLD)
        assert verdict.intent is Intent.QUESTION

    def test_the_engines_suspicion_of_an_opt_out_wins_from_its_bar_and_a_person_looks(self) -> None:
        engine = Engine(Intent.SERVICE_DENIAL, 0.6, {Intent.OPT_OUT: OPT_OUT_BAR})
        verdict = combine(PATIENT, engine, THRESHOLD)
        assert (verdict.intent, verdict.opt_out) == (Intent.OPT_OUT, True)
        assert verdict.needs_person

    def test_a_suspected_emergency_outranks_a_guards_opt_out_which_is_kept(self) -> None:
        engine = Engine(Intent.OPT_OUT, 0.6, {Intent.EMERGENCY: 0.3, Intent.OPT_OUT: 0.6})
        findings = GuardFindings(sender_verified=True, opt_out=True)
        verdict = combine(findings, engine, THRESHOLD)
        assert (verdict.intent, verdict.opt_out) == (Intent.EMERGENCY, True)

    @pytest.mark.parametrize(
        ("findings", "intent", "needs_person"),
        [
            (GuardFindings(bounce=True, opt_out=True), Intent.BOUNCE, False),
            (GuardFindings(automatic=True), Intent.AUTO_REPLY, False),
            (GuardFindings(sender_verified=False), Intent.UNVERIFIED_SENDER, True),
        ],
    )
    def test_what_is_not_the_patients_own_is_settled_before_the_engine(
        self, findings: GuardFindings, intent: Intent, needs_person: bool
    ) -> None:
        verdict = combine(findings, Engine(Intent.EMERGENCY, 0.9, {Intent.EMERGENCY: 0.9}), 0.5)
        assert (verdict.intent, verdict.needs_person) == (intent, needs_person)

    def test_a_bounce_that_quotes_a_stop_opts_nobody_out(self) -> None:
        assert not combine(GuardFindings(bounce=True, opt_out=True), None, THRESHOLD).opt_out

    def test_a_third_person_needs_a_person_and_says_which_kind(self) -> None:
        findings = GuardFindings(sender_verified=True, third_person=ThirdPerson.DEATH)
        verdict = combine(findings, BOOKING, THRESHOLD)
        assert (verdict.intent, verdict.needs_person) == (Intent.THIRD_PERSON, True)
        assert "third_person:death" in verdict.reasons

    def test_without_guard_and_engine_nothing_is_decided(self) -> None:
        with pytest.raises(ValueError, match="no engine"):
            combine(PATIENT, None, THRESHOLD)
