"""Any bytes as a mail: what is read, what is only named, and how little the worst may cost."""

from datetime import UTC, datetime
from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.services.mail.reading.machine import classify
from app.services.mail.reading.message import STANDARD, Attachment, Limits, ReadMail
from app.services.mail.reading.new_text import new_text
from app.services.mail.reading.parse import read_mail

HEAD = (
    b"From: Ana <ana@example.org>\r\nTo: care@riverbend.example\r\nSubject: Hi\r\n"
    b"MIME-Version: 1.0\r\n"
)
SECONDS_AT_MOST = 30
"""For the largest on a busy machine; unbounded, each would take minutes to hours."""


def _part(headers: bytes, body: bytes) -> bytes:
    return HEAD + headers + b"\r\n\r\n" + body + b"\r\n"


def _text(charset: bytes, body: bytes) -> str:
    return read_mail(_part(b"Content-Type: text/plain; charset=" + charset, body)).text.strip()


class TestCharsets:
    @pytest.mark.parametrize(
        ("charset", "body"),
        [
            (b"utf-8", "caf\u00e9".encode()),
            (b"iso-8859-1", b"caf\xe9"),
            (b"windows-1252", b"caf\xe9"),
            (b'"ISO_8859-1"', b"caf\xe9"),
            (b"x-windows-1252", b"caf\xe9"),
            (b"us-ascii", b"caf\xe9"),
            (b"us-ascii", "caf\u00e9".encode()),
            (b"iso-8859-1", "caf\u00e9".encode()),
            (b"utf-8", b"caf\xe9"),
            (b"no-such-set", b"caf\xe9"),
            (b"unicode_escape", b"caf\xe9"),
            (b"idna", b"caf\xe9"),
            (b"zlib", b"caf\xe9"),
            (b"utf-8", "cafe\u0301".encode()),
            (b"utf-8", "caf\u200b\u00e9\ufeff\x00".encode()),
            (b"utf-7", b"caf+AOk-"),
            (b"ibm850", b"caf\x82"),
        ],
    )
    def test_the_same_word_whatever_it_is_said_to_be(self, charset: bytes, body: bytes) -> None:
        assert _text(charset, body) == "caf\u00e9"

    @pytest.mark.parametrize(
        ("charset", "codec"), [(b"gb2312", "gb18030"), (b"iso-2022-jp", "iso2022_jp")]
    )
    def test_other_scripts(self, charset: bytes, codec: str) -> None:
        assert _text(charset, "\u6b6f".encode(codec)) == "\u6b6f"

    def test_a_family_of_emoji_stays_together(self) -> None:
        family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
        assert _text(b"utf-8", family.encode()) == family

    def test_base64_that_is_none_is_read_as_it_stands(self) -> None:
        headers = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64"
        assert read_mail(_part(headers, b"Yes, please!")).text.strip() == "Yes, please!"


class TestHeaders:
    def test_encoded_words_raw_bytes_and_folding(self) -> None:
        raw = (
            b"From: =?utf-8?b?THVjw61h?= =?utf-8?q?_G=C3=B3mez?= <lucia@example.org>\r\n"
            + "To: Jos\u00e9 <j@example.org>,\r\n (comment) <k@example.org>\r\n".encode()
            + b"Cc: undisclosed-recipients:;\r\n"
            b"Subject: =?iso-8859-1?q?Revisi=F3n?=\r\n  =?iso-8859-1?q?_anual?=\r\n"
            b"Date: Mon, 23 Nov 2026 18:04:11 +0100\r\nMessage-ID:\r\n <a@b>\r\n"
            b"References: <one@b>\r\n\t<two@b>\r\nIn-Reply-To: two@b\r\n\r\nHi"
        )
        mail = read_mail(raw)
        assert mail.sender is not None
        assert (mail.sender.name, mail.sender.email) == (
            "Luc\u00eda G\u00f3mez",
            "lucia@example.org",
        )
        assert [address.email for address in mail.to] == ["j@example.org", "k@example.org"]
        assert mail.cc == ()
        assert mail.subject == "Revisi\u00f3n anual"
        assert mail.date == datetime(2026, 11, 23, 17, 4, 11, tzinfo=UTC)
        assert (mail.message_id, mail.in_reply_to) == ("<a@b>", "<two@b>")
        assert mail.references == ("<one@b>", "<two@b>")

    @pytest.mark.parametrize(
        "sender",
        [b"a@example.org, b@example.org", b"", b"Ana", b"<>", b'"' * 3_000, b"(" * 3_000],
    )
    def test_where_no_single_address_is_named_there_is_no_sender(self, sender: bytes) -> None:
        assert read_mail(b"From: " + sender + b"\r\n\r\nHi").sender is None

    @pytest.mark.parametrize("date", [b"yesterday", b"", b"Mon, 99 Nov 2026 25:00:00 +9999"])
    def test_a_date_that_is_none_is_none(self, date: bytes) -> None:
        assert read_mail(b"Date: " + date + b"\r\n\r\nHi").date is None

    def test_what_later_steps_need_is_kept_topmost_first(self) -> None:
        raw = (
            b"Authentication-Results: mx.one; dmarc=pass\r\n"
            b"Authentication-Results: mx.two; dmarc=fail\r\n"
            b"Precedence: bulk\r\nX-Other: no\r\nX-Outbox-Key: k1\r\n\r\nHi"
        )
        mail = read_mail(raw)
        assert mail.headers["authentication-results"] == (
            "mx.one; dmarc=pass",
            "mx.two; dmarc=fail",
        )
        assert (mail.header("precedence"), mail.header("x-outbox-key")) == ("bulk", "k1")
        assert "x-other" not in mail.headers


