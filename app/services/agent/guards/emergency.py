"""Emergency: which red flags a message raises, read with negation, time and supposition.

The more cautious reading wins: a symptom is set aside only where the words around it say that it
is absent, long past, somebody's old story, or merely supposed.
"""

import re

from app.services.agent.guards.red_flags import RED_FLAGS, RedFlag
from app.services.agent.guards.wording import Hit, any_hit, hits, phrase, sentences

# Words that a negation reaches over: "no pain, swelling or fever", "don't have any".
_LISTED = (
    "(?: (?:,|or|and|nor|any|more|of|the|real|really|major|big|much|kind|sign|signs|a|an|severe|"
    "serious|bad|longer|particular|to|be|have|had|has|having|feel|feeling|got|in|is|are|was|from|"
    "pains?|swelling|swollen|fever|bleeding|pus|trouble|problems?|issues?|infection|"
    "o|ni|y|de|tengo|tiene|ningun|ninguna|nada|dolor|fiebre|hinchazon|sangrado|mucho|esta|estoy|"
    "ou|et|plus|pas|aucune?|douleurs?|fievre|oder|und|mehr|habe|ich|schmerzen|fieber|nem|tenho|"
    "mais|"
    "dor|febre|muita|forte|fuerte|starke)){0,10}"
)
_NEGATED = phrase(
    "(?:no|not|never|without|nor|none|zero|dont|doesnt|didnt|isnt|arent|wasnt|havent|hasnt|aint|"
    "free of|stopped|sin|nunca|tampoco|sans|pas|jamais|nai|ohne|kein|keine|keinen|nicht|nie|sem|"
    "nao)"
    f"{_LISTED}$"
)
_GONE = phrase(
    "(?:has |have |is |are |all |completely |finally |already |thankfully )*(?:gone|went (?:away|"
    "down)|"
    "healed|cleared up|better now|over now|stopped|disappeared|se fue|desaparecio|paso ya|ya paso)"
)
_LONG_AGO = phrase(
    "(?:years?|months?|decades?) (?:ago|back)|ages ago|long ago|a while (?:ago|back)|"
    "last (?:year|month|"
    "summer|winter|spring|fall|autumn|christmas)|as a (?:kid|child|teen\\w*)|when i was|"
    "in my (?:teens|"
    "twenties|thirties)|in (?:19|20)\\d\\d|back in|back then|used to|once had|had once|"
    "previously|in the past|"
    "hace (?:\\w+ )?(?:anos?|meses)|el (?:ano|mes|verano|invierno) pasado|de nin[oa]|"
    "il y a \\w+ (?:ans|mois)|lan dernier|annee derniere|vor (?:\\w+ )?(?:jahren|monaten)|"
    "letztes jahr|letzten (?:sommer|winter)|ha (?:\\w+ )?(?:anos|meses)|(?:no )?ano passado"
)
_CHILDHOOD = phrase(
    "as a (?:kid|child|teen\\w*)|when i was (?:a|little|young|small|in)|"
    "in (?:college|high school|elementary school|grade school|the army)|years back|"
    "de nin[oa]|cuando era (?:nin[oa]|chic[oa]|pequen[oa]|joven)|"
    "quand jetais (?:petite?|enfant|jeune)|als kind|"
    "quando (?:eu )?era (?:crianca|pequen[oa]|jovem)|em crianca"
)
_AGAIN = phrase(
    "now|still|again|today|tonight|this morning|since then|ahora|todavia|sigue|hoy|encore|toujours|"
    "maintenant|jetzt|noch|wieder|heute|agora|ainda|hoje"
)
_PRESENT = phrase(
    "now|still|again|today|tonight|this (?:morning|evening|afternoon|week)|since|is|are|am|im|its|"
    "keeps?|has been|have been|cant|cannot|wont|hurts|feels|getting|started|woke|back and|"
    "ahora|todavia|sigue|sigo|hoy|otra vez|tengo|esta|estoy|duele|encore|toujours|maintenant|"
    "aujourdhui|ai|est|jetzt|immer noch|heute|habe|ist|wieder|agora|ainda|hoje|estou|tenho"
)
_SUPPOSED = phrase(
    "if (?:i|we) (?:ever|should|were to)|hate to|how long (?:does|do|will|should)|"
    "what (?:do|should|would|can) (?:i|we|you|one) do|could an?|"
    "que (?:hago|hacer) si|que faire si|was (?:tun|mache ich) wenn|o que faco se|(?:will|would|"
    "does|do|can|could|might|is|are) (?:it|there|i|this|that|they|you|we|one|"
    "the \\w+|"
    "having|getting)|what if|in case|just in case|risk of|chance of|how (?:bad|much|often|do you)|"
    "what happens|(?:does|do|will|would|can|could|might) (?:\\w+ ){1,4}(?:cause|lead to|come with|"
    "involve)|afraid of|scared of|worried about|fear of|prevent|avoid|treat|habra|sera|puede|"
    "pueden|atienden|hay riesgo|en caso de|est ce que|gibt es|kann es|wird es|pode haver|vai doer"
)
_FIRST_PERSON = phrase(
    "my|mine|me|im|ive|i (?:have|am|got|had|feel)|mi|mis|tengo|estoy|mon|ma|mein|meine|meu|minha|"
    "now|today"
)
_RELATIVE = (
    "(?:brother|sister|mother|father|mom|mum|dad|husband|wife|son|daughter|friend|neighbou?r|uncle|"
    "aunt|cousin|grandma|grandpa|grandmother|grandfather|coworker|colleague|boss|hermano|hermana|"
    "madre|padre|amig[oa]|prim[oa]|ti[oa]|vecin[oa]|frere|soeur|bruder|schwester|irmao|irma)"
)
_OLD_STORY = phrase(
    f"(?:my|mi|mon|ma|mein|meine|meu|minha|a) {_RELATIVE} (?:had|once|tuvo|avait|hatte|teve)"
)
_RECENT = phrase(
    "just|today|now|tonight|yesterday|this (?:morning|week)|last night|minutes?|hours?|"
    "(?:days?) ago|"
    "hoy|ayer|ahora|acaba|anoche|aujourdhui|hier|heute|gestern|eben|gerade|hoje|ontem|agora"
)
_TURNS = re.compile(
    r" (?:but|and|however|though|although|yet|pero|y|mais|et|aber|und|mas|e|so) | , "
)
# "Mais" is French for "but" and Portuguese for "more".
_BUT = re.compile(
    r"(?<!aguento)(?<!suporto)(?<!quero) "
    r"(?:but|however|though|although|yet|pero|aunque|mais|aber|mas|porem) "
)
# Never set aside: "I don't want to live" holds its own negation.
_ALWAYS_NOW = frozenset({"self_harm"})
# What is knocked out stays so: "and her tooth is gone" is no recovery.
_NEVER_GONE = frozenset({"knocked_out_tooth", "facial_trauma"})
_INTRODUCTION_WORDS = 5


