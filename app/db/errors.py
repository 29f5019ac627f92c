"""What a repository raises, in words that know no driver."""

import re
from collections.abc import Mapping
from typing import Any

_INDEX_NAME = re.compile(r"index:\s*(?:\S*\.\$)?([\w.]+)")


class DuplicateValueError(Exception):
    """A unique index refused a write. `index` is its name (see `app.db.indexes`)."""

    def __init__(self, index: str) -> None:
        super().__init__(f"The unique index {index} refused the write.")
        self.index = index


def index_named_in(details: Mapping[str, Any] | None, message: str) -> str:
    """The index a duplicate-key error is about; `_id_` for the primary key, `""` if unreadable."""
    match = _INDEX_NAME.search(str((details or {}).get("errmsg", "")) or message)
    return match[1] if match else ""
