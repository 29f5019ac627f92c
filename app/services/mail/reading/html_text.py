"""HTML to the text a reader sees, by inscriptis over lxml."""

import re

from inscriptis import Inscriptis  # type: ignore[import-untyped]
from inscriptis.css_profiles import STRICT_CSS_PROFILE  # type: ignore[import-untyped]
from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]
from lxml import etree  # type: ignore[import-untyped]
from lxml.html import HtmlElement, HTMLParser, document_fromstring  # type: ignore[import-untyped]

from app.services.mail.reading.charsets import tidy

_CONFIG = ParserConfig(css=dict(STRICT_CSS_PROFILE))
_UNSEEN_TAGS = ("script", "style", "head", "title", "meta", "link", "template", "object")
_DOCUMENT_TAG = re.compile(r"<(?:/?(?:html|body)\b|!doctype)[^<>]{0,4000}>", re.IGNORECASE)
_HIDDEN = re.compile(
    r"display\s*:\s*none|mso-hide\s*:\s*all|visibility\s*:\s*hidden", re.IGNORECASE
)
_NO_MARGIN = re.compile(r"margin(?:-top|-bottom)?\s*:\s*0", re.IGNORECASE)
_OUTLOOK_PARAGRAPHS = ("msonormal", "msoplaintext", "msolistparagraph", "elementtoproof")


def text_of_html(html: str) -> str:
    """The words of `html`, one line a block; empty where it holds none."""
    tree = tree_of(html)
    return "" if tree is None else rendered(tree)


def tree_of(html: str) -> HtmlElement | None:
    """`html` parsed as leniently as a browser would; None where there is nothing in it."""
    # Apple Mail and mailing lists join whole documents; the parser stops at the end of the first.
    joined = _DOCUMENT_TAG.sub("", html)
    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        tree = document_fromstring(joined.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError):
        return None
    for element in list(tree.iter()):
        if _is_unseen(element):
            remove(element)
        elif element.tag == "p" and _is_tight(element):
            element.tag = "div"
    return tree


def remove(element: HtmlElement) -> None:
    """Take `element` out of its tree; the text behind it stays."""
    parent = element.getparent()
    if parent is not None:
        element.drop_tree()


def rendered(tree: HtmlElement) -> str:
    """The text of a parsed document, tidy."""
    try:
        text = str(Inscriptis(tree, _CONFIG).get_text())
    except (RecursionError, IndexError, ValueError, AttributeError):
        # A document that no client writes: its words without their layout.
        text = " ".join(tree.itertext())
    return tidy(text)


def _is_unseen(element: HtmlElement) -> bool:
    return element.tag in _UNSEEN_TAGS or bool(_HIDDEN.search(element.get("style", "")))


def _is_tight(element: HtmlElement) -> bool:
    """Whether a paragraph is shown without space around it: Outlook's lines are paragraphs."""
    classes = element.get("class", "").casefold()
    return any(name in classes for name in _OUTLOOK_PARAGRAPHS) or bool(
        _NO_MARGIN.search(element.get("style", ""))
    )
