"""A ticket about a device, through both doors, and the fresh look at it by a real worker's job over HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from procrastinate import JobContext
from procrastinate.jobs import Job
from sqlalchemy import event, select, text
from strawberry.utils.str_converters import to_camel_case
from structlog.testing import CapturingLogger

from integrations.mdm.asking import Pace
from integrations.mdm.simulated.fleet import TOKEN, SimulatedFleet, refused
from integrations.mdm.simulated.server import Answer, Asked, Fault, status
from service.assets.models import AssetReport
from service.core.actor import SYSTEM, Role
from service.core.outbox import jobs
from service.core.vault import Vault, new_key, open_vault
from service.core.work import Resources
from service.mdm import looking
from service.mdm.look_jobs import look_at_device
from service.mdm.models import MdmConnection, MdmRecord
from service.mdm.vendors import Managements, open_managements
from tests import makers
from tests.doors.graphql_client import Desk, make_desk
from tests.integrations.mdm.standing import Place, one_place

PACE = Pace(connect=1, silence=0.3, total=0.5, tries=2, first_wait=0.002, longest_wait=0.01)
PRIVATE = ("kai@pupils.fir.example", "10.71.0.2", "203.0.113.5", "02:cc:00:00:00:02")
DEVICE = """device { tag kind model serial withheld note takenAt duplicates
    facts { name label value unit words asOf source stale }
    fresh { asOf askedAt detail facts { name label value unit words asOf source stale } } }"""
OPEN = f"""mutation($input: OpenTicketInput!) {{ openTicket(input: $input) {{
    ticket {{ number {DEVICE} }} userErrors {{ field code message }} }} }}"""
TICKET = f"query($n: Int!) {{ ticket(number: $n) {{ number {DEVICE} }} }}"


class Fleet(SimulatedFleet):
    """A Fleet that notes how many transactions stood open in our database while it was asked."""

    def __init__(self, resources: Resources) -> None:
        super().__init__()
        self.resources = resources
        self.idle: list[int] = []

    async def answer(self, asked: Asked) -> Answer:
        query = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        async with self.resources.read(SYSTEM) as read:
            here = text(f"{query} AND datname = current_database()")
            self.idle.append((await read.db.execute(here)).scalar_one())
        return await super().answer(asked)


class Bench:
    """A Chromebook of a pupil's that a simulated Fleet manages, and the desk around it."""

    def __init__(self, desk: Desk, fleet: Fleet, managements: Managements) -> None:
        self.desk = desk
        self.fleet = fleet
        self.managements = managements
        self.resources: Resources = desk.app.state.resources
        self.serial = makers.unique("FIR").upper()
        self.tag = ""
        self.asset_id = 0
        self.connection_id = 0

    async def set_up(self, url: str) -> Bench:
        host = self.fleet.hosts[2]
        host |= {
            "hardware_serial": self.serial,
            "device_mapping": [{"email": PRIVATE[0], "source": "custom"}],
        }
        async with self.resources.begin(SYSTEM) as work:
            pupil = await makers.make_person(work, Role.PUPIL, school_id=self.desk.school.id)
            asset = await makers.make_asset(work, serial=self.serial, holder_id=pupil.id)
            connection = await makers.make_mdm_connection(
                work, settings={"base_url": url, "token": TOKEN}, enabled=True
            )
            self.tag, self.asset_id, self.connection_id = asset.tag, asset.id, connection.id
        vendor = self.managements.vendor(connection)
        device = await vendor.device("2")
        async with self.resources.begin(SYSTEM) as work:
            await looking.reconcile_one(work, connection, device)
        self.fleet.log.clear()
        self.fleet.idle.clear()
        return self

    async def post(self, who: str = "teacher", **given: Any) -> httpx.Response:
        body = {"subject": "It does not start"} | given
        headers = makers.bearer(self.desk.tokens[who])
        return await self.desk.client.post("/api/v1/tickets", json=body, headers=headers)

    async def file(self, who: str = "teacher") -> dict[str, Any]:
        answer = await self.post(who, asset_tag=self.tag)
        assert answer.status_code == 201, answer.text
        ticket: dict[str, Any] = answer.json()
        return ticket

    async def get(self, number: int, who: str = "technician") -> dict[str, Any]:
        path = f"/api/v1/tickets/{number}"
        answer = await self.desk.client.get(path, headers=makers.bearer(self.desk.tokens[who]))
        device: dict[str, Any] = answer.json()["device"]
        return device

    async def kinds(self, number: int, who: str) -> list[str]:
        path = f"/api/v1/tickets/{number}/timeline"
        answer = await self.desk.client.get(path, headers=makers.bearer(self.desk.tokens[who]))
        return [entry["kind"] for entry in answer.json()["items"]]

    async def queued(self, number: int) -> list[Any]:
        """The looks that are on the queue for a ticket: what they are told, and when they are due."""
        query = text(
            "SELECT args, scheduled_at FROM procrastinate_jobs WHERE task_name = 'mdm.look_at_device' "
            "AND (args->>'ticket_id')::bigint = :number ORDER BY id"
        )
        async with self.resources.read(SYSTEM) as read:
            return list((await read.db.execute(query, {"number": number})).all())

    async def look(self, number: int, *, later: timedelta = timedelta(0)) -> None:
        """What a worker does with the first of them."""
        (first, *_) = await self.queued(number)
        resources = Resources(self.resources.engine, clock=lambda: self.resources.clock() + later)
        held = {"resources": resources, "managements": self.managements}
        job = Job(id=1, queue="mdm", lock=None, queueing_lock=None, task_name="mdm.look_at_device")
        context = JobContext(
            app=jobs, job=job, start_timestamp=0, abort_reason=lambda: None, additional_context=held
        )
        await look_at_device(context, **first.args)

    async def connection(self) -> Any:
        async with self.resources.read(SYSTEM) as read:
            query = select(*MdmConnection.__table__.c).where(MdmConnection.id == self.connection_id)
            return (await read.db.execute(query)).one()


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    async with one_place() as made:
        yield made


