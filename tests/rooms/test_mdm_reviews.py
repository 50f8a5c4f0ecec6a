"""Devices become assets, or questions that a person answers; every source is kept and told side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select, text
from structlog.testing import CapturingLogger

from integrations.mdm.port import Enrolment, ManagedDevice, Platform
from service.assets.facts import known
from service.assets.models import Asset
from service.core.actor import Role
from service.core.errors import Forbidden, Invalid, NotFound
from service.core.work import Work
from service.mdm import record_listing
from service.mdm.mappings import SetMapping, set_mapping
from service.mdm.models import MappingKind, Matched, MdmConnection, MdmReview, ReviewWhy
from service.mdm.queries import connection_row, record_of_asset
from service.mdm.reconciling import reconcile_one
from service.mdm.record_listing import RecordFilter, record_by_id, records_of, records_page
from service.mdm.reviewing import (
    SettleAs,
    Settled,
    SettleReview,
    review_by_id,
    reviews_page,
    settle_review,
)
from tests import makers


@dataclass
class Desk:
    work: Work

    async def connection(self, **given: Any) -> MdmConnection:
        return await makers.make_mdm_connection(self.work, **given)

    async def says(self, connection: MdmConnection, external_id: str, **given: Any) -> Any:
        """The record of a device after a connection has told of it."""
        given.setdefault("last_check_in", self.work.now)
        given.setdefault("enrolment", Enrolment.ENROLLED)
        given.setdefault("platform", Platform.CHROMEOS)
        row = await connection_row(self.work, connection.id)
        return await reconcile_one(self.work, row, ManagedDevice(external_id, **given))

    async def asset(self, asset_id: int) -> Any:
        query = select(*Asset.__table__.c).where(Asset.id == asset_id)
        return (await self.work.db.execute(query)).one()

    async def facts(self, asset_id: int) -> dict[str, Any]:
        return {row.name: row for row in (await self.work.db.execute(known([asset_id]))).all()}

    async def review(self, record: Any) -> Any:
        query = select(MdmReview).where(MdmReview.record_id == record.id).order_by(MdmReview.id.desc())
        return (await self.work.session.scalars(query.execution_options(populate_existing=True))).first()

    async def settle(self, record: Any, how: SettleAs, tag: str | None = None) -> MdmReview:
        review = await self.review(record)
        return await settle_review(self.work, review.id, SettleReview(how=how, asset_tag=tag))


@pytest.fixture
async def desk(work: Work) -> Desk:
    return Desk(work)


async def test_both_sources_are_kept_and_each_fact_is_the_newest_word(desk: Desk) -> None:
    one, two = await desk.connection(name="One"), await desk.connection(name="Two")
    early, late = desk.work.now - timedelta(hours=9), desk.work.now
    first = await desk.says(one, "a", serial="S1", os_version="1", battery_percent=50.0, last_check_in=early)
    second = await desk.says(two, "b", serial="s1".upper(), os_version="2", last_check_in=late)
    assert first.asset_id == second.asset_id
    facts = await desk.facts(first.asset_id)
    assert (facts["device.os_version"].value, facts["device.os_version"].source) == ("2", "Two")
    assert (facts["device.battery_percent"].value, facts["device.battery_percent"].source) == (50.0, "One")
    managed = await record_of_asset(desk.work, first.asset_id)
    assert managed is not None
    assert (managed.record.id, managed.connection.name) == (second.id, "Two")
    only = await record_of_asset(desk.work, first.asset_id, connection_id=one.id)
    assert only is not None
    assert only.record.id == first.id
    tag = (await desk.asset(first.asset_id)).tag
    assert [row.external_id for row in await records_of(desk.work, tag)] == ["b", "a"]


async def test_an_older_word_of_the_same_source_replaces_it(desk: Desk) -> None:
    """What the management says now is what is kept, whatever the device's clock."""
    one = await desk.connection()
    await desk.says(one, "a", serial="S1", os_version="2")
    record = await desk.says(one, "a", serial="S1", os_version="1", last_check_in=None)
    assert record.record["os_version"] == "1"
    assert "device.os_version" not in await desk.facts(record.asset_id)