def red_flags(text: str) -> tuple[str, ...]:
    """Names of the red flags that the message raises, in the order of the table."""
    read = sentences(text)
    return tuple(flag.name for flag in RED_FLAGS if any(_raises(flag, s) for s in read))


def _raises(flag: RedFlag, sentence: str) -> bool:
    parts = _BUT.split(sentence)
    return any(
        _is_present(flag, hit)
        for part in parts
        if not any_hit(flag.harmless, part)
        for hit in hits(flag.patterns, part)
    )


def _is_present(flag: RedFlag, hit: Hit) -> bool:
    if _NEGATED.search(hit.before):
        return False
    if flag.name in _ALWAYS_NOW:
        return True
    clause = _clause_around(hit)
    if flag.name not in _NEVER_GONE and _GONE.match(hit.after.strip()):
        return False
    return not (
        _is_over(hit, clause) or _is_supposed(hit) or _is_old_story(clause) or _is_childhood(hit)
    )


def _clause_around(hit: Hit) -> str:
    """The words around the symptom up to the next comma, "and" or "but" on either side."""
    before = _TURNS.split(f" {hit.before} ")[-1]
    after = _TURNS.split(f"{hit.after} ")[0]
    return f"{before} {hit.words} {after}".strip()


def _is_over(hit: Hit, clause: str) -> bool:
    if _PRESENT.search(clause):
        return False
    return _LONG_AGO.search(clause) is not None or _opens_long_ago(hit.before)


def _is_childhood(hit: Hit) -> bool:
    """Told of a time of life long past, with no word that it is back."""
    told = f"{hit.before} {hit.words} {hit.after}"
    found = _CHILDHOOD.search(told)
    return found is not None and not _AGAIN.search(told, found.start())


def _opens_long_ago(before: str) -> bool:
    """ "Years ago, ..." and "When I was a child, ..." set the time for what follows."""
    opening, comma, _ = before.partition(",")
    return (
        bool(comma)
        and len(opening.split()) <= _INTRODUCTION_WORDS
        and _LONG_AGO.search(opening) is not None
    )


def _is_supposed(hit: Hit) -> bool:
    """Asked about, not felt: "Will there be severe pain?"; any "my" or "now" makes it felt."""
    before = _TURNS.split(f" {hit.before} ")[-1]
    found = _SUPPOSED.search(before)
    if found is None:
        return False
    return not _FIRST_PERSON.search(before[found.end() :] + hit.words + hit.after)


def _is_old_story(clause: str) -> bool:
    """A relative's past ("my brother had"), unless it has just happened."""
    return _OLD_STORY.search(clause) is not None and not _RECENT.search(clause)
