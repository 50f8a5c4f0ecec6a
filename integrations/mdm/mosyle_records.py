"""What Mosyle Manager says, read: a device, a page of them, and what became of a request.

Sources: mirrors of the vendor's guide (2022 to 2025; there is no machine schema). Scalars come as strings,
keys without data are absent or null, and an answer of HTTP 200 with status "OK" may still be a refusal.
Nothing here asks or waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.mdm import reading
from integrations.mdm.port import (
    BadRequest,
    Enrolment,
    Forbidden,
    ManagedDevice,
    MdmError,
    NotFound,
    Platform,
    ProtocolError,
    RateLimited,
)

SYSTEMS = ("ios", "mac", "tvos", "visionos")
COLUMNS = (
    "deviceudid",
    "serial_number",
    "device_name",
    "device_model",
    "device_model_name",
    "device_type",
    "os",
    "osversion",
    "useremail",
    "userid",
    "usertype",
    "SharedCartName",
    "asset_tag",
    "location",
    "idaccount",
    "tags",
    "date_last_beat",
    "status",
    "enrollment_type",
    "is_supervised",
    "battery",
    "total_disk",
    "available_disk",
    "wifi_mac_address",
    "last_lan_ip",
    "last_ip_beat",
    "lostmode_status",
)
PLATFORMS: Mapping[str, Platform] = {
    "mac": Platform.MACOS,
    "tvos": Platform.TVOS,
    "visionos": Platform.VISIONOS,
}
TAKEN = frozenset({"COMMAND_SENT", "COMMAND_CLEARED"})
NOWHERE = frozenset({"DEVICES_NOTFOUND", "USERS_NOTFOUND", "ACCOUNT_NOTFOUND"})
KEPT = ("userid", "usertype", "SharedCartName", "tags", "enrollment_type", "idaccount", "status")


@dataclass(frozen=True, slots=True)
class Listed:
    """One answer of the device list: its rows as they came, and how many rows there are in all (None: not
    said).
    """

    rows: Sequence[object]
    total: int | None = None


def device_of(raw: Mapping[str, Any], system: str) -> ManagedDevice:
    """The device of one row, `system` being the list it came from; ValueError where it has no UDID."""
    udid = reading.text(raw.get("deviceudid"))
    if udid is None:
        raise ValueError("no deviceudid")
    limbo = _limbo(raw.get("status"))
    return ManagedDevice(
        external_id=udid,
        command_id=udid,
        serial=reading.serial(raw.get("serial_number")),
        name=reading.text(raw.get("device_name")),
        manufacturer="Apple",
        model=reading.text(raw.get("device_model_name")) or reading.text(raw.get("device_model")),
        model_id=reading.text(raw.get("device_model")),
        platform=platform_of(raw, system),
        os_version=reading.text(raw.get("osversion")),
        user=None if limbo else reading.address(raw.get("useremail")) or reading.address(raw.get("userid")),
        asset_tag=reading.text(raw.get("asset_tag")),
        site=reading.text(raw.get("location")),
        site_id=reading.text(raw.get("idaccount")),
        last_check_in=reading.epoch(raw.get("date_last_beat")),
        enrolled_at=reading.epoch(raw.get("date_enroll")),
        enrolment=Enrolment.ENROLLED if limbo or raw.get("status") == "IN" else Enrolment.UNKNOWN,
        supervised=reading.truth(raw.get("is_supervised")),
        battery_percent=charge_of(raw.get("battery")),
        storage_total=reading.size(raw.get("total_disk"), reading.GIGABYTE),
        storage_free=reading.size(raw.get("available_disk"), reading.GIGABYTE),
        wifi_mac=reading.mac(raw.get("wifi_mac_address")),
        lan_address=reading.ip(raw.get("last_lan_ip")),
        public_address=reading.ip(raw.get("last_ip_beat")),
        lost_mode=_lost(raw.get("lostmode_status")),
        vendor={"os": system} | {name: raw[name] for name in KEPT if raw.get(name) not in (None, "", [])},
    )


def platform_of(raw: Mapping[str, Any], system: str) -> Platform:
    """The list it came from; on the list of iOS the model tells an iPad from an iPhone."""
    if system != "ios":
        return PLATFORMS.get(system, Platform.OTHER)
    models = (raw.get("device_model"), raw.get("device_type"), raw.get("device_model_name"))
    ipad = any((reading.text(model) or "").casefold().startswith("ipad") for model in models)
    return Platform.IPADOS if ipad else Platform.IOS


def charge_of(value: object) -> float | None:
    """Percent of charge: up to 1 is a share, more is a percentage already."""
    number = reading.number(value)
    return reading.percent(number, of=1 if number is not None and number <= 1 else 100)


def listed(body: object) -> Listed:
    """One answer of the device list, as an object or wrapped in an array; an end without devices is no
    fault, any other refusal is raised.
    """
    answer = _answer(body)
    if isinstance(answer, Mapping):
        answer = [answer]
    if not isinstance(answer, list):
        raise ProtocolError("Mosyle's list of devices holds no answer")
    for each in answer:
        if isinstance(each, Mapping) and isinstance(each.get("devices"), list):
            return Listed(each["devices"], reading.whole(each.get("rows")))
    statuses = _statuses(answer)
    if "DEVICES_NOTFOUND" in statuses:
        return Listed((), 0)
    raise refusal(statuses)


def taken(body: object, udid: str) -> None:
    """Nothing where the command was taken for that device, else what refused it."""
    answer = _answer(body)
    if isinstance(answer, Mapping):
        answer = [answer]
    if not isinstance(answer, list) or not answer:
        raise ProtocolError("Mosyle did not say what became of the command")
    missing = {
        str(each).casefold()
        for part in answer
        if isinstance(part, Mapping)
        for each in part.get("devices_notfound") or ()
    }
    if udid.casefold() in missing:
        raise NotFound("Mosyle does not know this device")
    statuses = _statuses(answer)
    if not statuses or statuses - TAKEN:
        raise refusal(statuses)


def accepted(body: object) -> None:
    """Nothing where a request without devices of its own (an assignment) was taken, else what refused it."""
    answer = _answer(body)
    parts = answer if isinstance(answer, list) else [answer]
    statuses = _statuses(parts)
    if statuses - TAKEN - {"OK"}:
        raise refusal(statuses)


def updated(body: object, serial: str) -> None:
    """Nothing where the record with that serial number was written, else what refused it."""
    answer = _answer(body)
    devices = body.get("devices") if isinstance(body, Mapping) else None
    if isinstance(devices, list):
        if serial.casefold() in {str(each).casefold() for each in devices}:
            return
        raise NotFound("Mosyle does not know a device with this serial number")
    parts = [answer] if isinstance(answer, Mapping) else answer
    statuses = _statuses(parts if isinstance(parts, list) else [])
    raise refusal(statuses)


def refusal(statuses: frozenset[str]) -> MdmError:
    """The error of inner statuses such as NOT_ALLOWED or MISSING_DATA."""
    if statuses & NOWHERE:
        return NotFound(f"Mosyle does not know it: {_named(statuses)}")
    if "NOT_ALLOWED" in statuses:
        return Forbidden("Mosyle does not allow this to the account", permission="API access to this action")
    if statuses & {"MISSING_DATA", "INVALID_DATA", "UNKNOWN_COLUMNS", "ERROR"}:
        return BadRequest(f"Mosyle refused the request: {_named(statuses)}")
    return ProtocolError(f"Mosyle answered with an unknown status: {_named(statuses) or 'none'}")


def refused(body: object) -> MdmError | None:
    """What an answer says by its outer status, which is more than the HTTP status says; None for "OK"."""
    if not isinstance(body, Mapping):
        return ProtocolError("Mosyle's answer is not an object.")
    status = str(body.get("status"))
    if status == "OK":
        return None
    words = f"{status} {body.get('error') or ''} {body.get('message') or ''} {body.get('info') or ''}"
    if "too many" in words.casefold():
        return RateLimited("Mosyle asks for fewer requests.")
    return refusal(_statuses([body]))


def _answer(body: object) -> object:
    wrong = refused(body)
    if wrong is not None:
        raise wrong
    return body.get("response") if isinstance(body, Mapping) else None


def _statuses(parts: Sequence[object]) -> frozenset[str]:
    return frozenset(
        str(part["status"]) for part in parts if isinstance(part, Mapping) and part.get("status")
    )


def _named(statuses: frozenset[str]) -> str:
    """The statuses as the vendor's guide writes them; anything longer is not repeated."""
    return ", ".join(sorted(each for each in statuses if each.isascii() and len(each) <= 40))


def _limbo(status: object) -> bool:
    return (reading.text(status) or "").casefold() == "limbo"


def _lost(value: object) -> bool | None:
    named = reading.text(value)
    return None if named is None else named.casefold() == "enabled"
