"""Walks the chains of the audit log and names where one does not hold."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from app.db.repositories.audit import AuditRepository, StoredLink
from app.models.audit import ChainHead
from app.models.records import AuditChain


class ChainFault(StrEnum):
    """What is wrong at one place of a chain."""

    CHANGED = "an entry was changed"
    DETAILS_CHANGED = "the details of an entry were changed"
    MISSING = "entries are missing"
    BROKEN = "the link to the entry before does not hold"
    CUT_OFF = "the end of the chain is missing"


@dataclass(frozen=True)
class ChainReport:
    """One chain: its entries, and the first place that does not hold."""

    writer: str
    entries: int
    head: ChainHead
    fault: ChainFault | None = None
    at_seq: int | None = None
    entry_id: str | None = None

    def as_facts(self) -> dict[str, str | int]:
        """What is known, for a line of JSON. `hash` at `seq`, kept elsewhere, proves later that
        nothing before it was rewritten.
        """
        facts: dict[str, str | int | None] = {
            "writer": self.writer,
            "entries": self.entries,
            "seq": self.head.seq,
            "hash": self.head.hash,
            "fault": self.fault,
            "fault_at_seq": self.at_seq,
            "fault_entry": self.entry_id,
        }
        return {name: fact for name, fact in facts.items() if fact is not None}


class AuditVerification:
    """Reads every entry there is, a few at a time."""

    def __init__(self, audit: AuditRepository) -> None:
        self._audit = audit

    async def run(self) -> AsyncIterator[ChainReport]:
        """One chain after the other. Entries that are added meanwhile do no harm."""
        marks = {chain.id: chain for chain in await self._audit.chains()}
        for writer in await self._audit.writers():
            yield await self._walk(writer, marks.get(writer))

    async def _walk(self, writer: str, mark: AuditChain | None) -> ChainReport:
        head = ChainHead(mark.removed_up_to, mark.removed_hash) if mark else ChainHead()
        count = 0
        async for link in self._audit.links(writer):
            if mark is not None and link.seq <= mark.removed_up_to:
                continue  # its time is over; a crash came before it was removed
            if (fault := _fault_of(link, head)) is not None:
                at = head.seq + 1 if fault is ChainFault.MISSING else link.seq
                return ChainReport(writer, count, head, fault, at, str(link.id))
            head = ChainHead(link.seq, link.hash)
            count += 1
        if mark is not None and mark.seq > head.seq:
            return ChainReport(writer, count, head, ChainFault.CUT_OFF, head.seq + 1)
        return ChainReport(writer, count, head)


def _fault_of(link: StoredLink, before: ChainHead) -> ChainFault | None:
    if link.seq != before.seq + 1:
        return ChainFault.MISSING
    if link.content_hash != link.hash:
        return ChainFault.CHANGED
    if link.prev != before.hash:
        return ChainFault.BROKEN
    return None if link.has_its_details else ChainFault.DETAILS_CHANGED
