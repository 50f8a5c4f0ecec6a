"""What Intune says, read: a managed device, the log of its actions, and the reasons of a refusal.

Sources: Microsoft Graph v1.0 metadata of 2026-08-20 (`managedDevice`, `deviceActionResult`); the beta
`hardwareInformation` for batteries and the beta `remoteAction` enumeration for the names under which the
action log keeps a wipe and a retirement. Nothing here asks or waits.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from integrations.mdm import reading
from integrations.mdm.port import Compliance, Enrolment, ManagedDevice, Outcome, Platform, State, Verb

FIELDS = (
    "id,deviceName,serialNumber,manufacturer,model,operatingSystem,osVersion,userPrincipalName,emailAddress,"
    "deviceCategoryDisplayName,lastSyncDateTime,enrolledDateTime,managementState,complianceState,isSupervised,"
    "totalStorageSpaceInBytes,freeStorageSpaceInBytes,wiFiMacAddress,azureADDeviceId,managedDeviceOwnerType,"
    "jailBroken,isEncrypted,udid"
)
LOGGED_AS: Mapping[Verb, frozenset[str]] = {
    Verb.RESTART: frozenset({"rebootNow"}),
    Verb.SHUTDOWN: frozenset({"shutDown"}),
    Verb.LOCK: frozenset({"remoteLock"}),
    Verb.CLEAR_PASSCODE: frozenset({"resetPasscode"}),
    Verb.SYNC: frozenset({"syncDevice"}),
    Verb.UNENROL: frozenset({"retire", "removeCompanyData"}),
    Verb.WIPE: frozenset({"wipe", "factoryReset", "factoryResetKeepEnrollmentData"}),
    Verb.LOCATE: frozenset({"locateDevice"}),
    Verb.LOST_MODE_ON: frozenset({"enableLostMode"}),
    Verb.LOST_MODE_OFF: frozenset({"disableLostMode"}),
    Verb.PLAY_SOUND: frozenset({"playLostModeSound"}),
    Verb.RENAME: frozenset({"setDeviceName"}),
}
STATES: Mapping[str, State] = {
    "none": State.QUEUED,
    "pending": State.SENT,
    "active": State.ACKNOWLEDGED,
    "done": State.SUCCEEDED,
    "failed": State.FAILED,
    "canceled": State.CANCELLED,
    "notSupported": State.UNSUPPORTED,
}
PLATFORMS = (
    ("windows", Platform.WINDOWS),
    ("ipados", Platform.IPADOS),
    ("ios", Platform.IOS),
    ("macos", Platform.MACOS),
    ("mac os", Platform.MACOS),
    ("android", Platform.ANDROID),
    ("chrome", Platform.CHROMEOS),
    ("linux", Platform.LINUX),
    ("ubuntu", Platform.LINUX),
    ("tvos", Platform.TVOS),
    ("visionos", Platform.VISIONOS),
)
COMPLIANCE: Mapping[str, Compliance] = {
    "compliant": Compliance.OK,
    "noncompliant": Compliance.BAD,
    "error": Compliance.BAD,
    "conflict": Compliance.BAD,
    "inGracePeriod": Compliance.GRACE,
}
GONE = frozenset({Verb.WIPE, Verb.UNENROL})
"""What ends with the record itself disappearing."""
DEEPEST = 8


def device_of(raw: Mapping[str, Any]) -> ManagedDevice:
    """The device of one `managedDevice`; ValueError where it has no id."""
    key = reading.text(raw.get("id"))
    if key is None:
        raise ValueError("no id")
    return ManagedDevice(
        external_id=key,
        command_id=key,
        serial=reading.serial(raw.get("serialNumber")),
        name=reading.text(raw.get("deviceName")),
        manufacturer=reading.text(raw.get("manufacturer")),
        model=reading.text(raw.get("model")),
        platform=platform_of(raw.get("operatingSystem"), raw.get("model")),
        os_version=reading.text(raw.get("osVersion")),
        user=reading.address(raw.get("userPrincipalName")) or reading.address(raw.get("emailAddress")),
        site=_category(raw.get("deviceCategoryDisplayName")),
        last_check_in=reading.instant(raw.get("lastSyncDateTime")),
        enrolled_at=reading.instant(raw.get("enrolledDateTime")),
        enrolment=_enrolment(raw.get("managementState")),
        compliance=COMPLIANCE.get(str(raw.get("complianceState")), Compliance.UNKNOWN),
        supervised=reading.truth(raw.get("isSupervised")),
        storage_total=reading.size(raw.get("totalStorageSpaceInBytes")),
        storage_free=reading.size(raw.get("freeStorageSpaceInBytes")),
        wifi_mac=reading.mac(raw.get("wiFiMacAddress")),
        vendor={
            name: raw[name]
            for name in ("azureADDeviceId", "managedDeviceOwnerType", "jailBroken", "isEncrypted", "udid")
            if raw.get(name) not in (None, "")
        },
    )


def with_battery(device: ManagedDevice, raw: Mapping[str, Any]) -> ManagedDevice:
    """The device with what the beta record's `hardwareInformation` says of its battery and model."""
    hardware = raw.get("hardwareInformation")
    if not isinstance(hardware, Mapping):
        return device
    return replace(
        device,
        battery_percent=reading.percent(hardware.get("batteryLevelPercentage")),
        battery_health_percent=reading.percent(hardware.get("batteryHealthPercentage")) or None,
        battery_cycles=reading.whole(hardware.get("batteryChargeCycles")) or None,
        model_id=reading.text(hardware.get("productName")),
    )


