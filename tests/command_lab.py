"""A desk that commands devices through simulated managements: one clock for both, jobs as workers do them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from procrastinate import JobContext
from procrastinate.jobs import Job
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import make_url

import service.mdm.command_jobs  # noqa: F401  (its jobs are run by their names)
from integrations.mdm.asking import Pace
from integrations.mdm.port import ManagedDevice, Verb
from integrations.mdm.simulated import fleet, intune, jamf_pro, jamf_school, mosyle
from integrations.mdm.simulated.google import SimulatedGoogle
from integrations.mdm.simulated.google_tokens import ADMIN
from integrations.mdm.simulated.server import Clock, Simulator, serving
from service.core.actor import SYSTEM, Actor, Role
from service.core.database import make_engine
from service.core.outbox import jobs
from service.core.vault import open_vault
from service.core.work import Resources, Work
from service.mdm.command_deciding import approve_command
from service.mdm.command_inputs import ApproveCommand, AskCommand
from service.mdm.command_rules import ENDED
from service.mdm.commanding import ask_command
from service.mdm.models import CommandState, MdmCommand, MdmConnection, VendorName
from service.mdm.queries import connection_row
from service.mdm.vendors import Managements
from service.people.identity import actor_of_person
from tests import makers
from tests.mdm_lab import KEY, KEY_FILE, Lab, Stage, Watch

QUICK = Pace(connect=1, silence=0.15, total=0.3, tries=2, first_wait=0.001, longest_wait=0.01)
REASON = "It hangs since the update"
PIN = "481516"


@dataclass(frozen=True)
class Kind:
    """How a vendor is stood up: its simulator, what a connection to it is made of, where it is commanded."""

    simulator: Callable[[Clock], Simulator]
    settings: Mapping[str, str]
    secrets: Mapping[str, str]
    send: str
    arguments: Mapping[Verb, Mapping[str, Any]] = field(default_factory=dict)


def _google(clock: Clock) -> SimulatedGoogle:
    return SimulatedGoogle(KEY.public_key(), clock)


def _intune(clock: Clock) -> intune.SimulatedIntune:
    made = intune.SimulatedIntune(clock)
    for row in made.devices.values():
        row["isSupervised"] = row["operatingSystem"] in ("iOS", "macOS")
    return made


def _jamf_pro(clock: Clock) -> jamf_pro.SimulatedJamfPro:
    """With a Vision Pro too, and everything of Apple's in lost mode or not as a command wants it."""
    made = jamf_pro.SimulatedJamfPro(clock)
    vision = deepcopy(made.mobiles["5"]) | {"mobileDeviceId": "77", "deviceType": "visionOS"}
    vision["hardware"] |= {"serialNumber": "WPI00077"}
    vision["general"] |= {"managementId": "0000f00d-0000-4000-8000-000000000077"}
    made.mobiles["77"] = vision
    return made


def _jamf_school(clock: Clock) -> jamf_school.SimulatedJamfSchool:
    made = jamf_school.SimulatedJamfSchool(clock)
    phone = deepcopy(next(iter(made.devices.values())))
    phone |= {"UDID": f"{77:040x}", "serialNumber": "RWS00077", "os": {"prefix": "iOS", "version": "26.1"}}
    made.devices[phone["UDID"]] = phone
    return made


def _mosyle(clock: Clock) -> mosyle.SimulatedMosyle:
    made = mosyle.SimulatedMosyle(clock)
    vision = deepcopy(next(iter(made.devices.values())))
    vision |= {"deviceudid": f"00008120-{77:016X}", "serial_number": "PINE000077", "os": "visionos"}
    made.devices[vision["deviceudid"]] = vision
    return made


