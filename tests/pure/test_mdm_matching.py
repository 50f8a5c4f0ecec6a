"""Which asset a device is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.mdm.port import Enrolment, ManagedDevice
from service.mdm.matching import (
    AMBIGUOUS,
    MOST_ENROLMENTS,
    Around,
    KnownAsset,
    KnownRecord,
    Match,
    match,
    new_tag,
)
from service.mdm.models import Matched, ReviewWhy

HERE, ELSEWHERE = 1, 2
NOON = datetime(2026, 9, 14, 12, tzinfo=UTC)


def device(name: str = "d", **given: Any) -> ManagedDevice:
    given.setdefault("last_check_in", NOON)
    given.setdefault("enrolment", Enrolment.ENROLLED)
    return ManagedDevice(name, **given)


def around(*assets: KnownAsset, records: tuple[KnownRecord, ...] = ()) -> Around:
    made = Around()
    for asset in assets:
        made.know(asset)
    for record in records:
        made.tie(record)
    return made


def record(name: str, asset_id: int, **given: Any) -> KnownRecord:
    given.setdefault("last_check_in", NOON)
    given.setdefault("enrolment", Enrolment.ENROLLED)
    return KnownRecord(given.pop("connection_id", HERE), name, asset_id=asset_id, **given)


def found(wanted: ManagedDevice, known: Around, *, adds_assets: bool = True) -> Match:
    return match(wanted, HERE, known, adds_assets=adds_assets)


def test_the_serial_number_comes_before_the_tag() -> None:
    known = around(KnownAsset(1, "T1", serial="abc"), KnownAsset(2, "T2"))
    assert found(device(serial="ABC", asset_tag="T2"), known) == Match(1, Matched.SERIAL)


def test_without_a_serial_number_the_tag_counts() -> None:
    known = around(KnownAsset(1, "T1", serial="ABC"), KnownAsset(2, "T2"))
    assert found(device(asset_tag="T2"), known) == Match(2, Matched.TAG)
    assert found(device(asset_tag="T1"), known) == Match(1, Matched.TAG)


def test_an_asset_whose_tag_is_the_serial_number_is_found() -> None:
    assert found(device(serial="ABC"), around(KnownAsset(1, "ABC"))) == Match(1, Matched.TAG)


@pytest.mark.parametrize("written", ["N/A", "none", "0", "System Serial Number", "To be filled by O.E.M."])
def test_what_people_write_where_there_is_no_serial_number_is_none(written: str) -> None:
    known = around(KnownAsset(1, "T1", serial=written), KnownAsset(2, "T2", serial=written))
    assert found(device(serial="ABC", asset_tag="T1"), known) == Match(1, Matched.TAG)


def test_several_assets_with_the_serial_number_are_a_question() -> None:
    known = around(KnownAsset(7, "T7", serial="ABC"), KnownAsset(3, "T3", serial="abc"))
    told = found(device(serial="ABC", asset_tag="T3"), known)
    assert (told.why, told.candidates, told.asset_id) == (ReviewWhy.SERIAL_TWICE, (3, 7), None)


def test_a_tag_on_another_device_is_a_question() -> None:
    known = around(KnownAsset(1, "T1", serial="OTHER"))
    told = found(device(serial="ABC", asset_tag="T1"), known)
    assert (told.why, told.candidates) == (ReviewWhy.TAG_OF_ANOTHER, (1,))


def test_two_devices_of_a_connection_with_one_tag_are_a_question() -> None:
    known = around(KnownAsset(1, "T1"), records=(record("first", 1),))
    assert found(device("second", asset_tag="T1"), known).why is ReviewWhy.TAG_TWICE


def test_a_tag_that_was_on_a_device_that_has_left_is_found() -> None:
    left = record("first", 1, enrolment=Enrolment.UNENROLLED)
    assert found(device("second", asset_tag="T1"), around(KnownAsset(1, "T1"), records=(left,))).asset_id == 1


def test_a_tag_that_is_given_up_is_not_taken_in_the_same_batch() -> None:
    asset = KnownAsset(1, "T1")
    known = around(asset)
    known.retag(asset, "T2")
    assert found(device(asset_tag="T2"), known).asset_id == 1
    assert found(device(asset_tag="T1", serial="ABC"), known).adds == "ABC"


def test_a_device_of_another_connection_takes_nothing_away() -> None:
    known = around(KnownAsset(1, "T1", serial="ABC"), records=(record("x", 1, connection_id=ELSEWHERE),))
    assert found(device(serial="ABC"), known) == Match(1, Matched.SERIAL)


@pytest.mark.parametrize(
    ("earlier", "takes_over"),
    [
        ({"missing": True}, False),
        ({"enrolment": Enrolment.UNENROLLED}, True),
        ({"last_check_in": NOON - timedelta(seconds=1)}, True),
        ({"last_check_in": None}, True),
    ],
)
def test_an_earlier_enrolment_steps_back(earlier: dict[str, Any], takes_over: bool) -> None:
    known = around(KnownAsset(1, "T1", serial="ABC"), records=(record("old", 1, **earlier),))
    assert found(device("new", serial="ABC"), known) == Match(1, Matched.SERIAL, takes_over=takes_over)


@pytest.mark.parametrize("seen", [NOON, NOON + timedelta(days=1)])
def test_two_devices_in_use_with_one_serial_number_are_a_question(seen: datetime) -> None:
    known = around(KnownAsset(1, "T1", serial="ABC"), records=(record("old", 1, last_check_in=seen),))
    told = found(device("new", serial="ABC"), known)
    assert (told.why, told.candidates) == (ReviewWhy.TAKEN, (1,))


@pytest.mark.parametrize("enrolment", [Enrolment.ENROLLED, Enrolment.UNENROLLED])
def test_a_serial_number_that_many_share_does_not_make_them_one(enrolment: Enrolment) -> None:
    """Whatever a maker writes into a field that nobody filled."""
    known = around(KnownAsset(1, "T1", serial="MADE-BY-US"))
    tied = 0
    for n in range(50):
        seen = NOON + timedelta(minutes=n)
        wanted = device(f"d{n}", serial="MADE-BY-US", last_check_in=seen, enrolment=enrolment)
        told = found(wanted, known)
        if told.asset_id is not None:
            known.tie(record(f"d{n}", 1, last_check_in=seen, enrolment=enrolment))
            tied += 1
        else:
            assert told == (Match() if enrolment is Enrolment.UNENROLLED else asks_taken())
    assert tied == MOST_ENROLMENTS


def asks_taken() -> Match:
    return Match(why=ReviewWhy.TAKEN, candidates=(1,))


def test_an_enrolment_that_has_ended_is_the_same_device_and_takes_nothing_over() -> None:
    known = around(KnownAsset(1, "T1", serial="ABC"), records=(record("new", 1),))
    ended = device("old", serial="ABC", enrolment=Enrolment.UNENROLLED, last_check_in=None)
    assert found(ended, known) == Match(1, Matched.SERIAL)


@pytest.mark.parametrize(
    "given",
    [
        {"serial": "NEW", "asset_tag": "T9"},
        {"serial": "TWICE"},
        {"serial": "NEW", "asset_tag": "T3"},
        {"asset_tag": "T4"},
        {},
    ],
)
def test_nobody_is_asked_about_a_device_that_has_left(given: dict[str, Any]) -> None:
    """Nor is an asset added, or tied to many of them by a tag that all share."""
    known = around(
        KnownAsset(1, "T1", serial="TWICE"),
        KnownAsset(2, "T2", serial="TWICE"),
        KnownAsset(3, "T3", serial="ANOTHER"),
        KnownAsset(4, "T4"),
        records=(record("first", 4, enrolment=Enrolment.UNENROLLED),),
    )
    for adds in (True, False):
        wanted = device(enrolment=Enrolment.UNENROLLED, **given)
        assert found(wanted, known, adds_assets=adds) == Match()


def test_a_device_that_has_left_is_the_asset_that_it_was() -> None:
    known = around(KnownAsset(1, "T1", serial="ABC"), KnownAsset(2, "T2"))
    left = Enrolment.UNENROLLED
    assert found(device(serial="ABC", enrolment=left), known) == Match(1, Matched.SERIAL)
    assert found(device(asset_tag="T2", enrolment=left), known) == Match(2, Matched.TAG)


def test_what_is_nowhere_is_added_by_its_tag_or_serial_number() -> None:
    known = around(KnownAsset(1, "TAKEN"))
    assert found(device(asset_tag="T9", serial="ABC"), known) == Match(how=Matched.ADDED, adds="T9")
    assert found(device(serial="ABC"), known) == Match(how=Matched.ADDED, adds="ABC")
    assert found(device(), known).why is ReviewWhy.NO_NAME
    assert found(device(asset_tag="x" * 201), known).why is ReviewWhy.NO_NAME
    assert found(device(asset_tag="T9"), known, adds_assets=False).why is ReviewWhy.NOT_ADDED


def test_what_is_planned_is_seen_by_the_next_and_carried_on() -> None:
    known = Around()
    asset = known.plan(KnownAsset(0, "T1", serial="ABC"))
    known.tie(record("first", asset.id))
    known.know(KnownAsset(5, "real"))
    carried = known.carried()
    assert found(device("second", serial="ABC"), carried).why is ReviewWhy.TAKEN
    assert "real" not in carried.by_tag
    assert carried.plan(KnownAsset(0, "T2")).id == asset.id - 1


names = st.sampled_from([None, "A", "B", "C", "D"])
assets = st.lists(
    st.builds(KnownAsset, id=st.integers(1, 6), tag=st.sampled_from("ABCDEF"), serial=names),
    max_size=6,
    unique_by=(lambda asset: asset.id, lambda asset: asset.tag),
)
devices = st.builds(
    device, serial=names, asset_tag=names, last_check_in=st.sampled_from([None, NOON, NOON + timedelta(1)])
)


@given(assets, devices, st.booleans())
def test_a_match_is_exactly_one_answer(known: list[KnownAsset], wanted: ManagedDevice, adds: bool) -> None:
    told = found(wanted, around(*known), adds_assets=adds)
    assert [told.asset_id is not None, told.adds is not None, told.why is not None].count(True) == 1
    assert (told.how is None) == (told.why is not None)
    assert bool(told.candidates) == (told.why in AMBIGUOUS)
    if told.adds is not None:
        assert told.adds not in {asset.tag for asset in known}
        assert adds


@given(assets, devices)
def test_the_order_of_assets_does_not_matter(known: list[KnownAsset], wanted: ManagedDevice) -> None:
    assert found(wanted, around(*known)) == found(wanted, around(*reversed(known)))


@given(assets, devices)
def test_a_matched_device_matches_again(known: list[KnownAsset], wanted: ManagedDevice) -> None:
    """Tied to what it was matched to, it is not in its own way."""
    here = around(*known)
    told = found(wanted, here)
    if told.asset_id is not None:
        here.tie(record(wanted.external_id, told.asset_id))
        assert replace(found(wanted, here), takes_over=False) == replace(told, takes_over=False)


@given(assets, devices)
def test_a_new_tag_is_free(known: list[KnownAsset], wanted: ManagedDevice) -> None:
    tag = new_tag(wanted, around(*known))
    assert tag is None or (
        tag in (wanted.asset_tag, wanted.serial) and all(each.tag != tag for each in known)
    )
