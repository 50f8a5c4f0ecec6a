"""`firstbell mdm` as an operator uses it, on device managements that answer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from integrations.mdm.simulated.fleet import TOKEN, SimulatedFleet
from integrations.mdm.simulated.server import Simulator, serving, status
from service.cli import app as firstbell
from service.core.migrating import migrate
from service.core.settings import settings
from service.core.vault import Vault, new_key
from tests import makers
from tests.conftest import fresh_database


def run(*words: str, lines: str = "", **env: str) -> Any:
    result = CliRunner().invoke(firstbell, list(words), input=lines, env={"COLUMNS": "200"} | env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def mdm(*words: str, lines: str = "", **env: str) -> Any:
    return run("mdm", *words, lines=lines, **env)


def told(*words: str, **env: str) -> Any:
    result = mdm(*words, "--json", **env)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread of its own, in which a management answers while a command runs."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever, daemon=True)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join(5)
    made.close()


@pytest.fixture
def stands(loop: asyncio.AbstractEventLoop) -> Iterator[Callable[[Simulator], str]]:
    """Where a simulator answers until the test is over."""
    open_ones: list[AbstractAsyncContextManager[str]] = []

    def start(simulator: Simulator) -> str:
        served = serving(simulator)
        url: str = asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result(10)
        open_ones.append(served)
        return url

    yield start
    for one in open_ones:
        asyncio.run_coroutine_threadsafe(one.__aexit__(None, None, None), loop).result(10)


class Desk:
    def __init__(self, url: str, key: str) -> None:
        self.key = key
        self.engine = create_engine(url)

    def rows(self, query: str, **given: Any) -> list[Any]:
        with self.engine.begin() as connection:
            return list(connection.execute(text(query), given))

    def secrets(self, name: str) -> dict[str, str]:
        (row,) = self.rows("SELECT sealed FROM mdm_connections WHERE name = :name", name=name)
        return Vault([self.key]).open(bytes(row.sealed))

    def tidy(self) -> None:
        with self.engine.begin() as connection:
            for table in ("mdm_commands", "mdm_mappings", "mdm_connections"):
                connection.execute(text(f"DELETE FROM {table}"))
            connection.execute(text("DELETE FROM procrastinate_jobs WHERE task_name LIKE 'mdm.%'"))
        self.engine.dispose()


@pytest.fixture(scope="module")
def url(server_url: str) -> Iterator[str]:
    with fresh_database(server_url, "fb_mdm_cli") as made:
        migrate(made)
        yield made


@pytest.fixture
def desk(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The commands on a database of their own, with keys of their own; what they add is taken away again."""
    key = new_key()
    monkeypatch.setenv("FIRSTBELL_DATABASE_URL", url)
    monkeypatch.setenv("FIRSTBELL_HOME", str(tmp_path))
    monkeypatch.setenv("FIRSTBELL_SECRET_KEYS", key)
    settings.cache_clear()
    made = Desk(url, key)
    try:
        yield made
    finally:
        made.tidy()
        monkeypatch.undo()
        settings.cache_clear()


def test_vendors_are_told_with_their_settings_and_without_a_database() -> None:
    shown = mdm("vendors")
    assert shown.exit_code == 0, shown.output
    for words in ("google", "service_account", "jamf_school", "api_key", "secret"):
        assert words in shown.stdout, words
    assert {one["vendor"] for one in told("vendors")} == {
        "google", "intune", "jamf_pro", "jamf_school", "mosyle", "fleet",
    }  # fmt: skip


def test_a_connection_is_added_tested_changed_and_deleted(
    desk: Desk, stands: Callable[[Simulator], str], tmp_path: Path
) -> None:
    url, name = stands(SimulatedFleet()), makers.unique("Fleet")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    from_file = ("--secret-file", f"token={tmp_path / 'token'}")
    added = mdm("add", name, "fleet", "--set", f"base_url={url}/login", *from_file, "--off")
    assert added.exit_code == 0, added.output
    assert f"base_url = {url}" in added.stdout
    assert TOKEN not in added.output
    assert desk.secrets(name) == {"token": TOKEN}
    works = mdm("check", name)
    assert works.exit_code == 0, works.output
    assert works.stdout.startswith(f"{name} works. Hosts can be listed.\n  granted  list hosts")
    (row,) = told("list")
    assert (row["name"], row["checked"]["works"], row["enabled"]) == (name, True, False)
    changed = told("edit", name, "--secret-env", "token=NEW", "--sync-minutes", "15", "--on", NEW="no-such")
    assert (changed["sync_minutes"], changed["enabled"], changed["checked"]) == (15, True, None)
    broken = mdm("check", name)
    assert broken.exit_code == 1
    assert broken.stdout.startswith(f"{name} does not work.")
    again = mdm("check", name, "--json")
    assert (again.exit_code, json.loads(again.stdout)["reason"]) == (1, "auth_failed")
    assert "auth failed" in mdm("list").stdout
    assert mdm("delete", name, lines="n\n").exit_code == 1
    assert len(told("list")) == 1
    gone = mdm("delete", name.upper(), "--yes")
    assert (gone.exit_code, gone.stdout) == (0, f"{name} is forgotten.\n"), gone.output
    assert told("list") == []