class TestBodies:
    def test_a_file_name_in_rfc_2231_and_a_size_without_the_content(self) -> None:
        raw = _part(
            b'Content-Type: multipart/mixed; boundary="b"',
            b"--b\r\nContent-Type: text/plain\r\n\r\nHi\r\n--b\r\nContent-Type: image/jpeg\r\n"
            b"Content-Disposition: attachment; filename*=UTF-8''di%C3%A9nte.jpg\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\nQUJDREVG\r\n--b--",
        )
        mail = read_mail(raw)
        assert mail.text.strip() == "Hi"
        assert mail.attachments == (Attachment("di\u00e9nte.jpg", "image/jpeg", 6),)
        assert "QUJDREVG" not in repr(mail)

    def test_a_mail_within_a_mail_is_an_attachment(self) -> None:
        raw = _part(
            b'Content-Type: multipart/mixed; boundary="b"',
            b"--b\r\n\r\nSee below\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
            b"From: x@y.z\r\n\r\nOld words\r\n--b--",
        )
        mail = read_mail(raw)
        assert mail.text.strip() == "See below"
        assert [item.media_type for item in mail.attachments] == ["message/rfc822"]

    def test_a_signed_mail_is_read_without_its_signature_part(self) -> None:
        raw = _part(
            b'Content-Type: multipart/signed; protocol="application/pgp-signature"; boundary="b"',
            b"--b\r\nContent-Type: text/plain\r\n\r\nYes\r\n--b\r\n"
            b"Content-Type: application/pgp-signature; name=s.asc\r\n\r\nxx\r\n--b--",
        )
        mail = read_mail(raw)
        assert mail.text.strip() == "Yes"
        assert [item.name for item in mail.attachments] == ["s.asc"]

    def test_html_alone_has_no_text_of_its_own(self) -> None:
        mail = read_mail(_part(b"Content-Type: text/html", b"<p>Yes&nbsp;please</p>"))
        assert mail.text == ""
        assert new_text(mail).text == "Yes please"

    def test_text_and_html_parts_side_by_side_are_both_read(self) -> None:
        raw = _part(
            b'Content-Type: multipart/mixed; boundary="b"',
            b"--b\r\n\r\nYes <3\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Footer</p>\r\n--b--",
        )
        assert new_text(read_mail(raw)).text == "Yes <3\n\nFooter"

    def test_a_boundary_that_is_missing_leaves_the_text(self) -> None:
        mail = read_mail(_part(b"Content-Type: multipart/alternative", b"Yes please"))
        assert mail.text.strip() == "Yes please"
        assert mail.is_broken

    def test_a_part_that_never_ends_is_read(self) -> None:
        raw = _part(b'Content-Type: multipart/mixed; boundary="b"', b"--b\r\n\r\nYes please")
        assert new_text(read_mail(raw)).text == "Yes please"

    def test_no_body_is_no_text(self) -> None:
        for raw in (b"", HEAD, HEAD + b"\r\n"):
            assert new_text(read_mail(raw)).text == ""

    def test_soft_line_breaks_of_flowed_text_are_undone(self) -> None:
        body = b"I would \r\nlike to come.\r\n-- \r\nAna\r\n"
        mail = read_mail(_part(b"Content-Type: text/plain; format=flowed", body))
        found = new_text(mail)
        assert (found.text, found.signature) == ("I would like to come.", "--\nAna")

    def test_the_limits_are_kept_and_told(self) -> None:
        mail = read_mail(_part(b"", b"word " * 100), limits=Limits(text_characters=50))
        assert len(mail.text) == 50
        assert mail.is_truncated


def _nested(levels: int) -> bytes:
    return b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n)
        for n in range(levels)
    )


