"""The knowledge base as it crosses HTTP."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, model_validator

from app.models.base import PyObjectId, UtcDatetime
from app.models.records import KnowledgeArticle
from app.schemas.base import InputSchema, OutputSchema
from app.schemas.paging import Pagination
from app.schemas.text import LongText, ShortText

Tag = Annotated[ShortText, StringConstraints(max_length=50)]
Tags = Annotated[list[Tag], Field(max_length=20)]
Language = Literal["en", "es"]
QuestionIds = Annotated[
    list[Annotated[str, StringConstraints(pattern="^[0-9a-f]{24}-[0-9]{1,2}$")]],
    Field(max_length=500),
]
Question = Annotated[LongText, StringConstraints(max_length=1000)]

_WRITE_EXAMPLE: dict[str, JsonValue] = {
    "title": "Teeth whitening",
    "body": "An in-office whitening takes about one hour and costs from $350.",
    "tags": ["whitening", "prices"],
}
_EXAMPLE_ID = "66f2a1b4c3d2e1f0a9b8c7d6"


class KnowledgeCreate(InputSchema):
    """A new article, in the practice's own words: answers are quoted from it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _WRITE_EXAMPLE})

    title: ShortText
    body: LongText
    tags: Tags = Field(default_factory=list)
    language: Language = "en"
    from_unanswered: QuestionIds = Field(
        default_factory=list,
        description="Questions of `GET /admin/knowledge/unanswered` that it answers: they leave "
        "that list.",
    )

    def to_article(self) -> KnowledgeArticle:
        """As it is stored."""
        return KnowledgeArticle(**self.model_dump(exclude={"from_unanswered"}))


class KnowledgeUpdate(InputSchema):
    """What changes in an article; the rest stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"body": "An in-office whitening costs from $370."}},
    )

    title: ShortText | None = None
    body: LongText | None = None
    tags: Tags | None = None
    language: Language | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.to_fields():
            message = "names nothing to change"
            raise ValueError(message)
        return self

    def to_fields(self) -> dict[str, Any]:
        """What was given. An explicit `null` changes nothing."""
        return self.model_dump(exclude_none=True)


class KnowledgeRead(OutputSchema):
    """An article."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                **_WRITE_EXAMPLE,
                "knowledge_id": _EXAMPLE_ID,
                "language": "en",
                "created_at": "2026-08-19T16:00:00Z",
                "updated_at": "2026-08-19T16:00:00Z",
            }
        },
    )

    knowledge_id: PyObjectId
    title: str
    body: str
    tags: list[str]
    language: str
    created_at: UtcDatetime
    updated_at: UtcDatetime

    @classmethod
    def of(cls, article: KnowledgeArticle) -> Self:
        """From the stored form."""
        return cls(
            knowledge_id=article.id,
            title=article.title,
            body=article.body,
            tags=article.tags,
            language=article.language,
            created_at=article.created_at,
            updated_at=article.updated_at,
        )


class KnowledgeList(OutputSchema):
    """One page of articles, by title."""

    pagination: Pagination
    knowledge: list[KnowledgeRead]


class KnowledgeQuestion(InputSchema):
    """What a patient might ask."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"question": "How much is whitening?"}}
    )

    question: Question


class KnowledgeSource(OutputSchema):
    """An article an answer was taken from; a higher score fits better."""

    knowledge_id: str
    title: str
    score: float


class KnowledgeAnswer(OutputSchema):
    """What the agent would answer. Not found: it would hand the question to a person."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "found": True,
                "answer": "An in-office whitening takes about one hour and costs from $350.",
                "sources": [
                    {"knowledge_id": _EXAMPLE_ID, "title": "Teeth whitening", "score": 0.83}
                ],
            }
        },
    )

    found: bool
    answer: str | None
    sources: list[KnowledgeSource]


class UnansweredExample(OutputSchema):
    """A question as it was asked, without names, addresses and numbers."""

    question_id: str
    interaction_id: PyObjectId
    question: str
    asked_at: UtcDatetime


class UnansweredGroup(OutputSchema):
    """Questions that ask the same thing."""

    question: str = Field(description="The most typical of them.")
    count: int
    first_asked_at: UtcDatetime
    last_asked_at: UtcDatetime
    question_ids: list[str] = Field(description="For `from_unanswered`, and for dismissing them.")
    examples: list[UnansweredExample] = Field(description="Up to five.")


class UnansweredList(OutputSchema):
    """What patients asked and nobody could answer from an article: asked most first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "pagination": {"total_items": 1, "total_pages": 1, "current_page": 1},
                "groups": [
                    {
                        "question": "Do you validate parking?",
                        "count": 1,
                        "first_asked_at": "2026-11-23T14:05:00Z",
                        "last_asked_at": "2026-11-23T14:05:00Z",
                        "question_ids": [f"{_EXAMPLE_ID}-0"],
                        "examples": [
                            {
                                "question_id": f"{_EXAMPLE_ID}-0",
                                "interaction_id": _EXAMPLE_ID,
                                "question": "Do you validate parking?",
                                "asked_at": "2026-11-23T14:05:00Z",
                            }
                        ],
                    }
                ],
            }
        }
    )

    pagination: Pagination
    groups: list[UnansweredGroup]


class UnansweredDismiss(InputSchema):
    """Questions that need no article."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"question_ids": [f"{_EXAMPLE_ID}-0"]}}
    )

    question_ids: Annotated[QuestionIds, Field(min_length=1)]
