"""What the pages say, in English and Spanish."""

from collections.abc import Mapping
from types import MappingProxyType

Words = Mapping[str, str]

_ENGLISH = {
    "skip": "Skip to the content",
    "other_language": "Español",
    "call_us": "Rather talk to somebody? Call us:",
    "error_prefix": "Error: ",
    "back": "Back",
    "your_choice": "Your choice",
    "service": "Service",
    "day_and_time": "Day and time",
    "change_service": "Change the service",
    "change_time": "Change the day or time",
    "provider": "With",
    "where": "Where",
    "lasts": "Lasts",
    "minutes": "{0} minutes",
    "price_from": "from {0}",
    "price_free": "free of charge",
    "zone_note": "All times are on the practice's clock ({0}).",
    "zone_hint": "Local time in {0}",
    # Choosing
    "services_title": "What would you like to come for?",
    "services_none": "Nothing can be booked online just now. Please call us.",
    "service_gone": "That service cannot be booked online. Please choose another one.",
    "month_title": "Which day suits you?",
    "month_hint": "The marked days have free times.",
    "month_none": "There is no free time in this month.",
    "month_none_after": "We have found none in the months after it, either.",
    "month_next_free": "Next free times: {0}",
    "months": "Other months",
    "month_previous": "Earlier: {0}",
    "month_next": "Later: {0}",
    "day_free": "{0}, free times: {1}",
    "times_title": "At what time?",
    "morning": "Morning",
    "afternoon": "Afternoon",
    "wanted": "Free times that go with what you wrote",
    "wanted_other": "All free days",
    "wanted_none": "Nothing is free at the times you wrote about. These are all the free days.",
    "times_none": "There is no free time left on that day. Please choose another one.",
    "other_day": "Another day",
    "time_gone": "That time is not free any more. If you have booked it yourself just now, all is "
    "well: your visit is in the book. Otherwise please choose another time.",
    # Who comes
    "details_title": "Almost done",
    "details_who": "Who is coming?",
    "details_known": "We know from your link who you are, so you need not tell us.",
    "details_not_you": "Is this link not yours? Book without it",
    "name": "Name",
    "email": "E-mail address",
    "phone": "Phone number",
    "phone_hint": "With the area code.",
    "notes": "Anything we should know?",
    "notes_hint": "You can leave this empty. Please write nothing here that cannot wait: in an "
    "emergency, call us.",
    "book": "Book this visit",
    "link_expired": "Your link is not valid any more. You can book here all the same; we will "
    "just have to ask who you are.",
    "errors_title": "Please look at this again",
    "name_error": "Write your name, up to 120 characters.",
    "email_error": "Write an e-mail address, for example name@example.com.",
    "phone_error": "Write a phone number with its area code, for example {0}.",
    "notes_error": "This is too long, or has characters in it that cannot be printed. Up to 2,000 "
    "characters are fine.",
    "patient-not-found": "We could not find you in our records by that e-mail address or phone "
    "number. Please try the ones that the practice has from you, or call us at {0}: we will "
    "gladly book your visit on the phone.",
    "idempotency-key-reused": "This form was sent before with something else in it. If your visit "
    "is not booked yet, please look it over and send it again.",
    # Taken
    "slot-taken": "Somebody else has just booked this time",
    "patient-has-visit": "There is a visit at this time already",
    "not-bookable": "This time cannot be booked",
    "taken_text": "You asked for {0}.",
    "alternatives": "These times are free. What you wrote is kept; press one and it is yours:",
    "choose_other": "Choose another day or time",
    # The visit
    "booked_title": "Your visit is booked",
    "booked_text": "We look forward to seeing you. An e-mail with these details and a link to your "
    "visit goes to the address that we have from you.",
    "booked_manage": "See, move or cancel this visit",
    "visit_title": "Your visit",
    "status": "Status",
    "status_booked": "Booked",
    "status_confirmed": "Confirmed: you are coming",
    "status_completed": "This visit has taken place",
    "status_cancelled": "Cancelled",
    "status_no_show": "Missed",
    "confirm": "Yes, I am coming",
    "move": "Move this visit",
    "cancel": "Cancel this visit",
    "book_new": "Book a new visit",
    "not_changeable": "This visit cannot be changed here any more. If you need anything, call us.",
    "too_late": "Until {0} this visit could be moved or cancelled here. It is so near now that we "
    "ask you to call us:",
    "calendar_add": "Add this visit to your calendar",
    "calendar_remove": "Remove this visit from your calendar",
    "done_confirmed": "Thank you. We expect you.",
    "done_moved": "Your visit has been moved.",
    "done_cancelled": "Your visit has been cancelled.",
    "cancel_title": "Cancel this visit?",
    "cancel_text": "Your time then goes to somebody else. You can also move the visit instead.",
    "cancel_yes": "Yes, cancel it",
    "cancel_no": "No, keep it",
    "move_title": "Move your visit?",
    "move_from": "Your time now",
    "move_to": "New time",
    "move_yes": "Yes, move it",
    "move_no": "No, keep my time",
    "visit-has-begun": "This visit has begun or is over, so it cannot be changed here. "
    "Please call us.",
    "too-late-to-change": "This visit is too near to be changed here. Please call us.",
    "visit-moved": "The practice has moved this visit to another time meanwhile. It now stands as "
    "shown here.",
    "appointment-transition": "This visit cannot be changed in that way any more.",
    "appointment-changed": "Somebody at the practice is changing this visit just now. Please try "
    "again in a moment.",
    # Waiting for a time
    "wait_title": "Tell me when a time frees up",
    "wait_text": "Leave your name and address: when a time frees up that can be booked online, we "
    "write to you or call you. Whoever answers first has it.",
    "wait_phone_hint": "You can leave this empty.",
    "wait_button": "Tell me when a time frees up",
    "wait_joined_title": "You are on the waiting list",
    "wait_joined_text": "Thank you. When a time that suits you frees up, we write to you or call "
    "you. Whoever answers first has it.",
    "wait_free_now": "These times are free already",
    "waitlist-wish": "This cannot be waited for. Please choose another month, or call us.",
    "waitlist-full": "Too many requests wait on this address or number. Please call us.",
    "offer_title": "A time has freed up",
    "offer_text": "Press the time that you want to take. Whoever is first has it; the offer stands "
    "until {0}.",
    "offer_hint": "This is a visit of its own: if you have another one that you no longer need, "
    "please cancel it with the link in its letter.",
    "offer_leave": "Take me off the waiting list",
    "offer_gone_title": "These times are taken",
    "offer_gone_text": "Somebody else was faster, or the offer has ended. You keep your place on "
    "the waiting list, and we write again when another time frees up.",
    "offer_taken_title": "You have your visit",
    "offer_taken_text": "You took {0}.",
    "offer_left_title": "You are not on the waiting list",
    "offer_left_text": "We offer you no more times from it. You can always book a free one.",
    "offer_off_title": "This visit is no longer booked",
    "offer_off_text": "The visit that you took here was cancelled or missed, and this offer is "
    "used up. You can book any free time, and join the waiting list again where none suits you.",
    "offer_near": "These times are free, too",
    "offer-over": "This offer has ended.",
    "not-waiting": "You are not on the waiting list any more.",
    "not-offered": "Please take one of the times that this offer names.",
    # No more outreach
    "unsub_title": "Stop these messages?",
    "unsub_text": "With one click we stop writing to you about visits you have not booked.",
    "unsub_button": "Stop the messages",
    "unsub_done_title": "You are unsubscribed",
    "unsub_done_text": "We will send you no more of these messages.",
    "unsub_kept": "About a visit that you have booked we still write to you.",
    "unsub_invalid_title": "This link does not work",
    "unsub_invalid_text": "It is not valid, or not any more, and nothing was changed. Please use "
    "the link in our newest message, or call us: we will stop the messages for you.",
    # A password, by the link from an administrator
    "pass_title": "Choose your password",
    "pass_text": "At least 15 characters of any kind; several unrelated words are a good one.",
    "pass_new": "New password",
    "pass_again": "The same again",
    "pass_button": "Set the password",
    "pass_weak": "Please take another one: it has 15 to 128 characters and is not easy to guess, "
    "such as a common password or the name of the practice.",
    "pass_differ": "The two are not the same. Please type the password twice.",
    "pass_done_title": "Your password is set",
    "pass_done_text": "You can sign in with it now. Whoever was signed in with this account is not "
    "any more.",
    "pass_invalid_title": "This link does not work",
    "pass_invalid_text": "It was used already or is too old, and nothing was changed. Please ask "
    "an administrator of the practice for a new one.",
    # When nothing else fits
    "failed_title": "This did not work",
    "invalid-link": "This link is not valid, or not any more. Please take the newest one that you "
    "have from us, or call us.",
    "visit-gone-title": "This visit is no longer in our book",
    "visit-gone": "The practice has cancelled or removed it, and the time is free again. Nothing "
    "is left for you to do. You can book a new visit, or call us.",
    "status-404": "There is no page at this address. Perhaps the link was cut off: please open it "
    "again from our message, or call us.",
    "status-429": "Too many requests came from your network just now. Please wait a minute and try "
    "again, or call us.",
    "unavailable": "We cannot reach our appointment book just now. Nothing has been changed. "
    "Please try again in a minute.",
    "failed": "Something in this request did not fit. Please start again, or call us.",
    "start_again": "To the booking page",
}

