"""The dashboard's figures as they cross HTTP."""

from pydantic import ConfigDict, Field

from app.schemas.base import OutputSchema


class KpisRead(OutputSchema):
    """Counts; what each means stands in `definitions`."""

    appointments_booked_month: int
    visits_completed_month: int
    handoffs_requiring_action: int
    active_recovery_campaigns: int
    active_recall_campaigns: int


class ConversionRatesRead(OutputSchema):
    """Percentages, or `null` where nothing has ended in the window."""

    recovery_rate_percent: float | None
    recall_rate_percent: float | None


class RecoveredValueRead(OutputSchema):
    """What completed visits of recovered patients brought, in the clinic's currency."""

    recovered_value_month: float
    recovered_value_90_days: float
    recovered_campaigns_month: int
    recovered_campaigns_90_days: int
    currency: str


class MonthPointRead(OutputSchema):
    """One month of a series."""

    month: str
    recovered: int


class SeriesRead(OutputSchema):
    """Twelve months, oldest first."""

    recovered_by_month: list[MonthPointRead]


class DefinitionRead(OutputSchema):
    """What a figure means."""

    text: str
    window: str
    numerator: str
    denominator: str | None


class DashboardStatsRead(OutputSchema):
    """The dashboard's first page. Figures are scalars, their definitions stand beside them."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "kpis": {
                    "appointments_booked_month": 12,
                    "visits_completed_month": 9,
                    "handoffs_requiring_action": 2,
                    "active_recovery_campaigns": 14,
                    "active_recall_campaigns": 31,
                },
                "conversion_rates": {"recovery_rate_percent": 28.6, "recall_rate_percent": None},
                "value": {
                    "recovered_value_month": 1240.0,
                    "recovered_value_90_days": 3910.0,
                    "recovered_campaigns_month": 7,
                    "recovered_campaigns_90_days": 21,
                    "currency": "USD",
                },
                "series": {"recovered_by_month": [{"month": "2026-11", "recovered": 7}]},
                "definitions": {
                    "handoffs_requiring_action": {
                        "text": "Campaigns whose attention nobody has resolved, in any status.",
                        "window": "now",
                        "numerator": "open attentions",
                        "denominator": None,
                    }
                },
            }
        }
    )

    kpis: KpisRead
    conversion_rates: ConversionRatesRead
    value: RecoveredValueRead
    series: SeriesRead
    definitions: dict[str, DefinitionRead] = Field(
        description="For each figure: its meaning, window, numerator and denominator."
    )
