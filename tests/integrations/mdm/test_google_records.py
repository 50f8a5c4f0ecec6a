"""ChromeOS devices and their batteries, read into ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.mdm.google_records import (
    FIELDS,
    Battery,
    battery_of,
    command_outcome,
    managed_device,
)
from integrations.mdm.port import BadRecord, Compliance, Enrolment, ManagedDevice, Outcome, Platform, State
from tests.integrations.mdm.test_reading import ANYTHING


def read(**fields: Any) -> ManagedDevice:
    device = managed_device({"deviceId": "d1", **fields})
    assert isinstance(device, ManagedDevice)
    return device


@pytest.mark.shared
def test_the_sample_device_has_the_values_of_the_table(sample: Callable[[str], Any]) -> None:
    telemetry = battery_of(sample("google.telemetry.devices.json")["devices"][0])
    assert telemetry is not None
    assert telemetry[0] == "00000000-0000-0000-0000-0000000003e8"
    device = managed_device(sample("google.chromeosdevice.get.json"), telemetry[1])
    assert device == ManagedDevice(
        external_id="00000000-0000-0000-0000-0000000003e8",
        command_id="00000000-0000-0000-0000-0000000003e8",
        serial="SMPL100001",
        name="CB-4000",
        model="Lenovo 300e Chromebook Gen 3",
        platform=Platform.CHROMEOS,
        os_version="142.0.7444.59",
        user="ada.okafor@students.example.org",
        last_user="ada.okafor@students.example.org",
        asset_tag="CB-4000",
        site="/Students/Elm Elementary",
        site_id="id:03ph8a2z0000000",
        last_check_in=datetime(2026, 11, 20, 13, 30, 0, 998000, UTC),
        enrolled_at=datetime(2025, 7, 8, 15, 30, 0, 175000, UTC),
        enrolment=Enrolment.ENROLLED,
        compliance=Compliance.OK,
        battery_percent=50.0,
        battery_health_percent=87.2,
        battery_cycles=212,
        storage_total=31268536320,
        storage_free=22268536320,
        wifi_mac="02:c4:12:1f:c6:08",
        lan_address="10.20.0.30",
        public_address="203.0.113.10",
        lost_mode=False,
        support_ends=datetime(2030, 6, 7, tzinfo=UTC),
        vendor={"status": "ACTIVE"},
    )


@pytest.mark.shared
def test_every_sample_row_becomes_a_device(sample: Callable[[str], Any]) -> None:
    rows = sample("google.chromeosdevices.page1.json")["chromeosdevices"]
    devices = {raw["deviceId"]: managed_device(raw) for raw in rows}
    assert len(devices) == len(rows)
    for raw in rows:
        device = devices[raw["deviceId"]]
        assert isinstance(device, ManagedDevice)
        assert device.serial == raw["serialNumber"].upper()
        assert device.user == (raw["annotatedUser"].casefold() if "annotatedUser" in raw else None)
        assert (device.wifi_mac or "").replace(":", "") == raw.get("macAddress", "")
        assert device.last_check_in == datetime.fromisoformat(raw["lastSync"])
    assert not sample("google.chromeosdevices.empty.json").get("chromeosdevices")


@pytest.mark.shared
def test_what_is_read_is_asked_for_and_exists(
    sample: Callable[[str], Any], flaws: Callable[..., Any]
) -> None:
    whole = sample("google.chromeosdevice.get.json")
    asked_for = {name: whole[name] for name in FIELDS if name in whole}
    assert managed_device(asked_for) == managed_device(whole)
    for name in FIELDS:
        wrong = flaws("google.ChromeOsDevice.json", {"deviceId": "1", name: "x"})
        assert not any("nevaluated" in each for each in wrong), name


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "state", "detail", "ended"),
    [
        ("pending", State.QUEUED, None, None),
        ("sent", State.SENT, None, None),
        ("executed", State.SUCCEEDED, None, datetime(2026, 11, 20, 15, 30, 0, 520000, UTC)),
        (
            "executed_failure",
            State.FAILED,
            "Device is not in kiosk mode.",
            datetime(2026, 11, 20, 15, 30, 0, 657000, UTC),
        ),
        ("expired", State.EXPIRED, None, datetime(2026, 11, 20, 15, 39, 0, 766000, UTC)),
    ],
)
def test_sample_commands_stand_as_they_stand(
    sample: Callable[[str], Any], name: str, state: State, detail: str | None, ended: datetime | None
) -> None:
    assert command_outcome(sample(f"google.command.{name}.json")) == Outcome(state, detail, ended)


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        ({"state": "ACKED_BY_CLIENT"}, State.ACKNOWLEDGED),
        ({"state": "CANCELLED"}, State.CANCELLED),
        ({"state": "STATE_UNSPECIFIED"}, State.QUEUED),
        ({}, State.QUEUED),
        ({"state": "EXECUTED_BY_CLIENT", "commandResult": {"result": "IGNORED"}}, State.CANCELLED),
        ({"state": "EXECUTED_BY_CLIENT"}, State.UNVERIFIABLE),
        ({"state": "EXECUTED_BY_CLIENT", "commandResult": {"result": "NEW_WORD"}}, State.UNVERIFIABLE),
    ],
)
def test_executed_alone_is_no_success(raw: dict[str, Any], state: State) -> None:
    assert command_outcome(raw).state is state


@pytest.mark.parametrize(
    ("status", "enrolment", "lost"),
    [
        ("ACTIVE", Enrolment.ENROLLED, False),
        ("active", Enrolment.ENROLLED, False),
        ("DISABLED", Enrolment.DISABLED, True),
        ("DEPROVISIONED", Enrolment.UNENROLLED, False),
        ("PRE_PROVISIONED", Enrolment.PENDING, False),
        ("SHIPPED", Enrolment.PENDING, False),
        ("DELINQUENT", Enrolment.UNKNOWN, False),
        ("SOMETHING_NEW", Enrolment.UNKNOWN, False),
        (None, Enrolment.UNKNOWN, None),
    ],
)
def test_a_status_is_an_enrolment(status: str | None, enrolment: Enrolment, lost: bool | None) -> None:
    device = read(**({} if status is None else {"status": status}))
    assert (device.enrolment, device.lost_mode) == (enrolment, lost)


@pytest.mark.parametrize(
    ("said", "compliance"),
    [
        ("compliant", Compliance.OK),
        ("notCompliant", Compliance.BAD),
        ("pending", Compliance.GRACE),
        ("complianceUnspecified", Compliance.UNKNOWN),
        (None, Compliance.UNKNOWN),
    ],
)
def test_compliance(said: str | None, compliance: Compliance) -> None:
    assert read(osVersionCompliance=said).compliance is compliance


def test_the_name_of_a_cart_is_nobody_and_whoever_sat_there_is_no_owner() -> None:
    device = read(
        annotatedUser="Cart 3", recentUsers=[{"email": "B@school.example"}, {"email": "c@d.example"}]
    )
    assert (device.user, device.last_user) == (None, "b@school.example")
    unmanaged = [{"type": "USER_TYPE_UNMANAGED"}, {"type": "USER_TYPE_MANAGED", "email": "c@d.example"}]
    assert read(recentUsers=unmanaged).last_user is None


def test_storage_is_the_disk_or_else_the_largest_volume() -> None:
    small = {"volumeId": "/a", "storageTotal": "100", "storageFree": "90"}
    large = {"volumeId": "/b", "storageTotal": "900", "storageFree": "0"}
    volumes = [{"volumeInfo": [small, large]}]
    by_disk = read(diskSpaceUsage={"capacityBytes": "1000", "usedBytes": "400"}, diskVolumeReports=volumes)
    assert (by_disk.storage_total, by_disk.storage_free) == (1000, 600)
    by_volume = read(diskVolumeReports=volumes)
    assert (by_volume.storage_total, by_volume.storage_free) == (900, 0)
    nonsense = read(diskSpaceUsage={"capacityBytes": "1000", "usedBytes": "4000"})
    assert (nonsense.storage_total, nonsense.storage_free) == (1000, None)


def test_support_ends_by_either_field() -> None:
    assert read(autoUpdateThrough="2030-06-07").support_ends == datetime(2030, 6, 7, tzinfo=UTC)
    assert read(autoUpdateExpiration="1907020800000").support_ends == datetime(2030, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize("raw", [None, 7, "x", [], {}, {"deviceId": ""}, {"serialNumber": "A123"}])
def test_a_row_without_an_id_is_set_aside(raw: object) -> None:
    assert managed_device(raw) == BadRecord(None, "no deviceId")


def test_the_newest_report_of_the_same_battery_counts() -> None:
    raw = {
        "deviceId": "d1",
        "batteryInfo": [
            {"serialNumber": "other", "designCapacity": "1"},
            {"serialNumber": "B1", "designCapacity": "50000"},
        ],
        "batteryStatusReport": [
            {"reportTime": "2026-01-01T00:00:00Z", "serialNumber": "B1", "fullChargeCapacity": "1"},
            {
                "reportTime": "2026-02-01T00:00:00Z",
                "serialNumber": "B1",
                "cycleCount": 9,
                "fullChargeCapacity": "40000",
                "sample": [
                    {"reportTime": "2026-02-01T01:00:00Z", "remainingCapacity": "10000"},
                    {"reportTime": "2026-02-01T02:00:00Z", "remainingCapacity": "20000"},
                ],
            },
        ],
    }
    assert battery_of(raw) == ("d1", Battery(percent=50.0, health=80.0, cycles=9))


def test_a_battery_is_never_fuller_than_full_and_zero_divides_nothing() -> None:
    report = {"fullChargeCapacity": "40000", "sample": [{"remainingCapacity": "40100"}]}
    assert battery_of({"deviceId": "d", "batteryStatusReport": [report]}) == ("d", Battery(percent=100.0))
    empty = {"fullChargeCapacity": "0", "sample": [{"remainingCapacity": "10"}]}
    assert battery_of({"deviceId": "d", "batteryStatusReport": [empty]}) == ("d", Battery())
    assert battery_of({"deviceId": "d"}) is None


@given(st.dictionaries(st.sampled_from([*FIELDS, "batteryStatusReport", "batteryInfo"]), ANYTHING))
def test_no_row_is_an_error(raw: dict[str, Any]) -> None:
    assert isinstance(managed_device({**raw, "deviceId": "d1"}), ManagedDevice)
    assert isinstance(managed_device(raw), ManagedDevice | BadRecord)
    battery_of({**raw, "deviceId": "d1"})
    command_outcome(raw)
