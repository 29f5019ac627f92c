"""What stands under a person's words and is none of them: signatures, device lines, disclaimers.

Only what is surely one is taken: a name under a closing, never a name alone; and never a sentence,
because "Thanks, but please stop" looks like a sign-off too.
"""

import re

_DELIMITER = re.compile(r"^\s{0,2}(?:--|\u2014|__)\s*$")
_POSTSCRIPT = re.compile(r"^\s*(?:p\.?\s?[sd]\.?)(?=[\s:.,])", re.IGNORECASE)
_DEVICE = re.compile(
    r"^\W{0,3}(?:"
    r"sent (?:from|via|with|using|by) \W?(?:(?:my|the|a|an|mail|outlook|yahoo|gmail|aol|proton|"
    r"samsung|"
    r"iphone|ipad|android|huawei|xiaomi|t-mobile|at&t|verizon|fairmail|k-9|spark|mailspring|"
    r"workspace|"
    r"icloud|airmail|bluemail|my)\b).{0,70}|get outlook for (?:ios|android|mac)\b.{0,60}|"
    r"sent (?:from|via|with) (?-i:[A-Z])[\w.'-]*(?: [\w.'-]+){0,3}\.?|download outlook\b.{0,40}|"
    r"enviado (?:desde|con|a través de|mediante) (?:mi|el|un|una|yahoo|correo|outlook|gmail|"
    r"mail|samsung|"
    r"iphone|ipad|proton)\b.{0,60}|"
    r"(?:obtener|obtén|descarga|descargar|consigue) outlook (?:para|for)\b.{0,60}|"
    r"envoyé (?:depuis|de|à partir de|avec|via) (?:mon|ma|l['\u2019]|un|une|yahoo|outlook|gmail|"
    r"mail|samsung|"
    r"iphone|ipad|proton).{0,60}|(?:télécharger|obtenez|obtenir) outlook (?:pour|for)\b.{0,60}|"
    r"(?:von meinem|von meiner|gesendet (?:von|mit|über|aus)|"
    r"diese nachricht wurde von meinem)\b.{0,70}|"
    r"(?:holen sie sich|hol dir) outlook\b.{0,60}|outlook für (?:ios|"
    r"android)(?:<[^<>]{1,80}>)? (?:beziehen|"
    r"herunterladen).{0,60}|"
    r"enviad[oa] (?:do|da|a partir do|pelo|através do|por) (?:meu|minha|yahoo|outlook|gmail|"
    r"mail|correio|"
    r"samsung|iphone|ipad|proton|dispositivo).{0,60}|(?:obter|baixe|obtenha) o outlook (?:para|"
    r"for)\b.{0,60}|"
    r"yahoo mail: .{0,80}|aol mail\b.{0,60}|inviato da(?:l mio)? .{0,40}|"
    r"verzonden vanaf mijn .{0,40}"
    r")$",
    re.IGNORECASE,
)
_ADVERTISEMENT = re.compile(
    r"^\W{0,3}(?:virus-free\b|libre de virus|sans virus|virenfrei|livre de vírus|no virus|"
    r"this e-?mail has been (?:checked|scanned) for viruses|"
    r"este correo electrónico ha sido comprobado|"
    r"www\.avast\.com|www\.avg\.com)",
    re.IGNORECASE,
)
_DISCLAIMER = re.compile(
    r"^\W{0,4}(?:(?:confidentiality|privacy|legal|important) (?:notice|note|statement)\b|"
    r"disclaimer\b|"
    r"(?:this|the information (?:contained )?in this) (?:e-?mail|message|communication|"
    r"transmission)\b"
    r".{0,160}(?:confidential|privileged|intended)|"
    r"(?:notice|caution|warning): (?:this|the) (?:e-?mail|message)\b|"
    r"(?:aviso (?:legal|de confidencialidad|de privacidad)|cláusula de confidencialidad)\b|"
    r"(?:este|el presente) (?:mensaje|correo)\b.{0,160}(?:confidencial|destinatario|privilegiad)|"
    r"(?:avis de confidentialité|avertissement)\b|"
    r"(?:ce|le présent) (?:message|courriel|e-?mail)\b.{0,160}(?:confidentiel|destinataire)|"
    r"(?:haftungsausschluss|vertraulichkeitshinweis)\b|"
    r"(?:diese|die in dieser) (?:e-?mail|nachricht)\b.{0,160}(?:vertraulich|bestimmt)|"
    r"(?:aviso de confidencialidade)\b|"
    r"(?:esta mensagem|este e-?mail)\b.{0,160}(?:confidencia|destinatári|privilegiad)|"
    r"(?:please )?(?:consider|think (?:of|about)) the environment before printing|"
    r"antes de imprimir\b|avant d['\u2019]imprimer\b|bitte (?:denken|"
    r"prüfen) sie .{0,60}(?:drucken|ausdruck))",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"^\W{0,2}(?:(?:many |with |very |kind(?:est)? |best |warm(?:est)? |kindly |my )*(?:regards|"
    r"wishes|thanks)|"
    r"thank(?:s| you)(?: (?:so much|very much|again|in advance|a lot|and (?:kind |"
    r"best )?regards))?|"
    r"best|all the best|sincerely(?: yours)?|yours(?: (?:truly|sincerely|faithfully))?|cheers|"
    r"respectfully|cordially|take care|warmly|love|"
    r"(?:muchas |mil )?gracias(?: (?:de antemano|por todo|y (?:un )?saludos?))?|"
    r"(?:un |cordiales |muchos |atentos )?(?:cordial )?saludos?(?: cordial(?:es)?| atentos?)?|"
    r"atentamente|"
    r"atte|cordialmente|(?:un )?(?:fuerte )?abrazos?|besos|"
    r"(?:bien |très )?cordialement|(?:bonne|excellente) (?:journée|soirée|réception)|merci"
    r"(?: (?:beaucoup|d['\u2019]avance|bien|encore))?|(?:meilleures |sincères |"
    r"cordiales )?salutations"
    r"(?: distinguées| cordiales)?|bien à vous|amicalement|respectueusement|"
    r"(?:mit )?(?:freundliche[nm]?|beste[nm]?|liebe[nm]?|viele[nm]?|herzliche[nm]?|schöne[nm]?) "
    r"(?:grüße[n]?|grüssen?|gruß|gruss|dank)|(?:lg|mfg|vg)|hochachtungsvoll|"
    r"(?:vielen |herzlichen )?dank(?:e)?(?: im voraus)?|gru(?:ß|ss)|grü(?:ß|ss)e|"
    r"(?:muito )?obrigad[oa]|(?:os )?(?:melhores |com os melhores )?cumprimentos|atenciosamente|"
    r"(?:um )?(?:forte )?abraços?|att|cordialmente|grat[oa])\W{0,3}$",
    re.IGNORECASE,
)
_ANSWERS = frozenset(
    [
        "yes",
        "no",
        "ok",
        "okay",
        "sure",
        "stop",
        "never",
        "nope",
        "si",
        "sí",
        "no",
        "claro",
        "vale",
        "oui",
        "non",
        "ja",
        "nein",
        "doch",
        "sim",
        "não",
        "nao",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "lunes",
        "martes",
        "miércoles",
        "jueves",
        "viernes",
        "sábado",
        "domingo",
        "lundi",
        "mardi",
        "mercredi",
        "jeudi",
        "vendredi",
        "samedi",
        "montag",
        "dienstag",
        "mittwoch",
        "donnerstag",
        "freitag",
        "samstag",
        "segunda",
        "terça",
        "quarta",
        "quinta",
        "sexta",
        "call",
        "call:",
        "not",
        "please",
        "unsubscribe",
        "cancel",
    ]
)
"""Words that answer: below "Thanks," they are no name."""
_MORE_WORDS = re.compile(r"[.!?;,]\s+\w")
_CONTACT = re.compile(
    r"@|https?:|www\.|\+?\d[\d ().\-/]{6,}|^\W*(?:tel|phone|mobile|cell|fax|móvil|tfno|portable|"
    r"mobil|"
    r"telefon|celular|c|m|t|p)\W{1,3}[\d+(]",
    re.IGNORECASE,
)
_NAME_PART = re.compile(r"^(?:[^\W\d_][\w.'\u2019-]*|&|\||,)$")
_SMALL_NAME_PARTS = frozenset(
    [
        "de",
        "la",
        "del",
        "los",
        "las",
        "da",
        "do",
        "dos",
        "das",
        "e",
        "y",
        "von",
        "van",
        "der",
        "den",
        "le",
        "di",
        "du",
        "und",
        "and",
        "of",
    ]
)
_SENTENCE = re.compile(r"[?!¿¡]|[.;:]\s+\S|\d{1,2}:\d{2}")
_CLOSING_REACH = 10
_LONGEST_DEVICE_LINE = 200
_MAX_SIGNATURE_LINES = 6
_MAX_DELIMITED_LINES = 20
_MAX_NAME_WORDS = 5
_MAX_LINE_WORDS = 9


