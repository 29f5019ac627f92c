"""The chain of audit entries: each holds the hash of the one before it.

Every process chains its own entries (`writer`, `seq` from 1, `prev`), so that none waits for
another. What an entry says cannot be changed, and none removed or put in between, without the
chain showing where.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core.clock import to_milliseconds
from app.models.records import AuditEntry

BEFORE_THE_FIRST = ""
"""What the first entry of a chain has as `prev`."""

_NOT_HASHED = frozenset({"hash", "details"})
"""`details` counts by `details_hash`."""


@dataclass(frozen=True)
class ChainHead:
    """Where a chain ends."""

    seq: int = 0
    hash: str = BEFORE_THE_FIRST


def hash_of(content: Mapping[str, Any]) -> str:
    """The SHA-256 of a stored document, or part of one, as hex: the same read back as written."""
    text = json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
    )
    return hashlib.sha256(text.encode()).hexdigest()


def entry_hash(document: Mapping[str, Any]) -> str:
    """What a stored entry's `hash` has to be."""
    return hash_of({name: part for name, part in document.items() if name not in _NOT_HASHED})


def chained(entry: AuditEntry, writer: str, head: ChainHead) -> dict[str, Any]:
    """The entry as it is stored behind `head`."""
    document = entry.to_stored() | {"writer": writer, "seq": head.seq + 1, "prev": head.hash}
    if document["details"]:
        document["details_hash"] = hash_of(document["details"])
    document["hash"] = entry_hash(document)
    return document


def _plain(value: object) -> str:
    """An id or an instant; the database's instants have milliseconds."""
    return to_milliseconds(value).isoformat() if isinstance(value, datetime) else str(value)
