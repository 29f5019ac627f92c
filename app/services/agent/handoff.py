"""What a person reads when they take over: who, what they want, what was said, what is open."""

from datetime import date

from app.models.campaign import Campaign, CampaignStatus, CampaignType
from app.models.decision import AiAnalysis, Intent
from app.models.interaction import Interaction
from app.models.patient import Patient, PatientType
from app.services.agent.policy import Reason

MAX_EXCERPT_CHARACTERS = 240
"""Enough to recognise the message; the whole of it stands in the conversation."""

_WANTS = {
    Intent.BOOKING_REQUEST: "wants a visit",
    Intent.SERVICE_DENIAL: "does not want this now",
    Intent.QUESTION: "asks a question",
    Intent.IRRELEVANT_CONFUSED: "writes about something the assistant does not deal with",
    Intent.OPT_OUT: "wants no more messages",
    Intent.EMERGENCY: "may need care today",
    Intent.BOUNCE: "could not be reached",
    Intent.AUTO_REPLY: "sent an automatic reply",
    Intent.UNVERIFIED_SENDER: "is written about from an address that is not theirs",
    Intent.THIRD_PERSON: "is written about by somebody else, or the message is not theirs",
}
_OPEN = {
    Reason.BOOKING_REQUEST: "agree on a time, or on a change of the visit.",
    Reason.DECLINED: "decide whether this is a no, and close the campaign.",
    Reason.QUESTION: "answer the question.",
    Reason.QUESTION_WITHOUT_ANSWER: "answer it; the knowledge base has nothing on this.",
    Reason.IRRELEVANT_OR_CONFUSED: "read it and answer.",
    Reason.LOW_CONFIDENCE: "the assistant is not sure what is meant; read it and answer.",
    Reason.SEVERAL_REQUESTS: "it says several things at once; answer all of them.",
    Reason.TOO_MANY_TURNS: "the assistant has answered often enough today; take over.",
    Reason.EMERGENCY: "call them now. The emergency text with the phone number was queued.",
    Reason.OPTED_OUT: "no more messages to them; see what their visit or question needs.",
    Reason.OPTED_OUT_AND_ASKED: "no more messages to them, and they want a visit; call them.",
    Reason.OPT_OUT_SUSPECTED: "it may ask for no more messages, and was taken so; read it.",
    Reason.UNVERIFIED_SENDER: "find out who wrote. Nothing was answered.",
    Reason.THIRD_PERSON: "find out what happened, nothing is sent until then.",
    Reason.BOUNCED: "mail to their address came back; reach them another way.",
    Reason.ASSIGNED_BY_STAFF: "it matched nobody and was given to them by staff; answer it.",
    Reason.SOFT_BOUNCE: "this letter did not arrive; tell them another way if it matters.",
    Reason.BOUNCE_UNPROVEN: "it says that mail to them came back, and names none of ours.",
    Reason.COMPLAINED: "they called our mail spam, and get no more; see what is open.",
    Reason.PROCESSING_FAILED: "the assistant failed on this message; read it and answer.",
}


def handoff_summary(patient: Patient, campaign: Campaign, reply: Interaction, reason: str) -> str:
    """A few lines for ten seconds. For staff only: it names the patient and quotes the reply."""
    proposed = reply.decision.proposed_times if reply.decision else None
    times = f"Times proposed: {proposed}. " if proposed else ""
    return (
        f"{patient.name} ({kind_of(patient, campaign)}) {wish_of(reply.ai_analysis)}. "
        f"Said: \u201c{excerpt(reply.content)}\u201d {times}"
        f"Open: {open_point(reason)}"
    )


def wish_of(analysis: AiAnalysis | None, intent: Intent | None = None) -> str:
    """What a reply wants, in the words of a list; `intent` names another than the first."""
    return _WANTS[intent or (analysis.intent if analysis else Intent.IRRELEVANT_CONFUSED)]


def open_point(reason: str) -> str:
    """What is left to do."""
    return _OPEN.get(Reason(reason), "read it and answer.")


def engagement_summary(replies: int, answers: int, analysis: AiAnalysis, day: date) -> str:
    """Where the conversation stands, without a word of it: last intent, its day, and the turns."""
    certainty = "" if analysis.confidence is None else f" ({analysis.confidence:.0%})"
    return (
        f"Last reply {day.isoformat()}: {analysis.intent}{certainty}, "
        f"{analysis.sentiment}. Replies: {replies}. Automatic answers: {answers}."
    )


_VISIT_STATUSES = frozenset({CampaignStatus.BOOKING_INITIATED, CampaignStatus.BOOKING_COMPLETED})


def kind_of(patient: Patient, campaign: Campaign) -> str:
    """Who somebody is to the practice, and why they were written to."""
    who = "existing patient" if patient.patient_type == PatientType.EXISTING else "lead"
    why = "recall" if campaign.campaign_type == CampaignType.RECALL else "recovery"
    if campaign.status in _VISIT_STATUSES:
        return f"{who}, {why}, has a visit booked"
    return f"{who}, {why}" if campaign.is_active else f"{who}, {why} ended"


def excerpt(text: str) -> str:
    """The beginning of a message, on one line."""
    line = " ".join(text.split())
    if len(line) <= MAX_EXCERPT_CHARACTERS:
        return line
    return line[:MAX_EXCERPT_CHARACTERS].rsplit(" ", 1)[0] + "\u2026"
