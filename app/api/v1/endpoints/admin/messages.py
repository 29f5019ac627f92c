"""Letters to look at."""

from app.api.deps import LetterPreviewDep, ReadAccess
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.schemas.messages import LetterRead, MessagePreview
from app.services.outreach.preview import PreviewRequest

router = PrefixRouter(prefix="/messages", tags=["campaigns"])


@router.post(
    "/preview",
    summary="See what a patient would get",
    operation_id="preview_message",
    responses=problems(401, 403, 404, 422),
)
async def preview_message(
    body: MessagePreview, _user: ReadAccess, letters: LetterPreviewDep
) -> LetterRead:
    """The letter of a campaign type, an attempt and a language, or another that the agent writes,
    to somebody on file or made up, in the practice's voice or one to try. Nothing is stored and
    nothing is sent, and its links are nobody's. `short_text` is what it says as a text message.
    """
    given = body.model_dump(exclude={"voice"})
    voice = body.voice.to_voice() if body.voice else None
    letter = await letters.show(PreviewRequest(**given, voice=voice))
    return LetterRead(
        subject=letter.subject,
        text=letter.content,
        html=letter.html,
        short_text=letter.short,
    )