def test_a_secret_that_no_option_names_is_asked_for_and_not_shown(desk: Desk) -> None:
    name = makers.unique("Fleet")
    words = ("add", name, "fleet", "--set", "base_url=https://fleet.invalid")
    added = mdm(*words, lines="sesame\n")
    assert added.exit_code == 0, added.output
    assert "Token of an API-only user" in added.output
    assert "sesame" not in added.output
    assert desk.secrets(name) == {"token": "sesame"}
    asked = mdm("edit", name, "--ask", "token", lines="open\n")
    assert asked.exit_code == 0, asked.output
    assert desk.secrets(name) == {"token": "open"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "token=sesame"), "token is a secret, and others see the words of a command."),
        (("--set", "base_url"), "KEY=VALUE"),
        (("--secret-env", "token=NO_SUCH_VARIABLE"), "no NO_SUCH_VARIABLE"),
        (("--secret-file", "token=/no/such/file"), "No such file"),
        (("--set", "base_url=ftp://x", "--secret-env", "token=TOKEN"), "settings.base_url"),
        (("--set", "teapot=1", "--secret-env", "token=TOKEN"), "settings.teapot"),
        (("--secret-env", "token=TOKEN"), "settings.base_url"),
        (("--sync-minutes", "1", "--secret-env", "token=TOKEN"), "sync_minutes"),
    ],
)
def test_what_does_not_fit_is_a_sentence_without_the_secret(
    desk: Desk, words: tuple[str, ...], said: str
) -> None:
    result = mdm("add", makers.unique("Fleet"), "fleet", *words, TOKEN="sesame")
    assert result.exit_code == 1
    assert said in result.stderr, result.stderr
    assert "sesame" not in result.stderr
    assert desk.rows("SELECT id FROM mdm_connections") == []


def test_a_key_file_is_not_typed_in(desk: Desk) -> None:
    result = mdm("add", "Google", "google", "--set", "admin=it@district.example")
    assert result.exit_code == 1
    assert "--secret-file service_account=FILE" in result.stderr


def test_one_that_is_not_there_is_told(desk: Desk) -> None:
    for words in (("check",), ("edit", "--on"), ("delete", "--yes"), ("sync",), ("runs",)):
        result = mdm(words[0], "nobody", *words[1:])
        assert (result.exit_code, "There is no connection nobody." in result.stderr) == (1, True), words


def test_missing_rights_are_shown_as_a_person_reads_them(
    desk: Desk, stands: Callable[[Simulator], str]
) -> None:
    simulator, name = SimulatedFleet(), makers.unique("Fleet")
    simulator.inject(status(403), times=9)
    mdm("add", name, "fleet", "--set", f"base_url={stands(simulator)}", "--secret-env", "token=T", T=TOKEN)
    result = mdm("check", name)
    assert result.exit_code == 1
    assert "missing  observer, to list hosts" in result.stdout
    (row,) = told("list")
    assert row["failure"] == "forbidden"


def test_a_sync_is_asked_for_and_its_runs_are_listed(desk: Desk) -> None:
    name = makers.unique("Fleet")
    mdm("add", name, "fleet", "--set", "base_url=https://fleet.invalid", "--secret-env", "token=T", T="x")
    asked = told("sync", name, "--full")
    assert (asked["kind"], asked["state"], asked["dry"]) == ("full", "waiting", False)
    (run_row,) = told("runs", name)
    assert (run_row["id"], run_row["kind"]) == (asked["run"], "full")
    assert "waiting" in mdm("runs", name).stdout
    waiting = desk.rows("SELECT args FROM procrastinate_jobs WHERE task_name = 'mdm.sync'")
    assert [row.args for row in waiting] == [{"run_id": asked["run"]}]
    assert mdm("cancel", str(asked["run"])).stdout == f"Run {asked['run']}: discarded.\n"
    assert mdm("cancel", str(asked["run"])).exit_code == 1


def held(desk: Desk, name: str) -> int:
    """A run that waits for a person, with a line, by its number."""
    mdm("add", name, "fleet", "--set", "base_url=https://fleet.invalid", "--secret-env", "token=T", T="x")
    counts = '{"listed": 7, "missing": 6, "assets_added": 1, "bad": 0, "total": 7}'
    (run_row,) = desk.rows(
        "INSERT INTO mdm_runs (connection_id, kind, state, dry, counts, would_change_percent, pages_staged, "
        "created_at) SELECT id, 1, 4, false, CAST(:counts AS jsonb), 86, 1, now() FROM mdm_connections "
        "WHERE name = :name RETURNING id",
        name=name,
        counts=counts,
    )
    desk.rows(
        "INSERT INTO mdm_run_lines (run_id, kind, external_id, why) VALUES (:run, 1, 'd5', 'no id') "
        "RETURNING id",
        run=run_row.id,
    )
    return int(run_row.id)


