"""What a responder tells every reader: where to turn in an emergency, how to leave a list.

"If you are in severe pain, call 911" in an out-of-office is nobody's pain, and "click here to
unsubscribe" nobody's wish. Read so only where the rest looks like a responder's.
"""

from app.services.agent.guards.wording import any_hit, phrase, phrases, sentences

_ON_CONDITION = phrases(
    (
        "^(?:please |and |or )?(?:if (?:you|your|this|it|its|there|someone|somebody|anyone)|"
        "should (?:you|this|it)|in case (?:you|of)|in (?:an?|any|the event)|"
        "for (?:\\w+ ){0,4}(?:emergenc\\w+|urgent)|"
        "(?:patients|anyone|anybody|those|people) (?:with|who))",
        "^(?:si (?:usted|su|es|esto|se trata|tiene|necesita|sufre|presenta)|en caso de|"
        "para (?:emergencias|urgencias))",
        "^(?:si (?:vous|cest)|en cas (?:de|durgence)|pour (?:\\w+ ){0,2}urgences?)",
        "^(?:in dringenden|im notfall|bei|falls|wenn (?:sie|es))",
        "^(?:se (?:voce|for|tiver|precisar|necessitar)|em caso de|para (?:emergencias|urgencias))",
    )
)
_TURN_ELSEWHERE = phrases(
    (
        "call|dial|phone|text|contact|reach|e ?mail|seek|visit|proceed to|go (?:directly )?to|911",
        "llam[ea]\\w*|marque|acuda|vaya|contacte|escriba|dirijase|comuniquese",
        "appelez|composez|contactez|rendez vous|adressez|ecrivez",
        "rufen sie|wahlen sie|waehlen sie|wenden sie|kontaktieren sie|gehen sie|schreiben sie",
        "ligue|disque|contac?te|procure|dirija|escreva",
    )
)
_CALL_IF = phrases(
    ("^(?:please )?(?:call|dial|text|contact|go to) <6>(?:if (?:you|this|it)|for an?|in case)",)
)
# "If you can, call me: I am in pain" is no advice.
_OF_ONESELF = phrase(
    "i(?! (?:am (?:away|out|not|back)|return|get back|come back|will (?:be|return)))|"
    "im(?! (?:away|out|not|back))|ive|ill|id|mine|myself|"
    "my <2>(?:face|tooth|teeth|molar|gums?|jaw|mouth|cheek|lips?|tongue|throat|eye|son|daughter|"
    "child|kid|wife|husband|mother|father)|tengo|estoy|siento|"
    "mi (?:cara|muela|diente|boca|hij[oa])|"
    "jai|je|ma|ich|mein\\w*|tenho|estou|minha|meu"
)
_FOOTER = phrases(
    (
        "^(?:to (?:unsub\\w*|stop|opt|cancel|be removed|leave|no longer|manage)|"
        "(?:you|recipients) (?:can|may)|(?:click|tap|press) (?:here|the|on|below)|"
        "(?:reply|text|send|answer) stop to|"
        "if you (?:no longer |do not |dont |would )?(?:wish|want|like|prefer|care))",
        "unsub\\w* (?:here|manage|update|view|privacy|preferences|terms|https?|www)|"
        "(?:manage|update|view|privacy|policy|preferences|terms|rights reserved)(?: \\w+){0,3} "
        "unsub\\w*",
        "^(?:reply|text|send) stop$",
        "^(?:para (?:darse|dejar|cancelar|anular|desuscribirse)|si (?:ya )?no (?:desea|quiere)|"
        "haga clic|puede (?:darse|cancelar))",
        "^(?:pour (?:vous|ne plus)|si vous ne|cliquez)",
        "^(?:um sich|um keine|wenn sie keine|klicken sie|newsletter ab(?:bestellen|melden)$)",
        "^(?:para (?:cancelar|deixar|se descadastrar|sair)|se (?:voce )?nao (?:deseja|quiser)|"
        "clique)",
        "(?:sensitive|confidential|private|personal|financial|health|patient) (?:\\w+ )?"
        "(?:information|data|details|documents)",
        "(?:dont|do not) <2>(?:me|us) (?:for|about|with|regarding) <2>"
        "(?:urgent|emergenc\\w+|time sensitive)|(?:this|an unmonitored) (?:mailbox|inbox|account)",
    )
)
_OWN_WISH = phrase(
    "i|im|ive|id|me (?!for|about|with|regarding)|me$|my|mich|mir|moi|quiero|veux|quero"
)


def without_advice(text: str) -> str:
    """The folded sentences that are not addressed to any reader whatever, one a line."""
    return "\n".join(one for one in sentences(text) if not _is_advice(one) and not _is_footer(one))


def _is_advice(sentence: str) -> bool:
    offers = any_hit(_CALL_IF, sentence) or (
        any_hit(_ON_CONDITION, sentence) and any_hit(_TURN_ELSEWHERE, sentence)
    )
    return offers and not _OF_ONESELF.search(sentence)


def _is_footer(sentence: str) -> bool:
    return any_hit(_FOOTER, sentence) and not _OWN_WISH.search(sentence)
