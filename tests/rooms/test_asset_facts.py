"""What several sources say of a device is one list of facts, the newest word on each; devices by serial."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.assets.actions import assets_page
from service.assets.facts import LONGEST, FactIn, confirm_report, facts_of, keep_facts, known
from service.core.actor import Role
from service.core.errors import Forbidden
from service.core.work import Work
from tests import makers

NAMES = ("device.os_version", "device.support_ends", "device.status")


async def said(work: Work, asset: Any) -> dict[str, tuple[Any, str]]:
    rows = (await work.db.execute(known([asset.id]))).all()
    assert len(rows) == len({row.name for row in rows})
    return {row.name: (row.value, row.source) for row in rows}


async def tell(work: Work, asset: Any, source: str, value: Any, *, minutes: float, how: str) -> None:
    """One word on the system version, so many minutes ago, by one of the three ways."""
    at = work.now - timedelta(minutes=minutes)
    if how == "fact":
        fact = FactIn(name="device.os_version", value=value, as_of=at)
        await keep_facts(work, asset.id, source, [fact])
        return
    told: dict[str, Any] = {"device.os_version": value}
    then = await makers.acting(work, now=at)
    empty: dict[str, Any] = {}
    facts, standing = (told, empty) if how == "facts" else (empty, told)
    await makers.keep_report(then, asset.id, source, facts=facts, standing=standing, as_of=at)


WAYS = ("fact", "facts", "standing")


@pytest.mark.parametrize("newer", WAYS)
@pytest.mark.parametrize("older", WAYS)
@pytest.mark.parametrize("newer_first", [True, False])
async def test_the_newest_word_counts_whoever_holds_it(
    work: Work, newer: str, older: str, newer_first: bool
) -> None:
    asset = await makers.make_asset(work)
    words = [("b", "new", 5, newer), ("a", "old", 10, older)]
    for source, value, minutes, how in words if newer_first else reversed(words):
        await tell(work, asset, source, value, minutes=minutes, how=how)
    assert await said(work, asset) == {"device.os_version": ("new", "b")}


async def test_each_fact_is_taken_from_whoever_knows_it_newest(work: Work) -> None:
    asset = await makers.make_asset(work)
    day = timedelta(days=1)
    await makers.keep_report(
        work,
        asset.id,
        "Google",
        facts={"device.os_version": "142", "device.battery_percent": 80},
        standing={"device.support_ends": "2029-06-30T00:00:00+00:00"},
        as_of=work.now - 2 * day,
    )
    newer = FactIn(name="device.os_version", value="143", as_of=work.now - day)
    older = FactIn(name="device.battery_percent", value=10, as_of=work.now - 3 * day)
    own = FactIn(name="device.support_ends", value="2031-01-01T00:00:00+00:00", as_of=work.now - day)
    await keep_facts(work, asset.id, "a person", [newer, older, own])
    assert await said(work, asset) == {
        "device.os_version": ("143", "a person"),
        "device.battery_percent": (80, "Google"),
        "device.support_ends": ("2029-06-30T00:00:00+00:00", "Google"),
    }


async def test_two_words_equally_new_are_told_apart_the_same_way_each_time(work: Work) -> None:
    for order in (("a", "b"), ("b", "a")):
        asset = await makers.make_asset(work)
        for source in order:
            await tell(work, asset, source, f"of {source}", minutes=5, how="facts")
        assert await said(work, asset) == {"device.os_version": ("of a", "a")}
    one = await makers.make_asset(work)
    await tell(work, one, "a", "report", minutes=5, how="standing")
    at = work.now - timedelta(minutes=5)
    then = await makers.acting(work, now=at)
    await keep_facts(then, one.id, "a", [FactIn(name="device.os_version", value="single", as_of=at)])
    assert await said(work, one) == {"device.os_version": ("single", "a")}


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(
        st.tuples(
            st.sampled_from(("a", "b", "c")),
            st.sampled_from(("facts", "standing")),
            st.integers(0, 4),
            st.sampled_from(NAMES),
        ),
        max_size=6,
    )
)
async def test_the_merge_is_what_comparing_one_by_one_gives(work: Work, words: list[Any]) -> None:
    asset = await makers.make_asset(work)
    kept: dict[str, tuple[datetime, dict[str, Any], dict[str, Any]]] = {}
    for n, (source, how, minutes, name) in enumerate(words):
        at = work.now - timedelta(minutes=minutes)
        told = {name: n}
        facts, standing = (told, {}) if how == "facts" else ({}, told)
        kept[source] = at, facts, standing
        then = await makers.acting(work, now=at)
        await makers.keep_report(then, asset.id, source, facts=facts, standing=standing, as_of=at)
    wanted: dict[str, tuple[Any, str]] = {}
    for name in NAMES:
        said_of = [
            (at, source, (facts | standing)[name])
            for source, (at, facts, standing) in kept.items()
            if name in facts | standing
        ]
        if said_of:
            newest = max(at for at, _, _ in said_of)
            source, value = min((source, value) for at, source, value in said_of if at == newest)
            wanted[name] = value, source
    assert await said(work, asset) == wanted


async def test_a_device_that_never_told_anything_has_only_what_stands(work: Work) -> None:
    asset = await makers.make_asset(work)
    told = {"device.os_version": "1"}
    await makers.keep_report(
        work, asset.id, "Fleet", facts=told, standing={"device.status": "active"}, as_of=None
    )
    assert await said(work, asset) == {"device.status": ("active", "Fleet")}


async def test_a_report_takes_the_place_of_the_one_before_and_is_bounded(work: Work) -> None:
    asset = await makers.make_asset(work)
    await tell(work, asset, "Fleet", "1", minutes=5, how="facts")
    facts = {"device.last_user": None, "device.model": "x" * 2000}
    await makers.keep_report(work, asset.id, "Fleet", facts=facts, standing={}, as_of=work.now)
    assert await said(work, asset) == {"device.model": ("x" * LONGEST, "Fleet")}


async def test_what_was_confirmed_is_so_now_and_what_the_device_said_is_not_younger(work: Work) -> None:
    asset = await makers.make_asset(work)
    before = await makers.acting(work, now=work.now - timedelta(days=3))
    await makers.keep_report(
        before,
        asset.id,
        "Fleet",
        facts={"device.os_version": "1"},
        standing={"device.status": "active"},
        as_of=before.now,
    )
    await confirm_report(work, asset.id, "Fleet")
    await confirm_report(work, asset.id, "another")
    rows = {row.name: row.as_of for row in (await work.db.execute(known([asset.id]))).all()}
    assert rows == {"device.os_version": before.now, "device.status": work.now}


async def test_facts_of_several_devices_are_kept_apart(work: Work) -> None:
    one, other = await makers.make_asset(work), await makers.make_asset(work)
    await tell(work, one, "a", "1", minutes=1, how="facts")
    await tell(work, other, "a", "2", minutes=1, how="fact")
    rows = (await work.db.execute(known([one.id, other.id]))).all()
    assert [(row.asset_id, row.value) for row in rows] == [(one.id, "1"), (other.id, "2")]


async def test_the_desk_reads_the_merged_facts_and_nobody_else(work: Work) -> None:
    teacher = await makers.make_person(work)
    asset = await makers.make_asset(work, holder_id=teacher.id)
    await tell(work, asset, "a", "1", minutes=1, how="standing")
    technician = await makers.acting(work, await makers.make_person(work, Role.TECHNICIAN))
    assert [row.value for row in await facts_of(technician, asset.tag)] == ["1"]
    with pytest.raises(Forbidden):
        await facts_of(await makers.acting(work, teacher), asset.tag)


# By serial number


async def test_a_device_is_found_by_its_serial_number_however_it_is_spelt(work: Work) -> None:
    kept = [await makers.make_asset(work, serial=serial) for serial in ("PF0ABC12", "pf0abc12", "PF0ABC13")]
    for spelt in ("PF0ABC12", "pf0abc12", " Pf0Abc12 "):
        found = (await assets_page(work, serial=spelt)).rows
        assert [row.id for row in found] == [kept[0].id, kept[1].id]
    assert (await assets_page(work, serial="PF0ABC1")).rows == []


async def test_a_serial_number_finds_only_devices_that_one_sees(work: Work) -> None:
    teacher = await makers.make_person(work)
    own = await makers.make_asset(work, serial="S-1", holder_id=teacher.id)
    await makers.make_asset(work, serial="S-1")
    theirs = await makers.acting(work, teacher)
    assert [row.id for row in (await assets_page(theirs, serial="s-1")).rows] == [own.id]