@pytest.mark.parametrize(("word", "state"), [("--go", "reconciling"), ("--discard", "discarded")])
def test_a_held_sync_is_read_and_decided(desk: Desk, word: str, state: str) -> None:
    name = makers.unique("Fleet")
    number = held(desk, name)
    shown = mdm("runs", name).stdout
    assert ("held" in shown, "7 listed, 6 missing, 1 assets added" in shown, "total" in shown) == (
        True,
        True,
        False,
    )
    (run_row,) = told("runs", name)
    assert (run_row["connection_name"], run_row["counts"]["missing"]) == (name, 6)
    assert "no id" in mdm("lines", str(number)).stdout
    assert [(line["kind"], line["external_id"]) for line in told("lines", str(number))] == [
        ("bad_record", "d5")
    ]
    assert mdm("decide", str(number)).exit_code == 2
    assert mdm("decide", str(number), word).stdout == f"Run {number}: {state}.\n"
    again = mdm("decide", str(number), word)
    assert (again.exit_code, "does not wait for a decision" in again.stderr) == (1, True)


def test_tables_keep_their_names_whole_on_a_narrow_terminal(desk: Desk) -> None:
    name = makers.unique("Chromebooks of the district")
    held(desk, name)
    desk.rows("UPDATE mdm_connections SET failure = 'auth_failed' WHERE name = :name RETURNING id", name=name)
    lines = mdm("list", COLUMNS="80").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(name in line and "fleet" in line and "auth" in line for line in lines)
    assert any(
        "full" in line and "held" in line for line in mdm("runs", name, COLUMNS="80").stdout.splitlines()
    )


def test_words_are_mapped_listed_and_taken_away(desk: Desk) -> None:
    name = makers.unique("Fleet")
    mdm("add", name, "fleet", "--set", "base_url=https://fleet.invalid", "--secret-env", "token=T", T="x")
    (row,) = told("list")
    desk.rows(
        "INSERT INTO mdm_records (connection_id, external_id, platform, enrolment, model, record, digest, "
        "first_seen_at, changed_at) "
        "VALUES (:id, '7', 10, 1, 'Gizmo [7]', '{}', '', now(), now()) RETURNING id",
        id=row["id"],
    )
    assert [(one["word"], one["records"]) for one in told("unmapped", "model")] == [("Gizmo [7]", 1)]
    shown = mdm("unmapped", "model", "--connection", name)
    assert "Gizmo [7]" in shown.stdout
    assert [(one["kind"], one["word"]) for one in told("unmapped", "--connection", name)] == [
        ("model", "Gizmo [7]")
    ]
    assert "unknown word" in shown.stdout
    mapped = mdm("map", "model", "gizmo [7]", "--asset-kind", "display", "--connection", name)
    assert mapped.exit_code == 0, mapped.output
    assert "gizmo [7] is a display." in mapped.stdout
    assert told("unmapped", "model") == []
    (mapping,) = told("mappings", "--connection", name)
    assert (mapping["word"], mapping["connection_name"]) == ("gizmo [7]", name)
    assert "is a display" in mdm("mappings").stdout
    assert "is ignored" in mdm("map", "site", "Spare").stdout
    wrong = mdm("map", "site", "Spare", "--place", "no-such")
    assert (wrong.exit_code, "There is no such place." in wrong.stderr) == (1, True)
    assert mdm("unmap", str(mapping["id"])).stdout == "gizmo [7] means nothing any more.\n"
    assert mdm("unmap", str(mapping["id"])).exit_code == 1


def test_secrets_of_connections_and_commands_are_sealed_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, old_key = makers.unique("Fleet"), desk.key
    old = Vault([old_key])
    mdm("add", name, "fleet", "--set", "base_url=https://fleet.invalid", "--secret-env", "token=T", T="x")
    insert = (
        "INSERT INTO mdm_commands (verb, risk, state, arguments, sealed, told, reason, created_at) "
        "VALUES (3, 3, 5, '{}', :sealed, :told, 'Lost', now()) RETURNING id"
    )
    for sealed, secret in ((old.seal({"pin": "1"}), None), (None, old.seal({"code": "2"})), (None, None)):
        desk.rows(insert, sealed=sealed, told=secret)
    desk.key = new_key()
    monkeypatch.setenv("FIRSTBELL_SECRET_KEYS", f"{desk.key},{old_key}")
    settings.cache_clear()
    result = run("secrets", "rotate")
    assert result.exit_code == 0, result.output
    assert "3 secrets are sealed with the newest key." in result.stdout
    new = Vault([desk.key])
    assert desk.secrets(name) == {"token": "x"}
    kept = desk.rows("SELECT sealed, told FROM mdm_commands ORDER BY id")
    opened = [[None if part is None else new.open(bytes(part)) for part in row] for row in kept]
    assert opened == [[{"pin": "1"}, None], [None, {"code": "2"}], [None, None]]
