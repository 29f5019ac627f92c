"""Wordings of not wanting to live, and of more medicine than is safe, over folded words (see
`wording`).

People say it sideways, often in half a sentence of a no ("no need for appointments, I won't be
around"), and a classifier of wishes takes it for the no. In doubt it is meant: a needless look by a
person costs little.
"""

from app.services.agent.guards.wording import phrases

_PILLS = (
    "(?:pills?|tablets?|painkillers?|tylenols?|advils?|aleves?|ibuprofens?|paracetamols?|aspirins?|"
    "acetaminophens?|naproxens?)"
)

SELF_HARM = phrases(
    (
        "(?:kill\\w*|hurt\\w*|harm\\w*|hang|shoot) myself|self ?harm\\w*|suicid\\w*|"
        "end(?:ing)? (?:my (?:own )?life|it all)|cut(?:ting)? myself (?:again|on purpose)|"
        "cut(?:ting)? my (?:wrists?|arms?)",
        "(?:dont|do not|no longer) want to (?:live|be here|be alive|wake up|go on|exist)",
        "want(?:ed)? to die|wanna die|rather (?:be dead|die)|wish i (?:was|were) dead|"
        "better off (?:dead|gone|without me|not (?:\\w+ )?(?:here|waking))|"
        "not worth living|(?:want to|wanna|could just|wish i could) <1>disappear",
        "(?:plan\\w*|going|want|ready|decided|thinking|thought) (?:of |about |to )?"
        "end(?:ing)? (?:it|things|everything)"
        "(?= (?:now|tonight|today|tomorrow|soon|this week\\w*|for good|forever)|$)",
        "(?:wish|hope|hoping|rather|prefer) <3>(?:not|never|dont|didnt|wouldnt) <1>"
        "wak(?:e|ing) up(?! (?:during|in the middle|while|mid))",
        "(?:not|wont|will not) be (?:alive|around (?:much|any|for) (?:long(?:er)?|more)|"
        "around anymore)",
        "(?:had enough of|tired of|done with|fed up with|sick of) (?:my |this )?"
        "(?:life|living|being alive|everything$)",
        "(?:no|any|the|whats the|a) (?:reason|point|sense) (?:left )?(?:in|of|to|for) "
        "(?:liv\\w+|life|going on|being (?:here|alive)|carry\\w* on)|"
        "nothing (?:left )?to live for",
        "want (?:it all|everything|all of (?:it|this)) to (?:be over|end|stop)|"
        "burden (?:any ?more|to (?:my|every\\w+|them|any\\w+))",
        "(?:cant|cannot|can not) go on(?: (?:like this|living|any ?more|any longer)|$)",
        "matarme|me quiero morir|quiero morir\\w*|no quiero (?:seguir )?viv\\w+|"
        "quitarme la vida|cortarme las venas|mejor (?:estaria|estar|si estuviera) muert[oa]",
        "sentido (?:a |en |de |la )*(?:nada|viv\\w+|vida|seguir)|quiero desaparecer|"
        "(?:voy|quiero|pienso|pensando|ganas) (?:de |a |en )?(?:acabar|terminar) con "
        "(?:todo|mi vida)|no quiero (?:seguir|estar) <1>(?:aqui|viv[oa]|en este mundo)",
        "envie de mourir|veux mourir|me tuer|(?:veux|vais|envie d|pense a) <1>en finir"
        "(?= avec (?:la|ma) vie|$)|en finir avec la vie|plus envie de vivre|"
        "veux disparaitre",
        "selbstmord\\w*|suizid\\w*|mich umbringen|nicht mehr leben|will sterben|"
        "nicht mehr (?:da|hier|am leben) sein|lebensmude|schluss mit dem leben",
        "me matar|matar me|quero morrer|nao quero (?:mais )?(?:viver|estar aqui)|"
        "quero (?:desaparecer|acabar com tudo)",
    )
)

OVERDOSE = phrases(
    (
        "overdos\\w*|(?:took|taken|swallowed|had) (?:a |the |my )?(?:whole|entire|full) "
        "(?:bottle|box|pack\\w*|strip)",
        f"(?:took|taken|taking|swallowed|popped|had) (?:\\w+ ){{0,2}}too many <3>{_PILLS}",
        f"(?:took|taken|taking|swallowed|popped) (?:\\w+ ){{0,2}}(?:[89]|[1-9]\\d|eight|nine|"
        f"ten|twelve|fourteen|fifteen|sixteen|twenty|thirty) <1>{_PILLS}",
        "sobredosis|(?:tome|tomado|trague) <2>(?:frasco|caja|bote) <1>enter[oa]|"
        "tod[oa] (?:el|la) (?:frasco|caja|bote)|surdose|uberdosis|sobredose",
    )
)
