"""`firstbell network` and `firstbell secrets`, as an operator uses them, on agents that answer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from integrations.snmp.agent import SimulatedAgent, Tree, Type, User
from integrations.snmp.profile import FOLDER
from integrations.snmp.target import AuthProtocol, PrivProtocol
from service.cli import app as firstbell
from service.core.settings import settings
from service.core.vault import Vault, new_key
from tests import makers
from tests.ports import free_port
from tests.simulated import printer_tree, switch_tree

USER = User("desk", AuthProtocol.SHA256, "authentic", PrivProtocol.AES128, "encrypted")
V3 = ("--v3-user", "desk", "--auth", "sha256", "--priv", "aes128")
PASSWORDS = {"FIRSTBELL_SNMP_AUTH_PASSWORD": "authentic", "FIRSTBELL_SNMP_PRIV_PASSWORD": "encrypted"}
KEYS = {
    "profile", "identity", "uptime", "ports", "printer", "ups", "sensors", "loads", "access_points",
    "clients", "neighbours", "vlans", "addresses", "faults", "metrics", "incomplete",
}  # fmt: skip


def network(*words: str, lines: str = "", **env: str) -> Any:
    return CliRunner().invoke(firstbell, ["network", *words], input=lines, env={"COLUMNS": "200"} | env)


def secrets(*words: str, **env: str) -> Any:
    return CliRunner().invoke(firstbell, ["secrets", *words], env=env)


Starts = Callable[..., SimulatedAgent]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread of its own, in which agents answer while a command runs."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever, daemon=True)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join(5)
    made.close()


@pytest.fixture
def agent(loop: asyncio.AbstractEventLoop) -> Iterator[Starts]:
    """Starts agents, and stops them afterwards."""
    started: list[SimulatedAgent] = []

    def there(act: Callable[[], None]) -> None:
        async def go() -> None:
            act()

        asyncio.run_coroutine_threadsafe(go(), loop).result(5)

    def start(tree: Tree, **given: Any) -> SimulatedAgent:
        made = SimulatedAgent(tree, **given)
        there(made.start)
        started.append(made)
        return made

    yield start
    for one in started:
        there(one.stop)


def probed(agent: SimulatedAgent, *words: str, **env: str) -> Any:
    env.setdefault("FIRSTBELL_SNMP_COMMUNITY", "public")
    return network("probe", "127.0.0.1", "--port", str(agent.port), "--timeout", "0.3", *words, **env)


# probe


def test_a_probe_tells_what_a_person_wants_to_know(agent: Starts) -> None:
    tree = printer_tree("prn-room-12", "CN1234567")
    tree.set("1.3.6.1.2.1.25.3.5.1.2.1", Type.OCTETS, b"\x04")
    result = probed(agent(tree))
    assert result.exit_code == 0, result.output
    for words in ("prn-room-12", "HP Color LaserJet M252dw", "CN1234567", "Black Cartridge", "40 %", "jam"):
        assert words in result.stdout, words


def test_a_probe_as_json_has_the_documented_keys(agent: Starts) -> None:
    tree = printer_tree("prn-1", "CN1234567")
    tree.set("1.3.6.1.2.1.25.3.5.1.2.1", Type.OCTETS, b"\x04")
    result = probed(agent(tree), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert set(told) == KEYS
    assert told["identity"]["serial"] == "CN1234567"
    assert {"supplies", "trays", "errors", "alerts"} <= set(told["printer"])
    assert told["printer"]["supplies"][0]["percent"] == 40
    assert told["printer"]["errors"] == ["jammed"]
    assert "printer.jammed" in [fault["check"] for fault in told["faults"]]
    assert told["ups"] is None


def test_a_switch_has_its_ports_and_no_fault_for_those_that_are_down(agent: Starts) -> None:
    tree = switch_tree()
    tree.set("1.3.6.1.2.1.2.2.1.8.2", Type.INTEGER, 2)
    told = json.loads(probed(agent(tree), "--json").stdout)
    assert [(port["key"], port["oper"]) for port in told["ports"]][:2] == [("1", "up"), ("2", "down")]
    assert told["ports"][0]["poe_state"] == "delivering"
    assert told["faults"] == []


@pytest.mark.parametrize("engine", ["gufo", "pysnmp"])
def test_both_engines_understand_the_same_over_v3(agent: Starts, engine: str) -> None:
    made = agent(printer_tree("prn-1", "CN1234567"), users=[USER], communities=())
    result = probed(made, "--json", "--engine", engine, *V3, **PASSWORDS)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["identity"]["serial"] == "CN1234567"


def test_passwords_that_are_not_in_the_environment_are_asked_for_and_not_shown(agent: Starts) -> None:
    made = agent(printer_tree("prn-1", "CN1234567"), users=[USER], communities=())
    result = probed(made, *V3, lines="authentic\nencrypted\n")
    assert result.exit_code == 0, result.output
    assert "Authentication password" in result.output
    assert "authentic\n" not in result.output
    assert "encrypted" not in result.output
    community = network(
        "probe", "127.0.0.1", "--port", str(agent(printer_tree()).port), "--json", lines="public\n"
    )
    assert community.exit_code == 0, community.output
    assert "public" not in community.output


def test_a_device_that_does_not_answer_ends_with_two_and_a_sentence(agent: Starts) -> None:
    made = agent(printer_tree())
    wrong = probed(made, FIRSTBELL_SNMP_COMMUNITY="wrong-one")
    assert wrong.exit_code == 2
    assert wrong.stderr == (
        f"firstbell: 127.0.0.1, port {made.port} does not answer: it is off, filtered, "
        "or the community is wrong.\n"
    )
    nobody = network("probe", "127.0.0.1", "--port", str(free_port()), "--community", "public")
    assert nobody.exit_code == 2
    assert "has no SNMP agent" in nobody.stderr


@pytest.mark.parametrize("engine", ["gufo", "pysnmp"])
def test_credentials_that_are_refused_end_with_three_and_a_sentence(agent: Starts, engine: str) -> None:
    made = agent(printer_tree(), users=[USER])
    refused = PASSWORDS | {"FIRSTBELL_SNMP_AUTH_PASSWORD": "not-this-one"}
    result = probed(made, "--engine", engine, *V3, **refused)
    assert result.exit_code == 3, result.output
    assert result.stderr == f"firstbell: 127.0.0.1, port {made.port} answers, and refuses this credential.\n"
    unknown = probed(made, "--engine", engine, "--v3-user", "nobody", "--auth", "sha256", **PASSWORDS)
    assert unknown.exit_code == 3, unknown.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--auth", "sha256"), "name its user"),
        (("--v3-user", "desk", "--priv", "aes128"), "--priv needs --auth"),
        (("--v3-user", "desk", "--auth", "sha256"), "at least 8 characters"),
    ],
)
def test_options_that_do_not_fit_together_are_told(words: tuple[str, ...], said: str) -> None:
    result = network("probe", "127.0.0.1", *words, FIRSTBELL_SNMP_AUTH_PASSWORD="short")
    assert result.exit_code == 1
    assert said in result.stderr


def test_a_host_that_is_not_there_is_told() -> None:
    result = network("probe", "no-such-host.invalid", "--community", "public")
    assert result.exit_code == 1
    assert "There is no host no-such-host.invalid." in result.stderr


# lint


def test_lint_of_the_profiles_that_come_along_finds_nothing() -> None:
    result = network("lint")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{len(list(FOLDER.glob('*.yaml')))} profiles, 0 problems.\n"


def test_lint_names_the_file_and_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("kind: teapot\n")
    result = network("lint", str(tmp_path))
    assert result.exit_code == 1
    assert "odd.yaml" in result.stdout
    assert json.loads(network("lint", str(tmp_path), "--json").stdout)
    assert network("lint", str(tmp_path / "nothing")).exit_code == 2


# What needs the database.


@pytest.fixture
def desk(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The commands on the tests' database, with keys of their own; what they add is taken away again."""
    key = new_key()
    monkeypatch.setenv("FIRSTBELL_DATABASE_URL", database_url)
    monkeypatch.setenv("FIRSTBELL_HOME", str(tmp_path))
    monkeypatch.setenv("FIRSTBELL_SECRET_KEYS", key)
    settings.cache_clear()
    made = Desk(database_url, key)
    try:
        yield made
    finally:
        made.tidy()
        monkeypatch.undo()
        settings.cache_clear()


