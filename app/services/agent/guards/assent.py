"""A bare yes: the commonest reply of all, and too short for a classifier to be sure of."""

from app.services.agent.guards.wording import phrase, sentences

_YES = (
    "(?:y|ye|yes+|yep|yup|yeah|yea|ok|okay|sure|of course|absolutely|definitely|certainly|"
    "please do|sounds good|lets do it|count me in|im in|"
    "si|sip|claro|claro que si|por supuesto|dale|vale|de acuerdo|con gusto|"
    "oui|daccord|volontiers|bien sur|avec plaisir|ja|gerne?|einverstanden|klar|naturlich|"
    "sim|pode ser|com certeza|com prazer)"
)
_COURTESY = (
    "(?:please|pls|plz|thanks|thank you|thx|sir|maam|por favor|gracias|merci|sil vous plait|bitte|"
    "danke|obrigad[oa])"
)
_ASSENT = phrase(f"{_YES}(?:(?: ,)? (?:{_YES}|{_COURTESY})){{0,3}}")


def is_bare_assent(text: str) -> bool:
    """Whether the message says yes, in whatever courtesy, and nothing else.

    All letters that can be answered with it offer a visit. A question mark makes it a doubt.
    """
    said = sentences(text)
    return "?" not in text and bool(said) and all(_ASSENT.fullmatch(one) for one in said)
