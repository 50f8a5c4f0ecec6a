"""What Google is asked to do with a ChromeOS device: which words stand for which verb. Pure.

Requests are those of the Directory API (discovery document, revision 20261104).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from integrations.mdm import reading
from integrations.mdm.port import BadRequest, Command, Verb

WARNING = 300
"""Seconds that whoever sits at a device has before it restarts; Google takes 0 to 300."""

ISSUED = {
    Verb.RESTART: "REBOOT",
    Verb.WIPE: "REMOTE_POWERWASH",
    Verb.WIPE_USERS: "WIPE_USERS",
}
STATUSES = {
    Verb.DISABLE: ("DISABLE", "DISABLED"),
    Verb.ENABLE: ("REENABLE", "ACTIVE"),
    Verb.UNENROL: ("DEPROVISION", "DEPROVISIONED"),
}
ANNOTATIONS = {
    Verb.SET_ASSET_TAG: ("annotatedAssetId", "tag"),
    Verb.SET_USER: ("annotatedUser", "user"),
}
SUPPORTED = frozenset({*ISSUED, *STATUSES, *ANNOTATIONS, Verb.MOVE})
REASONS = {
    "retiring": "DEPROVISION_REASON_RETIRING_DEVICE",
    "same_model": "DEPROVISION_REASON_SAME_MODEL_REPLACEMENT",
    "different_model": "DEPROVISION_REASON_DIFFERENT_MODEL_REPLACEMENT",
    "transfer": "DEPROVISION_REASON_UPGRADE_TRANSFER",
    "repair": "DEPROVISION_REASON_REPAIR_CENTER",
    "other": "DEPROVISION_REASON_OTHER",
}
"""Why a device leaves: the argument `reason` of UNENROL, "retiring" unless said. Licences hang on it."""


def issue_request(command: Command) -> dict[str, str]:
    """Of `issueCommand`. BadRequest where the argument `delay` of a restart is no time that Google takes."""
    body = {"commandType": ISSUED[command.verb]}
    if command.verb is Verb.RESTART:
        seconds = reading.whole(command.arguments.get("delay", WARNING))
        if seconds is None or not 0 <= seconds <= WARNING:
            raise BadRequest(f"A restart waits for 0 to {WARNING} seconds.")
        body["payload"] = orjson.dumps({"user_session_delay_seconds": seconds}).decode()
    return body


def status_request(command: Command) -> dict[str, Any]:
    """Of `batchChangeStatus`, for one device. BadRequest where the argument `reason` is none of `REASONS`."""
    action, _ = STATUSES[command.verb]
    body: dict[str, Any] = {
        "deviceIds": [target(command)],
        "changeChromeOsDeviceStatusAction": f"CHANGE_CHROME_OS_DEVICE_STATUS_ACTION_{action}",
    }
    if command.verb is Verb.UNENROL:
        reason = REASONS.get(command.arguments.get("reason", "retiring"))
        if reason is None:
            raise BadRequest(f"A device leaves for one of: {', '.join(REASONS)}.")
        body["deprovisionReason"] = reason
    return body


def target(command: Command) -> str:
    return command.device.command_id or command.device.external_id


def unit_of(command: Command) -> str:
    """Where to: a path ("/Students/Oak") or an id ("id:03ph8a2z")."""
    site = reading.text(command.arguments.get("site"))
    if site is None:
        raise BadRequest("Where to is missing (site).")
    return site if site.startswith(("/", "id:")) else f"/{site}"


def stands_in(raw: Mapping[str, Any], unit: str) -> bool:
    if unit.startswith("id:"):
        return raw.get("orgUnitId") == unit
    return str(raw.get("orgUnitPath", "")).casefold() == unit.casefold()
