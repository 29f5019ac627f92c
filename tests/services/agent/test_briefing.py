import pytest

from app.models.base import new_id
from app.models.campaign import CampaignType
from app.models.decision import AiAnalysis, Evidence, Intent, PassageEvidence
from app.models.interaction import Decision, Direction, Interaction
from app.models.patient import PatientType
from app.models.proposal import DayWindow, ProposedTimes
from app.services.agent.briefing import briefing_of
from app.services.agent.policy import Reason
from tests.factories import make_campaign, make_patient
from tests.fakes import NOON

PASSAGE = PassageEvidence(knowledge_id=str(new_id()), title="Insurance", position=2, score=0.7)


def reply(intent: Intent, text: str = "Do you take Delta?", *also: Intent) -> Interaction:
    analysis = AiAnalysis(
        intent=intent,
        engine="local",
        evidence=Evidence(passages=[PASSAGE]),
        secondary_intents=list(also),
    )
    return Interaction(
        direction=Direction.INCOMING, content=text, timestamp=NOON, ai_analysis=analysis
    )


class TestBriefing:
    def test_holds_all_that_a_person_needs(self) -> None:
        proposed = ProposedTimes(windows=[DayWindow(first="2026-12-03", last="2026-12-03")])
        patient = make_patient(
            name="Maria Lopez", patient_type=PatientType.EXISTING, phone="+12125550142"
        )
        campaign = make_campaign(campaign_type=CampaignType.RECALL)
        message = reply(Intent.QUESTION, "Do you take Delta?", Intent.BOOKING_REQUEST)

        message.decision = Decision(action="hand_off", proposed_times=proposed)

        briefing = briefing_of(patient, campaign, message, Reason.QUESTION_WITHOUT_ANSWER)

        assert briefing.who == "Maria Lopez (existing patient, recall)"
        assert briefing.contact == "+12125550142"
        assert briefing.wants == "asks a question; also wants a visit; proposes Thu 2026-12-03"
        assert briefing.said == "Do you take Delta?"
        assert briefing.open.startswith("answer it")
        assert briefing.suggested_reply
        assert briefing.suggested_reply.startswith("Hello Maria,\n\nThank you for your question.")
        assert briefing.sources == [PASSAGE]
        assert briefing.interaction_id == message.id

    def test_speaks_the_patients_language_and_greets_names_alone(self) -> None:
        patient = make_patient(name="Maria", language="es-MX")
        suggested = briefing_of(
            patient, make_campaign(), reply(Intent.EMERGENCY), Reason.EMERGENCY
        ).suggested_reply
        assert suggested
        assert suggested.startswith("Hola, Maria:\n\nAcabo de leer")
        odd = make_patient(name="www.example.com")
        suggested = briefing_of(
            odd, make_campaign(), reply(Intent.BOOKING_REQUEST), Reason.LOW_CONFIDENCE
        ).suggested_reply
        assert suggested
        assert suggested.startswith("Hello,\n\nThank you, we would be glad")

    @pytest.mark.parametrize("reason", list(Reason))
    def test_every_reason_is_briefed_and_strangers_get_no_word(self, reason: Reason) -> None:
        message = reply(Intent.IRRELEVANT_CONFUSED, text="word " * 500)
        briefing = briefing_of(make_patient(), make_campaign(), message, reason)
        assert len(briefing.said) <= 241
        silent = {Reason.THIRD_PERSON, Reason.UNVERIFIED_SENDER, Reason.OPTED_OUT, Reason.BOUNCED}
        if reason in silent:
            assert briefing.suggested_reply is None

    def test_a_message_no_engine_read_is_briefed_too(self) -> None:
        message = Interaction(direction=Direction.INCOMING, content="?", timestamp=NOON)
        briefing = briefing_of(make_patient(), make_campaign(), message, Reason.PROCESSING_FAILED)
        assert briefing.sources == []
        assert briefing.suggested_reply
