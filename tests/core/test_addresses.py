"""E-mail addresses as people and operators write them."""

import pytest
from pydantic import TypeAdapter, ValidationError

from app.core.addresses import EmailAddress

ADDRESS = TypeAdapter(EmailAddress)


class TestEmailAddress:
    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("maria.lopez+x@example.com", "maria.lopez+x@example.com"),
            ("Maria@Example.COM", "Maria@example.com"),
            ("Front Desk <desk@example.com>", "desk@example.com"),
            # RFC 2606: for trying things out.
            ("maria@clinic.test", "maria@clinic.test"),
        ],
    )
    def test_reads_what_people_write(self, written: str, read: str) -> None:
        assert ADDRESS.validate_python(written) == read

    @pytest.mark.parametrize(
        "written",
        [
            "",
            "maria",
            "maria@",
            "maria@clinic",
            "maria@localhost",
            "maria@clinic.invalid",
            "maria@example.com\r\nBcc: all@example.com",
            "maria\x00@example.com",
            "m@" + "x" * 300 + ".com",
            5,
            None,
        ],
    )
    def test_refuses_the_rest_without_quoting_it(self, written: object) -> None:
        with pytest.raises(ValidationError) as caught:
            ADDRESS.validate_python(written)

        (error,) = caught.value.errors()
        assert error["msg"] in {
            "value is not a valid email address",
            "Input should be a valid string",
        }

    def test_is_an_email_in_the_schema(self) -> None:
        assert ADDRESS.json_schema() == {"type": "string", "format": "email"}