@pytest.fixture(scope="module")
async def desk(app: Any) -> AsyncIterator[Desk]:
    made = await make_desk(app)
    async with app.state.resources.begin(SYSTEM) as work:
        default = await makers.default_queue(work)
        serves = {"queues": [default], "schools": [made.school]}
        person = await makers.make_person(work, Role.TECHNICIAN, **serves)
        made.people["technician"], made.tokens["technician"] = person, await makers.token_for(work, person)
    yield made
    await made.client.aclose()


@pytest.fixture(scope="module")
async def managements() -> AsyncIterator[Managements]:
    made = open_managements(PACE)
    yield made
    await made.close()


@pytest.fixture
async def bench(desk: Desk, place: Place, managements: Managements) -> AsyncIterator[Bench]:
    fleet = Fleet(desk.app.state.resources)
    made = await Bench(desk, fleet, managements).set_up(place.stands(fleet))
    yield made
    async with made.resources.begin(SYSTEM) as work:
        connection = await work.session.get_one(MdmConnection, made.connection_id)
        connection.enabled = False


def by_name(facts: list[dict[str, Any]]) -> dict[str, Any]:
    return {fact["name"]: fact for fact in facts}


async def test_a_teacher_opens_by_serial_number_and_sees_the_facts_in_the_answer(bench: Bench) -> None:
    answer = await bench.post(asset_serial=bench.serial.lower())
    assert answer.status_code == 201, answer.text
    device = answer.json()["device"]
    assert (device["tag"], device["serial"], device["withheld"]) == (bench.tag, bench.serial, False)
    facts = by_name(device["facts"])
    assert {
        "name": "device.os_version", "label": "system version", "value": "Windows 11 Pro 24H2", "unit": None,
        "words": "Windows 11 Pro 24H2", "stale": True,
    }.items() <= facts["device.os_version"].items()  # fmt: skip
    assert facts["device.storage_free_gb"]["words"] == "120.5 GB"
    assert device["note"].startswith("Last seen by device management ")
    assert device["note"].endswith(" days ago; what follows may have changed.")
    assert device["fresh"] | {"asked_at": None} == {
        "facts": [], "as_of": None, "asked_at": None, "detail": None,
    }  # fmt: skip
    assert not any(secret in answer.text for secret in (*PRIVATE, TOKEN))


async def test_a_worker_looks_at_it_once_and_attaches_what_it_found(bench: Bench) -> None:
    number = (await bench.file())["number"]
    bench.fleet.hosts[2] |= {"os_version": "Windows 11 Pro 25H2", "seen_time": "2026-09-14T14:59:00Z"}
    before = (await bench.get(number))["facts"]
    await bench.look(number)
    device = await bench.get(number)
    assert device["facts"] == before
    facts = by_name(device["fresh"]["facts"])
    assert facts["device.os_version"]["value"] == "Windows 11 Pro 25H2"
    assert facts["device.last_seen"]["value"] == "2026-09-14T14:59:00+00:00"
    assert (device["fresh"]["detail"], device["fresh"]["as_of"] is None) == (None, False)
    assert [exchange.asked.path for exchange in bench.fleet.log] == ["/api/v1/fleet/hosts/2"]
    assert bench.fleet.idle == [0], "no transaction stood open while the vendor was asked"
    assert "ticket.device_looked_at" in await bench.kinds(number, "technician")
    assert await bench.kinds(number, "teacher") == ["ticket.opened"]
    await bench.look(number)
    assert len(bench.fleet.log) == 1


