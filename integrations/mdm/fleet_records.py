"""What Fleet says, read: a host, what stands out for it, and the reasons of a refusal.

Source: the REST documents of fleetdm/fleet (December 2024; no machine schema is published). Nothing here
asks or waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.mdm import reading
from integrations.mdm.port import Compliance, Enrolment, ManagedDevice, Outcome, Platform, State, Verb

PLATFORMS: Mapping[str, Platform] = {
    "darwin": Platform.MACOS,
    "windows": Platform.WINDOWS,
    "chrome": Platform.CHROMEOS,
    "ios": Platform.IOS,
    "ipados": Platform.IPADOS,
    "android": Platform.ANDROID,
}
LINUX = frozenset(
    {
        "linux",
        "ubuntu",
        "debian",
        "rhel",
        "centos",
        "fedora",
        "amzn",
        "arch",
        "gentoo",
        "kali",
        "manjaro",
        "opensuse",
        "opensuse-leap",
        "opensuse-tumbleweed",
        "sles",
        "pop",
        "zorin",
        "nixos",
        "tuxedo",
        "linuxmint",
        "rocky",
    }
)
WANTED: Mapping[Verb, tuple[str, str]] = {
    Verb.LOCK: ("locked", "lock"),
    Verb.DISABLE: ("locked", "lock"),
    Verb.ENABLE: ("unlocked", "unlock"),
    Verb.WIPE: ("wiped", "wipe"),
}


def device_of(raw: Mapping[str, Any]) -> ManagedDevice:
    """The device of one host; ValueError where it has no id."""
    key = raw.get("id")
    if not isinstance(key, int) or isinstance(key, bool):
        raise ValueError("no id")
    mdm = _section(raw, "mdm")
    return ManagedDevice(
        external_id=str(key),
        command_id=str(key),
        serial=reading.serial(raw.get("hardware_serial")),
        name=reading.text(raw.get("display_name")) or reading.text(raw.get("hostname")),
        manufacturer=reading.text(raw.get("hardware_vendor")),
        model=reading.text(raw.get("hardware_model")),
        model_id=reading.text(raw.get("hardware_model")),
        platform=platform_of(raw),
        os_version=reading.text(raw.get("os_version")),
        user=_user(raw.get("device_mapping")),
        site=reading.text(raw.get("team_name")),
        site_id=str(raw["team_id"]) if isinstance(raw.get("team_id"), int) else None,
        last_check_in=reading.instant(raw.get("seen_time")),
        enrolled_at=reading.instant(raw.get("last_enrolled_at")),
        enrolment=_enrolment(mdm.get("enrollment_status")),
        compliance=_compliance(_section(raw, "issues").get("failing_policies_count")),
        storage_total=reading.size(raw.get("gigs_total_disk_space"), reading.GIGABYTE),
        storage_free=reading.size(raw.get("gigs_disk_space_available"), reading.GIGABYTE),
        wifi_mac=reading.mac(raw.get("primary_mac")),
        lan_address=reading.ip(raw.get("primary_ip")),
        public_address=reading.ip(raw.get("public_ip")),
        lost_mode=None if mdm.get("device_status") is None else mdm.get("device_status") == "locked",
        vendor={
            name: value
            for name, value in (
                ("uuid", raw.get("uuid")),
                ("status", raw.get("status")),
                ("device_status", mdm.get("device_status")),
                ("pending_action", mdm.get("pending_action")),
            )
            if value
        },
    )


def platform_of(raw: Mapping[str, Any]) -> Platform:
    """The platform's word; iPads are listed as iOS and told by the name of their system."""
    named = (reading.text(raw.get("platform")) or "").casefold()
    if named == "ios" and (reading.text(raw.get("os_version")) or "").startswith("iPadOS"):
        return Platform.IPADOS
    return Platform.LINUX if named in LINUX else PLATFORMS.get(named, Platform.OTHER)


def changed_at(raw: Mapping[str, Any]) -> datetime | None:
    """When Fleet last wrote the host."""
    return reading.instant(raw.get("updated_at"))


def standing(raw: Mapping[str, Any], verb: Verb, since: datetime) -> Outcome:
    """How a lock, an unlock, a wipe or a refetch stands; `since` is when its details were
    last written before it was sent."""
    if verb is Verb.SYNC:
        seen = reading.instant(raw.get("detail_updated_at"))
        return Outcome(State.SUCCEEDED, at=seen) if seen and seen > since else Outcome(State.SENT)
    status, pending = WANTED[verb]
    mdm = _section(raw, "mdm")
    if mdm.get("pending_action") == pending:
        return Outcome(State.SENT)
    if mdm.get("device_status") == status:
        return Outcome(State.SUCCEEDED)
    return Outcome(State.QUEUED, detail="Fleet shows neither the wanted state nor a pending action")


def reasons(body: object) -> str:
    """The words of a refusal, or "" where there are none. They may hold database text: decide by them, do
    not show them.
    """
    if not isinstance(body, Mapping):
        return ""
    errors = body.get("errors")
    parts = [body.get("message")]
    if isinstance(errors, list):
        parts += [each.get("reason") for each in errors if isinstance(each, Mapping)]
    return " ".join(str(part) for part in parts if part)


def _section(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = raw.get(name)
    return found if isinstance(found, Mapping) else {}


def _user(mapping: object) -> str | None:
    if not isinstance(mapping, list) or not mapping or not isinstance(mapping[0], Mapping):
        return None
    return reading.address(mapping[0].get("email"))


def _enrolment(status: object) -> Enrolment:
    named = str(status or "")
    if named.startswith("On"):
        return Enrolment.ENROLLED
    return {"Pending": Enrolment.PENDING, "Off": Enrolment.UNENROLLED}.get(named, Enrolment.UNKNOWN)


def _compliance(failing: object) -> Compliance:
    if not isinstance(failing, int) or isinstance(failing, bool):
        return Compliance.UNKNOWN
    return Compliance.OK if failing == 0 else Compliance.BAD