def without_signature(text: str) -> tuple[str, str | None]:
    """The words of `text`, and the signature below them where there surely is one."""
    lines = text.split("\n")
    taken: list[str] = []
    for cut in (_disclaimer_start, _delimiter_start):
        taken[:0] = _taken_from(lines, cut(lines))
    taken[:0] = _device_lines(lines)
    taken[:0] = _taken_from(lines, _closing_start(lines))
    return "\n".join(lines).strip(), "\n".join(taken).strip() or None


def _taken_from(lines: list[str], start: int | None) -> list[str]:
    """The lines from `start` on, taken out of the list."""
    if start is None:
        return []
    taken = lines[start:]
    del lines[start:]
    return taken


def _disclaimer_start(lines: list[str]) -> int | None:
    for number, line in enumerate(lines):
        if _DISCLAIMER.match(line):
            return None if any(map(_POSTSCRIPT.match, lines[number:])) else number
    return None


def _delimiter_start(lines: list[str]) -> int | None:
    """RFC 3676, section 4.3: two hyphens and a space, which many clients lose."""
    for number, line in enumerate(lines):
        if _DELIMITER.match(line):
            below = lines[number + 1 :]
            if any("?" in each for each in below):
                return None
            is_signature = len(below) <= _MAX_DELIMITED_LINES and not any(
                map(_POSTSCRIPT.match, below)
            )
            return number if is_signature else None
    return None


