"""Phone numbers: what counts as one, whoever it belongs to."""

import re

import phonenumbers

from app.core.errors import UnprocessableError

_SCHEME = re.compile(r"^(?:whatsapp|sms|tel):", re.IGNORECASE)
_NO_NUMBER = "This is not a phone number. Write it with the area code, or with + and the country."


class InvalidPhoneError(UnprocessableError):
    """Not a phone number of the clinic's country, nor an international one."""

    slug = "invalid-phone"
    title = "This is not a phone number"


def to_e164(phone: str, country: str) -> str:
    """A number as typed in the clinic's country, as "+12125550142". Raises `InvalidPhoneError`.

    Whether the number is in use is not asked: that would refuse numbers newer than the tables.
    """
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException as error:
        raise InvalidPhoneError(_NO_NUMBER) from error
    if not phonenumbers.is_possible_number(number):
        raise InvalidPhoneError(_NO_NUMBER)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def sender_number(sender: str, country: str, *, is_international: bool) -> str | None:
    """The E.164 number that a channel names as a sender; `None` for a short code or a word.

    `is_international`: WhatsApp writes numbers with the country and without the plus.
    """
    spelled = _SCHEME.sub("", sender.strip())
    candidates = [f"+{spelled}"] if is_international and spelled.isdecimal() else []
    for candidate in (*candidates, spelled):
        try:
            return to_e164(candidate, country)
        except InvalidPhoneError:
            continue
    return None
