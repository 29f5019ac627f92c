"""The mood of a reply: an estimate for the staff's list, nothing is decided by it.

A short word list in five languages and what the classifier saw. It reads no irony; `neutral` is
the answer wherever the words do not lean clearly.
"""

import re
from collections.abc import Mapping

from app.models.decision import Intent, Sentiment

_POSITIVE = re.compile(
    r"""\b(thank(s|\ you)?|thx|cheers|great|perfect|love(ly|d)?|happy|glad|wonderful|awesome|
    fantastic|excellent|appreciate|kind(ly|ness)?|pleased?\ to|looking\ forward|sounds\ good|
    gracias|encantad[oa]|perfecto|genial|estupendo|merci|volontiers|parfait|avec\ plaisir|
    danke|gerne?|freue|wunderbar|obrigad[oa]|ótimo|perfeito|adoro)\b|[👍😊🙂😀❤🙏]""",
    re.IGNORECASE | re.VERBOSE,
)
_NEGATIVE = re.compile(
    r"""\b(angry|upset|terrible|horrible|awful|rude|unacceptable|worst|disgust\w*|ridiculous|
    complain\w*|hate|annoy\w*|harass\w*|scam|refund|lawyer|unhappy|disappoint\w*|fed\ up|agony|
    unbearable|hurts?|painful|leave\ me\ alone|queja|pésim[oa]|horrible|dolor|duele|harto|harta|
    déçue?|honte|douleur|inadmissible|schrecklich|unverschämt|ärger\w*|schmerz\w*|beschwer\w*|
    péssim[oa]|dor|reclama\w*|absurdo)\b|[😡😠🤬👎]""",
    re.IGNORECASE | re.VERBOSE,
)
_NOT_POSITIVE = re.compile(
    r"\b(no|not|never|kein|nein|non|não)\b[,\s]+(so\s+|very\s+|really\s+)?(thank|gracias|merci|"
    r"danke|"
    r"obrigad|happy|great|good|glad|kind)",
    re.IGNORECASE,
)
_CLEAR = 0.6


def estimate_sentiment(text: str, probabilities: Mapping[Intent, float]) -> Sentiment:
    """Positive or negative where words and intent lean one way, else neutral."""
    score = len(_POSITIVE.findall(text)) - len(_NOT_POSITIVE.findall(text))
    score -= 2 * len(_NEGATIVE.findall(text))
    if probabilities.get(Intent.EMERGENCY, 0.0) >= _CLEAR:
        score -= 2
    if probabilities.get(Intent.BOOKING_REQUEST, 0.0) >= _CLEAR:
        score += 1
    if score > 0:
        return Sentiment.POSITIVE
    return Sentiment.NEGATIVE if score < 0 else Sentiment.NEUTRAL
