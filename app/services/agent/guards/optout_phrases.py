"""Wordings of "no more messages" in five languages, over folded words (see `wording`).

What a sender must honour: 47 CFR 64.1200(a)(10) names stop, quit, end, revoke, opt out, cancel and
unsubscribe, and any other reasonable wording; 16 CFR 316.5 (CAN-SPAM) and GDPR article 21(3) ask
for no form at all.
"""

from app.services.agent.guards.wording import phrases

_MAIL = (
    "(?:e ?mails?|mails?|mailings?|messages?|msgs?|texts?|sms|reminders?|nudges?|newsletters?|"
    "letters?|notices?|notifications?|correspondence|communications?|spam|contact|campaigns?|updates)"
)
_WRITING = (
    "(?:e ?mailing|mailing|messaging|texting|writing|contacting|sending|spamming|bothering|bugging|"
    "pestering|harassing|reminding|nagging|reaching out|soliciting)"
)
_WRITE = "(?:e ?mail|message|text|write|contact|mail|bother|send|remind|reach out|solicit)"
_LIST = (
    "(?:lists?|mailings?|mailing lists?|e ?mails?|database|system|distribution|newsletters?|"
    "contacts|reminders|records|subscription)"
)
_NOT_WAITLIST = "(?!(?:\\w+ ){0,2}(?:wait|waiting|waitlist|cancellation|standby))"

# A sentence that is nothing else.
ALONE = phrases(
    (
        "(?:please |pls |just |kindly |ok |okay |now )*"
        "(?:stop|stop all|stopall|quit|end|revoke|cancel|remove|remove me|unsub|opt ?out|arret|"
        "stopp|baja|parar|sair|desuscribir|desuscribirme|enough|cut it out|go away|"
        "off the list|take me off|take my name off|you can stop|leave me alone|leave us alone|"
        "no more|s t o p|no mas|(?:ya )?basta|que paren?(?: ya)?|ya no mas)"
        "(?: it| this| that| now| please| pls| already| , please| all of (?:it|this)| thanks| me|"
        " esto| por favor| gracias)*",
        "(?:can|could|would|will) you (?:please )?(?:just )?stop(?: it| this| that| now| please)*",
    )
)

