"""What reports look like on the wire."""

from __future__ import annotations

from pydantic import BaseModel, Field


class SummaryOut(BaseModel):
    """Hours, rounded to 6 places; null where there is nothing to count."""

    n: int
    mean_h: float | None
    median_h: float | None
    p90_h: float | None


class HoldsOut(BaseModel):
    with_hold: SummaryOut
    without_hold: SummaryOut
    without_on_hold: SummaryOut
    without_waiting: SummaryOut


class TimesOut(BaseModel):
    calendar: HoldsOut
    working: HoldsOut | None


class ResponsesOut(BaseModel):
    calendar: SummaryOut
    working: SummaryOut | None
    unanswered: int


class CountOut(BaseModel):
    count: int
    by_month: dict[str, int] = Field(examples=[{"2026-09": 312}])


class AttainmentOut(BaseModel):
    n: int
    met: int
    breached: int
    running_past_due: int
    share: float | None = Field(examples=[0.942857])


class ReopenedOut(BaseModel):
    tickets: int
    reopens: int
    by_month: dict[str, int]


class ReassignedOut(BaseModel):
    tickets: int
    moves: int
    by_month: dict[str, int]


class FiguresOut(BaseModel):
    tickets: int
    opened: CountOut
    resolved: CountOut
    closed: CountOut
    time_to_first_resolution: TimesOut
    time_to_last_resolution: TimesOut
    time_to_close: TimesOut
    first_response: ResponsesOut
    sla: dict[str, AttainmentOut]
    reopened: ReopenedOut
    reassigned: ReassignedOut
    backlog: dict[str, int] = Field(examples=[{"2026-10-01": 41}])


class GroupOut(FiguresOut):
    """`by` holds the keys of the group, `names` what people call them; null is "none"."""

    by: dict[str, str | None]
    names: dict[str, str | None]


class ReportOut(BaseModel):
    """The figures, and what each of them means."""

    query: dict[str, object]
    generated_at: str
    definitions: dict[str, str]
    groups: list[GroupOut]
    total: FiguresOut
