"""What Intune says, read: fields, batteries, logs of actions, and the reasons of errors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.mdm.asking import Reply
from integrations.mdm.intune import judged, token_judged
from integrations.mdm.intune_records import (
    device_of,
    entry_after,
    outcome_of,
    reasons,
    roles_of,
    with_battery,
)
from integrations.mdm.port import (
    AuthFailed,
    BadRequest,
    Compliance,
    Enrolment,
    Forbidden,
    NotFound,
    Platform,
    RateLimited,
    State,
    Transient,
    Verb,
)
from integrations.mdm.simulated.intune import fault
from integrations.mdm.simulated.server import Answer

DEEP = '{"ErrorCode":"Forbidden","Message":"{\\"Message\\":\\"no\\"}"}'


@pytest.mark.parametrize(
    ("system", "model", "platform"),
    [
        ("Windows", "Latitude", Platform.WINDOWS),
        ("iOS", "iPhone 12", Platform.IOS),
        ("iOS", "iPad (10th generation)", Platform.IPADOS),
        ("iPadOS", None, Platform.IPADOS),
        ("macOS", "MacBook Air", Platform.MACOS),
        ("AndroidForWork", "Pixel", Platform.ANDROID),
        ("Linux (ubuntu)", None, Platform.LINUX),
        ("ChromeOS", None, Platform.CHROMEOS),
        ("Palm OS", None, Platform.OTHER),
        (None, None, Platform.OTHER),
    ],
)
def test_a_platform_is_read_from_free_text(system: str | None, model: str | None, platform: Platform) -> None:
    assert device_of({"id": "1", "operatingSystem": system, "model": model}).platform is platform


@pytest.mark.parametrize(
    ("field", "value", "attribute", "read"),
    [
        ("serialNumber", "SystemSerialNumber", "serial", None),
        ("serialNumber", " abc1 ", "serial", "ABC1"),
        ("userPrincipalName", "Ada@Example.ORG", "user", "ada@example.org"),
        ("userPrincipalName", "Library desk", "user", None),
        ("emailAddress", "ada@example.org", "user", "ada@example.org"),
        ("lastSyncDateTime", "0001-01-01T00:00:00Z", "last_check_in", None),
        (
            "lastSyncDateTime",
            "2026-09-14T15:00:00.1234567Z",
            "last_check_in",
            datetime(2026, 9, 14, 15, 0, 0, 123456, tzinfo=UTC),
        ),
        ("managementState", "managed", "enrolment", Enrolment.ENROLLED),
        ("managementState", "wipeIssued", "enrolment", Enrolment.PENDING),
        ("managementState", "retirePending", "enrolment", Enrolment.PENDING),
        ("managementState", "somethingNew", "enrolment", Enrolment.UNKNOWN),
        ("complianceState", "compliant", "compliance", Compliance.OK),
        ("complianceState", "conflict", "compliance", Compliance.BAD),
        ("complianceState", "error", "compliance", Compliance.BAD),
        ("complianceState", "inGracePeriod", "compliance", Compliance.GRACE),
        ("complianceState", "configManager", "compliance", Compliance.UNKNOWN),
        ("complianceState", "somethingNew", "compliance", Compliance.UNKNOWN),
        ("totalStorageSpaceInBytes", 0, "storage_total", None),
        ("freeStorageSpaceInBytes", 91234567890, "storage_free", 91234567890),
        ("wiFiMacAddress", "02EE15083A3F", "wifi_mac", "02:ee:15:08:3a:3f"),
        ("deviceCategoryDisplayName", "Unknown", "site", None),
        ("deviceCategoryDisplayName", "Staff", "site", "Staff"),
        ("isSupervised", True, "supervised", True),
    ],
)
def test_a_field_is_read(field: str, value: object, attribute: str, read: object) -> None:
    assert getattr(device_of({"id": "1", field: value}), attribute) == read


def test_a_battery_comes_from_the_beta_record() -> None:
    hardware = {"batteryLevelPercentage": 81.0, "batteryHealthPercentage": 88, "batteryChargeCycles": 212}
    read = with_battery(device_of({"id": "1"}), {"hardwareInformation": hardware})
    assert (read.battery_percent, read.battery_health_percent, read.battery_cycles) == (81.0, 88.0, 212)
    unsaid = with_battery(device_of({"id": "1"}), {"hardwareInformation": {"batteryHealthPercentage": 0}})
    assert unsaid.battery_health_percent is None


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("none", State.QUEUED),
        ("pending", State.SENT),
        ("active", State.ACKNOWLEDGED),
        ("done", State.SUCCEEDED),
        ("failed", State.FAILED),
        ("canceled", State.CANCELLED),
        ("notSupported", State.UNSUPPORTED),
        ("somethingNew", State.SENT),
    ],
)
def test_an_action_stands_as_the_log_says(said: str, state: State) -> None:
    entry = {"actionState": said, "lastUpdatedDateTime": "2026-09-14T15:00:00Z", "unlockPin": "481516"}
    read = outcome_of(entry)
    assert read.state is state
    assert read.secrets == {"pin": "481516"}
    assert "481516" not in repr(read)


def test_the_log_is_searched_for_what_is_later_and_for_the_first_of_it() -> None:
    starts = ("14:00", "15:00", "16:00")
    log = [{"actionName": "rebootNow", "startDateTime": f"2026-09-14T{at}:00Z", "at": at} for at in starts]
    record = {"deviceActionResults": [*reversed(log), None, {"actionName": "rebootNow"}]}
    second = entry_after(record, Verb.RESTART, datetime(2026, 9, 14, 14, tzinfo=UTC))
    assert second is not None
    assert second["at"] == "15:00"
    assert entry_after(record, Verb.RESTART, datetime(2026, 9, 14, 16, tzinfo=UTC)) is None
    assert entry_after(record, Verb.WIPE, datetime(2026, 9, 14, tzinfo=UTC)) is None


def answer(made: Answer) -> Reply:
    return Reply(made.status, made.headers, made.wire)


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (fault(403, "Forbidden", "must have one of the scopes: A.Read.All"), Forbidden),
        (
            fault(500, "UnknownError", '{"ErrorCode":"Forbidden","Message":"{\\"Message\\":\\"no\\"}"}'),
            Forbidden,
        ),
        (fault(400, "UnknownError", '{"error":{"code":"TooManyRequests"},"RetryAfter":7}'), RateLimited),
        (fault(400, "BadRequest", '{"Message":"An error has occurred"}'), BadRequest),
        (fault(404, "ResourceNotFound", "gone"), NotFound),
        (fault(401, "InvalidAuthenticationToken", "expired"), AuthFailed),
        (fault(503, "ServiceUnavailable", "later"), Transient),
        (Answer(401, b""), AuthFailed),
        (Answer(502, b"<html>"), Transient),
    ],
)
def test_an_error_is_judged_by_its_reason(made: Answer, error: type[Exception]) -> None:
    assert type(judged(answer(made))) is error


def test_a_wait_is_read_from_the_header_or_the_body() -> None:
    within = judged(answer(fault(400, "UnknownError", '{"error":{"code":"TooManyRequests"},"RetryAfter":7}')))
    headed = judged(answer(fault(429, "TooManyRequests", "no", {"retry-after": "11"})))
    assert isinstance(within, RateLimited)
    assert within.retry_after == 7
    assert isinstance(headed, RateLimited)
    assert headed.retry_after == 11


def test_endless_wrapping_of_a_message_ends() -> None:
    message: Any = "at last"
    for _ in range(60):
        message = {"error": {"code": "Outer", "message": message}}
    assert reasons(message).codes == {"Outer"}


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([7000215], "wrong"),
        ([7000222], "expired"),
        ([700016], "not known"),
        ([90002], "not known"),
        ([], "client"),
    ],
)
def test_a_refused_sign_in_says_what_to_do(numbers: list[int], words: str) -> None:
    refused = token_judged(answer(Answer(401, {"error": "invalid_client", "error_codes": numbers})))
    assert isinstance(refused, AuthFailed)
    assert words in str(refused)


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.e30.c", "a.!!!.c", "a.W10.c"])
def test_a_token_without_readable_roles_is_no_fault(token: str) -> None:
    assert roles_of(token) is None