def _device_lines(lines: list[str]) -> list[str]:
    """Lines that an app adds, wherever they stand: people write below them on a phone."""
    short = [line for line in lines if len(line) <= _LONGEST_DEVICE_LINE]
    short = [line for line in short if not _says_more(line)]
    found = [line for line in short if _DEVICE.match(line) or _ADVERTISEMENT.match(line)]
    lines[:] = [line for line in lines if line not in found]
    return found


def _says_more(line: str) -> bool:
    """Whether a person wrote on behind the app's words; Yahoo's own slogan has commas."""
    return bool(_MORE_WORDS.search(line)) and not line.casefold().startswith(("yahoo", "virus"))


def _closing_start(lines: list[str]) -> int | None:
    """Where "Best regards" and a name below it begin; None where more than a name follows."""
    filled = [number for number, line in enumerate(lines) if line.strip()]
    for number in filled[-_CLOSING_REACH:]:
        if not _CLOSING.match(lines[number]):
            continue
        below = [line.strip() for line in lines[number + 1 :] if line.strip()]
        if below and _is_signature(below):
            return number
    return None


def _is_signature(below: list[str]) -> bool:
    return (
        len(below) <= _MAX_SIGNATURE_LINES
        and _is_name(below[0])
        and all(_is_contact_line(line) for line in below[1:])
    )


def _is_name(line: str) -> bool:
    if line.strip(" *-,.!").partition(" ")[0].casefold() in _ANSWERS:
        return False
    words = line.strip(" *-\u2013\u2014,.").split()
    return 0 < len(words) <= _MAX_NAME_WORDS and all(
        _NAME_PART.match(word) and (word[:1].isupper() or word.casefold() in _SMALL_NAME_PARTS)
        for word in words
    )


def _is_contact_line(line: str) -> bool:
    if _POSTSCRIPT.match(line):
        return False
    if _CONTACT.search(line):
        return True
    return (
        len(line.split()) <= _MAX_LINE_WORDS and not _SENTENCE.search(line) and line[:1].isupper()
    )