async def test_a_device_enrolled_anew_is_the_same_asset_and_never_flips_back(desk: Desk) -> None:
    one = await desk.connection(owns_tag=True)
    early = desk.work.now - timedelta(days=3)
    old = await desk.says(one, "old", serial="S1", asset_tag="T-OLD", name="old", last_check_in=early)
    new = await desk.says(one, "new", serial="S1", asset_tag="T-NEW", name="new")
    assert old.asset_id == new.asset_id
    later = desk.work.now + timedelta(minutes=1)
    await desk.says(one, "old", serial="S1", asset_tag="T-OLD", name="older", last_check_in=later)
    assert (await desk.asset(new.asset_id)).tag == "T-NEW"
    assert (await desk.facts(new.asset_id))["device.name"].value == "new"
    await desk.says(one, "new", serial="S1", name="new", enrolment=Enrolment.UNENROLLED)
    await desk.says(one, "old", serial="S1", asset_tag="T-OLD", name="again", last_check_in=later)
    assert (await desk.facts(new.asset_id))["device.name"].value == "again"


async def test_a_serial_number_on_two_assets_is_a_question_with_both(desk: Desk) -> None:
    one = await desk.connection()
    assets = [await makers.make_asset(desk.work, serial=serial) for serial in ("dup-1", "DUP-1")]
    record = await desk.says(one, "a", serial="DUP-1")
    assert record.asset_id is None
    (shown,) = (await reviews_page(desk.work)).rows
    assert (shown.why, shown.external_id) == (ReviewWhy.SERIAL_TWICE, "a")
    assert [each.id for each in shown.candidates] == sorted(asset.id for asset in assets)
    settled = await desk.settle(record, SettleAs.ASSET, assets[1].tag)
    assert (settled.settled_at, settled.asset_id) == (desk.work.now, assets[1].id)
    assert (await reviews_page(desk.work)).rows == []
    record = await desk.says(one, "a", serial="DUP-1", os_version="9")
    assert (record.asset_id, record.matched) == (assets[1].id, Matched.PERSON)
    assert (await desk.facts(assets[1].id))["device.os_version"].value == "9"


async def test_what_is_left_aside_stays_aside(desk: Desk) -> None:
    one = await desk.connection()
    record = await desk.says(one, "a")
    assert (await desk.review(record)).why is ReviewWhy.NO_NAME
    await desk.settle(record, SettleAs.NONE)
    asset = await makers.make_asset(desk.work, tag="T-LATER")
    record = await desk.says(one, "a", asset_tag="T-LATER")
    assert (record.asset_id, record.matched) == (None, Matched.PERSON)
    assert await record_of_asset(desk.work, asset.id) is None
    assert (await reviews_page(desk.work)).rows == []


async def test_a_person_may_add_it_and_may_change_their_mind(desk: Desk) -> None:
    one = await desk.connection(adds_assets=False)
    record = await desk.says(one, "a", serial="S1", asset_tag="T-A", model="Acer", os_version="7")
    review = await desk.review(record)
    assert review.why is ReviewWhy.NOT_ADDED
    added = await desk.settle(record, SettleAs.NEW)
    assert added.asset_id is not None
    asset = await desk.asset(added.asset_id)
    assert (asset.tag, asset.serial, asset.model, asset.kind) == ("T-A", "S1", "Acer", "chromebook")
    assert (await desk.facts(asset.id))["device.os_version"].value == "7"
    other = await makers.make_asset(desk.work)
    await desk.settle(record, SettleAs.ASSET, other.tag)
    assert await desk.facts(asset.id) == {}
    assert (await desk.facts(other.id))["device.os_version"].value == "7"
    await desk.settle(record, SettleAs.NONE)
    assert await desk.facts(other.id) == {}


async def test_a_question_that_answers_itself_is_settled(desk: Desk) -> None:
    one = await desk.connection(adds_assets=False)
    record = await desk.says(one, "a", serial="S1")
    asset = await makers.make_asset(desk.work, serial="S1")
    record = await desk.says(one, "a", serial="S1", os_version="2")
    review = await desk.review(record)
    assert (record.asset_id, review.asset_id, review.settled_by_id) == (asset.id, asset.id, None)
    assert review.settled_at == desk.work.now
    with pytest.raises(Settled):
        await desk.settle(record, SettleAs.NONE)
    shown = await review_by_id(desk.work, review.id)
    assert (shown.asset_tag, shown.candidates) == (asset.tag, [])


