"""What our own receiver found out about the sender: SPF, DKIM, DMARC (RFC 8601).

Anybody can write an `Authentication-Results` header, so only the topmost counts and only if it
names our receiver; those below it came with the mail.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """RFC 8601, section 2.7, for the methods read here; `ABSENT` where nothing was stated."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    POLICY = "policy"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
    ABSENT = "absent"


@dataclass(frozen=True)
class Authentication:
    """Our receiver's verdicts; every one `ABSENT` where it stated nothing that can be trusted."""

    spf: Result = Result.ABSENT
    dkim: Result = Result.ABSENT
    """The best of the signatures: one that holds is enough (RFC 6376, section 6.1)."""
    dmarc: Result = Result.ABSENT
    dmarc_domain: str | None = None
    """The domain of the From header that was tested, lower case."""

    @property
    def is_forged(self) -> bool:
        """Whether the sender's own policy disowns the mail: a person must look at it."""
        return self.dmarc is Result.FAIL


UNKNOWN = Authentication()

_MAX_HEADER = 8_192
_WORD = r'(?:"(?:[^"\\]|\\.)*"|[^\s;="()]+)'
_AUTHSERV = re.compile(rf"\s*({_WORD})(?:\s+\d+)?\s*(?:;|$)")
_METHOD = re.compile(rf"\s*([A-Za-z][\w-]*)(?:\s*/\s*\d+)?\s*=\s*({_WORD})(.*)", re.DOTALL)
_FROM_DOMAIN = re.compile(rf"header\.from\s*=\s*({_WORD})", re.IGNORECASE)
_STATED = frozenset(Result) - {Result.ABSENT}
_WORTH = (
    Result.PASS, Result.POLICY, Result.NEUTRAL, Result.SOFTFAIL, Result.TEMPERROR,
    Result.PERMERROR, Result.FAIL, Result.NONE, Result.ABSENT,
)  # fmt: skip


def authentication(headers: Sequence[str], authserv_id: str) -> Authentication:
    """The verdicts in the topmost of `headers` (topmost first), if `authserv_id` wrote it.

    `authserv_id` is the name of our receiver, for example `mx.google.com`; case does not matter.
    """
    if not headers or not authserv_id or len(headers[0]) > _MAX_HEADER:
        return UNKNOWN
    bare = _without_comments(headers[0])
    start = _AUTHSERV.match(bare) if bare is not None else None
    if bare is None or start is None or _plain(start[1]) != authserv_id.strip().casefold():
        return UNKNOWN
    return _verdicts(_statements(bare[start.end() :]))


def _verdicts(statements: list[tuple[str, Result, str]]) -> Authentication:
    def best(method: str) -> Result:
        said = [result for name, result, _ in statements if name == method]
        return min(said, key=_WORTH.index, default=Result.ABSENT)

    dmarcs = [(result, rest) for name, result, rest in statements if name == "dmarc"]
    # Two verdicts on one From header contradict each other or repeat: the worse one counts.
    worst = max((result for result, _ in dmarcs), key=_WORTH.index, default=Result.ABSENT)
    domain = next((found for _, rest in dmarcs if (found := _FROM_DOMAIN.search(rest))), None)
    return Authentication(best("spf"), best("dkim"), worst, _plain(domain[1]) if domain else None)


def _statements(text: str) -> list[tuple[str, Result, str]]:
    """Method, result and properties of every statement that can be read."""
    found = (_METHOD.match(part) for part in _split(text))
    return [
        (match[1].casefold(), Result(result), match[3])
        for match in found
        if match and (result := _plain(match[2])) in _STATED
    ]


def _split(text: str) -> list[str]:
    """At semicolons outside of quotes."""
    parts, quoted = [""], False
    for position, character in enumerate(text):
        if character == '"' and text[position - 1 : position] != "\\":
            quoted = not quoted
        if character == ";" and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _without_comments(text: str) -> str | None:
    """`text` without comments, which nest (RFC 5322, section 3.2.2); None if unclosed."""
    kept: list[str] = []
    depth, is_quoted, is_escaped = 0, False, False
    for character in text:
        if is_escaped or character == "\\":
            is_escaped = not is_escaped
        elif character == '"' and depth == 0:
            is_quoted = not is_quoted
        elif not is_quoted and character in "()":
            depth += 1 if character == "(" else -1
            if depth < 0:
                return None
            continue
        if depth == 0:
            kept.append(character)
    return None if depth or is_quoted else "".join(kept)


def _plain(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token.strip('"')).casefold()
