"""Arrange: name only what matters, the rest is made up and unique."""

from __future__ import annotations

import itertools
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from integrations.mdm.port import Enrolment, ManagedDevice, Platform
from integrations.snmp.reading import Reading
from integrations.snmp.storing import reading_to_json
from service.assets.facts import Report, keep_reports
from service.assets.models import Asset, AssetKind
from service.core.actor import Actor, Role, Scope
from service.core.work import Work
from service.mdm.connections import NewConnection, add_connection
from service.mdm.models import MdmConnection, MdmRecord
from service.mdm.records import as_json, digest_of
from service.monitoring.credentials import NewCredential, add_credential
from service.monitoring.devices import AddDevice, add_device
from service.monitoring.models import FaultState, NetworkDevice, NetworkFault, NetworkWatch, SnmpCredential
from service.people.identity import actor_of_person
from service.people.models import Person, Relation, RelationKind, ServedQueue, ServedSchool, Token
from service.people.tokens import MadeToken, NewToken, create_token
from service.places.models import Place, PlaceKind
from service.playbooks import versions
from service.playbooks.models import VersionStatus
from service.sla.calendars import NewCalendar, create_calendar
from service.sla.policies import NewPolicy, create_policy
from service.tickets.inputs import OpenTicket
from service.tickets.models import Category, Queue, Ticket
from service.tickets.opening import open_ticket

