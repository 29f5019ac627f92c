"""What a returned mail says: RFC 3464 reports by flufl.bounce and by their fields, and the shapes
that Gmail, Exchange and older servers write in words.
"""

import re
from collections.abc import Callable, Iterable
from email.message import Message

from flufl.bounce import all_failures

from app.services.mail.reading.charsets import decoded
from app.services.mail.reading.message import DeliveryReport, Fate

_DAEMON = re.compile(
    r"(?:mailer-?daemon|mail-?daemon|postmaster|mail\.delivery|microsoftexchange\w*)(?:\+[^@]*)?@",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"^\W*(?:undeliver|returned mail|mail delivery|delivery (?:status|failure|has failed|delayed|"
    r"notification)|failure notice|message (?:not delivered|could not|you sent)|"
    r"warning: (?:could not|"
    r"message)|delayed mail|delayed:|mail system error|non[- ]?remis|échec|unzustellbar|"
    r"nicht zugestellt|"
    r"zustell|no se (?:puede|pudo|ha podido) entregar|mensaje no entregado|error de entrega|"
    r"não (?:foi )?entregue|falha na entrega|address not found|abuse report|complaint about)",
    re.IGNORECASE,
)
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REPLY_CODE = re.compile(r"(?<![\d.])([45])\d\d[ -]")
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
)
_MESSAGE_ID = re.compile(r"^[>\s]*Message-I[Dd]:\s*(<[^<>\s]{1,990}>)", re.MULTILINE)
_KEY = re.compile(r"^[>\s]*X-Outbox-Key:\s*([\w.:-]{1,200})\s*$", re.MULTILINE | re.IGNORECASE)
_DELAYED = re.compile(
    r"(?:delivery (?:is |has been |was |incomplete|temporarily )?(?:delayed|incomplete)|delayed \d|"
    r"will (?:keep|continue) (?:trying|to try|retrying)|will retry|still being retried|"
    r"could not be delivered for|has not (?:yet )?been delivered|no need to (?:resend|retry)|"
    r"no es necesario (?:que )?(?:lo )?(?:reenv|vuelva)|wird (?:weiterhin|erneut) versucht|"
    r"se retrasa|retardée?|verzögert|atrasada)",
    re.IGNORECASE,
)
_FINAL = re.compile(
    r"permanent|giving up|given up|unable to deliver|was not delivered|could not be delivered to|"
    r"action: failed|couldn.t be delivered|no longer (?:try|retry)",
    re.IGNORECASE,
)
_NAMES_OWN_MAIL = 60_000
_MAX_RECIPIENTS = 20
_SUCCESSES = frozenset({"delivered", "relayed", "expanded"})
_ERRORS = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)


def looks_like_report(header: Callable[[str], str], content_type: str) -> bool:
    """Whether a mail may be a report; `header` gives a header's topmost value, empty where none."""
    return (
        content_type == "multipart/report"
        or bool(header("x-failed-recipients"))
        or bool(_DAEMON.search(header("from")))
        or (header("return-path") == "<>" and bool(_SUBJECT.match(header("subject"))))
    )


def read_report(message: Message, text: str) -> DeliveryReport | None:
    """What became of which mail of ours; None for a report on reading (RFC 8098)."""
    kind = str(message.get_param("report-type", "") or "").casefold()
    if kind == "disposition-notification":
        return None
    blocks = _status_blocks(message)
    actions = {_field(block, "action").partition(" ")[0].partition("(")[0] for block in blocks}
    temporary, permanent = _by_library(message)
    words = text[:_NAMES_OWN_MAIL]
    is_complaint = kind == "feedback-report"
    fate = Fate.COMPLAINED if is_complaint else _fate(actions, temporary, permanent, words)
    stated = permanent or temporary or _recipients_of(blocks)
    named = stated or _complained_of(message) or _recipients_in(message, words)
    message_id, key = _original(message, words)
    return DeliveryReport(
        fate=fate,
        recipients=tuple(dict.fromkeys(named))[:_MAX_RECIPIENTS],
        status=_status(blocks, words),
        original_message_id=message_id,
        original_key=key,
    )


