"""Reports over HTTP."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field

from service.reports import wire
from service.reports.rendering import csv_of
from service.reports.resolution import ReportQuery, resolution_report
from service.web import Json, Reading, door, refusals

router = door("/reports", "reports")


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


class ReportRequest(ReportQuery):
    format: Format = Field(Format.JSON, description="`csv` has one row a group and figure.")


@router.get(
    "/resolution",
    operation_id="reportResolution",
    summary="How tickets were resolved: counts, times, attainment, backlog, with every definition",
    response_model=wire.ReportOut,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **refusals(),
    },
)
async def report_resolution(wanted: Annotated[ReportRequest, Query()], read: Reading) -> Response:
    query = ReportQuery.model_validate(wanted.model_dump(exclude={"format"}))
    report = await resolution_report(read, query)
    if wanted.format is Format.CSV:
        return Response(csv_of(report), media_type="text/csv; charset=utf-8; header=present")
    return Json(report)
