"""Whose word counts, what a device sets on its asset, and how much a run may change by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.mdm.port import Enrolment, ManagedDevice
from service.assets.models import AssetKind
from service.mdm.mapped import Found, Kind, Why
from service.mdm.matching import Around, KnownAsset, KnownRecord
from service.mdm.merging import FEW, Merge, leads, merged, moved, percent, speaks_of, stops

NOON = datetime(2026, 9, 14, 12, tzinfo=UTC)
NOWHERE = Found(None, None, Why.UNKNOWN_WORD)
ROOM = Found("room-1", "school-1", Why.MAPPED)
PLAIN = Kind(AssetKind.LAPTOP, None, Why.PLATFORM)
PEOPLE = {"ada@school.example": 5}


def record(name: str = "d", **given: Any) -> KnownRecord:
    given.setdefault("last_check_in", NOON)
    given.setdefault("enrolment", Enrolment.ENROLLED)
    given.setdefault("asset_id", 1)
    return KnownRecord(given.pop("connection_id", 1), name, **given)


def merge(
    asset: KnownAsset,
    device: ManagedDevice,
    mine: KnownRecord | None = None,
    before: KnownRecord | None = None,
    *others: KnownRecord,
    place: Found = NOWHERE,
    kind: Kind = PLAIN,
) -> Merge:
    around = Around()
    around.know(asset)
    around.know(KnownAsset(99, "TAKEN"))
    mine = mine or record()
    mine = replace(mine, serial=device.serial, tag=device.asset_tag, user=device.user)
    for each in (mine, *others):
        around.tie(each)
    return merged(asset, device, mine, before, around, PEOPLE, place, kind)


def device(**given: Any) -> ManagedDevice:
    return ManagedDevice("d", last_check_in=NOON, enrolment=Enrolment.ENROLLED, **given)


def test_empty_columns_are_filled() -> None:
    told = merge(KnownAsset(1, "T"), device(serial="ABC", model="Acer"), place=ROOM)
    assert told.sets == {"serial": "ABC", "model": "Acer", "place_id": "room-1", "school_id": "school-1"}
    assert not told.moves
    assert told.mapped_place_id == "room-1"


def test_what_people_wrote_stays() -> None:
    asset = KnownAsset(1, "T", serial="mine", model="Mine", holder_id=3, place_id="attic")
    told = merge(
        asset, device(serial="ABC", model="Acer", asset_tag="X", user="ada@school.example"), place=ROOM
    )
    assert (told.sets, told.moves) == ({}, False)


def test_a_placeholder_is_no_serial_number() -> None:
    assert merge(KnownAsset(1, "T", serial="N/A"), device(serial="ABC")).sets == {"serial": "ABC"}


def test_a_new_board_changes_the_serial_number_that_came_from_the_old_one() -> None:
    before = record(serial="OLD", model="Acer")
    told = merge(
        KnownAsset(1, "T", serial="old", model="Acer"), device(serial="NEW", model="HP"), None, before
    )
    assert told.sets == {"serial": "NEW", "model": "HP"}
    assert told.moves
    assert told.notes == ["The serial number changed from OLD to NEW."]
    kept = merge(KnownAsset(1, "T", serial="WRITTEN", model="Acer"), device(serial="NEW"), None, before)
    assert "serial" not in kept.sets
    assert kept.notes


def test_a_model_has_the_name_that_the_district_gives_it() -> None:
    named = Kind(AssetKind.TABLET, "iPad (blue carts)", Why.MAPPED)
    assert merge(KnownAsset(1, "T"), device(model="iPad"), kind=named).sets == {"model": "iPad (blue carts)"}


def test_the_tag_follows_who_owns_it_and_only_to_a_free_one() -> None:
    owner = record(owns_tag=True)
    assert merge(KnownAsset(1, "T"), device(asset_tag="N"), owner).sets == {"tag": "N"}
    assert merge(KnownAsset(1, "T"), device(asset_tag="N")).sets == {}
    assert merge(KnownAsset(1, "T"), device(), owner).sets == {}
    told = merge(KnownAsset(1, "T"), device(asset_tag="TAKEN"), owner)
    assert (told.sets, told.notes) == ({}, ["The tag TAKEN is not free: the asset keeps T."])
    assert merge(KnownAsset(1, "T"), device(asset_tag="x" * 201), owner).sets == {}


def test_the_holder_follows_who_owns_it_and_only_to_somebody_who_is_there() -> None:
    owner = record(owns_holder=True)
    held = KnownAsset(1, "T", holder_id=3)
    assert merge(held, device(user="ada@school.example"), owner).sets == {"holder_id": 5}
    assert merge(held, device(user="ada@school.example"), owner).moves
    assert merge(held, device(user="nobody@school.example"), owner).sets == {}
    assert merge(held, device(), owner).sets == {}
    assert merge(held, device(user="ada@school.example")).sets == {}
    assert not merge(KnownAsset(1, "T"), device(user="ada@school.example"), owner).moves


def test_of_two_owners_the_newest_check_in_counts() -> None:
    mine = record(owns_holder=True, owns_tag=True)
    newer = record(
        "other", connection_id=2, owns_holder=True, owns_tag=True, last_check_in=NOON + timedelta(hours=1),
        user="bo@school.example", tag="THEIRS",
    )  # fmt: skip
    wanted = device(asset_tag="MINE", user="ada@school.example")
    assert merge(KnownAsset(1, "T"), wanted, mine, None, newer).sets == {}
    silent = replace(newer, user=None, tag=None)
    assert set(merge(KnownAsset(1, "T"), wanted, mine, None, silent).sets) == {"tag", "holder_id"}
    older = replace(newer, last_check_in=NOON - timedelta(hours=1))
    assert set(merge(KnownAsset(1, "T"), wanted, mine, None, older).sets) == {"tag", "holder_id"}
    gone = replace(newer, missing=True)
    assert set(merge(KnownAsset(1, "T"), wanted, mine, None, gone).sets) == {"tag", "holder_id"}


def test_who_does_not_lead_fills_only_what_is_empty() -> None:
    newer = record("other", connection_id=2, last_check_in=NOON + timedelta(hours=1))
    told = merge(
        KnownAsset(1, "T", model="Acer"), device(serial="ABC", model="HP"), None, record(model="Acer"), newer,
        place=ROOM,
    )  # fmt: skip
    assert told.sets == {"serial": "ABC"}


def test_a_place_that_a_person_chose_since_stays() -> None:
    before = record(mapped_place_id="old-room")
    moves = merge(KnownAsset(1, "T", place_id="old-room"), device(), None, before, place=ROOM)
    assert moves.sets == {"place_id": "room-1", "school_id": "school-1"}
    assert moves.moves
    stays = merge(KnownAsset(1, "T", place_id="attic"), device(), None, before, place=ROOM)
    assert (stays.sets, stays.mapped_place_id) == ({}, "old-room")
    unmapped = merge(KnownAsset(1, "T", place_id="old-room"), device(), None, before, place=NOWHERE)
    assert (unmapped.sets, unmapped.mapped_place_id) == ({}, "old-room")


def test_a_device_that_has_left_sets_nothing() -> None:
    mine = record(enrolment=Enrolment.UNENROLLED, owns_tag=True)
    wanted = device(serial="ABC", asset_tag="N", model="Acer")
    assert merge(KnownAsset(1, "T"), wanted, mine).sets == {}
    new = replace(mine, asset_id=-1)
    assert merge(KnownAsset(-1, "T"), wanted, new).sets == {"serial": "ABC", "model": "Acer"}


def test_an_earlier_enrolment_sets_nothing() -> None:
    later = record("later", id=9)
    assert merge(KnownAsset(1, "T"), device(serial="ABC"), record(id=3), None, later).sets == {}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"missing": True, "id": 9}, {"id": 1}),
        ({"enrolment": Enrolment.UNENROLLED, "id": 9}, {"id": 1}),
        ({"enrolled_at": NOON, "id": 9}, {"enrolled_at": NOON + timedelta(1), "id": 1}),
        ({"id": 1}, {"id": 9}),
        ({"id": 9}, {"id": None}),
    ],
)
def test_the_later_enrolment_speaks(first: dict[str, Any], second: dict[str, Any]) -> None:
    one, other = record("one", **first), record("other", **second)
    assert speaks_of([one, other]) == speaks_of([other, one]) == {1: other}


instants = st.sampled_from([None, NOON, NOON + timedelta(hours=1)])
records = st.builds(
    record,
    name=st.uuids().map(str),
    connection_id=st.integers(1, 3),
    id=st.integers(1, 1000),
    missing=st.booleans(),
    enrolment=st.sampled_from([Enrolment.ENROLLED, Enrolment.UNENROLLED]),
    enrolled_at=instants,
    last_check_in=instants,
)


@given(st.lists(records, min_size=1, max_size=4, unique_by=lambda each: each.id))
def test_who_speaks_does_not_depend_on_the_order(known: list[KnownRecord]) -> None:
    assert (
        len({tuple(sorted(speaks_of(order).items(), key=str)).__repr__() for order in permutations(known)})
        == 1
    )


@given(st.lists(records, min_size=2, max_size=2, unique_by=lambda each: each.id), instants, instants)
def test_check_ins_never_change_who_speaks_of_one_connection(
    known: list[KnownRecord], first: datetime | None, second: datetime | None
) -> None:
    """Or two devices with one serial number would take turns for ever."""
    here = [replace(each, connection_id=1) for each in known]
    later = [replace(each, last_check_in=at) for each, at in zip(here, (first, second), strict=True)]
    assert speaks_of(here)[1].id == speaks_of(later)[1].id


@given(st.lists(records, min_size=1, max_size=4, unique_by=lambda each: each.connection_id))
def test_exactly_one_connection_leads(known: list[KnownRecord]) -> None:
    assert [leads(each, known) for each in known].count(True) == 1


def test_what_counts_as_a_move() -> None:
    before = record(serial="A", tag="T")
    assert not moved(replace(before, model="other"), before)
    assert moved(replace(before, serial="B"), before)
    assert moved(replace(before, tag=None), before)
    assert moved(replace(before, enrolment=Enrolment.DISABLED), before)
    assert not moved(replace(before, serial="B"), replace(before, serial=None))


@given(st.integers(0, 2000), st.integers(0, 1000), st.integers(1, 100))
def test_the_guard(changes: int, known: int, guard: int) -> None:
    told = percent(changes, known)
    assert 0 <= told <= 100
    if stops(changes, known, guard):
        assert changes > FEW
        assert known > 0
        assert changes / known > guard / 100
        assert stops(changes + 1, known, guard)
    elif known and changes > FEW:
        assert changes / known <= guard / 100


def test_few_changes_never_stop_a_run() -> None:
    assert not stops(FEW, 5, 1)
    assert stops(FEW + 1, 6, 99)
    assert not stops(FEW + 1, 6, 100)
    assert not stops(1_000, 0, 1)
