"""RFC 3676, `format=flowed`: lines that a client broke for the wire are put together again."""

import re

_QUOTE_MARKS = re.compile(r">*")
_SIGNATURE_MARK = "-- "


def unflowed(text: str, joins_without_space: bool = False) -> str:
    """`text` with its soft line breaks undone. `joins_without_space` is the parameter DelSp."""
    lines: list[str] = []
    open_depth: int | None = None
    for raw in text.split("\n"):
        depth, content = _split(raw)
        continues = open_depth == depth and content != _SIGNATURE_MARK
        if continues:
            lines[-1] += content
        else:
            lines.append(">" * depth + (" " if depth else "") + content)
        is_soft = content.endswith(" ") and content != _SIGNATURE_MARK
        open_depth = depth if is_soft else None
        if is_soft and joins_without_space:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def _split(line: str) -> tuple[int, str]:
    """The depth of quoting, and the words without the space that was stuffed in front of them."""
    marks = _QUOTE_MARKS.match(line)
    depth = marks.end() if marks else 0
    content = line[depth:]
    return depth, content[1:] if content.startswith(" ") else content
