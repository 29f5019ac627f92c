"""The table of red flags: what needs attention the same day, in five languages.

Each row names the public guidance that calls it urgent. The phrases are over folded words (see
`wording`); English and Spanish are worked out, French, German and Portuguese hold the common forms.
"""

import re
from dataclasses import dataclass, field

from app.services.agent.guards.despair import OVERDOSE, SELF_HARM
from app.services.agent.guards.wording import phrases

_TOOTH = "(?:tooth|teeth|molar|incisor|crown|gums?|jaw|mouth|socket)"
_AFTER_SURGERY = (
    "(?:after|since|following|from) (?:\\w+ ){0,4}(?:extractions?|surgery|implants?|operation|"
    "procedure|root canal|pulled|removed|removal|antibiotics?|anesthe\\w+|injection)"
)
_TROUBLE = (
    "(?:worse|worsening|pus|numb\\w*|stitch\\w*|smells?|bleeds?|bleeding|fever|throb\\w*|pain|"
    "painful|"
    "hurts?|leaking|oozing|opened|infect\\w*|swollen|swelling|cant|unbearable)"
)
_STRONG = (
    "(?:severe|severely|unbearable|excruciating|agoni\\w+|intense|extreme|extremely|terrible|"
    "horrible|horrific|awful|bad|badly|killing|worst|intolerable|throbbing|strong|sharp|stabbing|"
    "shooting|crazy|insane|constant|constantly|non stop|nonstop|massive|major|so much|a lot of|"
    "lots of|incredible|huge|serious|real)"
)


@dataclass(frozen=True)
class RedFlag:
    """One row: its name (kept as evidence), what it is about, the published guidance that asks for
    care the same day, its phrases, and what makes a match harmless.
    """

    name: str
    about: str
    source: str
    patterns: tuple[re.Pattern[str], ...]
    harmless: tuple[re.Pattern[str], ...] = field(default=())
    """A sentence with one of these is about something else (a cold, brushing, a baby tooth)."""


