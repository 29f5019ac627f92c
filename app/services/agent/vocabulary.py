"""The words of a dental practice in five languages, folded to one form for comparing texts.

`terms` makes "Do you accept kids?" and "¿Atienden a niños?" comparable with "We treat children":
accents and case go, plural and -ing/-ed endings go, and words of one meaning become one concept
(written with a leading `#`).
"""

import re
import unicodedata
from collections.abc import Iterable

_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+")
_JOINED = (
    (re.compile(r"\bx[\s-]?rays?\b|\braios?[\s-]x\b"), "xray"),
    (re.compile(r"\bcheck[\s-]?ups?\b"), "checkup"),
    (re.compile(r"\bwalk[\s-]ins?\b"), "walkin"),
    (re.compile(r"\bno[\s-]?shows?\b"), "noshow"),
    (re.compile(r"\blaughing gas\b"), "nitrous"),
    (re.compile(r"\bhow much (?:is|are|does|do|would|will|for)\b"), "price"),
    (re.compile(r"\bblood thinners?\b"), "anticoagulant"),
    (re.compile(r"\bleave (?:my|our|the) car\b"), "parking"),
    (re.compile(r"\bdamage for\b|\bset me back\b"), "price"),
    (re.compile(r"\b(?:these|this|those) days?\b"), " "),
    (re.compile(r"\bbefore (?:i|we) (?:decide|book|commit|come|say|sign)\w*"), " "),
    (re.compile(r"\bwhere (?:exactly )?(?:are|r) (?:you|u|yall)\b"), "address"),
    (re.compile(r"\bwhere(?:'?s| is) (?:your|ur|the) (?:office|clinic|practice)\b"), "address"),
    (re.compile(r"\bdonde (?:estan|queda|esta)\b|\bou (?:etes|se trouve)\b"), "address"),
    (re.compile(r"\bonde (?:fica|ficam|e)\b|\bwo (?:sind|ist|liegt)\b"), "address"),
)

