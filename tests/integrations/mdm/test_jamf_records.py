"""Records of Jamf Pro and Jamf School, read into devices: the table, row by row."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.mdm import jamf_pro_records as pro
from integrations.mdm import jamf_pro_replies as replies
from integrations.mdm import jamf_school_records as school
from integrations.mdm.port import Compliance, Enrolment, Platform
from integrations.mdm.simulated import jamf_pro_school, jamf_school

NOW = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)
MACS = {row["id"]: row for row in jamf_pro_school.computers(NOW)}
MOBILES = {row["mobileDeviceId"]: row for row in jamf_pro_school.mobiles(NOW)}
SITES = jamf_pro_school.SITES


def test_a_mac_is_read_by_the_table() -> None:
    read = pro.computer(MACS["3"])
    assert (read.external_id, read.command_id) == ("computer:3", "0000c0de-0000-4000-8000-000000000003")
    assert (read.wifi_mac, read.storage_total, read.storage_free) == (
        "02:5a:00:00:00:03",
        245_107 * 1024**2,
        0,
    )
    assert (read.user, read.site, read.site_id, read.asset_tag) == (None, None, None, None)
    assert (read.battery_percent, read.battery_health_percent) == (None, 91)
    assert (read.lan_address, read.public_address) == ("10.20.0.3", "203.0.113.20")
    assert read.last_check_in == datetime(2026, 9, 14, 14, 39, tzinfo=UTC)
    assert (read.enrolment, read.platform, read.compliance) == (
        Enrolment.ENROLLED,
        Platform.MACOS,
        Compliance.UNKNOWN,
    )


def test_awkward_macs_are_read_for_what_they_say() -> None:
    assert pro.computer(MACS["2"]).user == "grace.hopper@birch.example.org"
    blank = pro.computer(MACS["4"])
    assert (blank.serial, blank.model, blank.storage_total, blank.wifi_mac) == (None, None, None, None)
    assert pro.computer(MACS["5"]).enrolment is Enrolment.UNENROLLED
    assert pro.computer(MACS["9"]).serial is None
    no_contact = {**MACS["1"], "general": {**MACS["1"]["general"], "lastContact": None}}
    assert pro.computer(no_contact).last_check_in == datetime(2026, 9, 14, 14, 48, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "name", "value"),
    [
        ("1", "platform", Platform.IPADOS),
        ("5", "platform", Platform.TVOS),
        ("8", "platform", Platform.IOS),
        ("1", "site", "Willow Elementary"),
        ("3", "site", "Birch Middle"),
        ("3", "site_id", "9"),
        ("10", "site_id", None),
        ("3", "lost_mode", True),
        ("5", "lost_mode", None),
        ("5", "battery_percent", None),
        ("2", "battery_percent", 72),
        ("4", "serial", None),
        ("4", "supervised", False),
        ("6", "last_check_in", None),
        ("6", "enrolment", Enrolment.UNENROLLED),
        ("6", "compliance", Compliance.UNKNOWN),
        ("1", "compliance", Compliance.OK),
        ("8", "compliance", Compliance.BAD),
        ("7", "serial", None),
        ("9", "user", "zoë@students.example.org"),
        ("1", "storage_total", 64_000 * 1024**2),
        ("1", "wifi_mac", "02:5b:00:00:00:01"),
    ],
)
def test_a_mobile_device_is_read_by_the_table(number: str, name: str, value: object) -> None:
    assert getattr(pro.mobile(MOBILES[number], SITES), name) == value


def test_kinds_with_the_same_number_are_two_devices() -> None:
    assert pro.computer(MACS["1"]).external_id != pro.mobile(MOBILES["1"], {}).external_id


@pytest.mark.parametrize(
    "said",
    [
        "2026-11-20 15:30:00",
        {"date": "2026-11-20 15:30:00.000000", "timezone_type": 3, "timezone": "UTC"},
        {"date": "2026-11-20 09:30:00.000000", "timezone_type": 3, "timezone": "America/Chicago"},
        {"date": "2026-11-20 16:30:00.000000", "timezone_type": 1, "timezone": "+01:00"},
        {"date": "2026-11-20 15:30:00", "timezone": "Nowhere/Land"},
        {"date": "somewhen", "epoch": 1_795_188_600},
    ],
)
def test_a_check_in_at_jamf_school_is_one_instant_however_it_is_written(said: object) -> None:
    assert school.checked_in(said) == datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "said", ["", None, 7, {}, {"date": None}, "0000-00-00 00:00:00", "-0001-11-30 00:00:00"]
)
def test_a_check_in_that_says_nothing_is_none(said: object) -> None:
    assert school.checked_in(said) is None


@pytest.mark.parametrize(
    ("level", "percent"), [(0, 0), (0.57, 57), (1, 100), (85, 85), (-1, None), ("", None), (0.125, 12.5)]
)
def test_a_charge_at_jamf_school_is_a_share_of_one(level: object, percent: float | None) -> None:
    row = {**next(iter(jamf_school.school(NOW))), "batteryLevel": level}
    assert school.device(row, {}).battery_percent == percent


def test_the_first_location_of_jamf_school_is_a_place() -> None:
    row = {**next(iter(jamf_school.school(NOW))), "locationId": 0}
    read = school.device(row, {"0": "Rowan District"})
    assert (read.site_id, read.site) == ("0", "Rowan District")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def damaged(row: dict[str, Any], path: list[str], value: object) -> dict[str, Any]:
    """The row with something else at the path."""
    if len(path) == 1:
        return {**row, path[0]: value}
    return {**row, path[0]: damaged(row[path[0]], path[1:], value)}


def places(row: dict[str, Any]) -> list[list[str]]:
    inner = [
        [name, *below] for name, value in row.items() if isinstance(value, dict) for below in places(value)
    ]
    return [[name] for name in row] + inner


READERS: list[tuple[dict[str, Any], Callable[[dict[str, Any]], object]]] = [
    (MACS["1"], pro.computer),
    (MOBILES["1"], lambda raw: pro.mobile(raw, SITES)),
    (next(iter(jamf_school.school(NOW))), lambda raw: school.device(raw, {})),
]


@given(st.data())
def test_whatever_stands_in_a_record_it_is_read_or_named_as_broken(data: st.DataObject) -> None:
    row, read = data.draw(st.sampled_from(READERS))
    broken = damaged(row, data.draw(st.sampled_from(places(row))), data.draw(JSON))
    with suppress(ValueError):
        assert read(broken) is not None


@given(st.text(max_size=20))
def test_a_quoted_value_stays_one_value_of_a_filter(value: str) -> None:
    quoted = replies.quoted(value)
    inner = quoted[1:-1]
    assert quoted[0] == quoted[-1] == '"'
    bare = inner.replace("\\\\", "")
    assert '"' not in bare.replace('\\"', "")
    assert "*" not in bare.replace("\\*", "")


@pytest.mark.shared
def test_the_samples_of_macs_are_read_by_the_table(sample: Callable[[str], Any]) -> None:
    rows = sample("jamfpro.computers-inventory.page0.json")["results"]
    for raw in [*rows, sample("jamfpro.computer.detail.json")]:
        read, general = pro.computer(raw), raw["general"]
        site = general["site"] if general["site"]["id"] != "-1" else {"id": None, "name": None}
        assert read.external_id == f"computer:{raw['id']}"
        assert read.command_id == general["managementId"]
        assert read.serial == raw["hardware"]["serialNumber"]
        assert (read.name, read.model_id) == (general["name"], raw["hardware"]["modelIdentifier"])
        assert (read.site_id, read.site) == (site["id"], site["name"])
        assert read.user == raw["userAndLocation"]["email"]
        assert read.asset_tag == (general["assetTag"] or None)
        assert read.last_check_in == datetime.fromisoformat(general["lastContact"])
        assert read.enrolled_at == datetime.fromisoformat(general["lastEnrolledDate"])
        assert read.storage_free == raw["storage"]["bootDriveAvailableSpaceMegabytes"] * 1024**2
        assert read.wifi_mac == raw["hardware"]["macAddress"].lower()
        assert read.battery_health_percent == raw["hardware"]["batteryCapacityPercent"]
        assert read.os_version == raw["operatingSystem"]["version"]


@pytest.mark.shared
def test_the_samples_of_mobile_devices_are_read_by_the_table(sample: Callable[[str], Any]) -> None:
    sites = {row["id"]: row["name"] for row in sample("jamfpro.sites.json")}
    for raw in sample("jamfpro.mobile-devices-detail.page0.json")["results"]:
        read, general, hardware = pro.mobile(raw, sites), raw["general"], raw["hardware"]
        place = raw["userAndLocation"]
        assert read.external_id == f"mobile:{raw['mobileDeviceId']}"
        assert (read.command_id, read.serial) == (general["managementId"], hardware["serialNumber"])
        assert (read.name, read.asset_tag) == (general["displayName"], general["assetTag"])
        assert read.site == sites.get(general["siteId"], place["building"])
        assert read.user == place["emailAddress"]
        assert read.last_check_in == datetime.fromisoformat(general["lastContactDate"])
        assert read.battery_percent == hardware["batteryLevel"]
        assert read.storage_total == hardware["capacityMb"] * 1024**2
        assert read.wifi_mac == hardware["wifiMacAddress"]
        assert read.lost_mode == raw.get("security", {}).get("lostModeEnabled")
        assert read.platform == ("tvos" if raw["deviceType"] == "tvOS" else "ipados")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "state"),
    [("PENDING", "sent"), ("NOT_NOW", "sent"), ("ACKNOWLEDGED", "succeeded"), ("ERROR", "failed")],
)
def test_the_samples_of_commands_are_read_by_the_table(
    sample: Callable[[str], Any], name: str, state: str
) -> None:
    row = sample(f"jamfpro.mdm-commands.{name}.json")["results"][0]
    read = replies.outcome(row)
    assert read.state == state
    assert read.detail == ("Not supervised" if name == "ERROR" else read.detail)
    assert (read.at is None) == (row["dateCompleted"] is None)


@pytest.mark.parametrize("external_id", ["computer:seven", "computer:", "7", "watch:7", "mobile:7/erase"])
def test_what_is_no_id_of_jamf_pro_is_told_apart(external_id: str) -> None:
    with pytest.raises(ValueError, match="not the id"):
        pro.split(external_id)