# Asked for in so many words: these lose their meaning under "don't", "never", "I'd hate to".
REQUESTS = phrases(
    (
        "unsub\\w*|unsuscri\\w*|desuscri\\w*|unenroll?",
        "opt(?:ing)?(?: me| us)? ?out",
        f"(?:stop|quit|cease|end|halt|discontinue) <2>{_WRITING}",
        f"(?:stop|quit|cease|end|halt|discontinue|cancel|turn off|switch off|kill) <3>{_MAIL}",
        f"(?:stop|quit) (?:getting|receiving|seeing) <4>(?:{_MAIL}|these|those|this|them)",
        "cancel <2>(?:subscription|newsletter)",
        f"(?:take|get|cut|drop|pull|leave|keep) (?:me|us|my(?: \\w+){{1,3}}|this address) "
        f"(?:off|out of|from) {_NOT_WAITLIST}<3>{_LIST}",
        f"(?:remove|delete|erase|scrub|strike|drop) (?:me|us|this address) (?:from|off) "
        f"{_NOT_WAITLIST}<3>(?:{_LIST}|this|everything|here|your|it)",
        "(?:remove|delete|erase|scrub|strike|wipe) <1>(?:my|our) <2>"
        "(?:name|e ?mail|address|data|info|information|details|contact|number|records?)",
        f"(?:get|be taken|be removed|be deleted|come) (?:off|from|"
        f"out of) {_NOT_WAITLIST}<3>{_LIST}",
        f"(?:{_MAIL}|these|this|it) (?:to stop|must stop|has to stop|need to stop|needs to stop|"
        "have to stop|should stop|to end)",
        f"(?:leave|count) me (?:off|out of) <2>{_LIST}",
        "(?:spare|save) (?:me|us) <3>(?:e ?mails?|messages|reminders)",
        "leave (?:me|us) alone|lose my (?:e ?mail |contact )?(?:address|e ?mail|number|details)",
        "forget my (?:e ?mail|address|number)",
        "(?:block|blocking) (?:you|this sender|your address|your e ?mails?)",
        "(?:mark|marking|report|reporting|flag|flagging) (?:you|this|these|it) (?:as spam|as junk)",
        "(?:withdraw|revoke)(?:ing)? <1>(?:consent|permission)",
        f"(?:refrain|desist|abstain) from <2>{_WRITING}",
        # Spanish
        "(?:darme|darnos|denme|deme|dame|dar|me den|me de) de baja|me doy de baja|"
        "solicito (?:la |mi )?baja|quiero (?:la |mi )?baja",
        "cancel\\w* <2>(?:suscripcion|correos|mensajes|recordatorios)",
        "(?:dejen|deje|deja|dejad|dejar|paren|pare|parar|basta) <1>(?:ya )?(?:de|con) <1>"
        "(?:envi\\w*|mand\\w*|escrib\\w*|molest\\w*|contact\\w*|correos|mensajes|recordatorios)",
        "paren ya (?:de|con) <2>\\w+",
        "(?:quit|borr|elimin|sac|retir)(?:en|e|a|ad)(?:me|nos)(?: , por favor| por favor)?"
        "(?: ya)?(?: de <3>(?:lista|base|correos?|sistema|registro)|$)",
        "(?:borr|elimin|quit)(?:en|e|a|ar) <1>(?:mis datos|mi (?:correo|e ?mail|direccion|nombre|"
        "numero))",
        "(?:dejenme|dejeme|dejame) en paz",
        # French
        "(?:me |nous )?(?:desabonn|desinscri)\\w+",
        "(?:arretez|arrete|arreter|cessez|cesser|stoppez) (?:de |dem|den)<2>\\w*"
        "(?:ecrire|envoyer|contacter|harceler|solliciter|relancer|envois|deranger)",
        "arretez (?:les|vos|ces) (?:e ?mails?|mails?|messages|courriels|rappels|envois)",
        "(?:retirez|retirer|enlevez|enlever|rayez|supprimez|supprimer|effacez) "
        "(?:moi|mon (?:nom|adresse|e ?mail|mail|numero)|mes (?:donnees|coordonnees))",
        "(?:laissez|fichez|foutez) moi (?:tranquille|la paix)",
        # German
        "(?:newsletter|verteiler|mails?|liste|mailingliste|erinnerungen) <3>"
        "(?:abmelden|austragen|abbestellen|streichen|loschen|entfernen)",
        "(?:abmelden|austragen|abbestellen|streichen|loschen) <3>"
        "(?:newsletter|verteiler|mailingliste|e ?mail liste)",
        "(?:aus|von) (?:dem |der |ihrem |ihrer |eurem |eurer )?(?:verteiler|mailingliste|liste)",
        "(?:loschen|entfernen|streichen|nehmen) sie <1>(?:mich|meine <1>"
        "(?:adresse|daten|mail|mailadresse|nummer))(?: <2>(?:raus|heraus|verteiler|liste))?",
        "(?:horen sie|hor|hort) (?:bitte )?auf <5>(?:schreiben|schicken|senden|kontaktieren|"
        "nerven|mailen)",
        "(?:lassen sie|lass|lasst) (?:mich|uns) <1>in ruhe",
        # Portuguese
        "(?:descadastr|desinscrev|desinscric)\\w+",
        "cancel\\w* <2>(?:inscricao|assinatura|subscricao)",
        "(?:parem|pare|para|parar|deixem|deixe|deixar|cessem) (?:de|com) <2>"
        "(?:envi\\w*|mand\\w*|escrev\\w*|conta[ct]\\w*|incomod\\w*|perturb\\w*|e ?mails|mensagens)",
        "(?:retirem|retire|tirem|tire|removam|remova|apaguem|excluam|exclua) <1>"
        "(?:me|meus dados|meu <1>(?:nome|e ?mail|endereco|contato|contacto|numero))"
        "(?: da| do| de|$| por favor)",
        "(?:deixem|deixe) me em paz|me (?:deixem|deixe) em paz",
        "chega de (?:mensagens|e ?mails|lembretes)",
    )
)