async def test_what_cannot_be_settled_so_is_refused(desk: Desk) -> None:
    one = await desk.connection(adds_assets=False)
    record = await desk.says(one, "a")
    taken = await makers.make_asset(desk.work)
    for how, tag in (
        (SettleAs.ASSET, "nowhere"),
        (SettleAs.ASSET, None),
        (SettleAs.NEW, None),
        (SettleAs.NEW, taken.tag),
        (SettleAs.NONE, taken.tag),
    ):
        with pytest.raises(Invalid) as refused:
            await desk.settle(record, how, tag)
        assert refused.value.fields[0].field == "asset_tag"
    with pytest.raises(NotFound):
        await settle_review(desk.work, 2**40, SettleReview(how=SettleAs.NONE))
    with pytest.raises(ValidationError):
        SettleReview.model_validate({"how": "guess"})


async def test_who_may_see_and_settle(desk: Desk) -> None:
    one = await desk.connection(adds_assets=False)
    record = await desk.says(one, "a", user="ada@school.example")
    review = await desk.review(record)
    teacher = await makers.acting(desk.work, await makers.make_person(desk.work))
    reader = await makers.acting(desk.work, await makers.make_person(desk.work, Role.INTEGRATION))
    for asked in (
        reviews_page(teacher),
        review_by_id(teacher, review.id),
        records_page(teacher, RecordFilter()),
        record_by_id(teacher, record.id),
        records_of(teacher, "x"),
        settle_review(teacher, review.id, SettleReview(how=SettleAs.NONE)),
        settle_review(reader, review.id, SettleReview(how=SettleAs.NONE)),
    ):
        with pytest.raises(Forbidden):
            await asked


