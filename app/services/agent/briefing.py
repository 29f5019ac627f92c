"""What a person needs to act on a reply in ten seconds, in parts that a screen can show.

The suggested reply promises nothing and states no fact of the practice: it is a beginning for the
person who answers, in the patient's language.
"""

from app.models.campaign import Briefing, Campaign
from app.models.decision import Intent
from app.models.interaction import Interaction
from app.models.patient import Patient
from app.services.agent.handoff import excerpt, kind_of, open_point, wish_of
from app.services.agent.policy import Reason
from app.services.outreach.letters import greeting_name, language_of

_NO_REPLY = frozenset(
    {
        Reason.UNVERIFIED_SENDER,
        Reason.THIRD_PERSON,
        Reason.OPTED_OUT,
        Reason.OPTED_OUT_AND_ASKED,
        Reason.OPT_OUT_SUSPECTED,
        Reason.COMPLAINED,
        Reason.BOUNCED,
        Reason.SOFT_BOUNCE,
        Reason.BOUNCE_UNPROVEN,
    }
)
"""Where nothing should be written, or where it is not known to whom."""

_BY_REASON = {
    Reason.EMERGENCY: {
        "en": "I have just read your message and am calling you now. If you cannot take the call, "
        "please ring us at once.",
        "es": "Acabo de leer su mensaje y le llamo ahora mismo. Si no puede contestar, llámenos "
        "enseguida, por favor.",
    },
    Reason.DECLINED: {
        "en": "Thank you for letting us know. We will leave it at that, and you are welcome "
        "whenever you like.",
        "es": "Gracias por avisarnos. Lo dejamos así; será bienvenido cuando quiera.",
    },
}
_BY_INTENT = {
    Intent.BOOKING_REQUEST: {
        "en": "Thank you, we would be glad to see you. Which days and times suit you best? I will "
        "look for a place.",
        "es": "Gracias, con gusto le recibimos. ¿Qué días y horas le vienen mejor? Le busco un "
        "lugar.",
    },
    Intent.QUESTION: {
        "en": "Thank you for your question. I have looked into it: ",
        "es": "Gracias por su pregunta. Lo he consultado: ",
    },
    Intent.SERVICE_DENIAL: _BY_REASON[Reason.DECLINED],
}
_OTHERWISE = {
    "en": "Thank you for your message. I have read it myself and will take care of it.",
    "es": "Gracias por su mensaje. Lo he leído personalmente y me ocupo de ello.",
}
_GREETING = {"en": "Hello{name},", "es": "Hola{name}:"}


def briefing_of(patient: Patient, campaign: Campaign, reply: Interaction, reason: str) -> Briefing:
    """For staff only: it names the patient and quotes the reply."""
    analysis = reply.ai_analysis
    return Briefing(
        who=f"{patient.name} ({kind_of(patient, campaign)})",
        contact=patient.phone or patient.email,
        wants=_wants(reply),
        said=excerpt(reply.content),
        open=open_point(reason),
        suggested_reply=_suggested(patient, reply, reason),
        sources=analysis.evidence.passages if analysis else [],
        interaction_id=reply.id,
    )


def _wants(reply: Interaction) -> str:
    """First what the agent took it for, then what else it seems to ask for, and when."""
    analysis = reply.ai_analysis
    also = [
        wish_of(analysis, intent) for intent in (analysis.secondary_intents if analysis else [])
    ]
    wishes = "; also ".join(dict.fromkeys([wish_of(analysis), *also]))
    proposed = reply.decision.proposed_times if reply.decision else None
    return f"{wishes}; proposes {proposed}" if proposed else wishes


def _suggested(patient: Patient, reply: Interaction, reason: str) -> str | None:
    if reason in _NO_REPLY:
        return None
    language = language_of(patient.language)
    intent = reply.ai_analysis.intent if reply.ai_analysis else None
    texts = _BY_REASON.get(Reason(reason)) or (_BY_INTENT.get(intent) if intent else None)
    name = greeting_name(patient.first_name)
    separator = ", " if language == "es" else " "
    greeting = _GREETING[language].format(name=f"{separator}{name}" if name else "")
    return f"{greeting}\n\n{(texts or _OTHERWISE)[language]}".rstrip(" ") + "\n"
