"""A death, or a message by somebody who is not the patient: no automatic text, a person."""

import re
from enum import StrEnum

from app.services.agent.guards.wording import any_hit, phrases, sentences

_RELATIVE = (
    "(?:daughter|son|wife|husband|mother|father|mom|mum|mama|papa|dad|sister|brother|grandmother|"
    "grandfather|grandma|grandpa|granddaughter|grandson|aunt|uncle|partner|spouse|fiancee?|widow|"
    "widower|parents?|stepson|stepdaughter|niece|nephew)"
)
_HELPER = (
    "(?:assistant|secretary|caregiver|carer|nurse|guardian|executor|lawyer|attorney|roommate|"
    "neighbou?r|friend|boss|colleague|landlord|social worker)"
)
_THING = (
    "(?:phone|battery|tooth|teeth|nerve|molar|root|implant|laptop|computer|car|internet|connection|"
    "pulp|dog|cat|it|telefono|movil|diente|muela|nervio|coche|dent|nerf|zahn|nerv|handy|akku|dente)"
)

_DEATH = phrases(
    (
        "(?<!painkillers )pass(?:ed|ing)(?: \\w+)? away|no longer with us|"
        "(?:isnt|is not|not) with us any ?(?:more|longer)|is deceased|the deceased|"
        f"(?:was|were|has been) (?:buried|cremated)|(?:his|her|their) (?:funeral|estate|passing)|"
        f"executor of|lost (?:my|our) {_RELATIVE}|(?:late|dead) {_RELATIVE}",
        f"(?:he|she|they|{_RELATIVE}|patient|mr \\w+|mrs \\w+|ms \\w+) (?:has |have |had |sadly |"
        f"just |"
        "recently |unfortunately |suddenly )*(?:died|passed on|passed(?= (?:last|in|on|this|two|"
        "a) ))",
        f"(?:he|she|{_RELATIVE}|mr \\w+|mrs \\w+) is (?:now |sadly )?dead",
        f"^(?!(?:\\w+ ){{0,3}}{_THING} died)(?:\\w+ ){{1,3}}died (?:in|on|last|this|two|three|a|"
        "yesterday|peacefully|suddenly)",
        "falleci(?:o|da|do|eron)|ha fallecido|difunt[oa]|(?:papa|mama|padre|madre|esposo|esposa|"
        "marido|"
        "hij[oa]|abuel[oa]|herman[oa]|ella|el|senora?) (?:ya |se )*(?:murio|ha muerto)|"
        "ya (?:murio|no vive|no esta con nosotros)",
        "(?:est|sont|etait) (?:malheureusement )?dece?de?e?s?|decede\\w*|son deces|"
        "(?:mari|femme|pere|mere|fils|fille|il|elle) est morte?",
        "verstorben\\w*|(?:mann|frau|vater|mutter|sohn|tochter|er|"
        "sie) ist (?:\\w+ ){0,3}(?:gestorben|tot)",
        "faleceu|falecid[oa]|(?:marido|esposa|pai|mae|filh[oa]|ele|ela) (?:ja )?morreu",
    )
)
_OTHER_PERSON = phrases(
    (
        f"(?:this is|its|it is|im|i am|am) (?:his|her|their|the patients|mr \\w+|mrs \\w+|\\w+s) "
        f"(?:\\w+ )?(?:{_RELATIVE}|{_HELPER})",
        f"(?:this is|im|i am) (?:the )?(?:{_RELATIVE}|{_HELPER}) of (?!one|two|three|four|five|"
        f"a |an )"
        "(?:\\w+)",
        f"(?:his|her) {_RELATIVE} (?:here|writing|speaking)",
        f"(?:writing|replying|answering|responding|e ?mailing|reply|speaking|reaching out) "
        f"(?:\\w+ ){{0,2}}(?:for|on behalf of|in the name of|instead of) (?:my|his|her|our|the|"
        f"mr|mrs|ms) "
        f"(?:\\w+ ){{0,2}}(?:{_RELATIVE}|patient|client|\\w+(?= who))",
        "on (?:his|her|their|my \\w+s|the patients) behalf|on behalf of (?:my|mr|mrs|ms|our|"
        "the patient)",
        f"(?:he|she|my {_RELATIVE}) (?:cant|cannot|does not|doesnt|can no longer|is unable to) "
        "(?:read|use|answer|write|check|do) (?:\\w+ ){0,2}(?:e ?mails?|mails?|computers?|"
        "messages?)",
        "power of attorney",
        "soy (?:su|el|la) (?:hij[oa]|espos[oa]|marido|mujer|madre|padre|herman[oa]|niet[oa]|"
        "asistente|"
        "cuidador[a]?)|(?:escribo|respondo|contesto) (?:por|en nombre de|de parte de) (?:mi|su|"
        "la|el)",
        "je suis (?:sa|son|leur) (?:fille|fils|femme|mari|mere|pere|soeur|frere|assistante?)|"
        "jecris (?:pour|au nom de|de la part de) (?:ma|mon|sa|son)",
        "(?:ich bin|hier ist|hier schreibt) (?:seine|ihre|die|der|sein|ihr) (?:tochter|sohn|frau|"
        "mann|"
        "mutter|vater|schwester|bruder|betreuerin|betreuer)|ich schreibe (?:fur|"
        "im namen) (?:meine\\w*|"
        "von|meiner)",
        "(?:sou|aqui e) (?:a|o) (?:filh[oa]|espos[oa]|marido|mulher|mae|pai|irma|"
        "irmao) (?:del[ea]|d[oa])|"
        "escrevo (?:em nome d|pel[ao]|por) \\w*",
    )
)
_WRONG_RECIPIENT = phrases(
    (
        "wrong (?:person|number|address|e ?mail|e mail address|guy|lady|patient|recipient|man|"
        "woman|"
        "inbox|family|one)|mistaken identity|not (?:the )?(?:person|patient|one) (?:you|that|who)",
        "(?:im|i am|this is|this isnt|isnt|am) not (?:mr|mrs|ms|miss|dr)|this isnt (?:mr|mrs|ms|"
        "miss|dr)|"
        "(?:im|i am) not (?:a|your|the) patient|never been (?:a patient|your patient|to your)",
        "no (?:one|body|person|\\w+) (?:here )?(?:by|with|of|called|named) (?:that|this) name|"
        "nobody (?:here )?(?:by|with|called) (?:that|this)|(?:dont|do not) know (?:any|anyone|"
        "anybody) "
        "(?:named|called|by)|no longer (?:works|lives) (?:here|at)|meant for (?:someone|"
        "somebody) else|"
        "not (?:my|the right) (?:name|e ?mail)$",
        "(?:numero|persona|correo|direccion|destinatario) equivocad[oa]|"
        "(?:se )?equivoc\\w+ de (?:persona|"
        "numero|correo)|no soy (?:el |la )?(?:sr|sra|senora?|paciente)",
        "trompe\\w* de (?:personne|numero|adresse)|mauvaise? (?:numero|destinataire|adresse|"
        "personne)|"
        "erreur de (?:personne|destinataire|numero)|ne suis pas (?:monsieur|madame|mme|m )",
        "falsche[nrs]? (?:person|nummer|adresse|empfanger)|verwechs\\w+|bin nicht (?:herr|frau|"
        "der|die) "
        "\\w+",
        "(?:pessoa|numero|endereco|e ?mail) errad[oa]|enganou se|se enganou|foi engano|"
        "nao sou (?:o|a) (?:sr|sra|senhora?|paciente)",
    )
)
# Case tells a name from a state ("I'm not Peter" / "I'm not sure"): read before folding.
_NOT_A_NAME = (
    "Interested|Sure|Ready|Coming|Available|Able|Going|In|At|On|Here|Home|Well|Feeling|Happy|Free|"
    "American|English|Spanish|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
)
_NOT_THIS_NAME = re.compile(
    "(?:I['\u2019]?m|I am|[Tt]his is|[Mm]y name is|[Mm]e llamo|[Yy]o) "
    rf"(?:not|no) (?!(?:{_NOT_A_NAME})\b)[A-Z][a-z\u00e0-\u00ff]{{2,}}\b"
    "|\\b[Nn]o (?:soy|me llamo) [A-Z][a-z\u00e0-\u00ff]{2,}\\b"
    "|\\b[Bb]in nicht [A-Z][a-z]{2,} [A-Z]"
)


class ThirdPerson(StrEnum):
    """Why the message is not the patient's own."""

    DEATH = "death"
    OTHER_PERSON = "other_person"
    WRONG_RECIPIENT = "wrong_recipient"


def third_person(text: str) -> ThirdPerson | None:
    """A death before another writer, another writer before a wrong recipient; else none."""
    read = sentences(text)
    if any(any_hit(_DEATH, sentence) for sentence in read):
        return ThirdPerson.DEATH
    if any(any_hit(_OTHER_PERSON, sentence) for sentence in read):
        return ThirdPerson.OTHER_PERSON
    wrong = any(any_hit(_WRONG_RECIPIENT, sentence) for sentence in read)
    return ThirdPerson.WRONG_RECIPIENT if wrong or _NOT_THIS_NAME.search(text) else None
