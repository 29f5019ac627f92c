"""The token in the address that replies go to."""

import base64

import pytest

from app.models.base import PyObjectId, new_id
from app.services.mail.mime import build_message
from app.services.mail.reply_tags import MAX_LOCAL_PART, ReplyTags
from app.services.signing_key import SigningKeys
from tests.factories import SECRET, make_settings
from tests.gmail_parts import make_mail

ADDRESS = "frontdesk@example.com"
LETTER = PyObjectId("66f2a1b4c3d2e1f0a9b8c7d6")
OTHER = PyObjectId("66f2a1b4c3d2e1f0a9b8c7d7")


def make_tags(address: str = ADDRESS, *, key: str = SECRET, are_used: bool = True) -> ReplyTags:
    return ReplyTags(SigningKeys(key), address, are_used=are_used)


def tag_of(letter_id: PyObjectId) -> str:
    address = make_tags().reply_to(letter_id) or ""
    return address.partition("+")[2].partition("@")[0]


def signed_as(named: bytes, signature_of: PyObjectId) -> str:
    """The id in `named` under the signature of another letter."""
    signature = base64.b32decode(tag_of(signature_of).upper())[12:]
    return base64.b32encode(named + signature).decode().lower()


class TestReplyTo:
    def test_names_the_letter_within_the_limits_of_a_local_part(self) -> None:
        address = make_tags().reply_to(LETTER)

        assert address is not None
        local_part, _, domain = address.partition("@")
        assert (local_part.partition("+")[0], domain) == ("frontdesk", "example.com")
        assert len(local_part) <= MAX_LOCAL_PART
        assert local_part.isascii()
        assert make_tags().letter_answered([address]) == LETTER

    def test_is_the_plain_address_where_it_is_off_or_there_is_no_room(self) -> None:
        assert make_tags(are_used=False).reply_to(LETTER) is None
        assert make_tags(f"{'f' * 32}@example.com").reply_to(LETTER) is None
        assert make_tags(f"{'f' * 31}@example.com").reply_to(LETTER) is not None

    def test_goes_into_the_header(self) -> None:
        address = make_tags().reply_to(LETTER)

        tagged = build_message(make_mail(reply_to=address), ADDRESS)

        assert (tagged["Reply-To"], tagged["From"].addresses[0].addr_spec) == (address, ADDRESS)
        assert build_message(make_mail(), ADDRESS)["Reply-To"] == ADDRESS

    @pytest.mark.parametrize(
        ("transport", "given", "expected"),
        [
            ("gmail", None, True),
            ("smtp", None, False),
            ("file", None, False),
            ("smtp", True, True),
            ("gmail", False, False),
        ],
    )
    def test_is_used_with_gmail_unless_told_otherwise(
        self, transport: str, given: bool | None, expected: bool
    ) -> None:
        settings = make_settings(mail_transport=transport, mail_reply_tags=given)

        assert settings.reply_tags_are_used is expected


class TestLetterAnswered:
    def test_is_found_among_other_addresses_and_in_any_case(self) -> None:
        tagged = (make_tags().reply_to(LETTER) or "").upper()

        assert make_tags().letter_answered(["a@b.example", ADDRESS, f" {tagged} "]) == LETTER

    def test_is_found_where_tags_are_off_by_now(self) -> None:
        tagged = make_tags().reply_to(LETTER) or ""

        assert make_tags(are_used=False).letter_answered([tagged]) == LETTER

    def test_works_for_an_address_that_has_a_plus_itself(self) -> None:
        tags = make_tags("care+desk@example.com")

        assert tags.letter_answered([tags.reply_to(LETTER) or ""]) == LETTER

    def test_thousands_of_letters_have_tags_of_their_own(self) -> None:
        letters = [new_id() for _ in range(2000)]

        tags = {tag_of(letter) for letter in letters}

        assert len(tags) == len(letters)
        assert {len(tag) for tag in tags} == {32}

    @pytest.mark.parametrize(
        "tag",
        {
            "empty": "",
            "nothing but an id": LETTER.binary.hex(),
            "cut by one": tag_of(LETTER)[:-1],
            "cut to the id": tag_of(LETTER)[:20],
            "one letter more": f"{tag_of(LETTER)}a",
            "last letter changed": tag_of(LETTER)[:-1]
            + ("a" if tag_of(LETTER)[-1] != "a" else "b"),
            "first letter changed": ("a" if tag_of(LETTER)[0] != "a" else "b") + tag_of(LETTER)[1:],
            "another's signature": signed_as(LETTER.binary, OTHER),
            "no signature": base64.b32encode(LETTER.binary + bytes(8)).decode().lower(),
            "not base32": "0" * 32,
            "Kelvin sign": tag_of(LETTER).replace("k", "\u212a") + "\u212a",
            "with a blank": f"{tag_of(LETTER)[:16]} {tag_of(LETTER)[16:]}",
            "huge": "a" * 100_000,
        }.items(),
        ids=lambda case: case[0],
    )
    def test_a_forged_or_truncated_one_names_nothing(self, tag: tuple[str, str]) -> None:
        assert make_tags().letter_answered([f"frontdesk+{tag[1]}@example.com"]) is None

    @pytest.mark.parametrize(
        "address",
        [
            f"frontdesk+{tag_of(LETTER)}@evil.example",
            f"other+{tag_of(LETTER)}@example.com",
            f"frontdesk{tag_of(LETTER)}@example.com",
            f"{tag_of(LETTER)}@example.com",
            f"frontdesk+{tag_of(LETTER)}",
            "frontdesk@example.com",
            "@",
            "",
        ],
    )
    def test_only_our_own_address_names_one(self, address: str) -> None:
        assert make_tags().letter_answered([address]) is None

    def test_a_new_key_reads_what_the_one_before_it_signed(self) -> None:
        sent = make_tags().reply_to(LETTER) or ""
        keys = SigningKeys("n" * 40, others=[SECRET])

        rotated = ReplyTags(keys, ADDRESS, are_used=True)

        assert rotated.letter_answered([sent]) == LETTER
        assert rotated.reply_to(LETTER) == make_tags(key="n" * 40).reply_to(LETTER) != sent

    def test_one_signed_with_another_key_names_nothing(self) -> None:
        tagged = make_tags(key=SECRET[::-1]).reply_to(LETTER) or ""

        assert make_tags().letter_answered([tagged]) is None
