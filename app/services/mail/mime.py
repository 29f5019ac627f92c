"""A message as it goes over the wire (RFC 5322, MIME).

Header injection is impossible twice over: line breaks are cleaned here, and the e-mail policy
refuses what would still hold one.

A visit goes along twice, because mail programs look in different places (RFC 6047 names the form):

- Outlook takes an invitation only from a `text/calendar` part in the first child of
  `multipart/mixed`, and files found elsewhere as plain attachments ([MS-STANOICAL], notes on
  RFC 6047, section 2.4). `method` must be in the content type and equal to METHOD in the file.
- Gmail shows its card for the same part; of alternatives it shows the last it can, so the calendar
  stands after text and HTML (RFC 2046, section 5.1.4: the richest last).
- Apple Mail and phones without a calendar card offer the attached `appointment.ics` to open;
  Nodemailer, whose invitations all three accept, attaches it as `application/ics` too.
"""

import re
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime

from app.services.mail.transport import OutgoingMail, PermanentMailError

MAX_REFERENCES = 20
CALENDAR_FILE_NAME = "appointment.ics"
_INTERNATIONAL = re.compile(r"[^\s\x00-\x20()<>\[\]:;@\\,\"]+@[^\s\x00-\x20()<>\[\]:;@\\,\"]+")
_VERBATIM = frozenset({"message-id", "in-reply-to", "references", "list-unsubscribe"})
_LONGEST_WORD = 900
"""Octets: with its header's name a word is still within a line of 998 (RFC 5322, section 2.1.1)."""
_CONTROL = dict.fromkeys([*range(32), 127, 0x85, 0x2028, 0x2029], " ")


class _WirePolicy(EmailPolicy):
    """Folds identifiers and links between words alone.

    The library takes their headers for text and writes a word that is longer than a line as
    encoded words, which have no place there (RFC 2047, section 5): nobody finds the thread, or the
    link to unsubscribe, in them.
    """

    def fold(self, name: str, value: str) -> str:
        """See `EmailPolicy`."""
        return self._as_it_is(name, value) or super().fold(name, value)

    def fold_binary(self, name: str, value: str) -> bytes:
        """See `EmailPolicy`."""
        folded = self._as_it_is(name, value)
        return folded.encode() if folded else super().fold_binary(name, value)

    def _as_it_is(self, name: str, value: str) -> str | None:
        words = value.split()
        in_brackets = all(one.startswith("<") and len(one) <= _LONGEST_WORD for one in words)
        if name.lower() not in _VERBATIM or not in_brackets or not value.isascii():
            return None
        return f"{name}: {f'{self.linesep} '.join(words)}{self.linesep}"


_SMTP = _WirePolicy(linesep="\r\n", cte_type="7bit")
"""A server need not take eight bits (RFC 6152), and none takes lines of over 998 octets."""
_SMTPUTF8 = _SMTP.clone(utf8=True)


def message_id(key: str, sender: str) -> str:
    """The Message-ID of the mail called `key`: the same one however often it is built."""
    return f"<{key}@{sender.rpartition('@')[2]}>"


def build_message(mail: OutgoingMail, sender: str) -> EmailMessage:
    """`mail` as MIME, from the practice's address `sender`.

    Raises `PermanentMailError` where the recipient's address cannot be written in a header.
    """
    is_ascii = mail.to.isascii() and sender.isascii()
    message = EmailMessage(policy=_SMTP if is_ascii else _SMTPUTF8)
    try:
        message["From"] = _address(sender, mail.sender_name)
        message["To"] = _address(mail.to, mail.to_name)
    except (HeaderParseError, ValueError, IndexError) as error:
        sentence = "The address on file cannot be written to."
        raise PermanentMailError(sentence) from error
    for name, value in _headers(mail, sender).items():
        message[name] = value
    _set_body(message, mail)
    return message


def _set_body(message: EmailMessage, mail: OutgoingMail) -> None:
    """Text alone, or the alternatives from the plainest to the richest, then the file."""
    message.set_content(mail.text, charset="utf-8")
    if mail.html is not None:
        message.add_alternative(mail.html, subtype="html", charset="utf-8")
    if mail.calendar is None:
        return
    method, content = mail.calendar.method.value, mail.calendar.content
    message.add_alternative(content, subtype="calendar", charset="utf-8", params={"method": method})
    message.add_attachment(
        content.encode(), maintype="application", subtype="ics", filename=CALENDAR_FILE_NAME
    )


def _headers(mail: OutgoingMail, sender: str) -> dict[str, str]:
    headers = {
        "Subject": _clean(mail.subject),
        "Date": format_datetime(mail.date),
        "Message-ID": message_id(mail.key, sender),
        "Reply-To": mail.reply_to or sender,
        "X-Outbox-Key": mail.key,
    }
    if mail.in_reply_to:
        headers["In-Reply-To"] = _clean(mail.in_reply_to)
    if mail.references:
        kept = [mail.references[0], *mail.references[1:][-MAX_REFERENCES:]]
        headers["References"] = " ".join(_clean(reference) for reference in kept)
    if mail.is_automatic:
        headers["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5
    if mail.unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{mail.unsubscribe_url}>"  # RFC 2369
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    return headers


def _address(address: str, name: str | None) -> Address:
    """A mailbox for a header. Raises `ValueError` or `HeaderParseError` for anything else."""
    display_name = _clean(name or "")
    if address.isascii():
        return Address(display_name=display_name, addr_spec=address)
    if not _INTERNATIONAL.fullmatch(address):
        message = "An international address needs a plain local part and a domain."
        raise ValueError(message)
    # The library reads `addr_spec` by the old ASCII grammar; its parts may be UTF-8 (RFC 6532).
    local_part, _, domain = address.rpartition("@")
    return Address(display_name=display_name, username=local_part, domain=domain)


def _clean(text: str) -> str:
    return " ".join(text.translate(_CONTROL).split())
