"""Bounces and automatic replies, recognised from headers where there are any, else from the text.

RFC 3834 (Auto-Submitted), RFC 3464 (delivery status notifications), RFC 2919 (List-Id) and the
headers that Microsoft and older responders set. A relay that forwards plain text hands over no
headers, so sender, subject and wording are read too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr

from app.services.agent.guards.advice import without_advice
from app.services.agent.guards.emergency import red_flags
from app.services.agent.guards.optout import is_opt_out
from app.services.agent.guards.wording import any_hit, fold, phrases, sentences

_DAEMONS = frozenset({"mailer-daemon", "postmaster", "mail-daemon", "mailerdaemon"})
_UNATTENDED = re.compile(
    r"(?:no|do[-_.]?not)[-_.]?reply\b|(?:autoreply|auto-reply|bounces?)(?=[-+=]|$)"
)
_BULK_PRECEDENCE = frozenset({"bulk", "junk", "list", "auto_reply"})
_AUTOREPLY_HEADERS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply-from")
_LIST_HEADERS = ("list-id", "list-unsubscribe")
# `X-Auto-Response-Suppress` asks others to keep quiet; responders and mailers set it on their own
# mail, but "none" or a person's client may carry it too, so only these values count.
_SUPPRESS_ALL = frozenset({"all", "oof", "autoreply"})

_BOUNCE_SUBJECT = phrases(
    (
        "undeliver\\w*(?: mail)?|undelivered mail returned to sender|mail delivery (?:failed|"
        "failure|"
        "subsystem)|delivery status notification <1>(?:failure|failed|delay)?|"
        "delivery (?:has )?failed|"
        "delivery failure|returned mail|failure notice|message not delivered",
        "no se (?:puede|pudo|ha podido) entregar|mensaje no entregado|error de entrega",
        "non remis|echec de (?:la )?(?:remise|livraison)|message non distribue",
        "unzustellbar|nicht zugestellt|zustellung fehlgeschlagen|nao (?:foi )?entregue|"
        "falha na entrega",
    )
)
_AUTOMATIC_SUBJECT = phrases(
    (
        "automatic reply|auto ?reply|auto ?response|automated (?:reply|response|message)|"
        "out of (?:the )?office|ooo|on vacation|on (?:annual |parental |maternity |sick )?leave|"
        "vacation (?:reply|response|message|notice)|away from (?:the |my )?(?:office|desk|mail)",
        "respuesta automatica|fuera de (?:la )?oficina|ausente|ausencia|aviso de ausencia|"
        "de vacaciones",
        "abwesenheit\\w*|automatische antwort|nicht im (?:buro|haus)",
        "reponse automatique|absence|absente?(?: du bureau)?|message dabsence|en conges?",
        "resposta automatica|fora do escritorio|de ferias",
    )
)
_SAYS_AUTOMATIC = phrases(
    (
        "(?:this is|this was) (?:an )?auto(?:mated|matic|matically generated) (?:reply|response|"
        "message|e ?mail|notification)|this (?:mailbox|inbox|address) is (?:not|"
        "no longer) monitored|"
        "automatic(?:ally)? generated (?:reply|response|message)|do not reply to this (?:message|"
        "e ?mail)",
        "(?:esta es una |este es un )?(?:respuesta|mensaje|correo) automatic[oa]",
        "(?:ceci est une? )?(?:reponse|message) automatique",
        "(?:dies ist eine )?automati(?:sche|sch generierte) (?:antwort|nachricht|e ?mail)",
        "(?:esta e uma )?(?:resposta|mensagem) automatica",
    )
)
_AWAY = phrases(
    (
        "(?:i am|im|i will be|ill be|we are|currently|is) (?:\\w+ ){0,3}(?:out of (?:the "
        ")?office|ooo|"
        "on (?:annual |parental |maternity |paternity |medical |sick )?(?:leave|vacation|"
        "holidays?|pto)|"
        "away from (?:my |the )?(?:desk|office|e ?mail|mail)|travell?ing|away until)",
        "^out of (?:the )?office",
        "(?:estoy|estare|me encuentro|me encontrare) (?:\\w+ ){0,2}(?:fuera de (?:la )?oficina|"
        "de vacaciones|ausente|de baja|de viaje)",
        "(?:je suis|je serai|actuellement) (?:\\w+ ){0,2}(?:absente?|en conges?|en vacances|"
        "en deplacement)",
        "(?:ich bin|bin|ich befinde mich) (?:\\w+ ){0,4}(?:nicht im (?:buro|haus)|im urlaub|"
        "abwesend|"
        "ausser haus|nicht erreichbar)",
        "(?:estou|estarei|encontro me) (?:\\w+ ){0,2}(?:fora do escritorio|de ferias|ausente|"
        "em viagem)",
    )
)
# What a responder adds and a person who writes back hardly ever does.
_RESPONDER = phrases(
    (
        "(?:limited|no|without|intermittent) access to <2>(?:e ?mails?|mail|messages)|"
        "(?:up)?on my return|when i (?:return|get back|am back)|in my absence|during my absence|"
        "will (?:respond|reply|get back to you|answer)|urgent (?:matters?|requests?|issues?|"
        "enquiries)|"
        "if (?:it is |this is |your (?:matter|request) is )?urgent|returning on|i will return|"
        "thank(?:s| you) for (?:your|the) (?:e ?mail|message|mail)|"
        "(?:please )?contact my (?:colleague|assistant)",
        "a mi regreso|cuando regrese|en mi ausencia|acceso limitado|asuntos? urgentes?|"
        "gracias por (?:su|tu) (?:mensaje|correo)|vuelvo el|regreso el|le respondere",
        "a mon retour|en mon absence|des mon retour|en cas durgence|merci de votre message|"
        "merci pour votre (?:message|mail)",
        "nach meiner ruckkehr|in dringenden fallen|ihre (?:e ?mail|nachricht) wird|"
        "vielen dank fur ihre (?:e ?mail|nachricht)|wenden sie sich|wieder erreichbar|"
        "werde ich <3>beantworten|nicht weitergeleitet",
        "no meu regresso|ao regressar|na minha ausencia|assuntos urgentes|em caso de urgencia|"
        "obrigad[oa] pel[ao] (?:sua )?(?:mensagem|e ?mail)|quando (?:voltar|regressar)",
    )
)
# A person who was away and writes about it wants something.
_A_PERSON_ASKS = phrases(
    (
        "(?:can|could|may|shall|should|would) (?:i|we|you)|book\\w*|schedul\\w*|appointments?|"
        "cleaning|"
        "slots?|do you have|id like|i would like|see you",
        "cita|agendar|puedo|podria|quisiera|limpieza",
        "rendez vous|puis je|pourrais je|termin\\w*|kann ich|konnte ich|consulta|marcar|posso",
    )
)
# What a calendar program writes when somebody answers an invitation (RFC 5546, REPLY and COUNTER).
_CALENDAR_SUBJECT = re.compile(
    r"(?:accepted|declined|tentative(?:ly accepted)?|new time proposed|aceptad[oa]|rechazad[oa]|"
    r"provisional|nueva hora propuesta|accepte|refuse|provisoire|zugesagt|zusage|abgelehnt|absage|"
    r"mit vorbehalt|aceito|aceite|recusado|provisorio)\s*:"
)
_CALENDAR_WORDING = phrases(
    (
        "has (?:accepted|declined|tentatively accepted|replied <2>to) this invitation",
        "ha (?:aceptado|rechazado|respondido <3>a) esta invitacion",
    )
)
_CALENDAR_TYPE = re.compile(r"text/calendar\b.*\bmethod=\"?(?:reply|counter)\b", re.DOTALL)
_READ_SENTENCES = 12
# How programs of the five languages (and Outlook's of some more) mark an answer or a forward.
_ANSWERS = re.compile(
    r"\s*(?:re|rv|fw|fwd|aw|wg|antw|tr|res|enc|sv|vs|rif|r)\s*(?:\[\d+\]|\(\d+\))?\s*:",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Automatic:
    """What the guard found; a bounce is never an automatic reply as well."""

    bounce: bool
    automatic: bool
    evidence: str | None
    """Name of the header or rule that decided."""


NOT_AUTOMATIC = Automatic(bounce=False, automatic=False, evidence=None)


def automatic(
    text: str, subject: str, sender: str, headers: Mapping[str, str] | None = None
) -> Automatic:
    """Tell a bounce, an automatic reply and a person's message apart.

    Bounces are tested first: real ones carry `Auto-Submitted: auto-replied` too. Wording alone is a
    guess: whoever is away and has an emergency, or wants no more messages, counts as a person.
    """
    lowered = {name.casefold(): value.strip() for name, value in (headers or {}).items()}
    bounce = _bounce_sign(subject, sender, lowered)
    if bounce:
        return Automatic(bounce=True, automatic=False, evidence=bounce)
    sign = (
        _header_sign(lowered)
        or _sender_sign(sender)
        or _calendar_sign(text, subject, lowered)
        or _guess(text, subject)
    )
    return Automatic(bounce=False, automatic=True, evidence=sign) if sign else NOT_AUTOMATIC


def own_subject(subject: str) -> str:
    """What the subject newly says: nothing under "Re:" or after "Automatic reply:", where an
    earlier letter's stands, often our own.
    """
    repeats = ":" in subject and _starts_with(_AUTOMATIC_SUBJECT, subject)
    return "" if repeats or _ANSWERS.match(subject) else subject


def _guess(text: str, subject: str) -> str | None:
    sign = wording_sign(text, subject)
    if sign is None:
        return None
    meant = without_advice(f"{own_subject(subject)}\n{text}")
    return None if red_flags(meant) or is_opt_out(meant) else sign


def _local_part(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[0].casefold()


def _bounce_sign(subject: str, sender: str, headers: Mapping[str, str]) -> str | None:
    content_type = headers.get("content-type", "").casefold()
    if "multipart/report" in content_type and "delivery-status" in content_type:
        return "content_type_delivery_status"
    if "x-failed-recipients" in headers:
        return "x_failed_recipients"
    if _local_part(sender).partition("+")[0] in _DAEMONS:
        return "sender_is_mail_daemon"
    null_sender = headers.get("return-path") == "<>"
    says_so = _starts_with(_BOUNCE_SUBJECT, subject)
    return "bounce_subject" if says_so and (null_sender or not headers) else None


def _calendar_sign(text: str, subject: str, headers: Mapping[str, str]) -> str | None:
    """An answer to an invitation, as far as a relay shows it. "Re: Accepted: …" is a person."""
    if _CALENDAR_TYPE.search(headers.get("content-type", "").casefold()):
        return "calendar_method"
    if _CALENDAR_SUBJECT.match(fold(subject).strip()):
        return "calendar_subject"
    opening = sentences(text)[:_READ_SENTENCES]
    if text.lstrip().startswith("BEGIN:VCALENDAR"):
        return "calendar_file"
    is_answer = any(any_hit(_CALENDAR_WORDING, sentence) for sentence in opening)
    return "calendar_wording" if is_answer else None


def _header_sign(headers: Mapping[str, str]) -> str | None:
    submitted = headers.get("auto-submitted", "no").partition(";")[0].strip().casefold()
    if submitted != "no":
        return "auto_submitted"
    if headers.get("precedence", "").casefold() in _BULK_PRECEDENCE:
        return "precedence"
    suppressed = {
        part.strip().casefold() for part in headers.get("x-auto-response-suppress", "").split(",")
    }
    if suppressed & _SUPPRESS_ALL:
        return "x_auto_response_suppress"
    named = next((name for name in (*_AUTOREPLY_HEADERS, *_LIST_HEADERS) if name in headers), None)
    if named:
        return named.replace("-", "_")
    return "null_return_path" if headers.get("return-path") == "<>" else None


def _sender_sign(sender: str) -> str | None:
    return "unattended_sender" if _UNATTENDED.match(_local_part(sender)) else None


def wording_sign(text: str, subject: str) -> str | None:
    """What in the words alone looks like a responder's, whatever else they say."""
    if _starts_with(_AUTOMATIC_SUBJECT, subject):
        return "automatic_subject"
    opening = sentences(text)[:_READ_SENTENCES]
    if any(any_hit(_SAYS_AUTOMATIC, sentence) for sentence in opening):
        return "automatic_wording"
    away = any(any_hit(_AWAY, sentence) for sentence in opening)
    responder = any(any_hit(_RESPONDER, sentence) for sentence in opening)
    asks = any(any_hit(_A_PERSON_ASKS, sentence) for sentence in opening)
    return "away_wording" if away and responder and not asks else None


def _starts_with(patterns: tuple[re.Pattern[str], ...], subject: str) -> bool:
    """The subject itself, not one that answers it: "Re: Automatic reply" is a person."""
    words = " ".join(re.sub(r"[^\w]+", " ", fold(subject)).split())
    return any(pattern.match(words) for pattern in patterns)
