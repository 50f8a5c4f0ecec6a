"""One command for many devices: shown, confirmed as shown, read again, and only then sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from integrations.mdm.port import Enrolment, ManagedDevice, Platform, Verb
from integrations.mdm.simulated.server import Fault
from service.assets.models import Asset, AssetKind
from service.core.actor import SYSTEM
from service.core.errors import Forbidden, Invalid, NotFound, Refusal, Stale
from service.mdm import bulks
from service.mdm.bulk_running import run_bulk
from service.mdm.bulks import (
    MOST_DESTROYED,
    MOST_TARGETS,
    BulkOver,
    ConfirmBulk,
    NoTargets,
    ProposeBulk,
    TooManyTargets,
    confirm_bulk,
    propose_bulk,
)
from service.mdm.command_listing import bulk_by_id, bulks_page
from service.mdm.models import CommandState, MdmBulk, MdmConnection, MdmRecord, VendorName
from service.playbooks.district import SetDistrictFact, set_district_fact
from tests import makers
from tests.command_lab import REASON, CommandLab, command_lab, copied

CART = ("mobile:1", "mobile:2", "mobile:9", "mobile:10")


@dataclass
class Cart:
    """iPads of a school that Jamf Pro manages, by tag in the order of `CART`."""

    lab: CommandLab
    connection: int
    school: str
    tags: list[str] = field(default_factory=list)

    async def propose(self, verb: Verb = Verb.RESTART, who: str = "lead", **given: Any) -> MdmBulk:
        given.setdefault("tags", self.tags)
        async with self.lab.resources.begin(SYSTEM) as work:
            wanted = ProposeBulk.model_validate({"verb": verb, "reason": REASON, **given})
            return await propose_bulk(await self.lab.as_(work, who), wanted)

    async def confirm(self, bulk: MdmBulk, who: str = "lead", digest: str | None = None) -> None:
        async with self.lab.resources.begin(SYSTEM) as work:
            wanted = ConfirmBulk(digest=digest or bulk.digest)
            await confirm_bulk(await self.lab.as_(work, who), bulk.id, wanted)

    async def refused(self, kind: type[Refusal], *given: Any, **named: Any) -> str:
        with pytest.raises(kind) as caught:
            await self.propose(*given, **named)
        return caught.value.detail

    async def done(self, bulk: MdmBulk) -> Any:
        """The bulk and its counts, once everything of it has ended."""
        await self.lab.drain()
        for _ in range(30):
            rows = await self.lab.rows(
                "SELECT id FROM mdm_commands WHERE bulk_id = :id AND state < 7", id=bulk.id
            )
            if not rows:
                break
            await self.lab.tick(timedelta(minutes=2))
        return await self.seen(bulk)

    async def seen(self, bulk: MdmBulk) -> Any:
        async with self.lab.resources.read(SYSTEM) as read:
            return await bulk_by_id(read, bulk.id)

    async def sets(self, model: Any, of: str, **columns: Any) -> None:
        asset = await self.lab.asset(of)
        key = Asset.id if model is Asset else MdmRecord.asset_id
        async with self.lab.resources.begin(SYSTEM) as work:
            await work.session.execute(update(model).where(key == asset.id).values(**columns))


@pytest.fixture(scope="module")
async def shared_lab(empty_url: str) -> AsyncIterator[CommandLab]:
    with copied(empty_url, "bulks") as url:
        async with command_lab(url) as made:
            yield made


@pytest.fixture
async def cart(shared_lab: CommandLab) -> AsyncIterator[Cart]:
    lab = shared_lab
    connection = await lab.stands(VendorName.JAMF_PRO)
    async with lab.resources.begin(SYSTEM) as work:
        school = (await makers.make_school(work)).id
    made = Cart(lab, connection, school)
    known = {one.external_id: one for one in await lab.devices(connection)}
    for external_id in CART:
        made.tags.append(await lab.know(connection, known[external_id]))
    async with lab.resources.begin(SYSTEM) as work:
        cart = update(Asset).where(Asset.tag.in_(made.tags))
        await work.session.execute(cart.values(school_id=school, kind=AssetKind.TABLET))
    yield made
    async with lab.resources.begin(SYSTEM) as work:
        for table in ("mdm_commands", "mdm_bulks", "district_facts", "procrastinate_jobs"):
            await work.session.execute(text(f"DELETE FROM {table}"))


# Shown.


async def test_a_bulk_shows_its_devices_and_sends_nothing(cart: Cart) -> None:
    bulk = await cart.propose()
    seen = await cart.seen(bulk)
    assert [one.asset_tag for one in seen.devices] == sorted(cart.tags)
    assert (seen.count, seen.counts, seen.refused, seen.confirmed_at) == (4, {}, None, None)
    await cart.lab.drain()
    assert cart.lab.simulator.effects == []


async def test_a_school_can_be_named_instead_and_narrowed_by_kinds(cart: Cart) -> None:
    await cart.sets(Asset, cart.tags[0], kind=AssetKind.LAPTOP)
    every = await cart.propose(tags=[], school_id=cart.school)
    tablets = await cart.propose(tags=[], school_id=cart.school, kinds=["tablet"])
    assert (len(every.targets), len(tablets.targets)) == (4, 3)


async def test_devices_that_cannot_take_it_are_left_out_and_named(cart: Cart) -> None:
    await cart.sets(MdmRecord, cart.tags[1], enrolment=Enrolment.UNENROLLED)
    seen = await cart.seen(await cart.propose())
    assert seen.count == 3
    assert [(one["tag"], "has left" in one["why"]) for one in seen.left_out] == [(cart.tags[1], True)]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"tags": [], "school_id": None}, "tags"),
        ({"school_id": "0421"}, "tags"),
        ({"kinds": ["tablet"]}, "kinds"),
        ({"tags": ["no-such-tag"]}, "tags"),
        ({"tags": [], "school_id": "no-such"}, "school_id"),
        ({"verb": Verb.LOCK, "arguments": {"pin": "123456"}}, "arguments.pin"),
    ],
)
async def test_a_selection_that_is_none_is_refused(cart: Cart, given: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        await cart.propose(**given)
    assert [one.field for one in caught.value.fields] == [field]


async def test_a_command_that_none_can_take_is_no_bulk(cart: Cart) -> None:
    assert "delay" in await cart.refused(NoTargets, arguments={"delay": 10})
    assert "cannot do disable" in await cart.refused(NoTargets, Verb.DISABLE)


@pytest.mark.parametrize("who", ["technician", "teacher"])
async def test_only_leads_and_administrators_propose(cart: Cart, who: str) -> None:
    await cart.refused(Forbidden, who=who)


async def test_there_are_bounds_and_lower_ones_for_what_destroys(cart: Cart) -> None:
    async with cart.lab.resources.begin(SYSTEM) as work:
        connection = await work.session.get_one(MdmConnection, cart.connection)
        many = (await makers.make_school(work)).id
        for n in range(MOST_DESTROYED + 1):
            asset = await makers.make_asset(work, school_id=many, place_id=many)
            device = ManagedDevice(f"mobile:9{n:03}", platform=Platform.IPADOS, enrolment=Enrolment.ENROLLED)
            await makers.make_mdm_record(work, connection, device, asset_id=asset.id)
    assert len((await cart.propose(tags=[], school_id=many)).targets) == MOST_DESTROYED + 1
    assert "26 devices are more than 25" in await cart.refused(
        TooManyTargets, Verb.WIPE, tags=[], school_id=many
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bulks, "MOST_TARGETS", 20)
        await cart.refused(TooManyTargets, tags=[], school_id=many)
        patched.setattr(bulks, "MOST_TARGETS", 10)
        await cart.refused(TooManyTargets, tags=[], school_id=many)
    assert MOST_TARGETS == 500


# Confirmed as shown.


async def test_a_restart_is_confirmed_by_who_proposed_it_and_done_once_each(cart: Cart) -> None:
    bulk = await cart.propose()
    await cart.confirm(bulk)
    seen = await cart.done(bulk)
    assert (seen.counts, seen.refused) == ({"succeeded": 4}, None)
    assert sorted(cart.lab.simulator.effects) == [
        ("RESTART_DEVICE", f"0000f00d-0000-4000-8000-{int(one.split(':')[1]):012d}") for one in CART
    ]


async def test_a_job_that_runs_twice_sends_once(cart: Cart) -> None:
    bulk = await cart.propose()
    await cart.confirm(bulk)
    for _ in range(3):
        await run_bulk(cart.lab.resources, cart.lab.managements, bulk.id)
    seen = await cart.done(bulk)
    assert (seen.counts, len(cart.lab.simulator.effects)) == ({"succeeded": 4}, 4)


async def test_nothing_runs_that_was_not_confirmed(cart: Cart) -> None:
    bulk = await cart.propose()
    await run_bulk(cart.lab.resources, cart.lab.managements, bulk.id)
    assert (await cart.done(bulk)).counts == {}


@pytest.mark.parametrize("verb", [Verb.LOCK, Verb.WIPE])
async def test_what_locks_or_destroys_is_confirmed_by_somebody_else(cart: Cart, verb: Verb) -> None:
    bulk = await cart.propose(verb)
    with pytest.raises(Forbidden):
        await cart.confirm(bulk)
    await cart.confirm(bulk, "admin")
    seen = await cart.done(bulk)
    assert (seen.counts, len(cart.lab.simulator.effects)) == ({"succeeded": 4}, 4)
    people = await cart.lab.rows(
        "SELECT DISTINCT asked_by_id, decided_by_id FROM mdm_commands WHERE bulk_id = :id", id=bulk.id
    )
    assert [tuple(row) for row in people] == [(cart.lab.people["lead"].id, cart.lab.people["admin"].id)]


async def test_one_confirms_the_list_that_one_has_read_once_and_in_time(cart: Cart) -> None:
    bulk = await cart.propose()
    with pytest.raises(Stale):
        await cart.confirm(bulk, digest="0" * 64)
    with pytest.raises(Forbidden):
        await cart.confirm(bulk, "technician")
    await cart.confirm(bulk)
    with pytest.raises(BulkOver):
        await cart.confirm(bulk, "admin")
    old = await cart.propose(Verb.SYNC)
    cart.lab.later(hours=49)
    with pytest.raises(BulkOver):
        await cart.confirm(old)
    with pytest.raises(NotFound):
        await cart.confirm(MdmBulk(id=2**40, digest="0" * 64))


async def test_rules_hold_for_each_device(cart: Cart) -> None:
    await cart.lab.command(cart.tags[0], Verb.RESTART)
    bulk = await cart.propose()
    await cart.confirm(bulk)
    seen = await cart.done(bulk)
    assert seen.counts == {"refused": 1, "succeeded": 3}
    assert len(cart.lab.simulator.effects) == 4


async def test_a_test_at_the_school_refuses_each_of_them(cart: Cart) -> None:
    bulk = await cart.propose()
    async with cart.lab.resources.begin(SYSTEM) as work:
        wanted = SetDistrictFact(name="school.testing", value=True, school_id=cart.school)
        await set_district_fact(await cart.lab.as_(work, "admin"), wanted)
    await cart.confirm(bulk)
    assert ((await cart.done(bulk)).counts, cart.lab.simulator.effects) == ({"refused": 4}, [])


async def test_commands_are_paced(cart: Cart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.mdm.bulk_running.AT_FIRST", 1)
    bulk = await cart.propose()
    await cart.confirm(bulk)
    await cart.lab.drain()
    assert len(cart.lab.simulator.effects) == 1
    for n in (2, 3, 4):
        await cart.lab.tick(timedelta(seconds=1))
        assert len(cart.lab.simulator.effects) == n


# Read again.


async def refused_whole(cart: Cart, bulk: MdmBulk, words: str) -> None:
    """Nothing was sent, no command was made, and the reason is told."""
    await cart.confirm(bulk, "admin")
    seen = await cart.done(bulk)
    assert seen.counts == {}
    assert cart.lab.simulator.effects == []
    assert words in (seen.refused or "")
    assert (seen.refused or "").startswith("Nothing was sent")


async def test_a_filter_that_is_ignored_and_returns_every_device_sends_nothing(cart: Cart) -> None:
    bulk = await cart.propose(Verb.WIPE, tags=cart.tags[:1])
    cart.lab.simulator.ignores_filters = True
    await refused_whole(cart, bulk, f"{cart.tags[0]} could not be read again at Jamf Pro (protocol_error)")


async def test_a_filter_that_answers_with_another_device_sends_nothing(cart: Cart) -> None:
    bulk = await cart.propose(Verb.LOCK)
    cart.lab.simulator.mobiles["2"]["hardware"]["serialNumber"] = "WPI00001"
    await refused_whole(cart, bulk, f"{cart.tags[1]} is another device at Jamf Pro")


async def test_a_device_that_left_meanwhile_stops_the_whole(cart: Cart) -> None:
    bulk = await cart.propose()
    cart.lab.simulator.mobiles["9"]["general"]["managed"] = False
    await refused_whole(cart, bulk, f"{cart.tags[2]} has left Jamf Pro")


async def test_a_device_that_is_gone_stops_the_whole(cart: Cart) -> None:
    bulk = await cart.propose()
    del cart.lab.simulator.mobiles["10"]
    await refused_whole(cart, bulk, f"{cart.tags[3]} is not listed at Jamf Pro any more")


async def test_a_vendor_in_trouble_stops_the_whole(cart: Cart) -> None:
    bulk = await cart.propose()
    cart.lab.simulator.inject(Fault("cut"), path="/mobile-devices/detail", times=99)
    await refused_whole(cart, bulk, "could not be read again")


async def test_a_selection_that_reaches_others_by_now_stops_the_whole(cart: Cart) -> None:
    bulk = await cart.propose(tags=[], school_id=cart.school)
    before = cart.lab.simulator.asked
    async with cart.lab.resources.begin(SYSTEM) as work:
        other = (await makers.make_school(work)).id
    await cart.sets(Asset, cart.tags[3], school_id=other)
    await refused_whole(cart, bulk, "0 devices came to the list, 1 left it")
    assert cart.lab.simulator.asked == before


@pytest.mark.parametrize(
    ("model", "columns"), [(Asset, {"tag": "CB-NEW"}), (MdmRecord, {"serial": "WPI00098"})]
)
async def test_a_device_with_another_name_by_now_stops_the_whole(
    cart: Cart, model: Any, columns: dict[str, Any]
) -> None:
    bulk = await cart.propose(tags=[], school_id=cart.school)
    await cart.sets(model, cart.tags[3], **columns)
    await refused_whole(cart, bulk, "another tag, serial number or record")


async def test_a_list_without_single_looks_is_walked_once(cart: Cart) -> None:
    lab = cart.lab
    connection = await lab.stands(VendorName.MOSYLE)
    ipads = [one for one in await lab.devices(connection) if one.platform is Platform.IPADOS and one.serial]
    tags = [await lab.know(connection, one) for one in ipads[:3]]
    bulk = await cart.propose(Verb.LOCK, tags=tags)
    before = lab.simulator.asked
    await cart.confirm(bulk, "admin")
    async with lab.resources.begin(SYSTEM) as work:
        await work.session.execute(text("DELETE FROM procrastinate_jobs"))
    await run_bulk(lab.resources, lab.managements, bulk.id)
    walk = lab.simulator.asked - before
    await lab.devices(connection)
    assert walk == lab.simulator.asked - before - walk
    await lab.drain()
    assert len(lab.simulator.effects) == 3
    lab.simulator.effects.clear()
    gone = await cart.propose(Verb.RESTART, tags=tags)
    del lab.simulator.devices[ipads[0].external_id]
    await refused_whole(cart, gone, f"{tags[0]} is not listed at Mosyle any more")


# Lists.


async def test_bulks_are_listed_with_their_counts(cart: Cart) -> None:
    first, second = await cart.propose(), await cart.propose(Verb.SYNC)
    await cart.confirm(first)
    await cart.done(first)
    async with cart.lab.resources.read(SYSTEM) as read:
        page = await bulks_page(read, limit=1)
        rest = await bulks_page(read, limit=1, cursor=page.next_cursor)
    assert [(row.id, row.counts) for row in (*page.rows, *rest.rows)] == [
        (second.id, {}),
        (first.id, {CommandState.SUCCEEDED.value: 4}),
    ]
    assert rest.next_cursor is None
    async with cart.lab.resources.begin(SYSTEM) as work:
        with pytest.raises(Forbidden):
            await bulks_page(await cart.lab.as_(work, "teacher"))
