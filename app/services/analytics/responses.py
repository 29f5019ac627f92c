"""How long patients wait for an answer: each reply with the first answer to it."""

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db.repositories.analytics import AnalyticsRepository, Answer, Reply
from app.models.answering import AnsweredBy
from app.models.base import PyObjectId
from app.services.analytics.calendar import just_after
from app.services.analytics.definitions import RATE_WINDOW


@dataclass(frozen=True)
class AnsweredReply:
    """A reply and its first answer, if it had one."""

    reply: Reply
    by: AnsweredBy | None = None
    seconds: int | None = None
    """From the reply to the answer's leaving."""


@dataclass(frozen=True)
class ResponseTime:
    """How long replies waited that were answered so."""

    by: AnsweredBy
    replies: int
    median_seconds: int | None
    p90_seconds: int | None


async def read_replies(
    source: AnalyticsRepository, now: datetime
) -> tuple[list[AnsweredReply], list[Reply]]:
    """Patients' replies of the last 90 days in campaigns with their answers; every message that
    says how right the agent reads.
    """
    span = (now - RATE_WINDOW, just_after(now))
    replies, answers = await asyncio.gather(source.replies(*span), source.answers(*span))
    read = [reply for reply in replies if reply.shows_how_right_the_agent_is]
    return pair(replies, answers), read


def pair(replies: Iterable[Reply], answers: Iterable[Answer]) -> list[AnsweredReply]:
    """Each patient's reply of a campaign with the first answer there that left after it."""
    in_campaign: defaultdict[PyObjectId, list[tuple[datetime, bool]]] = defaultdict(list)
    for answer in answers:
        in_campaign[answer.campaign_id].append((answer.at, answer.by_agent))
    for theirs in in_campaign.values():
        theirs.sort()
    return [
        _answered(reply, in_campaign.get(reply.campaign_id, ()))
        for reply in replies
        if reply.campaign_id is not None and reply.is_by_a_patient
    ]


def _answered(reply: Reply, answers: Sequence[tuple[datetime, bool]]) -> AnsweredReply:
    place = bisect_right(answers, reply.at, key=lambda answer: answer[0])
    if place == len(answers):
        return AnsweredReply(reply)
    at, by_agent = answers[place]
    by = AnsweredBy.AGENT if by_agent else AnsweredBy.PERSON
    return AnsweredReply(reply, by, round((at - reply.at).total_seconds()))


def response_time(by: AnsweredBy, answered: Iterable[AnsweredReply]) -> ResponseTime:
    """Median and 90th percentile, each the wait of a real reply (nearest rank)."""
    waits = sorted(one.seconds for one in answered if one.by == by and one.seconds is not None)
    return ResponseTime(by, len(waits), nearest_rank(waits, 50), nearest_rank(waits, 90))


def nearest_rank(ordered: Sequence[int], percent: int) -> int | None:
    """The smallest value that `percent` of all do not exceed; `None` of nothing."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