_AT_ANY_TIME = (
    "(?!(?: \\w+){0,2} (?:before|until|till|after|during|while|unless|on weekends|at work))"
)

# The wording itself is a refusal: a "not" is part of it.
REFUSALS = phrases(
    (
        f"(?:dont|do not|never|not|please no) (?:ever |please |you |even )*"
        f"(?:e ?mail|message|text|write|contact|mail|bother|reach out to|solicit) "
        f"(?:to )?(?:me|us|this address){_AT_ANY_TIME}",
        f"(?:dont|do not|never|not) (?:ever |please )*send <3>{_MAIL}{_AT_ANY_TIME}",
        f"(?:dont|do not|never|not) (?:ever |please )*{_WRITE} <3>(?:any ?more|again|any further|"
        "ever|these|those|more)",
        "(?:dont|do not|never) (?:ever )?(?:write|reach out|contact|e ?mail)$",
        "(?:dont|do not|didnt|never|no longer) (?:really )?(?:want|wish|need|care|like|desire) <2>"
        "(?:to (?:get|receive|hear|be (?:contacted|e ?mailed|messaged|reminded)))"
        "(?! (?:the |a |any |my |it )?(?:x ?rays?|treatment|implant|crown|work|bill|fillings?|"
        "cleaning|whitening|root canal|extraction|braces|shots?|injection|procedure|surgery|"
        "cavit\\w+|done|hurt|worse|sick|numb\\w*))",
        f"(?:dont|do not|no longer) (?:really )?(?:want|need|wish for|like) "
        f"(?:any |any more |more |further |your |these |those |the |this |all these )+{_MAIL}",
        f"(?:dont|do not) (?:want|need) {_MAIL}",
        "no more of (?:these|those|them)$",
        f"(?:grateful|appreciate it|glad|happy|nice|thankful) if (?:these|this|they|the {_MAIL}) "
        "(?:stopped|would stop|could stop)",
        "(?:let me|ill|i will|i should) be the one (?:to|who) <1>(?:reach\\w*|contact\\w*|call\\w*|"
        "writ\\w*)",
        "no need (?:for you )?to (?:write|e ?mail|message|text|contact|remind)(?: me| us)?$",
        f"(?:dont|do not) (?:have|need) to (?:keep|continue|go on) <1>{_WRITING}",
        f"no need for (?:any )?(?:further|more|additional|future|these) <1>{_MAIL}",
        f"(?:im|i am) (?:good|fine|all set) (?:on|without) (?:the |these |your |any )?{_MAIL}",
        f"(?:way|how|possible) (?:to|do i|can i|for me to) (?:not|stop|avoid) (?:receiv|get)\\w* "
        f"<1>(?:these|those|this|them|{_MAIL})",
        "not to be (?:contacted|e ?mailed|messaged|written to|reminded)",
        f"(?:no longer|dont|do not) (?:wish|want|care|need) to be (?:on|part of) {_NOT_WAITLIST}"
        f"<3>{_LIST}",
        f"enough (?:already )?(?:of|with) <2>{_MAIL}",
        "(?:make|let) this (?:be )?(?:the|your) last <1>(?:e ?mail|message|mail|letter|reminder)",
        f"(?:skip|drop|ditch) (?:the|these|those|your|all) <1>{_MAIL}",
        f"(?:no more|no further|no additional|enough|enough of|enough with|done with|"
        f"sick of|tired of) (?:of |with )?<2>{_MAIL}",
        "no need (?:for you )?to (?:keep|go on|continue) <1>" + _WRITING,
        f"no need (?:for you )?to {_WRITE} (?:me |us )?(?:again|any ?more|any further)",
        "(?:not interested in|rather not|prefer not to|dont care to|no interest in) <1>"
        "(?:get|getting|receiv\\w+|hear|hearing|be contacted|being contacted|be e ?mailed)",
        f"(?:rather|prefer|prefer it|appreciate|appreciate it|grateful)(?: if)? you (?:didnt|"
        f"did not|"
        f"dont|would not|wouldnt|do not|stopped) <1>(?:{_WRITE}|{_WRITING})",
        "(?:not|without) being (?:contacted|e ?mailed|messaged)|not be (?:contacted|e ?mailed)",
        "last (?:e ?mail|message|mail) (?:i|we) (?:get|receive|see|want)",
        "(?:want|prefer|like) (?:nothing|zero|no) <1>(?:from you|e ?mails|messages|contact)",
        # Spanish
        "no (?:me |nos |vuelvan a |vuelva a |quiero que (?:me )?)*"
        "(?:envien|envie|envies|manden|mande|mandes|escriban|escriba|escribas|contacten|contacte|"
        "contactes|contactarme|contactarnos|escribirme|enviarme|mandarme|molesten|moleste|"
        "molestarme)"
        "(?: <3>(?:mas|nada|nunca|correos|mensajes|recordatorios)|$)",
        "ya no (?:me |nos )(?:envi\\w+|mand\\w+|escrib\\w+|contact\\w+|molest\\w+)",
        "no (?:quiero|deseo|quisiera|me interesa) (?:seguir )?(?:recib\\w+|que me (?:escriban|"
        "manden|"
        "envien|contacten|molesten))",
        "no (?:quiero|deseo) mas (?:correos|mensajes|recordatorios|e ?mails|publicidad)",
        "(?:no|sin|ni un|nada de) mas (?:correos?|mensajes?|recordatorios?|e ?mails?)",
        "no me vuelvan a \\w+",
        "(?:prefiero|preferiria|preferimos) (?:ya )?no (?:recibir|seguir recibiendo)",
        "(?:prefiero|preferiria) que no me (?:escrib|mand|envi|contact)\\w+",
        "no hace falta que (?:me |nos )?(?:sigan|siga|escriban|manden|envien)",
        # French
        "ne <1>(?:mecrivez|menvoyez|me contactez|me sollicitez|me relancez|me derangez|"
        "nous contactez|me recontactez) (?:plus|pas)",
        "ne (?:veux|souhaite|desire|voudrais|veut) (?:plus|pas) (?:de vos|recevoir|"
        "etre contacte\\w*|"
        "que vous)",
        "ne plus (?:recevoir|mecrire|menvoyer|me contacter|etre (?:contacte|sollicite|"
        "relance)\\w*)",
        "plus (?:de|aucun) (?:e ?mails?|mails?|messages?|courriels?|rappels?)"
        "(?: ,)?(?: svp| sil vous plait| merci|$)",
        # German
        "keine (?:weiteren |weitere )(?:e ?mails?|mails?|nachrichten|erinnerungen|werbung|post)",
        "keine (?:e ?mails?|mails?|nachrichten|erinnerungen|werbung) mehr",
        "(?:schreiben|schicken|senden|kontaktieren|mailen|belastigen) sie (?:mir|mich|uns) <2>"
        "(?:nicht|nichts|keine) mehr",
        "(?:nicht|nichts|nie) (?:mehr|wieder|weiter) <2>(?:kontaktier\\w+|anschreib\\w*|"
        "angeschrieben|schreib\\w*|schick\\w*|send\\w*|belastig\\w*|horen)",
        # Portuguese
        "nao (?:quero|desejo|gostaria de|pretendo) (?:mais )?(?:receber|ser contacta\\w*)",
        "nao (?:quero|desejo) mais (?:mensagens|e ?mails|lembretes|contactos)",
        "nao (?:me |nos )?(?:enviem|envie|mandem|mande|escrevam|escreva|contactem|contatem|"
        "contacte|"
        "incomodem|perturbem)(?: me)?(?: <3>(?:mais|nada|nunca)|$)",
        "(?:prefiro|preferia) (?:ja )?nao receber|nao precisam? (?:de )?(?:me )?(?:escrever|enviar|"
        "mandar)",
        "sem mais (?:mensagens|e ?mails|lembretes)",
    )
)