SHOWN = {"message": "Please bring it to the office", "phone": "555-0100"}
COMMON: Mapping[Verb, Mapping[str, Any]] = {
    Verb.LOST_MODE_ON: SHOWN,
    Verb.MESSAGE: {"message": "Please save"},
    Verb.RENAME: {"name": "LIB-07"},
    Verb.SET_ASSET_TAG: {"tag": "TAG-77"},
}
KINDS: Mapping[VendorName, Kind] = {
    VendorName.GOOGLE: Kind(
        _google,
        {"admin": ADMIN},
        {"service_account": KEY_FILE},
        r":issueCommand|:batchChangeStatus|moveDevicesToOu|/chromeos/[^/:]+$",
        {
            Verb.SET_USER: {"user": "mira.holt@pupils.harbour.example"},
            Verb.MOVE: {"site": "/Staff"},
            Verb.RESTART: {"delay": 60},
        },
    ),
    VendorName.INTUNE: Kind(
        _intune,
        {"tenant": intune.TENANT, "client_id": intune.CLIENT},
        {"client_secret": intune.SECRET},
        r"managedDevices/[^/]+/\w+$",
    ),
    VendorName.JAMF_PRO: Kind(
        _jamf_pro,
        {"client_id": jamf_pro.CLIENT},
        {"client_secret": jamf_pro.SECRET},
        r"/erase$|/remove-mdm-profile$|/unmanage$|/mdm/commands$|/JSSResource/|-detail/|mobile-devices/\d+$",
        {Verb.SET_USER: {"user": "new.user@willow.example.org"}, Verb.MOVE: {"site": "Birch Middle"}},
    ),
    VendorName.JAMF_SCHOOL: Kind(
        _jamf_school,
        {"network_id": jamf_school.NETWORK},
        {"api_key": jamf_school.KEY},
        r"/devices/[^/]+/\w+$",
        {Verb.SET_USER: {"user": "ada.byron@rowan.example.org"}, Verb.MOVE: {"site": "Rowan High"}},
    ),
    VendorName.MOSYLE: Kind(
        _mosyle,
        {"email": mosyle.EMAIL},
        {"access_token": mosyle.ACCESS, "password": mosyle.PASSWORD},
        r"/v2/(bulkops|lostmode|devices|users)$",
        {Verb.SET_USER: {"user": "hopper"}, Verb.MOVE: {"site": "2"}},
    ),
    VendorName.FLEET: Kind(
        fleet.SimulatedFleet, {}, {"token": fleet.TOKEN}, r"/hosts/\d+/(lock|unlock|wipe|refetch)$"
    ),
}


