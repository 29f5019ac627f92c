"""Replies to be sent at the service, and what must have become of each."""

import asyncio
import contextlib
import secrets
from dataclasses import dataclass, field

import httpx

from app.demo import walkthrough
from app.demo.gmail.process import MAILBOX
from app.demo.mail import push_body
from app.models.campaign import CampaignStatus as Status
from tests.system.service import Json, Live, Stored

PUSH = "/api/v1/webhooks/gmail"
DELIVERIES = 3
LEADS_TO = {
    walkthrough.BOOKING_REPLY: Status.RE_ENGAGED,
    walkthrough.QUESTION_REPLY: Status.RE_ENGAGED,
    walkthrough.DENIAL_REPLY: Status.RECOVERY_DECLINED,
    walkthrough.EMERGENCY_REPLY: Status.HANDOFF_REQUIRED,
}


@dataclass(frozen=True)
class Reply:
    """One message of one patient, answering what the campaign said first."""

    campaign: Json
    address: str
    text: str
    message_id: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def provider_id(self) -> str:
        """Under which it is stored once."""
        return f"relay:{self.campaign['channel']['thread_id']}:{self.message_id}"

    def push(self) -> Json:
        """As the relay delivers it; the same however often."""
        content = {
            "thread_id": self.campaign["channel"]["thread_id"],
            "message_id": self.message_id,
            "from": self.address,
            "content": self.text,
        }
        return push_body(f"push-{self.message_id}", content)


@dataclass(frozen=True)
class MailboxReply(Reply):
    """One that lies in the Gmail mailbox under `message_id`."""

    @property
    def provider_id(self) -> str:
        """See `Reply`."""
        return f"gmail:{MAILBOX}:{self.message_id}"


def replies_to_open_campaigns(database: Stored, wanted: int) -> list[Reply]:
    """One reply each to `wanted` campaigns nobody has answered yet, of every kind in turn."""
    query = {
        "status": Status.ATTEMPTING_RECOVERY,
        "channel.thread_id": {"$exists": True},
        "last_reply_at": {"$exists": False},
    }
    campaigns = list(database["campaigns"].find(query).sort("_id").limit(wanted))
    assert len(campaigns) == wanted
    texts = list(LEADS_TO)
    found = []
    for number, campaign in enumerate(campaigns):
        patient = database["patients"].find_one({"_id": campaign["patient_id"]})
        assert patient is not None
        found.append(Reply(campaign, patient["email"], texts[number % len(texts)]))
    return found


async def deliver(service: Live, replies: list[Reply]) -> list[Reply]:
    """Push them all at once; those that were not acknowledged, to be delivered again."""

    async def push(reply: Reply) -> bool:
        with contextlib.suppress(httpx.TransportError):
            answer = await service.client.post(PUSH, json=reply.push())
            assert answer.status_code in {200, 503}, answer.text
            return answer.status_code == 200
        return False

    acknowledged = await asyncio.gather(*(push(reply) for reply in replies))
    return [reply for reply, ok in zip(replies, acknowledged, strict=True) if not ok]


async def deliver_all(service: Live, replies: list[Reply]) -> None:
    """Push until each is acknowledged: Pub/Sub does not take one refusal for an answer either."""
    for _ in range(DELIVERIES):
        replies = await deliver(service, replies)
    assert replies == []


def account_of(database: Stored, reply: Reply) -> Json:
    """How often everything that a reply leads to has happened."""
    interactions = database["interactions"]
    incoming = list(interactions.find({"provider_id": reply.provider_id}))
    campaign = database["campaigns"].find_one({"_id": reply.campaign["_id"]})
    assert campaign is not None
    answers = [
        interactions.count_documents({"dedupe_key": {"$regex": f"^reply:{one['_id']}:"}})
        for one in incoming
    ]
    moved_there = [h for h in campaign["history"] if h["to"] == LEADS_TO[reply.text]]
    return {
        "incoming": len(incoming),
        "processed": sum("processed_at" in one for one in incoming),
        "answers": answers,
        "said": interactions.count_documents({"campaign_id": campaign["_id"]}),
        "status": campaign["status"],
        "moved_there": len(moved_there),
    }


def expected_account(reply: Reply) -> Json:
    """The account of a reply to the first message that was worked on once."""
    return {
        "incoming": 1,
        "processed": 1,
        "answers": [1],
        "said": 3,
        "status": LEADS_TO[reply.text],
        "moved_there": 1,
    }