def platform_of(system: object, model: object) -> Platform:
    """Free text such as "Windows", "iOS" or "AndroidForWork"; an iPad stays one where it is listed as iOS."""
    named = (reading.text(system) or "").casefold()
    for start, platform in PLATFORMS:
        if named.startswith(start):
            ipad = platform is Platform.IOS and (reading.text(model) or "").casefold().startswith("ipad")
            return Platform.IPADOS if ipad else platform
    return Platform.OTHER


def last_start(raw: Mapping[str, Any], verb: Verb) -> datetime | None:
    """When an action of this verb was last started, by Intune's own clock; None for never."""
    return max((at for at, _ in _logged(raw, verb)), default=None)


def entry_after(raw: Mapping[str, Any], verb: Verb, after: datetime) -> Mapping[str, Any] | None:
    """The first logged action of this verb that was started later than `after`."""
    later = [(at, entry) for at, entry in _logged(raw, verb) if at > after]
    return min(later, key=lambda pair: pair[0])[1] if later else None


def _logged(raw: Mapping[str, Any], verb: Verb) -> list[tuple[datetime, Mapping[str, Any]]]:
    named = LOGGED_AS.get(verb, frozenset())
    entries = [each for each in reading.rows(raw.get("deviceActionResults")) if isinstance(each, Mapping)]
    starts = [(reading.instant(each.get("startDateTime")), each) for each in entries]
    return [(at, each) for at, each in starts if at is not None and each.get("actionName") in named]


def outcome_of(entry: Mapping[str, Any]) -> Outcome:
    """What one entry of the action log says; its PIN or passcode travels apart from the detail."""
    state = STATES.get(str(entry.get("actionState")), State.SENT)
    ended = state not in (State.QUEUED, State.SENT, State.ACKNOWLEDGED)
    code = entry.get("errorCode")
    return Outcome(
        state,
        detail=f"Intune reports error {code}" if code and state is State.FAILED else None,
        at=reading.instant(entry.get("lastUpdatedDateTime")) if ended else None,
        secrets={
            name: str(entry[key])
            for name, key in (("pin", "unlockPin"), ("passcode", "passcode"))
            if entry.get(key)
        },
    )


@dataclass(slots=True)
class Reasons:
    """Why an answer is an error: its codes however deep they are wrapped, its words, the seconds it asks to
    wait, and the number that Microsoft's support asks for.
    """

    codes: set[str] = field(default_factory=set)
    words: str = ""
    retry_after: float | None = None
    request_id: str | None = None


def reasons(body: object) -> Reasons:
    """Intune puts a JSON document as a string into `message`, at times three deep. Empty where it says
    nothing.
    """
    found = Reasons(request_id=reading.text(reading.dig(body, "error", "innerError", "request-id")))
    _unwrap(body, found, depth=0)
    return found


def missing_permission(words: str) -> str | None:
    """The right a refusal asks for; the last named is the one that suffices for all of it."""
    named: Sequence[str] = re.findall(r"\b[A-Z][A-Za-z]+(?:\.[A-Za-z]+)+\.All\b", words)
    return named[-1] if named else None


def roles_of(token: str) -> frozenset[str] | None:
    """The application permissions inside an access token, unverified; None where it cannot be read."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return None
    roles = claims.get("roles") if isinstance(claims, dict) else None
    return frozenset(map(str, roles)) if isinstance(roles, list) else None


def _unwrap(value: object, found: Reasons, depth: int) -> None:
    if isinstance(value, str):
        inner = _document(value)
        if inner is None:
            found.words = f"{found.words} {value}".strip()
        value = inner
    if depth > DEEPEST or not isinstance(value, Mapping):
        return
    for key, each in value.items():
        if key in ("code", "ErrorCode") and isinstance(each, str):
            found.codes.add(each)
        elif key == "RetryAfter":
            found.retry_after = reading.number(each) or found.retry_after
        elif key in ("error", "message", "Message"):
            _unwrap(each, found, depth + 1)


def _document(value: str) -> object:
    if not value.lstrip().startswith("{"):
        return None
    try:
        found: object = json.loads(value)
    except ValueError:
        return None
    return found


def _enrolment(state: object) -> Enrolment:
    named = str(state)
    if named == "managed":
        return Enrolment.ENROLLED
    return Enrolment.PENDING if named.startswith(("retire", "wipe")) else Enrolment.UNKNOWN


def _category(value: object) -> str | None:
    named = reading.text(value)
    return None if named == "Unknown" else named