_SPANISH = {
    "skip": "Ir al contenido",
    "other_language": "English",
    "call_us": "¿Prefiere hablar con alguien? Llámenos:",
    "error_prefix": "Error: ",
    "back": "Volver",
    "your_choice": "Su elección",
    "service": "Servicio",
    "day_and_time": "Día y hora",
    "change_service": "Cambiar el servicio",
    "change_time": "Cambiar el día o la hora",
    "provider": "Con",
    "where": "Dónde",
    "lasts": "Duración",
    "minutes": "{0} minutos",
    "price_from": "desde {0}",
    "price_free": "sin costo",
    "zone_note": "Todas las horas son las de la clínica ({0}).",
    "zone_hint": "Hora local de {0}",
    "services_title": "¿Para qué desea venir?",
    "services_none": "Ahora mismo no se puede reservar nada en línea. Por favor, llámenos.",
    "service_gone": "Ese servicio no se puede reservar en línea. Por favor, elija otro.",
    "month_title": "¿Qué día le conviene?",
    "month_hint": "Los días marcados tienen horas libres.",
    "month_none": "No hay horas libres en este mes.",
    "month_none_after": "Tampoco hemos encontrado en los meses siguientes.",
    "month_next_free": "Próximas horas libres: {0}",
    "months": "Otros meses",
    "month_previous": "Antes: {0}",
    "month_next": "Después: {0}",
    "day_free": "{0}, horas libres: {1}",
    "times_title": "¿A qué hora?",
    "morning": "Por la mañana",
    "afternoon": "Por la tarde",
    "wanted": "Horas libres que coinciden con lo que nos escribió",
    "wanted_other": "Todos los días libres",
    "wanted_none": "No hay nada libre a las horas que nos escribió. "
    "Estos son todos los días libres.",
    "times_none": "Ya no quedan horas libres ese día. Por favor, elija otro.",
    "other_day": "Otro día",
    "time_gone": "Esa hora ya no está libre. Si la acaba de reservar usted, todo está bien: su "
    "cita está en la agenda. Si no, por favor elija otra hora.",
    "details_title": "Ya casi está",
    "details_who": "¿Quién viene?",
    "details_known": "Por su enlace ya sabemos quién es; no hace falta que nos lo diga.",
    "details_not_you": "¿El enlace no es suyo? Reserve sin él",
    "name": "Nombre",
    "email": "Correo electrónico",
    "phone": "Número de teléfono",
    "phone_hint": "Con el código de área.",
    "notes": "¿Algo que debamos saber?",
    "notes_hint": "Puede dejarlo vacío. Por favor, no escriba aquí nada urgente: en una "
    "emergencia, llámenos.",
    "book": "Reservar esta cita",
    "link_expired": "Su enlace ya no es válido. Puede reservar aquí de todos modos; solo "
    "tendremos que preguntarle quién es.",
    "errors_title": "Por favor, revise esto",
    "name_error": "Escriba su nombre, de hasta 120 caracteres.",
    "email_error": "Escriba un correo electrónico, por ejemplo nombre@example.com.",
    "phone_error": "Escriba un número de teléfono con su código de área, por ejemplo {0}.",
    "notes_error": "Es demasiado largo o tiene caracteres que no se pueden imprimir. Puede "
    "escribir hasta 2,000 caracteres.",
    "patient-not-found": "No le hemos encontrado en nuestros registros con ese correo electrónico "
    "o ese teléfono. Por favor, pruebe con los que usted dio a la clínica, o llámenos al {0}: con "
    "mucho gusto le reservamos la cita por teléfono.",
    "idempotency-key-reused": "Este formulario ya se envió antes con otros datos. Si su cita aún "
    "no está reservada, por favor revíselo y envíelo otra vez.",
    "slot-taken": "Otra persona acaba de reservar esta hora",
    "patient-has-visit": "Ya hay una cita a esta hora",
    "not-bookable": "Esta hora no se puede reservar",
    "taken_text": "Usted pidió: {0}.",
    "alternatives": "Estas horas están libres. Lo que escribió se conserva; pulse una y es suya:",
    "choose_other": "Elegir otro día u otra hora",
    "booked_title": "Su cita está reservada",
    "booked_text": "Le esperamos con gusto. Un mensaje con estos datos y un enlace a su cita va "
    "al correo electrónico que tenemos de usted.",
    "booked_manage": "Ver, cambiar o cancelar esta cita",
    "visit_title": "Su cita",
    "status": "Estado",
    "status_booked": "Reservada",
    "status_confirmed": "Confirmada: usted viene",
    "status_completed": "Esta cita ya tuvo lugar",
    "status_cancelled": "Cancelada",
    "status_no_show": "No se presentó",
    "confirm": "Sí, voy a ir",
    "move": "Cambiar la fecha",
    "cancel": "Cancelar esta cita",
    "book_new": "Reservar otra cita",
    "not_changeable": "Esta cita ya no se puede cambiar aquí. Si necesita algo, llámenos.",
    "too_late": "Esta cita se podía cambiar o cancelar aquí hasta: {0}. Ya falta tan poco que le "
    "pedimos que nos llame:",
    "calendar_add": "Añadir esta cita a su calendario",
    "calendar_remove": "Quitar esta cita de su calendario",
    "done_confirmed": "Gracias. Le esperamos.",
    "done_moved": "Su cita tiene ahora otra fecha.",
    "done_cancelled": "Su cita está cancelada.",
    "cancel_title": "¿Cancelar esta cita?",
    "cancel_text": "Su hora quedará libre para otra persona. También puede cambiar la fecha.",
    "cancel_yes": "Sí, cancelarla",
    "cancel_no": "No, conservarla",
    "move_title": "¿Cambiar la fecha de su cita?",
    "move_from": "Su hora actual",
    "move_to": "Nueva hora",
    "move_yes": "Sí, cambiarla",
    "move_no": "No, conservar mi hora",
    "visit-has-begun": "Esta cita ya empezó o ya pasó, así que aquí no se puede cambiar. Por "
    "favor, llámenos.",
    "too-late-to-change": "Falta demasiado poco para cambiar esta cita aquí. Por favor, llámenos.",
    "visit-moved": "La clínica ha cambiado la hora de esta cita entretanto. Ahora está como se "
    "muestra aquí.",
    "appointment-transition": "Esta cita ya no se puede cambiar de esa manera.",
    "appointment-changed": "Alguien de la clínica está cambiando esta cita ahora mismo. Por favor, "
    "inténtelo de nuevo en un momento.",
    "wait_title": "Avíseme cuando haya una hora libre",
    "wait_text": "Deje su nombre y su correo: cuando quede libre una hora que se pueda reservar en "
    "línea, le escribiremos o le llamaremos. Es de quien responda primero.",
    "wait_phone_hint": "Puede dejarlo vacío.",
    "wait_button": "Avíseme cuando haya una hora libre",
    "wait_joined_title": "Está en la lista de espera",
    "wait_joined_text": "Gracias. Cuando quede libre una hora que le convenga, le escribiremos o "
    "le llamaremos. Es de quien responda primero.",
    "wait_free_now": "Estas horas ya están libres",
    "waitlist-wish": "Esto no se puede esperar. Por favor, elija otro mes o llámenos.",
    "waitlist-full": "Hay demasiadas solicitudes con este correo o teléfono. Por favor, llámenos.",
    "offer_title": "Ha quedado libre una hora",
    "offer_text": "Pulse la hora que desea. Es de quien llegue primero; la oferta vale hasta: {0}.",
    "offer_hint": "Es una cita aparte: si tiene otra que ya no necesita, por favor cancélela con "
    "el enlace de su mensaje.",
    "offer_leave": "Quiero salir de la lista de espera",
    "offer_gone_title": "Estas horas ya están ocupadas",
    "offer_gone_text": "Otra persona fue más rápida, o la oferta ha terminado. Usted conserva su "
    "lugar en la lista de espera, y le escribiremos cuando quede libre otra hora.",
    "offer_taken_title": "Ya tiene su cita",
    "offer_taken_text": "Usted tomó: {0}.",
    "offer_left_title": "No está en la lista de espera",
    "offer_left_text": "Ya no le ofreceremos horas de la lista. Siempre puede reservar una libre.",
    "offer_off_title": "Esta cita ya no está reservada",
    "offer_off_text": "La cita que usted tomó aquí se canceló o no tuvo lugar, y esta oferta ya "
    "se usó. Puede reservar cualquier hora libre y volver a la lista de espera si ninguna le "
    "conviene.",
    "offer_near": "Estas horas también están libres",
    "offer-over": "Esta oferta ha terminado.",
    "not-waiting": "Ya no está en la lista de espera.",
    "not-offered": "Por favor, tome una de las horas que nombra esta oferta.",
    "unsub_title": "¿Dejar de recibir estos mensajes?",
    "unsub_text": "Con un clic dejaremos de escribirle sobre visitas que no ha reservado.",
    "unsub_button": "Dejar de recibirlos",
    "unsub_done_title": "Su baja está hecha",
    "unsub_done_text": "No le enviaremos más mensajes de este tipo.",
    "unsub_kept": "Sobre una cita que usted haya reservado sí le escribiremos.",
    "unsub_invalid_title": "Este enlace no funciona",
    "unsub_invalid_text": "No es válido, o ya no lo es, y no se ha cambiado nada. Por favor, use "
    "el enlace de nuestro mensaje más reciente o llámenos: dejaremos de escribirle.",
    "pass_title": "Elija su contraseña",
    "pass_text": "Al menos 15 caracteres cualesquiera; varias palabras sin relación entre sí son "
    "una buena contraseña.",
    "pass_new": "Contraseña nueva",
    "pass_again": "La misma otra vez",
    "pass_button": "Guardar la contraseña",
    "pass_weak": "Por favor, elija otra: de 15 a 128 caracteres y difícil de adivinar; no una "
    "contraseña común ni el nombre de la clínica.",
    "pass_differ": "Las dos no son iguales. Por favor, escriba la contraseña dos veces.",
    "pass_done_title": "Su contraseña está guardada",
    "pass_done_text": "Ya puede entrar con ella. Se han cerrado las sesiones que esta cuenta "
    "tenía abiertas.",
    "pass_invalid_title": "Este enlace no funciona",
    "pass_invalid_text": "Ya se usó o es demasiado antiguo, y no se ha cambiado nada. Por favor, "
    "pida uno nuevo a un administrador de la clínica.",
    "failed_title": "No ha funcionado",
    "invalid-link": "Este enlace no es válido, o ya no lo es. Por favor, use el más reciente que "
    "tenga de nosotros, o llámenos.",
    "visit-gone-title": "Esta cita ya no está en nuestra agenda",
    "visit-gone": "La clínica la canceló o la quitó, y la hora está libre otra vez. Usted no tiene "
    "que hacer nada. Puede reservar otra cita o llamarnos.",
    "status-404": "No hay ninguna página en esta dirección. Quizá el enlace se cortó: por favor, "
    "ábralo otra vez desde nuestro mensaje, o llámenos.",
    "status-429": "Han llegado demasiadas solicitudes de su red. Por favor, espere un minuto e "
    "inténtelo de nuevo, o llámenos.",
    "unavailable": "Ahora mismo no podemos consultar nuestra agenda. No se ha cambiado nada. Por "
    "favor, inténtelo de nuevo en un minuto.",
    "failed": "Algo en esta solicitud no encajaba. Por favor, empiece de nuevo o llámenos.",
    "start_again": "Ir a la página de reservas",
}

WORDS: Mapping[str, Words] = MappingProxyType({"en": _ENGLISH, "es": _SPANISH})
"""By language (`app.services.outreach.letters.LANGUAGES`), then by what the templates call it. A
refusal is called what its problem type is (`AppError.slug`)."""

OTHER_LANGUAGE = MappingProxyType({"en": "es", "es": "en"})
FIRST_WEEKDAY = MappingProxyType({"en": 6, "es": 0})
"""The first column of a month, where 0 is Monday."""
