"""The verdict of our own receiver, and of nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.mail.reading.authentication import (
    UNKNOWN,
    Authentication,
    Result,
    authentication,
)

OURS = "mx.riverbend.example"
PASS = (
    "mx.riverbend.example; dkim=pass header.i=@example.org header.s=s1; "
    "spf=pass (domain of ana@example.org designates 192.0.2.1 as permitted sender) "
    "smtp.mailfrom=ana@example.org; dmarc=pass (p=REJECT sp=NONE dis=NONE) header.from=Example.org"
)
FAIL = "mx.riverbend.example; spf=softfail; dkim=none; dmarc=fail (p=NONE) header.from=bank.example"


class TestAuthentication:
    def test_the_verdicts_of_our_receiver_are_read(self) -> None:
        assert authentication([PASS], OURS) == Authentication(
            Result.PASS, Result.PASS, Result.PASS, "example.org"
        )

    def test_a_failed_dmarc_says_the_sender_is_forged(self) -> None:
        found = authentication([FAIL], OURS)
        assert (found.spf, found.dkim, found.is_forged) == (Result.SOFTFAIL, Result.NONE, True)

    def test_a_header_that_came_with_the_mail_is_ignored(self) -> None:
        assert authentication([FAIL, PASS], OURS).is_forged
        assert authentication([PASS, FAIL], OURS).dmarc is Result.PASS

    @pytest.mark.parametrize(
        "header",
        [
            PASS.replace("mx.riverbend", "mx.evil"),
            PASS.replace("mx.riverbend.example", "mx.riverbend.example.evil.org"),
            PASS.replace("mx.riverbend.example", "(mx.riverbend.example) evil.org"),
            "evil.org; x=pass (mx.riverbend.example; dmarc=pass)",
            "",
            ";",
            "dmarc=pass",
            "mx.riverbend.example; dmarc=pass (unclosed",
            "mx.riverbend.example; dmarc=pass) header.from=a.b",
            "mx.riverbend.example" + " " * 9_000 + "; dmarc=pass",
        ],
    )
    def test_another_servers_word_or_a_broken_one_says_nothing(self, header: str) -> None:
        assert authentication([header], OURS) == UNKNOWN

    def test_a_comment_or_a_quoted_text_cannot_state_a_result(self) -> None:
        header = (
            "mx.riverbend.example; spf=fail (a; dmarc=pass (nested; dkim=pass)) "
            'smtp.mailfrom="x; dmarc=pass"@evil.org; dmarc=fail header.from=a.example'
        )
        found = authentication([header], OURS)
        assert (found.spf, found.dkim, found.dmarc) == (Result.FAIL, Result.ABSENT, Result.FAIL)

    def test_one_signature_that_holds_is_enough_and_the_worse_dmarc_counts(self) -> None:
        header = "mx.riverbend.example 1; dkim=fail; dkim=pass; dmarc=pass; dmarc=fail"
        found = authentication([header], OURS)
        assert (found.dkim, found.dmarc) == (Result.PASS, Result.FAIL)

    def test_case_version_and_quotes_do_not_matter(self) -> None:
        found = authentication(['"MX.Riverbend.Example" 1; DMARC / 1 = PASS'], OURS)
        assert found.dmarc is Result.PASS

    def test_nothing_and_none_say_nothing(self) -> None:
        assert authentication([], OURS) == UNKNOWN
        assert authentication(["mx.riverbend.example; none"], OURS) == UNKNOWN
        assert authentication(["mx.riverbend.example; dmarc=absent"], OURS) == UNKNOWN
        assert authentication([PASS], "") == UNKNOWN

    @given(st.text(alphabet='mx;=().\\" dmarcpassfail', max_size=200))
    def test_any_text_gets_an_answer(self, header: str) -> None:
        assert isinstance(authentication([header], OURS), Authentication)
