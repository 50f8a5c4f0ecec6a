"""Reports and imports through their doors: HTTP, and the commands."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from service.cli import app as firstbell
from service.core.actor import SYSTEM, Role
from service.core.settings import settings
from tests import makers
from tests.conftest import fresh_database

LOG = """number,sys_updated_at,opened_at,sys_updated_by,incident_state,priority,impact,urgency,\
assignment_group,category,subcategory,u_symptom,contact_type,location,cmdb_ci,resolved_at,closed_at
INC1,29/2/2016 01:23,29/2/2016 01:16,Updated by 1,New,3 - Moderate,2 - Medium,2 - Medium,Group 1,\
Category 1,?,?,Phone,Location 1,?,?,29/2/2016 03:16
INC1,29/2/2016 02:16,29/2/2016 01:16,Updated by 1,Resolved,3 - Moderate,2 - Medium,2 - Medium,Group 1,\
Category 1,?,?,Phone,Location 1,?,?,29/2/2016 03:16
INC1,29/2/2016 03:16,29/2/2016 01:16,Updated by 1,Closed,3 - Moderate,2 - Medium,2 - Medium,Group 1,\
Category 1,?,?,Phone,Location 1,?,?,29/2/2016 03:16
INC2,bad,29/2/2016 01:16,Updated by 1,New,3 - Moderate,2 - Medium,2 - Medium,Group 1,\
Category 1,?,?,Phone,Location 1,?,?,?
"""
PATH = "/api/v1/reports/resolution"


@pytest.fixture
async def lead(app: Any) -> dict[str, str]:
    async with app.state.resources.begin(SYSTEM) as work:
        queue = await makers.default_queue(work)
        person = await makers.make_person(work, Role.LEAD, queues=[queue])
        await makers.make_ticket(work)
        return makers.bearer(await makers.token_for(work, person))


@pytest.fixture
async def teacher(app: Any) -> dict[str, str]:
    async with app.state.resources.begin(SYSTEM) as work:
        return makers.bearer(await makers.token_for(work, await makers.make_person(work)))


async def test_a_lead_reads_the_report(client: httpx.AsyncClient, lead: dict[str, str]) -> None:
    answer = await client.get(PATH, params={"by": ["queue", "month"]}, headers=lead)
    report = answer.json()
    assert answer.status_code == 200
    assert report["total"]["tickets"] >= 1
    assert sum(group["tickets"] for group in report["groups"]) == report["total"]["tickets"]
    assert report["query"]["by"] == ["queue", "month"]
    assert "backlog" in report["definitions"]


async def test_it_is_csv_where_that_is_wanted(client: httpx.AsyncClient, lead: dict[str, str]) -> None:
    answer = await client.get(PATH, params={"by": "queue,month", "format": "csv"}, headers=lead)
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert answer.headers["content-type"].startswith("text/csv")
    assert rows[0]["figure"] == "tickets"
    assert {row["group"] for row in rows} == {"total", "group"}


async def test_a_teacher_reads_no_reports(client: httpx.AsyncClient, teacher: dict[str, str]) -> None:
    answer = await client.get(PATH, headers=teacher)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("query", ["by=shoe", "zone=Moon", "calendar=Moon", "format=pdf", "nonsense=1"])
async def test_what_does_not_fit_is_said(client: httpx.AsyncClient, lead: dict[str, str], query: str) -> None:
    answer = await client.get(f"{PATH}?{query}", headers=lead)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"


class Desk:
    """The commands on a database of their own."""

    def run(self, *words: str) -> Any:
        return CliRunner().invoke(firstbell, list(words))


@pytest.fixture
def desk(server_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    with fresh_database(server_url, f"fb_commands_{makers.unique('db')}") as url:
        monkeypatch.setenv("FIRSTBELL_DATABASE_URL", url)
        settings.cache_clear()
        yield Desk()
    settings.cache_clear()


def test_an_import_and_its_report_at_the_command_line(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    words = ("import", "incidents", str(path), "--mapping", "servicenow-events", "--json")
    first, again = desk.run(*words), desk.run(*words)
    assert first.exit_code == again.exit_code == 0
    result = orjson.loads(first.stdout)
    assert (result["inserted"], result["rejected"], result["lines"]) == (1, 1, 4)
    assert Path(result["rejects"]).read_text().splitlines()[1].startswith("5,")
    assert orjson.loads(again.stdout)["already_there"] == 1
    report = orjson.loads(desk.run("report", "resolution", "--by", "queue", "--json").stdout)
    assert report["groups"][0]["names"] == {"queue": "Group 1"}
    times = report["total"]["time_to_last_resolution"]["calendar"]["with_hold"]
    assert times == {"n": 1, "mean_h": 1.0, "median_h": 1.0, "p90_h": 1.0}
    table = desk.run("report", "resolution", "--by", "priority", "--from", "2016-02-29")
    assert "P3" in table.stdout
    lines = desk.run("report", "resolution", "--to", "2016-02-29", "--format", "csv").stdout.splitlines()
    assert lines[1] == "total,,,,,,,tickets,0"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("import", "incidents", "/no/such/file", "--mapping", "servicenow-events"), "is no file"),
        (("import", "incidents", __file__, "--mapping", "nonsense"), "no mapping"),
        (("import", "incidents", __file__, "--mapping", "servicenow-events"), "lacks columns"),
        (("report", "resolution", "--from", "yesterday"), "no day like"),
        (("report", "resolution", "--by", "shoe"), "'school', 'queue'"),
        (("report", "resolution", "--calendar", "Moon"), "no calendar"),
    ],
)
def test_mistakes_are_told_in_a_sentence(desk: Desk, words: tuple[str, ...], said: str) -> None:
    result = desk.run(*words)
    assert result.exit_code == 1
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