_counter = itertools.count(1)
HOURS = {day: [["08:00", "16:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
CALENDAR = {"zone": "America/Chicago", "hours": HOURS}
TARGETS = {
    "P1": {"first_response": 30, "next_response": 60, "resolution": 240},
    "P2": {"first_response": 60, "next_response": 120, "resolution": 480},
    "P3": {"first_response": 120, "next_response": 240, "resolution": 1440},
    "P4": {"first_response": 480, "next_response": 480, "resolution": 4800},
}


def later(**given: float) -> datetime:
    """An instant after the tests' now."""
    return datetime(2026, 9, 14, 15, 0, tzinfo=UTC) + timedelta(**given)


def unique(prefix: str) -> str:
    return f"{prefix}-{os.environ.get('PYTEST_XDIST_WORKER', 'w')}-{next(_counter)}"


def unique_address() -> str:
    """An address that nothing else has and that nobody asks."""
    number = next(_counter)
    return f"10.{os.getpid() % 250}.{number // 250 % 250}.{number % 250 + 1}"


async def make_school(work: Work, **given: Any) -> Place:
    """A school with, unless given, the default calendar."""
    given.setdefault("id", unique("0"))
    if "calendar_id" not in given:
        given["calendar_id"] = (await make_calendar(work)).id
    school = Place(kind=PlaceKind.SCHOOL, name=given.pop("name", f"School {given['id']}"), **given)
    school.school_id = school.id
    work.session.add(school)
    await work.session.flush()
    return school


async def make_calendar(work: Work, definition: dict[str, Any] | None = None) -> Any:
    return await create_calendar(
        work, NewCalendar(name=unique("Calendar"), definition=definition or CALENDAR)
    )


async def make_policy(work: Work, **given: Any) -> Any:
    given.setdefault("name", unique("Policy"))
    given.setdefault("targets", TARGETS)
    return await create_policy(work, NewPolicy(**given))


async def make_person(work: Work, role: Role = Role.STAFF, **given: Any) -> Person:
    queues, schools = given.pop("queues", ()), given.pop("schools", ())
    children = given.pop("children", ())
    person = Person(role=role, name=given.pop("name", unique(role.value)), **given)
    work.session.add(person)
    await work.session.flush()
    work.session.add_all(ServedQueue(person_id=person.id, queue_id=q.id) for q in queues)
    work.session.add_all(ServedSchool(person_id=person.id, school_id=s.id) for s in schools)
    work.session.add_all(
        Relation(person_id=person.id, kind=RelationKind.GUARDIAN_OF, other_id=c.id) for c in children
    )
    await work.session.flush()
    return person


async def make_queue(work: Work, **given: Any) -> Queue:
    given.setdefault("key", unique("queue"))
    given.setdefault("name", given["key"])
    queue = Queue(**given)
    work.session.add(queue)
    await work.session.flush()
    work.change_config()
    return queue


async def default_queue(work: Work) -> Queue:
    """The one default queue of the desk, made if it is not there."""
    there = await work.session.scalar(select(Queue).where(Queue.is_default))
    return there or await make_queue(work, key="desk", name="Service desk", is_default=True)


async def make_category(work: Work, key: str) -> Category:
    category = await work.session.merge(Category(id=key, name=key))
    await work.session.flush()
    work.change_config()
    return category


async def make_asset(work: Work, **given: Any) -> Asset:
    given.setdefault("tag", unique("TAG"))
    given.setdefault("kind", AssetKind.CHROMEBOOK)
    asset = Asset(**given)
    work.session.add(asset)
    await work.session.flush()
    return asset


async def make_playbook(work: Work, source: str, *, until: VersionStatus = VersionStatus.PUBLISHED) -> Any:
    """A version of a playbook, written, sent for review and published, as far as is wanted."""
    version = await versions.write_playbook(work, versions.WritePlaybook(source=source))
    if until is not VersionStatus.DRAFT:
        await versions.submit_playbook(work, version.id)
    if until is VersionStatus.PUBLISHED:
        await versions.publish_playbook(work, version.id)
    return version


async def acting(work: Work, person: Person | None = None, **changes: Any) -> Work:
    """The same transaction and time, with somebody else behind it."""
    actor = await actor_of_person(work.db, person.id) if person else work.actor
    made = Work(work.session, actor, work.now, work.shelf)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


async def make_ticket(work: Work, **given: Any) -> Ticket:
    """A ticket, opened by the verb as the actor of `work`."""
    await default_queue(work)
    given.setdefault("subject", "Projector shows no picture")
    return await open_ticket(work, OpenTicket(**given))


async def make_credential(work: Work, **given: Any) -> SnmpCredential:
    """A credential of v2c, unless said otherwise."""
    given.setdefault("name", unique("credential"))
    given.setdefault("version", "v2c")
    if given["version"] != "v3":
        given.setdefault("community", "between-us")
    return await add_credential(work, NewCredential(**given))


async def make_network_device(
    work: Work, reading: Reading | None = None, current: dict[str, Any] | None = None, **given: Any
) -> NetworkDevice:
    """A device that is watched; with a reading, as a discovery left it, and with what polls said since."""
    given.setdefault("address", unique_address())
    device = await add_device(work, AddDevice(**given))
    if reading is not None:
        device.inventory, device.profile, device.kind = (
            reading_to_json(reading), reading.profile, reading.identity.kind
        )  # fmt: skip
        device.discovered_at = work.now
    watch = await work.session.get(NetworkWatch, device.id)
    assert watch is not None
    watch.current = current or {}
    await work.session.flush()
    return device


async def make_fault(
    work: Work, device: NetworkDevice, check: str = "port.down", **given: Any
) -> NetworkFault:
    """An open fault of a device."""
    defaults: dict[str, Any] = {
        "instance": unique("Gi"), "state": FaultState.OPEN, "evidence": {}, "since": work.now,
        "opened_at": work.now, "school_id": device.school_id, "flaps": 0,
    }  # fmt: skip
    fault = NetworkFault(device_id=device.id, check=check, **defaults | given)
    work.session.add(fault)
    await work.session.flush()
    return fault


async def make_mdm_connection(work: Work, **given: Any) -> MdmConnection:
    """A connection, of a Fleet that is nowhere unless said otherwise."""
    given.setdefault("name", unique("Fleet"))
    given.setdefault("vendor", "fleet")
    given.setdefault("settings", {"base_url": "https://fleet.invalid", "token": unique("token")})
    return await add_connection(work, NewConnection(**given))


async def make_mdm_record(
    work: Work, connection: MdmConnection, device: ManagedDevice | None = None, **columns: Any
) -> MdmRecord:
    """What a connection said of a device, as a sync leaves it; `columns` beside what the device says."""
    device = device or ManagedDevice(
        unique("device"), platform=Platform.CHROMEOS, enrolment=Enrolment.ENROLLED, last_check_in=work.now
    )
    told = as_json(device)
    record = MdmRecord(
        **{
            "connection_id": connection.id,
            "external_id": device.external_id,
            "serial": device.serial,
            "tag": device.asset_tag,
            "platform": device.platform,
            "enrolment": device.enrolment,
            "site": device.site,
            "model": device.model,
            "record": told,
            "digest": digest_of(told),
            "last_check_in": device.last_check_in,
            "first_seen_at": work.now,
            "changed_at": work.now,
        }
        | columns
    )
    work.session.add(record)
    await work.session.flush()
    return record


async def token_for(work: Work, person: Person, *, everything: bool = False) -> str:
    """A token of the person's, with the role's usual scopes or with all of them."""
    scopes = list(Scope) if everything else None
    made = await create_token(work, NewToken(person_id=person.id, label="test", scopes=scopes))
    assert isinstance(made, MadeToken)
    return made.secret


async def token_id(work: Work, person: Person) -> int:
    found = await work.session.scalar(select(Token.id).where(Token.person_id == person.id))
    assert found is not None
    return found


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def as_actor(role: Role, **given: Any) -> Actor:
    return Actor(name=role.value, role=role, **given)


async def calendar_of(work: Work, number: int) -> int:
    found = await work.session.scalar(select(Ticket.calendar_id).where(Ticket.id == number))
    assert found is not None
    return found


async def keep_report(
    work: Work, asset_id: int, source: str, *, facts: Any, standing: Any, as_of: datetime | None
) -> None:
    """All that one source says of one device."""
    await keep_reports(work, source, [Report(asset_id, facts, standing, as_of)])
