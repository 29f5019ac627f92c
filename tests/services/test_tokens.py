"""The tokens of links: one purpose each, with an end."""

import base64
from datetime import timedelta

import pytest
from jose import jwt

from app.services.signing_key import SigningKeys
from app.services.tokens import ISSUER, LIFETIMES, InvalidLinkError, LinkTokens, TokenPurpose
from tests.factories import KEYS, SECRET
from tests.fakes import FrozenClock

BOOKING = TokenPurpose.BOOKING
A, B = "0" * 24, "6b04b4365de7ceecd47f7bf4"


@pytest.fixture
def links(clock: FrozenClock) -> LinkTokens:
    """Tokens under the test's key."""
    return LinkTokens(KEYS, clock)


class TestRead:
    def test_gives_back_the_ids(self, links: LinkTokens) -> None:
        ids = {"patient_id": A, "campaign_id": B}
        offer = {"waitlist_id": B, "offer_key": "waitlist:ä:2026-08-19"}

        assert links.read(links.issue(BOOKING, **ids), BOOKING) == ids
        kind = TokenPurpose.WAITLIST
        assert links.read(links.issue(kind, **offer), kind) == offer
        assert links.read(links.issue(BOOKING), BOOKING) == {}

    def test_is_short_enough_for_a_text_message(self, links: LinkTokens) -> None:
        assert len(links.issue(BOOKING, patient_id=A)) <= 50
        assert len(links.issue(BOOKING, patient_id=A, campaign_id=B)) <= 70

    @pytest.mark.parametrize(
        ("ids", "why"),
        [
            ({"patient_id": "all"}, "by id"),
            ({"sub": A}, "not in tuple"),
            ({"offer_key": "x" * 256}, "range"),
        ],
    )
    def test_carries_nothing_else(self, links: LinkTokens, ids: dict[str, str], why: str) -> None:
        with pytest.raises(ValueError, match=why):
            links.issue(BOOKING, **ids)

    def test_every_character_counts(self, links: LinkTokens) -> None:
        good = links.issue(BOOKING, patient_id=B)
        last_of_the_hash = len(good) - 1  # some of its bits are none of the hash's
        for place in range(last_of_the_hash):
            other = "A" if good[place] != "A" else "B"
            with pytest.raises(InvalidLinkError):
                links.read(good[:place] + other + good[place + 1 :], BOOKING)

    @pytest.mark.parametrize("purpose", TokenPurpose)
    def test_works_until_its_lifetime_ends(
        self, links: LinkTokens, clock: FrozenClock, purpose: TokenPurpose
    ) -> None:
        token = links.issue(purpose, patient_id=A)
        clock.advance(seconds=(LIFETIMES[purpose] - timedelta(seconds=1)).total_seconds())
        assert links.read(token, purpose)

        clock.advance(seconds=1)
        with pytest.raises(InvalidLinkError):
            links.read(token, purpose)

    def test_opens_only_what_it_was_made_for(self, links: LinkTokens) -> None:
        token = links.issue(BOOKING, patient_id=A)

        for other in set(TokenPurpose) - {BOOKING}:
            with pytest.raises(InvalidLinkError):
                links.read(token, other)

    def test_a_new_key_leaves_the_links_in_sent_letters_open_until_the_old_one_goes(
        self, links: LinkTokens, clock: FrozenClock
    ) -> None:
        sent = links.issue(BOOKING, patient_id=A)
        before_names = jwt.encode(
            {"patient_id": "a", "aud": BOOKING, "iss": ISSUER, "exp": 2**40}, SECRET
        )
        rotated = LinkTokens(SigningKeys("n" * 40, others=[SECRET]), clock)
        assert rotated.read(sent, BOOKING)["patient_id"] == A
        assert rotated.read(before_names, BOOKING)["patient_id"] == "a"
        later = rotated.issue(BOOKING, patient_id=B)

        gone = LinkTokens(SigningKeys("n" * 40), clock)

        assert gone.read(later, BOOKING)["patient_id"] == B
        for token in (sent, before_names):
            with pytest.raises(InvalidLinkError):
                gone.read(token, BOOKING)

    @pytest.mark.parametrize(
        "forged",
        [
            "",
            "garbage",
            "!!.!!.!!",
            "\0.é.",
            base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.AA",
            jwt.encode({"aud": BOOKING, "iss": ISSUER, "exp": 2**40}, "k" * 40, algorithm="HS256"),
            jwt.encode({"aud": BOOKING, "iss": ISSUER, "exp": 2**40}, SECRET, algorithm="HS512"),
            jwt.encode({"aud": BOOKING, "iss": ISSUER}, SECRET, algorithm="HS256"),
            jwt.encode({"iss": ISSUER, "exp": 2**40}, SECRET, algorithm="HS256"),
            jwt.encode({"aud": BOOKING, "exp": 2**40}, SECRET, algorithm="HS256"),
        ],
        ids=range(10),
    )
    def test_refuses_a_forgery_without_saying_why(self, links: LinkTokens, forged: str) -> None:
        with pytest.raises(InvalidLinkError) as refused:
            links.read(forged, BOOKING)

        assert refused.value.detail.startswith("This link is not valid, or no longer.")