async def test_what_the_management_knows_by_itself_is_so_at_the_look_though_nothing_changed(
    bench: Bench,
) -> None:
    async with bench.resources.begin(SYSTEM) as work:
        reported = await work.session.scalar(
            select(AssetReport).where(AssetReport.asset_id == bench.asset_id)
        )
        assert reported is not None
        reported.received_at -= timedelta(days=5)
    number = (await bench.file())["number"]
    await bench.look(number)
    device = await bench.get(number)
    then, now = by_name(device["facts"]), by_name(device["fresh"]["facts"])
    assert (then["device.enrolled"]["stale"], now["device.enrolled"]["stale"]) == (True, False)
    assert (then["device.os_version"]["stale"], now["device.os_version"]["stale"]) == (True, True)


async def test_two_workers_at_once_ask_once_for_two_tickets(bench: Bench) -> None:
    numbers = [(await bench.file())["number"], (await bench.file())["number"]]
    await asyncio.gather(*(bench.look(number) for number in numbers))
    assert len(bench.fleet.log) == 1
    for number in numbers:
        assert (await bench.get(number))["fresh"]["facts"]
    (waits,) = [found for number in numbers for found in await bench.queued(number) if found.scheduled_at]
    assert waits.args["asset_id"] == bench.asset_id


async def test_a_ticket_within_two_minutes_gets_the_look_that_was_made(bench: Bench) -> None:
    first = (await bench.file())["number"]
    await bench.look(first)
    second = (await bench.file())["number"]
    await bench.look(second)
    assert len(bench.fleet.log) == 1
    assert (await bench.get(second))["fresh"]["facts"]
    third = (await bench.file())["number"]
    await bench.look(third, later=timedelta(minutes=3))
    assert len(bench.fleet.log) == 2


BROKEN: dict[str, tuple[Fault, str]] = {
    "401": (status(401, {"message": f"{TOKEN} is not known"}), "could not be asked: "),
    "403": (status(403, {"message": "Forbidden"}), "could not be asked: "),
    "404": (Fault(answer=refused(404, "Resource Not Found")), "does not list this device any more."),
    "429": (status(429, {}, retry_after="3600"), "could not be asked: "),
    "503": (status(503, {}), "could not be asked: "),
    "cut": (Fault("cut"), "could not be asked: "),
    "cut body": (Fault("cut_body"), "could not be asked: "),
    "truncated": (Fault("truncated"), "could not be asked: "),
    "not JSON": (Fault(answer=Answer(200, b"<!doctype html>")), "could not be asked: "),
    "silence": (Fault("silence"), "could not be asked: There was no answer in time."),
}


