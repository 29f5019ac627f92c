"""Signed webhooks: what was signed as it arrived, lately, by whoever has the secret; no more."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.webhook_signature import (
    OLDEST_SECONDS,
    SignatureNotAuthenticError,
    SignatureVerifier,
)
from tests.factories import make_settings
from tests.fakes import NOON, FrozenClock

SECRET = "webhook-key-0123456789-abcdefghijklmnop"
BODY = b'{"channel": "sms"}'
NOW = int(NOON.timestamp())


def signed(
    body: bytes = BODY, *, at: int | str = NOW, secret: str = SECRET, scheme: str = "v1"
) -> str:
    """The header that a sender with `secret` would send."""
    digest = hmac.digest(secret.encode(), f"{at}.".encode() + body, "sha256").hex()
    return f"t={at},{scheme}={digest}"


def verifier(secret: str | None = SECRET) -> SignatureVerifier:
    """One that knows `secret`, at noon."""
    return SignatureVerifier(make_settings(webhook_secret=secret), FrozenClock())


class TestPassed:
    @pytest.mark.parametrize("late", [0, OLDEST_SECONDS, -OLDEST_SECONDS])
    def test_what_was_signed_within_five_minutes_either_way(self, late: int) -> None:
        verifier().verify(BODY, signed(at=NOW - late))

    def test_any_one_of_several_while_the_secret_changes(self) -> None:
        old = signed(secret="another-secret-0123456789-abcdefghijk")
        new = signed().partition(",")[2]

        verifier().verify(BODY, f"{old},{new}")
        verifier().verify(BODY, f"t={NOW}, {new}, {old.partition(',')[2]}")

    def test_schemes_we_do_not_know_beside_it(self) -> None:
        verifier().verify(BODY, f"{signed()},v0=abc,v2=def")

    def test_capital_hex(self) -> None:
        time, _, digest = signed().partition(",v1=")
        verifier().verify(BODY, f"{time},v1={digest.upper()}")

    @given(st.binary(max_size=300))
    def test_any_bytes_as_they_are(self, body: bytes) -> None:
        verifier().verify(body, signed(body))


class TestRefused:
    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "nonsense",
            f"t={NOW}",
            signed().partition(",")[2],
            f"t={NOW},v1=",
            f"t={NOW},v1=é",
            signed(scheme="v0"),
            signed(secret="another-secret-0123456789-abcdefghijk"),
            signed(at=NOW - OLDEST_SECONDS - 1),
            signed(at=NOW + OLDEST_SECONDS + 1),
            signed(at=0),
            signed(at=f"{NOW}.0"),
            signed(at=f"-{NOW}"),
            signed(at=""),
            signed(at="9" * 5_000),
            signed(at="".join(chr(0x660 + int(digit)) for digit in str(NOW))),
            f"t={NOW},{signed()}",
            signed(BODY + b" "),
            signed() + "," + "v1=" + "0" * 10_000,
        ],
        ids=range(20),
    )
    def test_what_is_forged_old_or_no_signature(self, header: str | None) -> None:
        with pytest.raises(SignatureNotAuthenticError):
            verifier().verify(BODY, header)

    def test_an_old_signature_under_a_new_time(self) -> None:
        old = signed(at=NOW - 4_000).partition(",")[2]

        with pytest.raises(SignatureNotAuthenticError):
            verifier().verify(BODY, f"t={NOW},{old}")

    @pytest.mark.parametrize("secret", [None, ""])
    def test_everything_where_there_is_no_secret(self, secret: str | None) -> None:
        for used in ("", "None"):
            with pytest.raises(SignatureNotAuthenticError):
                verifier(secret).verify(BODY, signed(secret=used))