class Desk:
    def __init__(self, url: str, key: str) -> None:
        self.key = key
        self.port = free_port()
        self._engine = create_engine(url)
        self._credentials: list[int] = []

    def keeps(self, sealed: bytes) -> int:
        statement = text(
            "INSERT INTO snmp_credentials (name, version, position, sealed, created_at, changed_at) "
            "VALUES (:name, 2, 1, :sealed, now(), now()) RETURNING id"
        )
        values = {"name": makers.unique("cli"), "sealed": sealed}
        with self._engine.begin() as connection:
            made = int(connection.execute(statement, values).scalar_one())
        self._credentials.append(made)
        return made

    def sealed(self, credential_id: int) -> bytes:
        with self._engine.begin() as connection:
            query = text("SELECT sealed FROM snmp_credentials WHERE id = :id")
            return bytes(connection.execute(query, {"id": credential_id}).scalar_one())

    def faults(self, device_id: int) -> None:
        statement = text(
            'INSERT INTO network_faults (device_id, "check", instance, label, state, evidence, since, '
            "opened_at) VALUES (:device, 'printer.jammed', '', 'Tray 2', 2, '{}', now(), now())"
        )
        with self._engine.begin() as connection:
            connection.execute(statement, {"device": device_id})

    def tidy(self) -> None:
        with self._engine.begin() as connection:
            for table in ("network_devices", "network_scans"):
                connection.execute(text(f"DELETE FROM {table} WHERE port = :port"), {"port": self.port})
            values = {"ids": self._credentials}
            connection.execute(text("DELETE FROM snmp_credentials WHERE id = ANY(:ids)"), values)
            jobs = text("DELETE FROM procrastinate_jobs WHERE task_name = ANY(:names)")
            connection.execute(jobs, {"names": ["monitoring.scan", "monitoring.chart"]})
        self._engine.dispose()