@dataclass
class CommandLab(Lab):
    """`technician` asks, `lead` approves; `simulator` is the vendor's that stands now."""

    simulator: Any = None
    people: dict[str, Any] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)

    def fresh(self, vendor: VendorName) -> Any:
        """A simulator of the vendor's stands, at which nothing has happened yet; it is now again. Tokens that
        the one before gave out are good still.
        """
        before, self.watch.now = self.simulator, datetime.now(UTC).replace(microsecond=0)
        self.simulator = KINDS[vendor].simulator(Clock(self.watch.now))
        self.stage.current = self.simulator
        if type(before) is type(self.simulator):
            for name in ("_tokens", "tokens"):
                getattr(self.simulator, name, {}).update(getattr(before, name, {}))
        return self.simulator

    async def stands(self, vendor: VendorName) -> int:
        """The same, and a connection to it by which commands may be sent."""
        self.fresh(vendor)
        settings, secrets = dict(KINDS[vendor].settings), dict(KINDS[vendor].secrets)
        return await self.connect(vendor, settings, secrets, allows_commands=True)

    async def devices(self, connection_id: int) -> list[ManagedDevice]:
        async with self.resources.read(SYSTEM) as read:
            row = await connection_row(read, connection_id)
        return [each async for page in self.managements.vendor(row).pages() for each in page.devices]

    async def know(self, connection_id: int, device: ManagedDevice) -> str:
        """The tag of an asset that the connection's record of the device belongs to."""
        async with self.resources.begin(SYSTEM) as work:
            asset = await makers.make_asset(work, serial=device.serial)
            record = await makers.make_mdm_record(
                work,
                await work.session.get_one(MdmConnection, connection_id),
                device,
                asset_id=asset.id,
            )
            assert record.asset_id == asset.id
            return str(asset.tag)

    async def as_(self, work: Work, who: str) -> Work:
        """With one of the people behind it, who serve nothing in particular."""
        if who not in self.actors:
            self.actors[who] = await actor_of_person(work.db, self.people[who].id)
        return replace(work, actor=self.actors[who])

    async def command(self, tag: str, verb: Verb, who: str = "technician", **given: Any) -> int:
        """A command that was asked for, by its number; one that destroys is approved by the lead."""
        wanted = AskCommand.model_validate({"verb": verb, "reason": REASON, **given})
        async with self.resources.begin(SYSTEM) as work:
            made = await ask_command(await self.as_(work, who), tag, wanted)
        if made.state is CommandState.WAITING:
            await self.approve(made.id)
        return made.id

    async def approve(self, command_id: int, who: str = "lead") -> None:
        async with self.resources.begin(SYSTEM) as work:
            await approve_command(await self.as_(work, who), command_id, ApproveCommand())

    async def row(self, command_id: int) -> MdmCommand:
        async with self.resources.begin(SYSTEM) as work:
            return await work.session.get_one(MdmCommand, command_id)

    async def drain(self) -> None:
        """Every job that waits on the queue of commands, as a worker would run it."""
        while True:
            async with self.resources.read(SYSTEM) as read:
                rows = (await read.db.execute(_JOBS)).all()
            if not rows:
                return
            for row in rows:
                await jobs.tasks[row.task_name].func(self.context(row.task_name), **row.args)

    def context(self, name: str) -> JobContext:
        return JobContext(
            app=jobs,
            job=Job(id=1, queue="mdm", lock=None, queueing_lock=None, task_name=name),
            start_timestamp=0,
            abort_reason=lambda: None,
            additional_context={"resources": self.resources, "managements": self.managements},
        )

    async def tick(self, by: timedelta = timedelta(0)) -> None:
        """Time goes by, here and there; what is due is taken up."""
        self.watch.now += by
        self.simulator.clock.push(by)
        await jobs.tasks["mdm.look_at_commands"].func(self.context("mdm.look_at_commands"), 0)
        await self.drain()

    async def end_of(self, command_id: int, most: int = 80, stride: timedelta = timedelta(0)) -> MdmCommand:
        """The command as it ended, or as it stands where it waits for a person. Time goes by in steps of
        `stride` at least.
        """
        await self.drain()
        for _ in range(most):
            row = await self.row(command_id)
            if row.state in ENDED or row.state is CommandState.WAITING or row.next_look_at is None:
                return row
            await self.tick(max(row.next_look_at - self.watch.now, stride))
        raise AssertionError(f"command {command_id} does not end: {row.state} {row.detail}")

    async def forget(self) -> None:
        """Commands of before stand in nobody's way."""
        async with self.resources.read(SYSTEM) as read:
            await read.db.execute(text("DELETE FROM mdm_commands"))

    def arguments(self, vendor: VendorName, verb: Verb) -> dict[str, Any]:
        return dict(KINDS[vendor].arguments.get(verb) or COMMON.get(verb) or {})


_JOBS = text(
    "DELETE FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = 'mdm' "
    "RETURNING id, task_name, args"
)


@contextmanager
def copied(migrated_url: str, name: str) -> Iterator[str]:
    """A database of this worker's own, copied from a migrated one that nobody is connected to."""
    url = make_url(migrated_url)
    name = f"{url.database}_{name}"
    admin = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{url.database}"'))
        connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = off'))
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@asynccontextmanager
async def command_lab(database_url: str, pace: Pace = QUICK) -> AsyncIterator[CommandLab]:
    """A lab on a migrated database that nobody else uses."""
    engine = make_engine(database_url, pool=4)
    watch = Watch(datetime.now(UTC).replace(microsecond=0))
    resources = Resources(engine=engine, clock=watch)
    stage = Stage()
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False) as http,
        serving(stage) as url,
    ):
        managements = Managements(open_vault(), http, pace)
        lab = CommandLab(resources, managements, watch, stage, url, database_url)
        async with resources.begin(SYSTEM) as work:
            for who, role in (
                ("technician", Role.TECHNICIAN),
                ("lead", Role.LEAD),
                ("admin", Role.ADMIN),
                ("teacher", Role.STAFF),
            ):
                lab.people[who] = await makers.make_person(work, role)
        yield lab
    await resources.close()
