"""Opt-out in any wording: also as a question, also from a patient who stays."""

from app.services.agent.guards.optout_phrases import ALONE, REFUSALS, REQUESTS
from app.services.agent.guards.wording import Hit, any_hit, hits, phrase, sentences

# "don't ever stop", "I would hate to be", "no quiero que dejen de": a refusal reaches the request
# over words like these, and over no others ("I don't know how to stop" is a request).
_BRIDGE = (
    "(?: (?:ever|please|you|them|to|want|need|like|wish|just|me|us|even|really|think|believe|i|we|"
    "should|have|let|get|see|asking|trying|saying|ask|try|meant|mean|que|quiero|quisiera|me|por|"
    "favor|se|quero|moi|zu|sie|bitte)){0,6}"
)
_REFUSED = phrase(
    "(?:dont|do not|never|not|cant|cannot|wont|didnt|did not|doesnt|hate|hated|sad|sorry|afraid|"
    "scared|without|wouldnt|would not|havent|hasnt|nor|no|nunca|nao|ne|pas|nicht|nie|nunca)"
    + _BRIDGE
    + "$"
)
_WHY_NOT = phrase(
    "(?:why|por que|porque|pourquoi|warum|can|could|would) (?:dont|no|nao|ne|nicht|"
    "not)(?: \\w+){0,4}$"
)
_WHAT_HAPPENED = phrase(
    "(?:did|have|had|why did|were|when did) (?:you|they|u|i|we|the office)(?: \\w+){0,2}$"
)
_MISTAKE = phrase(
    "by mistake|by accident|accidentally|mistakenly|por error|par erreur|aus versehen"
)


def is_opt_out(text: str) -> bool:
    """Whether the message asks, in any way, that messages stop.

    In doubt yes: a message too few costs little, a message to somebody who said stop costs trust.
    """
    return any(_asks_to_stop(sentence) for sentence in sentences(text))


def _asks_to_stop(sentence: str) -> bool:
    if any(pattern.fullmatch(sentence) for pattern in ALONE):
        return True
    if any_hit(REFUSALS, sentence):
        return not _MISTAKE.search(sentence)
    return any(_is_meant(hit, sentence) for hit in hits(REQUESTS, sentence))


def _is_meant(hit: Hit, sentence: str) -> bool:
    if _MISTAKE.search(sentence) or _WHAT_HAPPENED.search(hit.before):
        return False
    return not _REFUSED.search(hit.before) or _WHY_NOT.search(hit.before) is not None
