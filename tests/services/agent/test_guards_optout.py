"""Opt-out in any wording, and what only sounds like one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.agent.guards.optout import is_opt_out

ASKS_TO_STOP = [
    "STOP",
    "stop.",
    "Stop please!",
    "Please stop",
    "stop all",
    "STOP - thank you and see you at my next visit",
    "unsubscribe",
    "UNSUBSCRIBE ME",
    "unsuscribe me pls",
    "How can I unsubscribe?",
    "cancel",
    "Quit",
    "remove",
    "opt-out",
    "I would like to opt out of these.",
    "Please opt me out",
    "take me off your list",
    "Would you take my e-mail address off your mailing list?",
    "Could I be removed from the list?",
    "remove me from your database",
    "Remove me.",
    "delete my email address",
    "remove my data from your mailing",
    "please don't email me anymore",
    "Please do not e-mail me any more, thanks!",
    "Don\u2019t write to me again",
    "do not contact me",
    "never message me again",
    "no more messages",
    "No more of these emails please",
    "no further contact",
    "quit writing",
    "Quit emailing me already",
    "lose my address",
    "leave me alone",
    "can you stop sending these?",
    "Why don't you stop emailing me?",
    "I don't know how to stop these emails",
    "Could you please stop the reminders",
    "How do I stop getting these messages?",
    "I need these emails to stop",
    "I don't want to hear from you",
    "I do not wish to receive further emails",
    "I don't want any more reminders",
    "I'd rather you didn't email me",
    "not interested in receiving these",
    "I withdraw my consent",
    "You're my favourite dentist, see you in May, but please turn off the reminders",
    "I love you all and I'm staying, only stop mailing me",
    "I am tired of your emails",
    "My wife asked you to stop emailing her",
    "baja",
    "Quiero darme de baja",
    "No me escriban m\u00e1s, por favor",
    "Por favor dejen de enviarme correos",
    "\u00bfPueden dejar de escribirme?",
    "\u00bfPor qu\u00e9 no dejan de mandarme correos? Ya no me escriban",
    "Ya no quiero recibir correos",
    "Elim\u00ednenme de su lista",
    "no m\u00e1s mensajes",
    "Je veux me d\u00e9sabonner",
    "Arr\u00eatez de m'envoyer des messages",
    "Ne m'\u00e9crivez plus",
    "Retirez-moi de votre liste",
    "Laissez-moi tranquille",
    "Bitte schreiben Sie mir nicht mehr",
    "Keine weiteren Nachrichten bitte",
    "Ich m\u00f6chte nicht mehr kontaktiert werden",
    "L\u00f6schen Sie meine Daten",
    "H\u00f6ren Sie bitte auf, mir E-Mails zu schicken",
    "Bitte vom Verteiler streichen: aus dem Verteiler nehmen",
    "Parem de me enviar e-mails",
    "N\u00e3o quero mais receber mensagens",
    "N\u00e3o me escrevam mais",
    "Quero me descadastrar",
]

STAYS_SUBSCRIBED = [
    "",
    "Don't stop the reminders",
    "Please don't ever stop sending these, they help me",
    "Never stop emailing me, I would forget everything",
    "I don't want you to stop the emails",
    "I can stop by the office",
    "I'll stop by the office tomorrow",
    "I can't stop by tomorrow",
    "please do not book me for Monday",
    "Do not book me before nine",
    "non-stop pain",
    "The pain does not stop",
    "the bleeding won't stop",
    "Should I stop my aspirin before the visit?",
    "I stopped smoking last year",
    "I'd hate to be taken off the list",
    "I would hate to be removed from your list",
    "I would be sorry to be taken off the mailing list",
    "Please take me off the waiting list, I found a time",
    "Take me off the schedule for Tuesday",
    "Did you stop sending reminders? I got none this year",
    "Why did you stop the newsletter?",
    "I think I unsubscribed by mistake, please add me again",
    "I accidentally unsubscribed",
    "I wrote no more emails by mistake",
    "I stopped getting your emails, is something wrong?",
    "Can you remove my wisdom teeth?",
    "Remove my stains, please, before the wedding",
    "Don't send me to the hygienist, I want the doctor",
    "Don't contact me before noon, I work nights",
    "Don't e-mail me until January",
    "Do you have no more slots on Friday?",
    "No more pain, thank you!",
    "No, thank you",
    "I am not interested",
    "I don't want the implant",
    "I know",
    "It's the end of the month that suits me",
    "Please cancel my visit on Tuesday",
    "I quit my job and lost my insurance",
    "Estoy de baja hasta el lunes",
    "No dejen de enviarme los recordatorios",
    "No quiero la corona",
    "N'arr\u00eatez pas de m'envoyer les rappels",
    "H\u00f6ren Sie nicht auf zu schreiben",
    "Ich komme aus der Stadt",
    "N\u00e3o parem de me enviar lembretes",
    "Para mim pode ser ter\u00e7a",
]


class TestOptOut:
    @pytest.mark.parametrize("text", ASKS_TO_STOP)
    def test_a_wish_that_messages_stop_is_heard_in_any_wording(self, text: str) -> None:
        assert is_opt_out(text)

    @pytest.mark.parametrize("text", STAYS_SUBSCRIBED)
    def test_words_that_only_look_alike_leave_the_patient_subscribed(self, text: str) -> None:
        assert not is_opt_out(text)

    def test_a_stop_after_a_long_letter_is_still_read(self) -> None:
        assert is_opt_out("We had a lovely summer at the lake. " * 200 + "Please stop emailing me.")

    @given(st.text(max_size=400))
    @settings(deadline=None)
    def test_any_text_gets_an_answer(self, text: str) -> None:
        assert is_opt_out(text) in {True, False}