def _by_library(message: Message) -> tuple[list[str], list[str]]:
    try:
        temporary, permanent = all_failures(message)
    except _ERRORS:
        return [], []
    return _spelled(temporary), _spelled(permanent)


def _spelled(addresses: Iterable[bytes]) -> list[str]:
    return sorted(text for raw in addresses if "@" in (text := decoded(raw, "ascii").strip()))


def _fate(actions: set[str], temporary: list[str], permanent: list[str], words: str) -> Fate:
    if actions & {"failed", "error"}:
        return Fate.FAILED
    if "delayed" in actions:
        return Fate.DELAYED
    if actions and actions <= _SUCCESSES:
        return Fate.DELIVERED
    if _DELAYED.search(words) and not _FINAL.search(words):
        return Fate.DELAYED
    return Fate.DELAYED if temporary and not permanent else Fate.FAILED


def _status_blocks(message: Message) -> list[Message]:
    return [
        block
        for part in message.walk()
        if part.get_content_type() in {"message/delivery-status", "message/global-delivery-status"}
        for block in _sub_messages(part)
        if block.get("action") or block.get("status") or block.get("final-recipient")
    ]


def _sub_messages(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if part.is_multipart() else []


def _field(block: Message, name: str) -> str:
    return str(block.get(name, "")).strip().casefold()


def _recipients_of(blocks: list[Message]) -> list[str]:
    values = (
        _field(block, name)
        for block in blocks
        for name in ("original-recipient", "final-recipient")
    )
    return [address for value in values for address in _ADDRESS.findall(value)]


def _complained_of(message: Message) -> list[str]:
    fields = (
        _field(block, "original-rcpt-to")
        for part in message.walk()
        if part.get_content_type() == "message/feedback-report"
        for block in _sub_messages(part)
    )
    return [address for value in fields for address in _ADDRESS.findall(value)]


def _recipients_in(message: Message, words: str) -> list[str]:
    """From Exim's header, else the first address named that is neither end of this very mail."""
    failed = _ADDRESS.findall(str(message.get("x-failed-recipients", "")))
    own = {
        address.casefold()
        for name in ("from", "to")
        for address in _ADDRESS.findall(str(message.get(name, "")))
    }
    named = (a for a in _ADDRESS.findall(words) if a.casefold() not in own and not _DAEMON.match(a))
    first = next(named, None)
    return failed or ([first] if first else [])


def _status(blocks: list[Message], words: str) -> str | None:
    """The status of the report; a diagnostic that says more than "5.0.0" comes before it."""
    stated = [code for block in blocks for code in _STATUS.findall(_field(block, "status"))]
    spoken = [
        code for block in blocks for code in _STATUS.findall(_field(block, "diagnostic-code"))
    ]
    precise = [code for code in [*stated, *spoken] if not code.endswith(".0.0") and code[0] != "2"]
    in_words = [code for code in _STATUS.findall(words) if code[0] != "2"]
    return next(iter([*precise, *stated, *in_words]), None) or _from_reply_code(blocks, words)


def _from_reply_code(blocks: list[Message], words: str) -> str | None:
    said = " ".join(_field(block, "diagnostic-code") for block in blocks) or words
    found = _REPLY_CODE.search(said)
    return f"{found[1]}.0.0" if found else None


def _original(message: Message, words: str) -> tuple[str | None, str | None]:
    """Message-ID and outbox key of the mail that came back, from its part or from the words."""
    returned = [part for part in message.walk() if part is not message and part.get("message-id")]
    copied = "\n".join(
        decoded(content, part.get_content_charset())[:_NAMES_OWN_MAIL]
        for part in message.walk()
        if part.get_content_type() in {"text/rfc822-headers", "message/rfc822-headers"}
        and isinstance(content := part.get_payload(decode=True), bytes)
    )
    source = f"{copied}\n{words}"
    message_id = str(returned[0]["message-id"]).strip() if returned else _first(_MESSAGE_ID, source)
    keys = [str(part["x-outbox-key"]).strip() for part in returned if part.get("x-outbox-key")]
    return message_id, next(iter(keys), None) or _first(_KEY, source)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None
