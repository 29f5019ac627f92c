"""The page behind the unsubscribe link. It shows nothing about whom the link is for."""

from enum import Enum, auto
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.models.patient import Patient
from app.models.schedule import Clinic
from app.services.outreach.letters import DEFAULT_LANGUAGE, language_of


class _Answer(Enum):
    """What the page says."""

    ASKS = auto()
    DONE = auto()
    INVALID_LINK = auto()


_WORDS = {
    ("en", _Answer.ASKS): {
        "title": "Stop these messages?",
        "text": "With one click we stop writing to you about visits you have not booked.",
        "button": "Stop the messages",
    },
    ("en", _Answer.DONE): {
        "title": "You are unsubscribed",
        "text": "We will send you no more of these messages.",
    },
    ("en", _Answer.INVALID_LINK): {
        "title": "This link does not work",
        "text": "It is not valid, or not any more, and nothing was changed. Please use the link in "
        "our newest message, or call us: we will stop the messages for you.",
    },
    ("es", _Answer.ASKS): {
        "title": "¿Dejar de recibir estos mensajes?",
        "text": "Con un clic dejaremos de escribirle sobre visitas que no ha reservado.",
        "button": "Dejar de recibirlos",
    },
    ("es", _Answer.DONE): {
        "title": "Su baja está hecha",
        "text": "No le enviaremos más mensajes de este tipo.",
    },
    ("es", _Answer.INVALID_LINK): {
        "title": "Este enlace no funciona",
        "text": "No es válido, o ya no lo es, y no se ha cambiado nada. Por favor, use el enlace "
        "de nuestro mensaje más reciente o llámenos: dejaremos de escribirle.",
    },
}

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    auto_reload=False,
)


def unsubscribe_page(clinic: Clinic, patient: Patient | None, *, is_done: bool) -> str:
    """The question with its one button, or the answer after it was pressed. HTML."""
    language = language_of(patient.language) if patient else DEFAULT_LANGUAGE
    return _render(clinic, language, _Answer.DONE if is_done else _Answer.ASKS)


def invalid_link_page(clinic: Clinic, language: str) -> str:
    """For somebody whose link is not valid, or not any more; `language` is one of ours. HTML."""
    return _render(clinic, language, _Answer.INVALID_LINK)


def _render(clinic: Clinic, language: str, answer: _Answer) -> str:
    return _environment.get_template("unsubscribe.html").render(
        language=language,
        words=_WORDS[language, answer],
        asks=answer is _Answer.ASKS,
        clinic_name=clinic.name,
        clinic_phone=clinic.phone,
    )
