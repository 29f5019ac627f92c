"""Whose message it is, case by case, the whole way through the mailbox: nobody gets another's.

One line a case: what comes, whose it must be, and whether the agent may answer it.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.demo.gmail.mailbox import IncomingReply
from app.models.campaign import Campaign, CampaignStatus
from app.models.interaction import Interaction
from app.models.patient import Patient
from app.services.inbound import OWN_MESSAGE
from app.services.mail.reply_tags import ReplyTags
from app.services.signing_key import SigningKeys
from tests.gmail_desk import Desk
from tests.gmail_parts import MAILBOX, TAGS

pytestmark = pytest.mark.mongo

S = CampaignStatus
FAMILY = "smiths@example.com"
NOBODY = "nobody"


@dataclass(frozen=True)
class Came:
    """One message. `to` and `refers` are words for what the town below holds."""

    sender: str
    whose: str
    answered: bool = False
    thread: str | None = None
    refers: str | None = None
    header: str = "References"
    to: str | None = None
    given: dict[str, Any] = field(default_factory=dict)


def case(sender: str, whose: str, **given: Any) -> Came:
    """See `Came`; what it does not know goes to the fake mailbox."""
    known = {"answered", "thread", "refers", "header", "to"}
    own = {name: value for name, value in given.items() if name in known}
    rest = {name: value for name, value in given.items() if name not in known}
    return Came(sender, whose, **own, given=rest)


ANA, BEN, CLEO, DAN, EVA, FAY = (
    f"{name}@example.com" for name in ("ana", "ben", "cleo", "dan", "eva", "fay")
)
STRANGER = "stranger@example.net"
FORGED = {"authentication": "fail"}

CASES: dict[str, Came] = {
    # The thread
    "thread": case(ANA, "ana", thread="ana", answered=True),
    "thread, address in capitals": case(ANA.upper(), "ana", thread="ana", answered=True),
    "thread, with a display name": case(
        ANA, "ana", thread="ana", sender_name="Ana Diaz", answered=True
    ),
    "thread, another's display name": case(
        ANA, "ana", thread="ana", sender_name="Ben Ode", answered=True
    ),
    "thread, a stranger": case(STRANGER, "ana", thread="ana"),
    "thread, a stranger under the patient's name": case(
        STRANGER, "ana", thread="ana", sender_name=ANA
    ),
    "thread, another patient writes in it": case(BEN, "ana", thread="ana"),
    "thread, plus address of the patient's": case("ana+dentist@example.com", "ana", thread="ana"),
    "thread, changed address": case("ana.diaz@new.example", "ana", thread="ana"),
    "thread, the patient's own policy disowns it": case(ANA, "ana", thread="ana", **FORGED),
    "thread, nothing known of the sender": case(
        ANA, "ana", thread="ana", authentication=None, answered=True
    ),
    "thread, first sibling": case(FAMILY, "sam", thread="sam", answered=True),
    "thread, second sibling": case(FAMILY, "sue", thread="sue", answered=True),
    "thread, of an old campaign": case(DAN, "dan", thread="dan-old", answered=True),
    "thread, of an old campaign, a stranger": case(STRANGER, "dan", thread="dan-old"),
    "thread, of somebody without a campaign": case(EVA, "eva", thread="eva"),
    "thread, of a namesake": case("ana.two@example.com", "ana2", thread="ana2", answered=True),
    "thread, a namesake in the other's": case("ana.two@example.com", "ana", thread="ana"),
    "thread, copied to somebody": case(
        ANA, "ana", thread="ana", headers={"Cc": BEN}, answered=True
    ),
    "thread, spam for Gmail": case(ANA, "ana", thread="ana", is_spam=True, answered=True),
    "thread, another's tag": case(ANA, "ana", thread="ana", to="tag:ben", answered=True),
    # What it refers to, in a thread of its own
    "references": case(ANA, "ana", refers="ana", answered=True),
    "In-Reply-To": case(ANA, "ana", refers="ana", header="In-Reply-To", answered=True),
    "references, a stranger": case(STRANGER, "ana", refers="ana"),
    "references, another patient": case(BEN, "ana", refers="ana"),
    "references, changed address": case("ana.diaz@new.example", "ana", refers="ana"),
    "references, disowned": case(ANA, "ana", refers="ana", **FORGED),
    "references, second sibling": case(FAMILY, "sue", refers="sue", answered=True),
    "references, of an old campaign": case(DAN, "dan", refers="dan-old", answered=True),
    "references, of somebody without a campaign": case(EVA, "eva", refers="eva"),
    "references, forwarded by a stranger": case(
        STRANGER, "ana", refers="ana", subject="Fwd: Your visit"
    ),
    "references, forwarded by the patient to us": case(
        ANA, "ana", refers="ana", subject="Fwd: Your visit", answered=True
    ),
    "references, to nothing of ours, a stranger": case(STRANGER, NOBODY, refers="made up"),
    "references, to nothing of ours, a patient": case(ANA, "ana", refers="made up", answered=True),
    "references, another's tag": case(ANA, "ana", refers="ana", to="tag:ben", answered=True),
    "references, to nothing of ours, with a tag": case(
        ANA, "ana", refers="made up", to="tag:ana", answered=True
    ),
    # Our token in the address, in a thread of its own, referring to nothing
    "token": case(ANA, "ana", to="tag:ana", answered=True),
    "token, in capitals": case(ANA, "ana", to="TAG:ana", answered=True),
    "token, in Cc": case(ANA, "ana", to="cc:ana", answered=True),
    "token, in Delivered-To": case(ANA, "ana", to="delivered:ana", answered=True),
    "token, a stranger": case(STRANGER, "ana", to="tag:ana"),
    "token, another patient": case(BEN, "ana", to="tag:ana"),
    "token, changed address": case("ana.diaz@new.example", "ana", to="tag:ana"),
    "token, disowned": case(ANA, "ana", to="tag:ana", **FORGED),
    "token, first sibling": case(FAMILY, "sam", to="tag:sam", answered=True),
    "token, second sibling": case(FAMILY, "sue", to="tag:sue", answered=True),
    "token, of an old campaign": case(DAN, "dan", to="tag:dan-old", answered=True),
    "token, of somebody without a campaign": case(EVA, "eva", to="tag:eva"),
    "token, of a namesake": case("ana.two@example.com", "ana2", to="tag:ana2", answered=True),
    "token, forged, a stranger": case(STRANGER, NOBODY, to="forged:ana"),
    "token, truncated, a stranger": case(STRANGER, NOBODY, to="cut:ana"),
    "token, of another key, a stranger": case(STRANGER, NOBODY, to="key:ana"),
    "token, at another domain, a stranger": case(STRANGER, NOBODY, to="domain:ana"),
    "token, forged, a patient": case(ANA, "ana", to="forged:ben", answered=True),
    "token, of a letter that never was": case(STRANGER, NOBODY, to="tag:made up"),
    "token, of a letter that never was, a patient": case(
        ANA, "ana", to="tag:made up", answered=True
    ),
    # The address alone
    "address": case(ANA, "ana", answered=True),
    "address, in capitals": case(ANA.upper(), "ana", answered=True),
    "address, with a plus of their own on file": case("cleo+x@example.com", "cleo", answered=True),
    "address, without the plus on file": case(CLEO, NOBODY),
    "address, with a plus that is not on file": case("ana+dentist@example.com", NOBODY),
    "address, with a dot that is not on file": case("a.na@example.com", NOBODY),
    "address, of a look-alike letter": case("ana@examp1e.com", NOBODY),
    "address, disowned": case(ANA, "ana", **FORGED),
    "address, of a family in two campaigns": case(FAMILY, NOBODY),
    "address, of a family where one is in a campaign": case(
        "does@example.com", "dora", answered=True
    ),
    "address, of a family in no campaign": case("poes@example.com", NOBODY),
    "address, of somebody without a campaign": case(EVA, "eva"),
    "address, of somebody whose campaign ended": case(FAY, "fay"),
    "address, of a namesake": case("ana.two@example.com", "ana2", answered=True),
    "address, in the display name only": case(STRANGER, NOBODY, sender_name=ANA),
    "address, in Reply-To only": case(STRANGER, NOBODY, headers={"Reply-To": ANA}),
    "address, in Sender only": case(STRANGER, NOBODY, headers={"Sender": ANA}),
    "address, in Cc only": case(STRANGER, NOBODY, headers={"Cc": ANA}),
    "address, in the subject only": case(STRANGER, NOBODY, subject=f"From {ANA}"),
    "nobody we know": case(STRANGER, NOBODY),
    "ourselves": case(MAILBOX, OWN_MESSAGE),
    "ourselves, in a thread": case(MAILBOX, OWN_MESSAGE, thread="ana"),
}


class Town:
    """Patients, their campaigns, and what was written to them."""

    def __init__(self, desk: Desk, number: int) -> None:
        self.desk = desk
        self.domain = f"town{number}.example"
        self.patients: dict[str, Patient] = {}
        self.campaigns: dict[str, Campaign] = {}
        self.letters: dict[str, Interaction] = {}

    async def settle(self) -> None:
        """Everybody of the table above."""
        await self.write("ana", "Ana Diaz", ANA)
        await self.write("ana2", "Ana Diaz", "ana.two@example.com")
        await self.write("ben", "Ben Ode", BEN)
        await self.write("cleo", "Cleo Kai", "cleo+x@example.com")
        await self.write("sam", "Sam Smith", FAMILY)
        await self.write("sue", "Sue Smith", FAMILY)
        await self.write("dora", "Dora Doe", "does@example.com")
        await self.write("fay", "Fay Lim", FAY, status=S.RECOVERY_FAILED)
        await self.write("dan-old", "Dan Wu", DAN, status=S.RECOVERY_FAILED)
        dan = self.patients["dan"] = self.patients["dan-old"]
        stage = self.desk.stage
        self.campaigns["dan"] = await stage.campaign(dan, channel={"type": "email"})
        eva = self.patients["eva"] = await stage.patient(name="Eva Rey", email=self.here(EVA))
        self.letters["eva"] = await self.desk.write_again(eva, None)
        for name, email in [("Don Doe", "does"), ("Pia Poe", "poes"), ("Pit Poe", "poes")]:
            await stage.patient(name=name, email=f"{email}@{self.domain}")

    async def write(self, key: str, name: str, email: str, **given: Any) -> None:
        """One who was written to."""
        found = await self.desk.written_to(name=name, email=self.here(email), **given)
        self.patients[key], self.campaigns[key], self.letters[key] = found

    def here(self, text: str) -> str:
        """With the addresses of this town in place of the table's. The practice's own stays."""
        return _ADDRESS.sub(f"@{self.domain}", text)

    def headers(self, came: Came) -> dict[str, str]:
        """Those of the case, and what it refers to or is delivered to."""
        given = came.given.get("headers", {})
        headers = {name: self.here(value) for name, value in given.items()}
        if came.refers is not None:
            letter = self.letters.get(came.refers)
            delivery = letter.delivery if letter else None
            message_id = delivery.provider_message_id if delivery else "<made@up.example>"
            headers[came.header] = str(message_id)
        kind, _, key = (came.to or "").partition(":")
        if kind in {"cc", "delivered"}:
            name = {"cc": "Cc", "delivered": "Delivered-To"}[kind]
            headers[name] = self.tagged(key)
        return headers

    def addressed(self, came: Came) -> str:
        """Where the message goes."""
        kind, _, key = (came.to or "").partition(":")
        if came.to is None or kind in {"cc", "delivered"}:
            return MAILBOX
        tagged = self.tagged(key)
        local_part, _, domain = tagged.partition("@")
        return {
            "tag": tagged,
            "TAG": tagged.upper(),
            "cut": f"{local_part[:-1]}@{domain}",
            "forged": f"{local_part[:-3]}aaa@{domain}",
            "domain": f"{local_part}@evil.example",
            "key": ReplyTags(SigningKeys("x" * 40), MAILBOX, are_used=True).reply_to(
                self.letters["ana"].id
            )
            or "",
        }[kind]

    def tagged(self, key: str) -> str:
        """The reply address of a letter; of one that never was, where there is none."""
        letter = self.letters.get(key)
        letter_id = letter.id if letter else self.patients["ana"].id
        return TAGS.reply_to(letter_id) or ""

    async def receive(self, came: Came) -> str:
        """The message comes; its id in the mailbox."""
        letter = self.letters[came.thread] if came.thread else None
        fields: dict[str, Any] = {
            "subject": None if letter else "About my teeth",
            **{name: self.here(v) if isinstance(v, str) else v for name, v in came.given.items()},
            "headers": self.headers(came),
            "thread_id": letter.thread_id if letter else None,
            "to": self.addressed(came),
        }
        reply = IncomingReply(self.here(came.sender), "Yes please, book me in!", **fields)
        message = self.desk.mailbox.reply(reply)
        await self.desk.notify()
        await self.desk.drain()
        return f"gmail:{MAILBOX}:{message.id}"

    async def account(self, event_id: str) -> tuple[str, bool]:
        """Whose it was taken for, and whether anything was sent because of it."""
        event = await self.desk.event(event_id)
        if event.note:
            return event.note, False
        [reply] = await self.desk.stage.repositories.interactions._find({"provider_id": event_id})
        answers = [f"reply:{reply.id}:{part}" for part in ("booking_link", "answer", "closing")]
        sent = await self.desk.stage.repositories.interactions._find(
            {"dedupe_key": {"$in": answers}}
        )
        whose = {patient.id: key for key, patient in self.patients.items() if key != "dan-old"}
        # An id that is not in this town is somebody else's altogether: a KeyError fails the test.
        return whose[reply.patient_id] if reply.patient_id else NOBODY, bool(sent)


GROUPS = ("thread", "reference", "token", "address", "ourselves")


class TestMatching:
    def test_the_table_is_as_wide_as_promised(self) -> None:
        assert len(CASES) >= 60

    @pytest.mark.parametrize("group", [*GROUPS, ""])
    @pytest.mark.timeout(120)
    async def test_nothing_goes_to_another_and_strangers_get_no_answer(
        self, desk: Desk, group: str
    ) -> None:
        found, expected = {}, {}
        for number, (name, came) in enumerate(CASES.items()):
            if _group_of(name) != group:
                continue
            town = Town(desk, number)
            await town.settle()
            found[name] = await town.account(await town.receive(came))
            expected[name] = (came.whose, came.answered)

        assert found == expected
        assert found


def _group_of(name: str) -> str:
    return next((group for group in GROUPS if name.startswith(group)), "")


_ADDRESS = re.compile(r"(?<!frontdesk)@example\.com", re.IGNORECASE)
