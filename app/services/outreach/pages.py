"""The page behind the unsubscribe link. It shows nothing about whom the link is for."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.models.patient import Patient
from app.models.schedule import Clinic
from app.services.outreach.letters import DEFAULT_LANGUAGE, language_of

_WORDS = {
    ("en", False): {
        "title": "Stop these messages?",
        "text": "With one click we stop writing to you about visits you have not booked.",
        "button": "Stop the messages",
    },
    ("en", True): {
        "title": "You are unsubscribed",
        "text": "We will send you no more of these messages.",
    },
    ("es", False): {
        "title": "¿Dejar de recibir estos mensajes?",
        "text": "Con un clic dejaremos de escribirle sobre visitas que no ha reservado.",
        "button": "Dejar de recibirlos",
    },
    ("es", True): {
        "title": "Su baja está hecha",
        "text": "No le enviaremos más mensajes de este tipo.",
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
    return _environment.get_template("unsubscribe.html").render(
        language=language,
        words=_WORDS[language, is_done],
        is_done=is_done,
        clinic_name=clinic.name,
        clinic_phone=clinic.phone,
    )