RED_FLAGS: tuple[RedFlag, ...] = (
    RedFlag(
        "trouble_breathing",
        "difficulty breathing, a throat that closes",
        "NHS, Dental abscess (A&E); SDCEP, Management of Acute Dental Problems",
        patterns=phrases(
            (
                "(?:cant|cannot|can not|hard to|harder to|hardly|barely|trouble|difficulty|"
                "difficult to|struggl\\w+ to|problems?|unable to|not able to) <1>breath\\w*",
                "short(?:ness)? of breath|gasping|choking|suffocating",
                "throat (?:\\w+ ){0,3}(?:closing|closes|swelling|swollen|swells|tight\\w*)",
                "(?:no puedo|cuesta|dificultad (?:para|al)|apenas puedo) (?:\\w+ ){0,2}respirar",
                "me ahogo|me estoy ahogando|me falta <1>aire|se me cierra la garganta",
                "(?:mal a|peine a|difficultes? a|peux plus|peux pas|n?arrive plus a|"
                "n?arrive pas a) "
                "<1>respirer|jetouffe",
                "atemnot|luftnot|(?:keine|kaum) luft|(?:kaum|schlecht|schwer|"
                "nicht) (?:mehr )?atmen",
                "(?:nao consigo|dificuldade (?:para|em|de)|custa me) <1>respirar|falta de ar",
            )
        ),
    ),
    RedFlag(
        "trouble_swallowing_or_opening",
        "difficulty swallowing, a mouth that hardly opens",
        "NHS, Dental abscess (A&E); SDCEP, Management of Acute Dental Problems",
        patterns=phrases(
            (
                "(?:cant|cannot|can not|hard to|harder to|hardly|barely|trouble|difficulty|"
                "difficult to|struggl\\w+ to|unable to|not able to|hurts to|painful to) <1>"
                "swallow\\w*(?! (?:the|this|that|your) (?:price|cost|bill|news))",
                "(?:cant|cannot|hardly|barely|unable to|trouble) <1>open\\w* <2>(?:mouth|jaw)",
                "jaw (?:is )?(?:locked|stuck)|lockjaw",
                "(?:no puedo|cuesta|dificultad (?:para|al)|apenas puedo) (?:\\w+ ){0,2}"
                "(?:tragar|abrir <2>(?:boca|mandibula))",
                "(?:mal a|peine a|difficultes? a|peux plus|peux pas|n?arrive plus a|"
                "n?arrive pas a) <1>"
                "(?:avaler|ouvrir <1>bouche)",
                "schluckbeschwerden|(?:kaum|schlecht|nicht|schwer) (?:mehr )?schlucken|"
                "mund (?:kaum|nicht) <2>(?:offnen|auf)",
                "(?:nao consigo|dificuldade (?:para|em|de)|custa me) <1>(?:engolir|abrir <1>boca)",
            )
        ),
    ),
    RedFlag(
        "swelling",
        "swelling of face, jaw, gum, eye or tongue",
        "NHS, Dental abscess; SDCEP, Management of Acute Dental Problems",
        patterns=phrases(
            (
                "swollen|swelling|swell|swells|swelled|swole|ballooned|(?:side|face|cheek|jaw|"
                "gums?|lips?) <3>(?:has |have |is |are )?(?:blown|blew|blowing) up|"
                "puff(?:y|ed|ing) <2>(?:up|face|cheek|jaw|lips?|eyes?|gums?)",
                "(?:face|cheek|jaw|lips?|eye|gums?|tongue) (?:\\w+ ){0,4}(?:puffy|huge|twice|"
                "doubled|"
                "ballooning|size of|fat)",
                "hinchad[oa]s?|hinchazon|se (?:me |le )?(?:hincho|hincha|esta hinchando)|flemon",
                "(?:cara|encia|mejilla|mandibula|cachete) <2>inflamad[oa]|inflamacion",
                "gonfle(?:e|es|s)?|gonflement|enfle(?:e|es|s)?|enflure",
                "geschwollen\\w*|schwellung\\w*|anschwell\\w*|dicke <1>(?:backe|wange)|"
                "(?:backe|wange) <2>dick",
                "inchad[oa]s?|inchaco|inchou|inchando",
            )
        ),
    ),
    RedFlag(
        "infection",
        "pus, an abscess, an infected tooth or wound",
        "NHS, Dental abscess; ADA, MouthHealthy, Dental emergencies",
        patterns=phrases(
            (
                "abscess\\w*|pus|oozing|infected|infection|(?:boil|pimple|bump|lump) <4>(?:gums?|"
                "jaw|"
                "burst|leaking)",
                "absceso|infeccion|infectad[oa]|supura\\w*",
                "abces|infecte\\w*|infection dentaire",
                "abszess|eiter\\w*|entzundet\\w*|entzundung",
                "abcesso|abscesso|infeccao|infecionad[oa]|infeccionad[oa]",
            )
        ),
        harmless=phrases(("infection control|covid\\w*|(?:prevent|avoid|risk of) <1>infection",)),
    ),
    RedFlag(
        "fever",
        "a high temperature (and no cold beside it)",
        "NHS, Dental abscess and Toothache (urgent help)",
        patterns=phrases(
            (
                "fever\\w*|high temperature|running a temp\\w*|chills|shiver(?:y|ing)",
                "temp(?:erature)? (?:\\w+ ){0,2}(?:3[89]|4[01]|10[0-5])|(?:3[89]|4[01]) fieber",
                "fiebre|calentura|escalofrios|fievre|fieber|febre",
            )
        ),
        harmless=phrases(
            (
                "flu|a cold|covid\\w*|hay fever|cabin fever|spring fever|gripe|resfriado|grippe|"
                "rhume",
                "(?:son|daughter|kids?|child|baby|toddler|husband|wife) (?:has|have|had|"
                "is running) "
                "<1>(?:fever|temperature)",
            )
        ),
    ),
    RedFlag(
        "bleeding",
        "bleeding that goes on or is heavy",
        "SDCEP, Management of Acute Dental Problems; NHS, Wisdom tooth removal",
        patterns=phrases(
            (
                "(?:is|im|am|are|been|keeps?|kept|still|started|starts|wont stop|not stop|"
                "cant stop|"
                "doesnt stop|hasnt stopped|havent stopped|not stopped|non ?stop|heavy|heavily) "
                "(?:\\w+ ){0,2}bleeding",
                "bleed\\w* (?:\\w+ ){0,4}(?:wont stop|will not stop|not stop\\w*|doesnt stop|"
                "does not stop|cant stop|hasnt stopped|for hours|a lot|heavily|everywhere|badly|"
                "since|"
                "profusely|like crazy|all (?:day|night|over))",
                "blood (?:\\w+ ){0,2}(?:everywhere|all over|pouring|gushing|wont stop|clots?)|"
                "(?:full of|spitting|spit|coughing|swallowing|so much|lots of|a lot of|taste|"
                "tasting|"
                "soaked (?:in|with)) blood|hemorrhag\\w*|uncontroll\\w* bleeding",
                "desangr\\w+|sangramento <2>nao para|sang (?:qui )?(?:ne )?sarrete pas",
                "(?:gauze|towel|pillow) <3>(?:soaked|red|bloody|full)",
                "(?:no (?:para|deja|paraba|ha parado) de|sigo|sigue|esta|estoy|continua) "
                "sangra(?:r|ndo)|sangr\\w+ (?:mucho|bastante|sin parar|desde)|hemorragia|"
                "mucha sangre|boca llena de sangre",
                "saigne (?:\\w+ ){0,2}(?:beaucoup|toujours|encore|sans arret|depuis|plus)|"
                "narrete pas de saigner|hemorragie|beaucoup de sang",
                "(?:blutet|blute|blutung\\w*|bluten) (?:\\w+ ){0,3}(?:stark|seit|nicht auf|noch|"
                "immer|"
                "weiter)|hort nicht auf zu bluten|nachblutung",
                "nao para de sangrar|sangr\\w+ (?:muito|sem parar|desde)|hemorragia|"
                "(?:esta|estou|continua) (?:a sangrar|sangrando)",
            )
        ),
        harmless=phrases(
            (
                "is bleeding normal|normal (?:to|for) <2>bleed|brush\\w*|floss\\w*|cepill\\w*|"
                "hilo dental|brosse\\w*|putze\\w*|zahneputzen|"
                "escov\\w*",
            )
        ),
    ),
    RedFlag(
        "facial_trauma",
        "a blow to face, jaw or teeth, a broken jaw",
        "ADA, MouthHealthy, Dental emergencies; SDCEP, Management of Acute Dental Problems",
        patterns=phrases(
            (
                "(?:hit|smashed|bashed|slammed|punched|elbowed|kicked|struck|banged|knocked|fell|"
                "fallen|tripped|crashed|crash|accident) <7>(?:face|jaw|mouth|teeth|tooth|chin|lip)",
                "(?:broke|broken|fractured|dislocated) <2>(?:jaw|cheekbone)|jaw <2>(?:broken|"
                "fractured|"
                "dislocated)",
                "(?:teeth|tooth) (?:\\w+ ){0,3}(?:loose|pushed|moved|"
                "dont fit) (?:\\w+ ){0,3}(?:after|"
                "fall|hit|blow|accident|back|in|together)",
                "(?:golpe\\w*|caida|cai|caido|se cayo|accidente|punetazo|patada) <6>(?:cara|"
                "mandibula|"
                "boca|dientes?|muelas?|labio)|mandibula (?:rota|fracturada|dislocada)",
                "(?:tombee?|chute|choc|coup|accident) <6>(?:visage|machoire|bouche|dents?)",
                "(?:gesturzt|sturz|unfall|schlag|gefallen|hingefallen) <6>(?:gesicht|kiefer|mund|"
                "zahn|"
                "zahne)|kiefer gebrochen",
                "(?:cai|caiu|queda|pancada|acidente|soco) <6>(?:cara|rosto|mandibula|boca|dentes?)",
            )
        ),
        harmless=phrases(
            ("hit <2>(?:deductible|limit|maximum|button|send)|fell (?:in love|asleep|out(?! of))",)
        ),
    ),
    RedFlag(
        "knocked_out_tooth",
        "a tooth knocked out, loosened or displaced",
        "NHS, Knocked-out tooth; ADA, MouthHealthy, Dental emergencies",
        patterns=phrases(
            (
                f"(?:knock\\w*|punched|kicked|took) <3>out <3>{_TOOTH}",
                f"(?:knock\\w*|punched|kicked) <4>{_TOOTH} <2>out",
                "(?:tooth|teeth) (?:\\w+ ){0,4}(?:knocked out|came out|fell out|fallen out|"
                "popped out|"
                "hanging|in my hand|in milk|pushed (?:in|up|back))",
                "lost (?:my|a|her|his) <2>(?:tooth|teeth)(?! ?(?:brush|paste))",
                "fell <6>(?:tooth|teeth) (?:is|are) gone|(?:casse|perdu) une dent",
                "se (?:me|le) (?:cayo|salio|callo) <2>(?:dientes?|muela)|(?:diente|"
                "muela) <2>(?:caido|"
                "en la mano|en leche)|se (?:me )?(?:rompio|rompieron) <2>dientes?|perdi un diente",
                "dent (?:\\w+ ){0,2}(?:tombee|cassee|arrachee|expulsee)|perdu une dent",
                "zahn (?:\\w+ ){0,4}(?:ausgeschlagen|rausgefallen|ausgefallen|herausgefallen)|"
                "zahn verloren",
                "(?:caiu|perdi|saiu|partiu) <3>dente|dente <2>(?:caiu|saiu|partiu)",
            )
        ),
        harmless=phrases(
            ("(?:baby|milk|primary) (?:tooth|teeth)(?! <5>knock)|tooth fairy|de leche",)
        ),
    ),
    RedFlag(
        "severe_pain",
        "pain that is strong, keeps awake or resists painkillers",
        "NHS, Toothache (urgent help); SDCEP, Management of Acute Dental Problems",
        patterns=phrases(
            (
                f"{_STRONG} (?:\\w+ ){{0,2}}(?:pains?|toothache|tooth ache|ache|aches|agony|hurts)",
                "(?:pain|pains|toothache|ache|aching|tooth|jaw|it) (?:\\w+ ){0,3}(?:unbearable|"
                "excruciating|killing me|severe|intense|intolerable|so bad|really bad|very bad|"
                "too much|nonstop|non stop|all night|10 out of 10|[789] out of 10|keeping me (?:up|"
                "awake))",
                "(?:in|this|pure|total|absolute|sheer|its|is) agony|(?:its|tooth is) killing me|"
                "in <3>pain|painful? <2>cant|"
                "(?:[789]|10) out of 10|(?:[789]|10) 10 pain",
                "hurts? (?:\\w+ ){0,2}(?:so|really|a lot|badly|like hell|like crazy|so much|"
                "very much|"
                "terribly|extremely|constantly|too much|all the time)",
                "(?:cant|cannot|couldnt|havent|unable to|not) (?:sleep|slept|eat|eaten|think|work|"
                "function) (?:\\w+ ){0,6}(?:pain|tooth\\w*|jaw|ache|hurts)",
                "(?:pain|toothache|tooth|jaw|hurts|ache) (?:(?:\\w+|,) ){0,5}(?:cant|cannot|"
                "couldnt|"
                "havent) (?:sleep|slept|eat|eaten|think|work|function)",
                "(?:up|awake|crying) <2>(?:nights?|all night) <4>(?:pain|tooth\\w*|throb\\w*|"
                "ach\\w+)",
                "(?:painkillers?|ibuprofen|advil|tylenol|paracetamol|aspirin|"
                "nothing) (?:\\w+ ){0,5}"
                "(?:not|isnt|doesnt|dont|arent|nothing|wont|barely|no longer|helps?|"
                "touching)(?: \\w+)?"
                "(?: (?:work|working|help|helping|helps|touch|touching))?",
                "throbbing|pounding <1>(?:pain|tooth|ache)|pain (?:\\w+ ){0,3}(?:worse|spreading|"
                "radiating)",
                "(?:mucho|fuerte|horrible|terrible|insoportable|intenso|muchisimo|tanto|tremendo) "
                "<1>dolor|dolor (?:\\w+ ){0,4}(?:fuerte|insoportable|horrible|terrible|intenso|"
                "agudo|"
                "matando|mata|muy)",
                "duele(?:n)? (?:\\w+ ){0,3}(?:mucho|muchisimo|horrores|tanto|monton|demasiado)|"
                "(?:no )?(?:aguanto|soporto) <3>(?:dolor|muela|mas)|muero <2>dolor",
                "sin (?:poder )?(?:dormir|comer) <4>(?:dolor|muela)",
                "no (?:puedo|pude|he podido|dejo|deja) (?:dormir|comer) <5>(?:dolor|muela|diente)|"
                "dolor (?:\\w+ ){0,4}no (?:me )?(?:puedo|deja|he podido) dormir",
                "(?:mal|douleurs?) (?:\\w+ ){0,3}(?:insupportables?|atroces?|terribles?|intenses?|"
                "fortes?|horribles?|enormes?)|(?:tres|horriblement|terriblement|tellement|"
                "super) mal|"
                "rages? de dents?|je souffre|fortes? douleurs?",
                "(?:stark|schlimm|unertraglich|hollisch|furchtbar|heftig|extrem|furchterlich|"
                "wahnsinnig)"
                "\\w* <1>(?:schmerz\\w*|zahnschmerz\\w*)|tut <3>(?:hollisch|sehr|so|furchtbar|"
                "unertraglich|extrem) <1>weh|vor schmerz\\w*|(?:schmerz\\w*|zahnschmerz\\w*) <3>"
                "(?:unertraglich|nicht (?:mehr )?aus)",
                "(?:muita|forte|terrivel|insuportavel|horrivel|imensa|tanta) <1>dor(?:es)?|"
                "dor(?:es)? (?:\\w+ ){0,4}(?:forte|insuportavel|terrivel|horrivel|intensa|matando)|"
                "doi (?:\\w+ ){0,3}(?:muito|demais|imenso)|nao (?:aguento|suporto) <3>(?:dor|mais)",
            )
        ),
        harmless=phrases(
            ("pain in the (?:neck|ass|butt|back)|growing pains|pain free|price\\w* <2>pain\\w*",)
        ),
    ),
    RedFlag(
        "allergic_reaction",
        "hives, a rash or a reaction to a medicine",
        "NHS, Anaphylaxis",
        patterns=phrases(
            (
                "(?:allergic|bad|adverse) reaction|anaphyla\\w*|hives|rash|epipen",
                "reaccion alergica|ronchas|urticaria|sarpullido",
                "reaction allergique|urticaire|allergische reaktion|ausschlag|nesselsucht",
                "reacao alergica|alergia forte",
            )
        ),
    ),
    RedFlag(
        "trouble_after_surgery",
        "pain, bleeding, numbness or pus after an operation",
        "NHS, Wisdom tooth removal (recovery)",
        patterns=phrases(
            (
                f"{_TROUBLE} <6>{_AFTER_SURGERY}",
                f"{_AFTER_SURGERY} <8>{_TROUBLE}",
                "dry socket|stitch\\w* (?:\\w+ ){0,2}(?:out|open|opened|popped|broke|burst|undone)",
                "(?:sangr\\w+|fiebre|pus|dolor|peor|duele|hinchad\\w+|dormid[oa]) <6>(?:despues de|"
                "desde) <3>(?:extraccion|operacion|cirugia|implante|endodoncia)",
                "(?:despues de|desde|tras) <3>(?:extraccion|operacion|cirugia|implante|"
                "endodoncia) <8>"
                "(?:sangr\\w+|fiebre|pus|dolor|peor|duele|hinchad\\w+|dormid[oa])",
                "(?:apres|depuis) <3>(?:extraction|operation|implant) <8>(?:mal|douleur\\w*|saigne|"
                "fievre|pus|pire)",
                "(?:nach|seit) <3>(?:ziehen|extraktion|operation|op|implantat) <8>(?:schmerz\\w*|"
                "blut\\w*"
                "|fieber|eiter|schlimmer|taub)",
                "(?:depois da|desde a|apos a) <3>(?:extracao|cirurgia|operacao) <8>(?:dor|"
                "sangr\\w+|"
                "febre|pus|pior|dormente)",
            )
        ),
        harmless=phrases(
            ("(?:swelling|pain|bleeding) <1>(?:went <1>(?:away|down)|is gone|stopped|cleared up)",)
        ),
    ),
    RedFlag(
        "self_harm",
        "not wanting to live, wanting to harm oneself",
        "NHS, Help for suicidal thoughts",
        patterns=SELF_HARM,
    ),
    RedFlag(
        "overdose",
        "more of a medicine than is safe",
        "NHS, Paracetamol for adults; NHS, Ibuprofen for adults",
        patterns=OVERDOSE,
    ),
    RedFlag(
        "collapse",
        "fainting, chest pain, a seizure",
        "NHS, When to call 999",
        patterns=phrases(
            (
                "passed out|faint(?:ed|ing)?|collapsed|unconscious|chest pain|seizure",
                "(?:me )?desmay\\w+|dolor en el pecho|evanoui\\w*|ohnmachtig|desmai\\w+",
            )
        ),
    ),
    RedFlag(
        "said_to_be_emergency",
        "the patient calls it an emergency or urgent",
        "none: the patient is believed",
        patterns=phrases(
            (
                "(?:this is|its|it is|have|having|got) (?:(?:really|very|kind of|sort of|quite|"
                "an|a|true|real|"
                "dental|medical) ){0,3}(?:emergency|urgent)(?! (?:contact|number|visits?|"
                "appointments?|slots?))",
                "(?:help|seen|come|see me|appointment|attention) (?:\\w+ ){0,3}(?:urgently|"
                "asap its)|"
                "urgently|need <3>(?:911|ambulance|hospital|er)",
                "(?:es|tengo|muy|una) <1>urgen(?:te|cia)|urgentemente|cest urgent|une urgence|"
                "dringend <3>(?:hilfe|termin|schmerz\\w*)|ist ein notfall|(?:e|uma) urgen(?:te|"
                "cia)",
            )
        ),
    ),
)
