"""What of a received mail is kept."""

import base64
import os

from app.services.mail.gmail.keeping import MAX_KEPT_BYTES, kept_part
from app.services.mail.incoming import read_incoming
from tests.fakes import NOON

HEAD = b"From: a@example.com\r\nSubject: Photos\r\nMIME-Version: 1.0\r\n"
MIXED = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
TEXT = b"--b\r\nContent-Type: text/plain\r\n\r\nYes, please!\r\n"
PHOTO = b"--b\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n\r\n"


class TestKeptPart:
    def test_a_small_mail_is_kept_as_it_is(self) -> None:
        raw = HEAD + b"\r\nYes\r\n"

        assert kept_part(raw) == (raw, False)

    def test_of_a_large_one_headers_and_words_stay(self) -> None:
        photo = base64.encodebytes(os.urandom(3_000_000)).replace(b"\n", b"\r\n")
        raw = HEAD + MIXED + PHOTO + photo + PHOTO + photo + TEXT + b"--b--\r\n"

        kept, is_cut = kept_part(raw)

        assert is_cut
        assert len(kept) < MAX_KEPT_BYTES
        assert read_incoming(kept, NOON.date()).new_text == "Yes, please!"

    def test_nothing_is_larger_than_a_document_may_be(self) -> None:
        kept, is_cut = kept_part(b"x" * 25_000_000)

        assert (len(kept), is_cut) == (MAX_KEPT_BYTES, True)