@pytest.mark.parametrize("trouble", BROKEN)
async def test_whatever_goes_wrong_is_told_and_the_facts_at_filing_stay(
    bench: Bench, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    number = (await bench.file())["number"]
    before = await bench.get(number)
    fault, words = BROKEN[trouble]
    bench.fleet.inject(fault, times=20)
    await bench.look(number)
    device = await bench.get(number)
    assert device["facts"] == before["facts"]
    assert device["fresh"]["facts"] == []
    assert device["fresh"]["detail"].startswith(f"Fleet (“{(await bench.connection()).name}”) ")
    assert words in device["fresh"]["detail"]
    theirs = await bench.get(number, "teacher")
    assert theirs["fresh"]["detail"] == "The device could not be looked at again just now."
    assert TOKEN not in device["fresh"]["detail"] + caplog.text
    assert (await bench.connection()).failure == ("auth_failed" if trouble == "401" else None)
    async with bench.resources.read(SYSTEM) as read:
        query = select(MdmRecord.missing_since).where(MdmRecord.asset_id == bench.asset_id)
        assert (await read.db.execute(query)).scalar_one() is None


async def test_a_management_that_does_not_come_to_an_end_is_left(bench: Bench) -> None:
    number = (await bench.file())["number"]
    bench.fleet.inject(Fault("silence"), times=20)
    slow = open_managements(Pace(connect=5, silence=5, total=5))
    await looking.look_at_device(bench.resources, slow, number, bench.asset_id, patience=0.1)
    await slow.close()
    assert (await bench.get(number))["fresh"]["detail"].endswith("did not answer within 0.1 seconds.")


async def test_where_the_key_of_the_secrets_is_gone_it_is_told(bench: Bench) -> None:
    number = (await bench.file())["number"]
    bench.managements.vault, kept = Vault([new_key()]), bench.managements.vault
    bench.managements._opened.clear()
    await bench.look(number)
    assert "no key opens the secrets" in (await bench.get(number))["fresh"]["detail"]
    bench.managements.vault = kept
    assert bench.fleet.log == []


async def test_settings_that_do_not_fit_are_told(bench: Bench) -> None:
    number = (await bench.file())["number"]
    async with bench.resources.begin(SYSTEM) as work:
        connection = await work.session.get_one(MdmConnection, bench.connection_id)
        connection.settings, connection.version = {}, connection.version + 1
        connection.sealed = open_vault().seal({"token": TOKEN})
    await bench.look(number)
    assert "the settings of its connection do not fit" in (await bench.get(number))["fresh"]["detail"]


async def test_an_adapters_own_fault_is_told_without_its_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = (await bench.file())["number"]
    heard = CapturingLogger()
    monkeypatch.setattr(looking, "log", heard)
    async with bench.resources.begin(SYSTEM) as work:
        record = await work.session.scalar(select(MdmRecord).where(MdmRecord.asset_id == bench.asset_id))
        assert record is not None
        connection = await work.session.get_one(MdmConnection, bench.connection_id)
        connection.settings = {"base_url": 7}  # type: ignore[dict-item]
        connection.version += 1
    await bench.look(number)
    assert (await bench.get(number))["fresh"]["detail"].endswith("could not be asked: an internal error.")
    (line,) = heard.calls
    assert line.kwargs.keys() == {"connection_id", "error"}


async def test_refused_credentials_are_not_tried_by_each_ticket(bench: Bench) -> None:
    bench.fleet.inject(status(401, {}), times=20)
    await bench.look((await bench.file())["number"])
    asked = bench.fleet.asked
    number = (await bench.file())["number"]
    await bench.look(number, later=timedelta(minutes=5))
    assert bench.fleet.asked == asked
    assert (await bench.get(number))["fresh"]["detail"].endswith("was not asked: it refuses the credentials.")


async def test_where_no_connection_is_switched_on_there_is_no_look(bench: Bench) -> None:
    number = (await bench.file())["number"]
    async with bench.resources.begin(SYSTEM) as work:
        (await work.session.get_one(MdmConnection, bench.connection_id)).enabled = False
    await bench.look(number)
    device = await bench.get(number)
    assert (device["fresh"], len(device["facts"]) > 0, bench.fleet.log) == (None, True, [])


async def test_a_connection_that_is_deleted_during_the_look_is_told(bench: Bench) -> None:
    number = (await bench.file())["number"]
    fleet = bench.fleet

    async def deleted_meanwhile(asked: Asked) -> Answer:
        async with bench.resources.begin(SYSTEM) as work:
            connection = await work.session.get_one(MdmConnection, bench.connection_id)
            await work.session.delete(connection)
        return await Fleet.answer(fleet, asked)

    fleet.answer = deleted_meanwhile  # type: ignore[method-assign]
    await bench.look(number)
    assert (await bench.get(number))["fresh"]["detail"].endswith("is not connected any more.")
    async with bench.resources.begin(SYSTEM) as work:
        bench.connection_id = (await makers.make_mdm_connection(work)).id


# The other door


def as_graphql(value: Any) -> Any:
    if isinstance(value, dict):
        return {to_camel_case(name): as_graphql(inner) for name, inner in value.items()}
    return [as_graphql(inner) for inner in value] if isinstance(value, list) else value


async def test_both_doors_tell_the_same(bench: Bench) -> None:
    made = (await bench.desk.data(OPEN, "teacher", input={"subject": "x", "assetSerial": bench.serial}))[
        "openTicket"
    ]
    assert made["userErrors"] == []
    number = made["ticket"]["number"]
    await bench.look(number)
    for who in ("teacher", "technician"):
        graph = (await bench.desk.data(TICKET, who, n=number))["ticket"]["device"]
        rest = as_graphql(await bench.get(number, who))
        assert graph | {"kind": graph["kind"].lower()} == rest
    opened, later = made["ticket"]["device"], as_graphql(await bench.get(number, "teacher"))
    assert opened["facts"] == later["facts"]
    assert (opened["fresh"]["asOf"], later["fresh"]["facts"] != []) == (None, True)


async def test_both_doors_refuse_a_serial_number_alike(bench: Bench) -> None:
    async with bench.resources.begin(SYSTEM) as work:
        await makers.make_asset(work, serial="TWICE-1")
        await makers.make_asset(work, serial="twice-1")
    for given, code in (
        ({"asset_serial": "NOPE-1"}, "unknown_asset"),
        ({"asset_serial": "Twice-1"}, "ambiguous_asset"),
        ({"asset_serial": bench.serial, "asset_tag": bench.tag}, "not_both"),
    ):
        problem = (await bench.post(**given)).json()
        (rest,) = problem["errors"]
        payload = (await bench.desk.data(OPEN, "teacher", input={"subject": "x"} | as_graphql(given)))[
            "openTicket"
        ]
        (graph,) = payload["userErrors"]
        assert (problem["status"], rest["code"], rest["field"]) == (422, code, "asset_serial")
        assert (graph["code"], graph["message"]) == (rest["code"], rest["message"])


@contextmanager
def counted(desk: Desk) -> Iterator[list[str]]:
    heard: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        heard.append(statement)

    engine = desk.app.state.resources.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield heard
    event.remove(engine, "before_cursor_execute", note)


async def test_the_devices_of_a_page_are_read_in_one_statement(bench: Bench) -> None:
    desk = bench.desk
    seen = "device { tag duplicates facts { name words } fresh { askedAt } }"
    page = f"query($tag: String) {{ tickets(filter: {{assetTag: $tag}}) {{ nodes {{ {seen} }} }} }}"
    for size in (2, 12):
        while len((await desk.data(page, "admin", tag=bench.tag))["tickets"]["nodes"]) < size:
            await bench.file()
        for who in ("admin", "technician", "teacher"):
            with counted(desk) as heard:
                nodes = (await desk.data(page, who, tag=bench.tag))["tickets"]["nodes"]
            assert len(nodes) == size
            assert all(node["device"]["facts"] for node in nodes)
            assert len([one for one in heard if "ticket_devices" in one]) == 1, who


async def test_lists_of_rest_hold_no_device_block(bench: Bench) -> None:
    await bench.file()
    headers = makers.bearer(bench.desk.tokens["admin"])
    path = f"/api/v1/tickets?asset_tag={bench.tag}"
    with counted(bench.desk) as heard:
        (listed,) = (await bench.desk.client.get(path, headers=headers)).json()["items"]
    assert "device" not in listed
    assert not any("ticket_devices" in one for one in heard)


async def test_a_ticket_about_no_device_says_null_at_both_doors(bench: Bench) -> None:
    ticket = (await bench.post()).json()
    assert ticket["device"] is None
    assert (await bench.desk.data(TICKET, n=ticket["number"]))["ticket"]["device"] is None


# The door to devices


async def test_a_device_is_found_by_serial_number_at_both_doors(bench: Bench) -> None:
    headers = makers.bearer(bench.desk.tokens["technician"])
    for spelt in (bench.serial, bench.serial.lower()):
        answer = await bench.desk.client.get("/api/v1/assets", params={"serial": spelt}, headers=headers)
        assert [asset["tag"] for asset in answer.json()["items"]] == [bench.tag]
        query = "query($s: String) { assets(serial: $s) { nodes { tag serial facts { name source } } } }"
        (node,) = (await bench.desk.data(query, s=spelt))["assets"]["nodes"]
        assert (node["tag"], node["serial"]) == (bench.tag, bench.serial)
    answer = await bench.desk.client.get("/api/v1/assets", params={"serial": " "}, headers=headers)
    assert answer.status_code == 422
    assert await bench.desk.code('{ assets(serial: " ") { nodes { tag } } }') == "invalid"


async def test_what_a_management_reports_is_on_the_asset_beside_single_facts(bench: Bench) -> None:
    headers = makers.bearer(bench.desk.tokens["admin"])
    path = f"/api/v1/assets/{bench.tag}/facts"
    single = {"name": "device.support_ends", "value": "2029-06-30T00:00:00+00:00"}
    said = {"source": "a person", "facts": [single, {"name": "device.enrolled", "value": False}]}
    answer = await bench.desk.client.post(path, json=said, headers=headers)
    assert answer.status_code == 200, answer.text
    facts = by_name((await bench.desk.client.get(path, headers=headers)).json())
    assert (facts["device.support_ends"]["source"], facts["device.enrolled"]["value"]) == ("a person", False)
    assert facts["device.os_version"]["source"] == (await bench.connection()).name
    assert facts["device.user"]["value"] == PRIVATE[0]
