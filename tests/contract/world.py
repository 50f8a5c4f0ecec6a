"""One small district with somebody of every role, and what each operation needs to be tried."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from integrations.mdm.port import Enrolment, ManagedDevice, Platform, Verb
from integrations.snmp.reading import Port, Reading
from service.assets import loans
from service.assets.models import AssetKind
from service.core.actor import SYSTEM, Role
from service.core.vault import open_vault
from service.core.work import Resources
from service.mdm.bulks import ProposeBulk, propose_bulk
from service.mdm.command_inputs import AskCommand
from service.mdm.commanding import ask_command
from service.mdm.mappings import SetMapping, set_mapping
from service.mdm.models import MappingKind, MdmConnection, MdmRecord, MdmReview, MdmRun, ReviewWhy, SyncState
from service.mdm.syncing import AskSync, ask_sync
from service.monitoring.maintenance import PlanMaintenance, plan_maintenance
from service.monitoring.models import (
    CommandState,
    NetworkCommand,
    NetworkDevice,
    NetworkMac,
    SnmpCredential,
)
from service.monitoring.probing import AskForProbe, ask_for_probe
from service.playbooks import actions as runs
from service.playbooks import district, photos
from service.playbooks.models import VersionStatus
from service.playbooks.queries import runs_page
from service.tickets import actions, inputs
from service.tickets.resolution import Cause, Fix
from tests import makers
from tests.playbook_texts import PIXEL, small

WHO = (
    "requester", "other_staff", "pupil", "guardian", "vendor", "technician", "elsewhere", "lead",
    "integration", "admin", "nobody",
)  # fmt: skip


MAC = "00:1b:21:3c:9d:f8"


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@dataclass
class World:
    resources: Resources
    people: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    ids: dict[str, Any] = field(default_factory=dict)

    def headers(self, who: str) -> dict[str, str]:
        return makers.bearer(self.tokens[who]) if who != "nobody" else {}

    async def ticket(self, state: str = "new") -> int:
        """A ticket of the requester's on the pupil's device, shared with the vendor, in a state."""
        async with self.resources.begin(SYSTEM) as work:
            theirs = await makers.acting(work, self.people["requester"])
            opened = await makers.make_ticket(theirs, asset_tag=self.ids["tag"], place_id=self.ids["school"])
            number = opened.id
            await actions.transfer(work, number, inputs.Transfer(queue=self.ids["queue"]))
            await actions.share(work, number, inputs.Share(person_id=self.people["vendor"].id))
            if state in ("resolved", "closed"):
                outcome = inputs.Resolve(resolution="Done", cause=Cause.OTHER, fix=Fix.NONE)
                await actions.resolve(work, number, outcome)
            if state == "closed":
                await actions.close(work, number, inputs.Close())
        return number

    async def run(self, state: str) -> tuple[int, str]:
        """A run of the requester's, at its first step, its second, or asking for approval; and its photo."""
        async with self.resources.begin(SYSTEM) as work:
            theirs = await makers.acting(work, self.people["requester"])
            for earlier in (await runs_page(theirs, mine=True)).rows:
                if earlier.ended_at is None:
                    await runs.cancel(theirs, earlier.id, runs.Why(reason="Another is tried"))
            run = await runs.start_run(theirs, runs.StartRun(playbook="matrix", asset_tag=self.ids["tag"]))
            photo = await photos.add_photo(theirs, run.id, photos.AddPhoto(content=PIXEL))
            if state in ("second", "approval"):
                value = "yes" if state == "second" else "no"
                await runs.answer(theirs, run.id, runs.AnswerStep(step="first", value=value))
        return run.id, photo.key

    async def version(self, status: VersionStatus) -> tuple[int, str]:
        """A version of a playbook of its own, and the playbook's name."""
        async with self.resources.begin(SYSTEM) as work:
            name = makers.unique("matrix").replace("_", "-")
            made = await makers.make_playbook(work, small(name), until=status)
        return made.id, name

    async def loan(self) -> int:
        async with self.resources.begin(SYSTEM) as work:
            wanted = loans.AskForLoaner(
                kind=AssetKind.LAPTOP, person_id=self.people["requester"].id, order=True
            )
            return int((await loans.ask_for_loaner(work, wanted)).id)

    async def fact(self) -> int:
        async with self.resources.begin(SYSTEM) as work:
            wanted = district.SetDistrictFact(
                name="policy.damage_words", value="Ask the office", school_id=self.ids["school"]
            )
            return int((await district.set_district_fact(work, wanted)).id)

    async def network_device(self) -> int:
        """A switch at the school, as a discovery left it, with a MAC on its port."""
        async with self.resources.begin(SYSTEM) as work:
            reading = Reading(profile="generic", ports=[Port(key="1/1", index=1)])
            made = await makers.make_network_device(work, reading, school_id=self.ids["school"])
            await work.session.merge(NetworkMac(mac=MAC, device_id=made.id, port_key="1/1", seen_at=work.now))
        return made.id

    async def network_fault(self) -> int:
        device_id = await self.network_device()
        async with self.resources.begin(SYSTEM) as work:
            device = await work.session.get_one(NetworkDevice, device_id)
            return (await makers.make_fault(work, device)).id

    async def credential(self) -> int:
        async with self.resources.begin(SYSTEM) as work:
            return (await makers.make_credential(work)).id

    async def credentials(self) -> list[int]:
        """Every credential there is, and one more."""
        await self.credential()
        async with self.resources.read(SYSTEM) as read:
            return list((await read.db.execute(select(SnmpCredential.id))).scalars())

    async def maintenance(self) -> int:
        device_id = await self.network_device()
        async with self.resources.begin(SYSTEM) as work:
            wanted = PlanMaintenance(
                device_id=device_id, ends_at=work.now + timedelta(hours=1), reason="New switch"
            )
            return (await plan_maintenance(work, wanted)).id

    async def mdm_connection(self) -> int:
        async with self.resources.begin(SYSTEM) as work:
            return (await makers.make_mdm_connection(work, enabled=False)).id

    async def mdm_mapping(self) -> int:
        async with self.resources.begin(SYSTEM) as work:
            wanted = SetMapping(
                kind=MappingKind.SITE, word=makers.unique("/Schools"), place_id=self.ids["school"]
            )
            return (await set_mapping(work, wanted)).id

    async def mdm_enabled(self) -> int:
        """A connection that is switched on and has nothing going; one for all, as they are few."""
        async with self.resources.begin(SYSTEM) as work:
            if "mdm_enabled" not in self.ids:
                self.ids["mdm_enabled"] = (await makers.make_mdm_connection(work)).id
            ours = MdmRun.connection_id == self.ids["mdm_enabled"]
            await work.session.execute(update(MdmRun).where(ours).values(state=SyncState.DISCARDED))
        return int(self.ids["mdm_enabled"])

    async def commanded(self) -> str:
        """A device by its tag, of a connection by which commands may be sent."""
        async with self.resources.begin(SYSTEM) as work:
            if "commands_by" not in self.ids:
                made = await makers.make_mdm_connection(work, allows_commands=True)
                self.ids["commands_by"] = made.id
            connection = await work.session.get_one(MdmConnection, self.ids["commands_by"])
            asset = await makers.make_asset(work)
            device = ManagedDevice(
                makers.unique("device"), platform=Platform.MACOS, enrolment=Enrolment.ENROLLED
            )
            await makers.make_mdm_record(work, connection, device, asset_id=asset.id)
            return str(asset.tag)

    async def mdm_command(self) -> int:
        """A wipe that a playbook asked for and that waits for a person; it has a secret."""
        tag = await self.commanded()
        async with self.resources.begin(SYSTEM) as work:
            wanted = AskCommand(verb=Verb.WIPE, reason="It is sold")
            command = await ask_command(work, tag, wanted)
            command.action_id, command.told = 1, open_vault().seal({"pin": "271828"})
            return command.id

    async def mdm_bulk(self) -> int:
        tag = await self.commanded()
        async with self.resources.begin(SYSTEM) as work:
            wanted = ProposeBulk(verb=Verb.SYNC, reason="Before the holidays", tags=[tag])
            bulk = await propose_bulk(work, wanted)
            self.ids["bulk_digest"] = bulk.digest
            return bulk.id

    async def mdm_asked(self) -> int:
        """A sync that waits for a worker."""
        connection_id = await self.mdm_enabled()
        async with self.resources.begin(SYSTEM) as work:
            return (await ask_sync(work, connection_id, AskSync())).id

    async def mdm_held(self) -> int:
        """A sync that waits for a person."""
        run_id = await self.mdm_asked()
        async with self.resources.begin(SYSTEM) as work:
            (await work.session.get_one(MdmRun, run_id)).state = SyncState.HELD
        return run_id

    async def mdm_record(self) -> int:
        """A device that is no asset yet."""
        connection_id = await self.mdm_enabled()
        async with self.resources.begin(SYSTEM) as work:
            connection = await work.session.get_one(MdmConnection, connection_id)
            return (await makers.make_mdm_record(work, connection)).id

    async def mdm_review(self) -> int:
        record_id = await self.mdm_record()
        async with self.resources.begin(SYSTEM) as work:
            record = await work.session.get_one(MdmRecord, record_id)
            review = MdmReview(record_id=record.id, why=ReviewWhy.NO_NAME, candidates=[], raised_at=work.now)
            work.session.add(review)
            await work.session.flush()
            return review.id

    async def probe(self) -> int:
        async with self.resources.begin(SYSTEM) as work:
            return (await ask_for_probe(work, AskForProbe(address="127.0.0.1"))).id

    async def powered(self) -> int:
        """A switch whose ports may be switched."""
        device_id = await self.network_device()
        async with self.resources.begin(SYSTEM) as work:
            writes = await makers.make_credential(work, writes=True)
            device = await work.session.get_one(NetworkDevice, device_id)
            device.write_credential_id = writes.id
        return device_id

    async def command(self) -> int:
        device_id = await self.powered()
        async with self.resources.begin(SYSTEM) as work:
            command = NetworkCommand(
                key=makers.unique("command"),
                device_id=device_id,
                port_key="1/1",
                verb="enable",
                state=CommandState.DONE,
                asked_at=work.now,
            )
            work.session.add(command)
            await work.session.flush()
            return command.id