async def test_reading_a_record_is_written_down_and_lists_name_no_user(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await desk.connection()
    record = await desk.says(one, "a", serial="S1", user="ada@school.example")
    technician = await makers.make_person(desk.work, Role.TECHNICIAN)
    theirs = await makers.acting(desk.work, technician)
    heard = CapturingLogger()
    monkeypatch.setattr(record_listing, "log", heard)
    (listed,) = (await records_page(theirs, RecordFilter(connection_id=one.id))).rows
    assert not heard.calls
    assert "ada@school.example" not in str(listed)
    whole = await record_by_id(theirs, record.id)
    assert whole.device["user"] == "ada@school.example"
    await records_of(theirs, "S1")
    told = {"person_id": technician.id, "token_id": None, "record_ids": [record.id]}
    assert [(call.args, call.kwargs) for call in heard.calls] == [(("mdm_records_read",), told)] * 2


async def test_records_are_narrowed_and_paged(desk: Desk) -> None:
    one, two = await desk.connection(), await desk.connection(adds_assets=False)
    for n in range(5):
        seen = desk.work.now - timedelta(days=n) if n else None
        await desk.says(one, f"d{n}", serial=f"S{n}", last_check_in=seen)
    await desk.says(two, "x", serial="X", platform=Platform.MACOS)
    await desk.work.session.execute(
        text("UPDATE mdm_records SET missing_since = now() WHERE external_id = 'd4'")
    )

    async def names(**given: Any) -> list[str]:
        page = await records_page(desk.work, RecordFilter(**given))
        return [row.external_id for row in page.rows]

    assert await names(connection_id=two.id) == ["x"]
    assert await names(matched=False) == await names(platform=Platform.MACOS) == ["x"]
    assert await names(serial="s3") == ["d3"]
    assert await names(missing=True) == ["d4"]
    assert await names(not_seen_since=desk.work.now - timedelta(days=2)) == ["d0", "d3", "d4"]
    first = await records_page(desk.work, RecordFilter(), limit=4)
    second = await records_page(desk.work, RecordFilter(), limit=4, cursor=first.next_cursor)
    assert [row.external_id for row in (*first.rows, *second.rows)] == ["d0", "d1", "d2", "d3", "d4", "x"]
    assert second.next_cursor is None


async def test_sites_and_models_are_mapped(desk: Desk) -> None:
    one = await desk.connection()
    north, south = await makers.make_school(desk.work), await makers.make_school(desk.work)
    for word, school in (("/North", north), ("/South", south)):
        await set_mapping(
            desk.work, SetMapping(kind=MappingKind.SITE, word=word, place_id=school.id, connection_id=one.id)
        )
    record = await desk.says(one, "a", serial="S1", site="/North/Carts", model="iPad (9th generation)")
    asset = await desk.asset(record.asset_id)
    assert (asset.place_id, asset.school_id, asset.kind) == (north.id, north.id, "tablet")
    await desk.says(one, "a", serial="S1", site="/South")
    assert (await desk.asset(record.asset_id)).school_id == south.id
    await desk.work.session.execute(text("UPDATE assets SET place_id = NULL, school_id = NULL"))
    elsewhere = await makers.make_school(desk.work)
    await desk.work.session.execute(
        text("UPDATE assets SET place_id = :id, school_id = :id"), {"id": elsewhere.id}
    )
    await desk.says(one, "a", serial="S1", site="/North")
    assert (await desk.asset(record.asset_id)).school_id == elsewhere.id


async def test_holders_are_active_people_by_their_whole_address(desk: Desk) -> None:
    one = await desk.connection(owns_holder=True)
    ada = await makers.make_person(desk.work, email="Ada@School.Example")
    gone = await makers.make_person(desk.work, email="gone@school.example", active=False)
    record = await desk.says(one, "a", serial="S1", user="ada@school.example")
    assert (await desk.asset(record.asset_id)).holder_id == ada.id
    for user in (None, "gone@school.example", "a@school.example"):
        await desk.says(one, "a", serial="S1", user=user)
        assert (await desk.asset(record.asset_id)).holder_id == ada.id != gone.id


async def test_a_check_in_of_tomorrow_does_not_speak_for_ever(desk: Desk) -> None:
    ahead, right = await desk.connection(), await desk.connection()
    tomorrow = desk.work.now + timedelta(days=400)
    record = await desk.says(ahead, "a", serial="S1", os_version="1", last_check_in=tomorrow)
    assert record.last_check_in == desk.work.now
    desk.work.now += timedelta(hours=1)
    await desk.says(right, "b", serial="S1", os_version="2")
    assert (await desk.facts(record.asset_id))["device.os_version"].value == "2"


async def test_tags_that_change_places_do_not_stop_a_sync(desk: Desk) -> None:
    """A tag is free once the asset that had it has another."""
    one = await desk.connection(owns_tag=True)
    ids = [(await desk.says(one, name, serial=name, asset_tag=f"T-{name}")).asset_id for name in ("A", "B")]
    await desk.says(one, "A", serial="A", asset_tag="T-B")
    assert (await desk.asset(ids[0])).tag == "T-A"
    await desk.says(one, "B", serial="B", asset_tag="T-C")
    await desk.says(one, "A", serial="A", asset_tag="T-B")
    assert [(await desk.asset(each)).tag for each in ids] == ["T-B", "T-C"]


async def test_a_device_that_says_it_is_another_keeps_its_asset(desk: Desk) -> None:
    one = await desk.connection()
    record = await desk.says(one, "a", serial="S1")
    other = await makers.make_asset(desk.work, serial="S2")
    again = await desk.says(one, "a", serial="S2")
    assert again.asset_id == record.asset_id != other.id
    facts = await desk.facts(record.asset_id)
    assert facts["device.serial_matches"].value is True
    written = await makers.make_asset(desk.work, tag="W", serial="WRITTEN")
    await desk.settle(await desk.says(one, "b"), SettleAs.ASSET, "W")
    await desk.says(one, "b", serial="READ")
    assert (await desk.facts(written.id))["device.serial_matches"].value is False


async def test_one_device_is_kept_twice_alike(desk: Desk) -> None:
    one = await desk.connection()
    first = await desk.says(one, "a", serial="S1")
    assert await desk.says(one, "a", serial="S1") == first
    row = await connection_row(desk.work, one.id)
    await desk.work.session.delete(one)
    await desk.work.session.flush()
    with pytest.raises(NotFound):
        await reconcile_one(desk.work, row, replace(ManagedDevice("a"), serial="S1"))
