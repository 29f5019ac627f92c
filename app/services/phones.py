"""Phone numbers: what counts as one, whoever it belongs to."""

import phonenumbers

from app.core.errors import UnprocessableError

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