def test_a_scan_is_asked_for_done_and_shown_and_its_devices_are_listed(desk: Desk, agent: Starts) -> None:
    desk.keeps(Vault([desk.key]).seal({"community": "public"}))
    agent(printer_tree("prn-cli", "CLI00001"), address="127.66.0.1", port=desk.port)
    words = ("scan", "127.66.0.1-2", "--port", str(desk.port), "--here")
    shown = network(*words)
    assert shown.exit_code == 0, shown.output
    assert "prn-cli" in shown.stdout
    assert "2 asked, 1 answered, 1 watched." in shown.stdout
    again = json.loads(network(*words, "--json").stdout)
    assert (again["state"], again["found"][0]["is_new"]) == ("done", False)
    looked = json.loads(network(*words, "--only-look", "--json").stdout)
    assert (looked["answered"], looked["adopted"]) == (1, 0)
    assert looked["found"][0]["device_id"] == again["found"][0]["device_id"]
    rows = json.loads(network("devices", "--q", "prn-cli", "--json").stdout)
    assert [(row["name"], row["address"], row["snmp"]) for row in rows] == [("prn-cli", "127.66.0.1", "ok")]
    roomy = network("devices").stdout.splitlines()
    assert "model" in roomy[0]
    narrow = network("devices", COLUMNS="80").stdout.splitlines()
    assert "model" not in narrow[0]
    assert any("prn-cli" in line and "printer" in line and "ok" in line for line in narrow)
    desk.faults(rows[0]["id"])
    assert "printer.jammed" in network("faults").stdout
    told = json.loads(network("faults", "--all", "--json").stdout)
    assert "Tray 2" in [fault["label"] for fault in told]
    assert all("ticket" in fault and "ticket_id" not in fault for fault in told)


def test_a_scan_of_what_must_not_be_asked_is_refused_with_a_sentence(desk: Desk) -> None:
    result = network("scan", "224.0.0.1")
    assert result.exit_code == 1
    assert "multicast" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("10.0.0.0/8",), "“10.0.0.0/8” is more than 4,096 addresses. Name fewer at a time."),
        (("10.0.0.9-10.0.0.1",), "“10.0.0.9-10.0.0.1” ends before it begins."),
        (
            tuple(f"10.0.0.{n}" for n in range(65)),
            "targets: List should have at most 64 items after validation, not 65",
        ),
    ],
)
def test_a_scan_that_cannot_be_is_refused_in_nothing_but_a_sentence(
    words: tuple[str, ...], said: str
) -> None:
    result = network("scan", *words)
    assert result.exit_code == 1
    assert " ".join(result.stderr.split()) == f"firstbell: {said}"


def test_a_scan_without_a_credential_that_opens_ends_with_one(desk: Desk) -> None:
    desk.keeps(Vault([new_key()]).seal({"community": "public"}))
    result = network("scan", "127.66.0.1", "--port", str(desk.port), "--here")
    assert result.exit_code == 1
    assert "Cannot be opened" in result.stderr


# secrets


def test_a_new_key_is_one_that_seals() -> None:
    key = secrets("new-key").stdout.strip()
    assert Vault([key]).open(Vault([key]).seal({"a": "b"})) == {"a": "b"}


def test_secrets_are_sealed_with_the_new_key_and_the_old_one_can_go(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential_id = desk.keeps(Vault([desk.key]).seal({"community": "public"}))
    new = new_key()
    monkeypatch.setenv("FIRSTBELL_SECRET_KEYS", f"{new},{desk.key}")
    settings.cache_clear()
    result = secrets("rotate")
    assert "1 secret is sealed with the newest key." in result.stdout
    assert Vault([new]).open(desk.sealed(credential_id)) == {"community": "public"}


def test_a_secret_that_no_key_opens_is_left_named_and_ends_with_one(desk: Desk) -> None:
    lost = new_key()
    credential_id = desk.keeps(Vault([lost]).seal({"community": "public"}))
    result = secrets("rotate")
    assert result.exit_code == 1
    assert f"snmp_credentials {credential_id}" in result.stderr
    assert "public" not in result.output
    assert Vault([lost]).open(desk.sealed(credential_id)) == {"community": "public"}


def test_a_key_that_is_none_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTBELL_SECRET_KEYS", "hunter2")
    settings.cache_clear()
    result = secrets("rotate")
    assert result.exit_code == 1
    assert "FIRSTBELL_SECRET_KEYS" in result.stderr
    assert "hunter2" not in result.output
