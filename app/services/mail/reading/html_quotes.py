"""Where an HTML mail holds its history and its signature: what each client marks in its own way.

The marked places are replaced by single private characters before the document is rendered, so that
`history` sees in the text where a quote, a signature or the end of the new words stood.
"""

import re

from lxml.html import HtmlElement  # type: ignore[import-untyped]

from app.services.mail.reading.html_text import remove, rendered, tree_of
from app.services.mail.reading.marks import END, MARKS, QUOTE

# Gmail's container holds the attribution, the quotes, and answers written between them.
_UNWRAPPED_CLASSES = ("gmail_quote", "gmail_quote_container", "gmail_extra")
_QUOTE_CLASSES = (
    "gmail_attr",
    "yahoo_quoted",
    "yahoo-quoted-begin",
    "iosymail",
    "moz-cite-prefix",
    "moz-email-headers-table",
    "protonmail_quote",
    "tutanota_quote",
    "zmail_extra",
    "skiff_quote",
    "front-blockquote",
    "mail_quote",
    "quoted-mail",
)
_QUOTE_IDS = (
    "reply-intro",
    "isreplycontent",
    "isforwardcontent",
    "orimsghtmlseperator",
    "reply139content",
)
_QUOTE_NAMES = ("quote", "messagereplysection")
_END_IDS = (
    "divrplyfwdmsg",
    "appendonsend",
    "replysplit",
    "stopspelling",
    "zwchr",
    "olk_src_body_section",
    "mail-editor-reference-message-container",
    "origbody",
)
_END_CLASSES = ("ms-outlook-mobile-reference-message", "moz-forward-container")
_END_MARKERS = ("__divider__", "__quoted_text__", "__headers__")
_SIGNATURE_CLASSES = (
    "gmail_signature",
    "gmail_signature_prefix",
    "moz-signature",
    "protonmail_signature_block",
    "yahoo-signature",
    "zmail_signature_below",
)
_SIGNATURE_IDS = (
    "signature",
    "ms-outlook-mobile-signature",
    "composer_signature",
    "_rc_sig",
    "outlooksignature",
    "dab4fad8-2dd7-40bb-a1b8-4e2aa1f9fdf2",  # Avast's advertisement
)
_SIGNATURE_NAMES = ("messagesignaturesection",)
_SIGNATURE_MARKERS = ("__sig_pre__", "__sig_post__")
_TOP_BORDER = re.compile(
    r"border(?:-top)?\s*:\s*(?:none\s*;\s*border-top\s*:)?[^;]*solid", re.IGNORECASE
)
_LEFT_BORDER = re.compile(r"border-left|border-inline-start", re.IGNORECASE)
_FROM_FIELD = re.compile(r"^\W*(?:from|de|von|da|van|sent|enviado|gesendet)\W{0,3}:", re.IGNORECASE)
_ATTRIBUTION_END = re.compile(r"(?:@|\d)[^\n]{0,200}:\s*$|:\s*$")
_LOOK_AHEAD_CHARACTERS = 400


def marked_text(html: str) -> tuple[str, str | None]:
    """The text of `html` with `marks` in it, and the signature that was marked as one."""
    tree = tree_of(html.translate(dict.fromkeys(map(ord, MARKS))))
    if tree is None:
        return "", None
    signatures: list[str] = []
    waiting = [tree]
    while waiting:
        element = waiting.pop()
        if not isinstance(element.tag, str):
            continue
        if _is_end(element):
            _replace(element, END)
            _remove_all(waiting)
        elif not _is_marked(element, signatures):
            waiting.extend(reversed(element))
    return rendered(tree), "\n".join(signatures).strip() or None


def _is_marked(element: HtmlElement, signatures: list[str]) -> bool:
    """Whether the element was taken out, so that nobody need look inside."""
    if _is_signature(element):
        signatures.append("\n".join(element.itertext()).strip())
        remove(element)
    elif _is_quote(element):
        _replace(element, QUOTE)
    else:
        return False
    return True


def _remove_all(waiting: list[HtmlElement]) -> None:
    """What follows the end of the new words need not be rendered."""
    while waiting:
        remove(waiting.pop())


def _replace(element: HtmlElement, mark: str) -> None:
    """The element's content gives way to a line with nothing but `mark`."""
    tail = element.tail
    element.clear()
    element.tag, element.text, element.tail = "div", mark, tail


def _is_signature(element: HtmlElement) -> bool:
    return (
        _has_class(element, _SIGNATURE_CLASSES)
        or _attribute(element, "id") in _SIGNATURE_IDS
        or _attribute(element, "name") in _SIGNATURE_NAMES
        or _attribute(element, "data-marker") in _SIGNATURE_MARKERS
    )


def _is_end(element: HtmlElement) -> bool:
    return (
        _attribute(element, "id") in _END_IDS
        or _has_class(element, _END_CLASSES)
        or _attribute(element, "data-marker") in _END_MARKERS
        or _is_outlook_header(element)
    )


def _is_outlook_header(element: HtmlElement) -> bool:
    """Outlook's line above "From:": a block whose only border is at its top."""
    style = element.get("style", "")
    if element.tag != "div" or not _TOP_BORDER.search(style) or _LEFT_BORDER.search(style):
        return False
    return bool(_FROM_FIELD.match(_beginning(element)))


def _is_quote(element: HtmlElement) -> bool:
    if element.tag == "blockquote":
        return _is_quoting(element)
    if _has_class(element, _UNWRAPPED_CLASSES):
        return element.find(".//blockquote") is None and "gmail_extra" not in element.get("class")
    return (
        _has_class(element, _QUOTE_CLASSES)
        or _attribute(element, "id") in _QUOTE_IDS
        or _attribute(element, "name") in _QUOTE_NAMES
    )


def _is_quoting(blockquote: HtmlElement) -> bool:
    """Whether a blockquote is history; a bare one may be a person's own indented words."""
    if any(blockquote.get(name) for name in ("type", "class", "cite", "id")):
        return True
    if _LEFT_BORDER.search(blockquote.get("style", "")):
        return True
    return bool(_ATTRIBUTION_END.search(_text_before(blockquote)))


def _text_before(element: HtmlElement) -> str:
    previous = element.getprevious()
    if previous is None:
        parent = element.getparent()
        return str(parent.text or "").strip()
    own_tail = str(previous.tail or "").strip()
    return own_tail or "".join(previous.itertext()).strip()[-_LOOK_AHEAD_CHARACTERS:]


def _beginning(element: HtmlElement) -> str:
    words = ""
    for piece in element.itertext():
        words += piece
        if len(words.strip()) > _LOOK_AHEAD_CHARACTERS:
            break
    return words.strip()


def _has_class(element: HtmlElement, names: tuple[str, ...]) -> bool:
    """Yahoo and webmail clients prefix foreign class names ("ydp1a2b3yahoo_quoted")."""
    classes = element.get("class", "").casefold().split()
    return any(given == name or given.endswith(name) for given in classes for name in names)


def _attribute(element: HtmlElement, name: str) -> str:
    return str(element.get(name, "")).strip().casefold()