TREATMENTS = {
    "clean": "cleaning cleanings hygiene hygienist scale scaling polish polishing prophylaxis "
    "limpieza limpiezas detartrage nettoyage zahnreinigung reinigung limpeza",
    "whiten": "whitening whitened bleach bleaching blanqueamiento blanchiment aufhellung "
    "clareamento branqueamento",
    "crown": "crowns corona coronas couronne couronnes krone kronen coroa coroas",
    "implant": "implants implante implantes implantat implantate",
    "brace": "braces orthodontics orthodontist orthodontic ortodoncia bracket brackets zahnspange "
    "aparelho",
    "aligner": "aligners alineadores alinhadores gouttieres",
    "filling": "fillings empaste empastes plombage fullung obturacao restauracao",
    "veneer": "veneers carillas facettes facetas",
    "denture": "dentures dentadura dentier prothese dentaduras",
    "extraction": "extractions extract extracted extraccion extraktion extracao",
    "bridge": "bridges puente brucke ponte",
    "sedation": "sedate sedated nitrous sedacion sedierung sedacao",
    "exam": "exams examination checkup revision kontrolle controle",
    "xray": "radiografia radiographie rontgen",
    "canal": "endodoncia endodontics wurzelbehandlung",
    "guard": "guards nightguard",
    "fluoride": "fluor fluoruro",
    "sealant": "sealants selladores",
}
TOPICS = {
    "child": "children kid kids toddler baby son daughter pediatric paediatric nino nina ninos "
    "ninas hijo hija hijos enfant enfants fils fille kinder sohn tochter crianca criancas filho "
    "filha",
    "park": "parking aparcar aparcamiento estacionamiento estacionar garer stationnement parken "
    "parkplatz parkplatze estacionamento",
    "insurance": "insurances insurer insured coverage cover covered network seguro seguros "
    "aseguradora mutua assurance mutuelle versicherung kasse krankenkasse convenio",
    "open": "opens opening hours close closes closed closing horario horarios abren abierto "
    "cierran horaires ouvert ouverts ouvrez ferme fermez offnungszeiten geoffnet offen aberto "
    "abrem abre",
    "address": "located location directions street avenue direccion ubicacion adresse endereco",
    "emergency": "emergencies urgent urgencia urgencias urgence notfall",
    "anxiety": "anxious nervous afraid fear scared phobia terrified miedo ansiedad nervios peur "
    "anxiete angst medo ansiedade",
    "cancel": "cancels cancelled canceled cancelling canceling cancellation cancellations "
    "cancelar cancelacion annuler annulation absagen stornieren cancelamento desmarcar",
    "pain": "hurt hurts painful painless discomfort sensitive sensitivity duele dolor douleur "
    "schmerz schmerzen schmerzhaft weh doi dor",
    "installment": "installments instalment instalments financing finance plazos cuotas raten "
    "ratenzahlung parcelar parcelas mensualites",
    "wheelchair": "accessible accessibility accesible rollstuhl fauteuil",
    "discount": "discounts descuento descuentos rabatt remise desconto",
    "last": "lasts lasting lifespan durability durable haltbar",
    "phone": "telephone telefono telephonique telefon telefone",
    "walkin": "walkins",
    "noshow": "noshows missed",
    "visit": "visits appointment appointments appt cita citas visita visitas consulta rendez "
    "termin termine",
}
MONEY = {
    "price": "prices cost costs fee fees charge charges precio precios cuesta cuestan coste costo "
    "vale prix tarif tarifs coute preis preise kostet kosten preco precos custa custo valor",
}
CONDITIONS = {
    "pregnant": "pregnancy embarazada embarazo enceinte schwanger gravida gestante",
    "breastfeeding": "nursing lactancia allaite stille amamentando",
    "diabetes": "diabetic diabetica diabetico diabetique diabetiker",
    "anticoagulant": "anticoagulants warfarin eliquis xarelto sintrom coumadin",
    "allergy": "allergies allergic alergia alergico alergica allergie allergisch",
    "heart": "pacemaker corazon marcapasos herz coracao",
    "cancer": "chemo chemotherapy radiotherapy quimioterapia chimio krebs quimio",
    "epilepsy": "epileptic seizures epilepsia",
    "medication": "medications medicine medicines tablets medicacion medicamento medicamentos",
    "autism": "autistic autismo autista",
}
DAYS = {
    "monday": "mon lunes lundi montag segunda",
    "tuesday": "tue tues martes mardi dienstag terca",
    "wednesday": "wed miercoles mercredi mittwoch quarta",
    "thursday": "thu thur thurs jueves jeudi donnerstag quinta",
    "friday": "fri viernes vendredi freitag sexta",
    "saturday": "sat sabado samedi samstag sonnabend",
    "sunday": "sun domingo dimanche sonntag",
    "weekday": "weekdays laborables werktags",
    "weekend": "weekends finde wochenende",
}

# Words that carry no fact of their own: a passage need not repeat them.
_EMPTY_WORDS = """
a about accept accepted actually adult all also am an and another any anyone anything are around as
ask asking at available be been but by bring call can come coming cos could curious dear
deal dental dentist dentistry did do does doing done dont else even ever exactly expect for from
get getting give go going gonna good got guy guys had handle happen happens has have having hello
help her here hey hi him his how i if in info information interested into is it its just know later
let like likely long look looking make many may maybe me mean mention might month more much my
near need needed normally now of off offer offers office ok okay old on one only or our out over
own patient people perhaps please pls possible practice provide quick question really regular
regularly routine roughly see seen should so some somebody someone something somewhere soon still
such sure
take takes taking team tell than thank thanks that the their them then there these they thing this
those through till time to too treat treated treatment type typical typically u up ur us use usual
usually very want was way we well were what whats when where whether which while who why will
wife husband wish with wonder wondering work works would yall year yes yet you your youre
tooth teeth mouth clinic office surgery place spot anywhere
el la los las un una unos unas de del al y o que con por para en es son se me mi mis su sus lo le
les si no hay tienen tiene cuanto cuanta cuantos como donde cuando cual hacen hace puedo puede
pueden ustedes yo muy mas hola gracias quisiera saber aceptan atienden trabajan ofrecen dientes
diente dentista clinica consultorio hasta hora
le la les un une des du de et ou que qui est ce ca vous je mon ma mes votre vos avec pour dans sur
combien comment quand quel quelle quels bonjour merci faites avez prenez fait il elle on y a au
der die das ein eine einen dem den des und oder ist sind sie ihr ihre ihnen ich mein meine mit fur
bei im am auf zu zum was wie wann wo haben hat kann man gibt es bitte danke hallo auch nehmen
o os as um uma do da dos das no na nos nas e ou voces vcs tem tenho fazem eu meu minha seu sua
com para por quanto como onde quando qual oi ola obrigado obrigada gostaria aceitam atendem
"""


