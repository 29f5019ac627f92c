"""A small clinic's knowledge base for the tests; the clinic does not exist."""

from app.services.agent.retrieval import KnowledgeText

ARTICLES = [
    KnowledgeText(
        "cleaning",
        "Dental cleaning",
        "A routine cleaning costs $110 and includes a polish. It takes about 45 minutes. "
        "A deep cleaning costs $240 per side of the mouth and is done in two visits. "
        "We recommend a cleaning every six months.",
        ("hygiene",),
    ),
    KnowledgeText(
        "whitening",
        "Teeth whitening",
        "In-office whitening costs $380 and takes 90 minutes. Take-home trays cost $220. "
        "Most people feel no pain; some have sensitive teeth for a day or two. "
        "The result lasts one to two years.",
    ),
    KnowledgeText(
        "crowns",
        "Crowns",
        "A crown costs between $1,100 and $1,400. You need two visits of about an hour each. "
        "Crowns last ten to fifteen years with good care.",
    ),
    KnowledgeText(
        "insurance",
        "Insurance we accept",
        "We are in network with Delta Dental, Cigna and MetLife. We do not accept Medicaid. "
        "We send the claim to your insurance for you.",
        ("plans",),
    ),
    KnowledgeText(
        "payment",
        "Payment plans",
        "You can pay in up to 12 monthly installments without interest through CareCredit. "
        "We also take cash, cards and HSA cards.",
        ("financing",),
    ),
    KnowledgeText(
        "hours",
        "Opening hours",
        "We are open Monday to Friday from 8:00 to 17:30. On Saturdays we open from 9:00 to 13:00.",
    ),
    KnowledgeText(
        "parking",
        "Parking",
        "There are twelve free parking spaces behind the building. The entrance is on Mill Lane.",
    ),
    KnowledgeText(
        "address",
        "Where to find us",
        "Our address is 48 Harbor Street, second floor, Brookfield. The clinic is wheelchair "
        "accessible by elevator. Our phone number is 555-010-4477.",
    ),
    KnowledgeText(
        "children",
        "Children",
        "We treat children from the age of one. The first visit of a child is a short, playful "
        "look around and takes 20 minutes.",
        ("kids", "family"),
    ),
    KnowledgeText(
        "sedation",
        "Sedation and anxiety",
        "If you are anxious, tell us beforehand and we will plan more time. We offer nitrous oxide "
        "and oral sedation. After oral sedation somebody has to drive you home.",
    ),
    KnowledgeText(
        "cancellation",
        "Cancelling an appointment",
        "Please cancel at least 24 hours before your appointment. A missed appointment costs a "
        "fee of $50.",
    ),
    KnowledgeText(
        "aftercare",
        "After an extraction",
        "Eat soft, cool food for two days. Do not rinse for 24 hours. Take the painkillers that "
        "we gave you as written on the packet.",
    ),
    KnowledgeText(
        "emergencies",
        "Emergencies",
        "We keep time free for emergency visits on the same day. Call us as early as you can. "
        "When we are closed, the number on our answering machine reaches the dentist on duty.",
    ),
    KnowledgeText(
        "implants",
        "Dental implants",
        "A single implant with its crown costs from $3,200. Healing takes three to six months "
        "before the crown is placed.",
    ),
    KnowledgeText(
        "first",
        "Your first visit",
        "The first visit takes 60 minutes and includes an exam and x-rays. Please bring an ID, "
        "your insurance card and a list of your medicines.",
    ),
]