async def make_world(resources: Resources) -> World:
    world = World(resources)
    async with resources.begin(SYSTEM) as work:
        await makers.default_queue(work)
        school = await makers.make_school(work)
        elsewhere = await makers.make_school(work)
        queue = await makers.make_queue(work)
        other_queue = await makers.make_queue(work)
        await makers.make_category(work, "av.projector")
        people = world.people
        people["requester"] = await makers.make_person(work, school_id=school.id)
        people["other_staff"] = await makers.make_person(work, school_id=elsewhere.id)
        people["pupil"] = await makers.make_person(work, Role.PUPIL, school_id=school.id)
        people["guardian"] = await makers.make_person(work, Role.GUARDIAN, children=[people["pupil"]])
        people["vendor"] = await makers.make_person(work, Role.VENDOR)
        people["technician"] = await makers.make_person(
            work, Role.TECHNICIAN, queues=[queue], schools=[school]
        )
        people["elsewhere"] = await makers.make_person(work, Role.TECHNICIAN, queues=[other_queue])
        people["lead"] = await makers.make_person(work, Role.LEAD, queues=[queue])
        people["integration"] = await makers.make_person(work, Role.INTEGRATION, queues=[queue])
        people["admin"] = await makers.make_person(work, Role.ADMIN)
        asset = await makers.make_asset(work, holder_id=people["pupil"].id, school_id=school.id)
        await makers.make_playbook(work, small("matrix"))
        calendar = await makers.make_calendar(work)
        policy = await makers.make_policy(work, active=False)
        world.tokens = {
            who: await makers.token_for(work, person, everything=who == "integration")
            for who, person in people.items()
        }
        world.ids = {
            "school": school.id, "queue": queue.key, "other_queue": other_queue.key, "tag": asset.tag,
            "calendar": calendar.id, "policy": policy.id, "asset": asset.id,
            "spare_token": None,
        }  # fmt: skip
    return world