BOMBS = {
    "attachment-of-25-MB": lambda: _part(
        b'Content-Type: multipart/mixed; boundary="b"',
        b"--b\r\n\r\nYes\r\n--b\r\nContent-Type: application/pdf\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * 19 + b"\r\n" * 1
        + (b"QUJD" * 19 + b"\r\n") * 330_000 + b"--b--",
    ),
    "long-text": lambda: _part(b"", b"hello world\r\n" * 700_000),
    "long-line": lambda: _part(b"", b"x" * 9_000_000),
    "long-html": lambda: _part(b"Content-Type: text/html", b"<div>a b</div>" * 100_000),
    "empty-lines": lambda: HEAD + b"\n" * 2_000_000,
    "headers": lambda: b"a: b\n" * 200_000,
    "one-header": lambda: b"To: " + b"(" * 500_000,
    "header-of-quotes": lambda: b"To: " + b'"' * 4_000 + b"\r\n\r\nHi",
    "multiparts-in-multiparts": lambda: _nested(5_000) + b"a\n" * 90_000,
    "mails-in-mails": lambda: b"Content-Type: message/rfc822\r\n\r\n" * 5_000 + b"Hi",
    "parts": lambda: _part(b"Content-Type: multipart/mixed; boundary=b", b"--b\n\nx\n" * 50_000),
    "deep-html": lambda: _part(b"Content-Type: text/html", b"<div>" * 100_000 + b"Hi"),
    "deep-quotes": lambda: _part(b"Content-Type: text/html", b"<blockquote>" * 50_000),
    "tables": lambda: _part(b"Content-Type: text/html", b"<table><tr><td>" * 20_000),
    "header-blocks": lambda: _part(b"", b"From: a\n" * 50_000),
    "attributions": lambda: _part(b"", b"On a wrote \n" * 50_000),
    "daemon": lambda: b"From: mailer-daemon@x.org\r\n\r\n" + b"a.b@c.d " * 200_000,
}  # fmt: skip


class TestBoundedWork:
    @pytest.mark.parametrize("name", sorted(BOMBS))
    def test_the_worst_mails_cost_seconds(self, name: str) -> None:
        raw = BOMBS[name]()
        started = process_time()
        mail = read_mail(raw)
        found = new_text(mail)
        classify(mail, datetime(2026, 11, 23, tzinfo=UTC).date())
        assert process_time() - started < SECONDS_AT_MOST
        assert len(mail.text) <= STANDARD.text_characters
        assert len(found.text) <= 20_000

    def test_an_attachment_of_25_mb_is_told_in_full_size(self) -> None:
        mail = read_mail(BOMBS["attachment-of-25-MB"]())
        assert new_text(mail).text == "Yes"
        assert mail.attachments[0].size_bytes == pytest.approx(330_001 * 57, rel=0.001)
        assert not mail.is_truncated


FRAGMENTS = [
    b"From: a@b.c\r\n", b"To: =?x?b?!!?=\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: text/html; charset=\xff\r\n", b"Content-Type: message/rfc822\r\n", b"\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: x-uuencode\r\n",
    b"--b\r\n", b"--b--\r\n", b"<blockquote type=cite>", b"</div>", b"> q\r\n", b"On x wrote:\r\n",
    b"begin 644 f\r\n#86)C\r\n`\r\nend\r\n", b"\x00\xff\xfe", b"Date: -\r\n", b"Subject: \xe9\r\n",
    b"Content-Disposition: attachment; filename*0*=x''%E9; filename*1=\r\n", b"BEGIN:VCALENDAR\r\n",
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n",
    b"Content-Type: message/delivery-status\r\n", b"Action: failed\r\n", b"Status: 5.1.1\r\n",
    b"Content-Type: text/plain; format=flowed; delsp=yes\r\n", b"From: mailer-daemon@x\r\n",
    b"Content-Type: text/calendar; method*=x\r\n", b"Message-ID: <\r\n", b"=3D=\r\n=zz",
]  # fmt: skip


class TestAnyBytes:
    @given(st.binary(max_size=2_000))
    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    def test_any_bytes_are_a_mail(self, raw: bytes) -> None:
        self._read(raw)

    @given(st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=12), max_size=30))
    @settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
    def test_pieces_of_mails_in_any_order_are_a_mail(self, pieces: list[bytes]) -> None:
        self._read(b"".join(pieces))

    def _read(self, raw: bytes) -> None:
        mail = read_mail(raw)
        found = new_text(mail)
        classify(mail, datetime(2026, 11, 23, tzinfo=UTC).date())
        assert isinstance(mail, ReadMail)
        (mail.text + found.text + mail.subject).encode()  # no lone surrogates
        assert bool(found.text) or not mail.text.strip()
