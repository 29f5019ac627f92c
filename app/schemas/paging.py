"""Lists, one page at a time: `{"pagination": {...}, "<plural>": [...]}`."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.base import OutputSchema

MAX_LIMIT = 100
MAX_PAGE = 100_000
"""Beyond any list there is; keeps what is skipped inside the 64 bits the database counts with."""


class PageQuery(BaseModel):
    """Which page, and how many rows on it. Handlers take it as `app.api.deps.PageDep`."""

    model_config = ConfigDict(frozen=True)

    page: int = Field(default=1, ge=1, le=MAX_PAGE)
    limit: int = Field(default=20, ge=1, le=MAX_LIMIT)


class Pagination(OutputSchema):
    """Where a page stands in its list."""

    total_items: int = Field(description="All rows that match.", examples=[41])
    total_pages: int = Field(description="0 where nothing matches.", examples=[3])
    current_page: int = Field(examples=[1])
    total_is_lower_bound: bool = Field(
        default=False,
        exclude_if=lambda is_lower_bound: not is_lower_bound,
        description="Only there, and true, where a search matches more than were counted.",
    )

    @classmethod
    def of(cls, total_items: int, query: PageQuery, *, is_lower_bound: bool = False) -> Self:
        """The figures of one page of a list of `total_items`."""
        return cls(
            total_items=total_items,
            total_pages=-(-total_items // query.limit),
            current_page=query.page,
            total_is_lower_bound=is_lower_bound,
        )

    @classmethod
    def whole(cls, total_items: int) -> Self:
        """The figures of a list that is answered whole, on one page."""
        return cls(total_items=total_items, total_pages=min(total_items, 1), current_page=1)