def fold(text: str) -> str:
    """Lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c)).replace("\u2019", "'")


def stem(word: str) -> str:
    """The folded word without a plural, -ing or -ed ending; crude on purpose."""
    for ending, rest, shortest in (("ies", "y", 5), ("ing", "", 6), ("ed", "", 5), ("s", "", 4)):
        if word.endswith(ending) and len(word) >= shortest and not word.endswith("ss"):
            return word.removesuffix(ending) + rest
    return word


def _concepts(*groups: dict[str, str]) -> dict[str, str]:
    return {
        stem(word): f"#{concept}"
        for group in groups
        for concept, words in group.items()
        for word in (concept, *words.split())
    }


_CONCEPTS = _concepts(TREATMENTS, TOPICS, MONEY, CONDITIONS, DAYS)
_EMPTY_STEMS = frozenset(form for word in _EMPTY_WORDS.split() for form in (word, stem(word)))
TREATMENT_TERMS = frozenset(f"#{name}" for name in TREATMENTS)
CONDITION_TERMS = frozenset(f"#{name}" for name in CONDITIONS)
MONEY_TERMS = frozenset(f"#{name}" for name in MONEY)
DAY_TERMS = frozenset(f"#{name}" for name in DAYS)


def terms(text: str) -> list[str]:
    """The comparable words of a text, in order."""
    folded = fold(text)
    for pattern, word in _JOINED:
        folded = pattern.sub(f" {word} ", folded)
    return [_CONCEPTS.get(stem(w), stem(w)) for w in _WORD.findall(folded.replace("'", ""))]


def content_terms(text: str) -> frozenset[str]:
    """The words of a question that an answer has to be about."""
    return frozenset(term for term in terms(text) if term not in _EMPTY_STEMS and len(term) > 1)


def named_days(found: Iterable[str]) -> frozenset[str]:
    """The days of the week among some terms, `#weekday` and `#weekend` spelled out."""
    days = set(found) & DAY_TERMS
    week = [f"#{name}" for name in DAYS][:7]
    if "#weekday" in days:
        days = (days - {"#weekday"}) | set(week[:5])
    if "#weekend" in days:
        days = (days - {"#weekend"}) | set(week[5:])
    return frozenset(days)


_RANGE_WORDS = r"(?:to|through|thru|until|a|al|au|bis|ate|-|–|—)"  # noqa: RUF001
_RANGE = re.compile(rf"([^\W\d_]+)\.?\s*{_RANGE_WORDS}\s*([^\W\d_]+)")


def days_spoken_of(text: str) -> frozenset[str]:
    """The days a passage covers: those named, and those between the ends of "Monday to Friday"."""
    week = [f"#{name}" for name in DAYS][:7]
    covered = set(named_days(terms(text)))
    for first, last in _RANGE.findall(fold(text)):
        ends = [_CONCEPTS.get(stem(word)) for word in (first, last)]
        if ends[0] in week and ends[1] in week:
            covered.update(week[week.index(ends[0]) : week.index(ends[1]) + 1])
    return frozenset(covered)
