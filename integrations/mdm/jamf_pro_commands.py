"""What is asked of Jamf Pro for each command. Pure.

Bodies are those of the OpenAPI of Jamf Pro 11.30.1; clearing a passcode and asking a mobile device for its
inventory go by the Classic API, for the newer one wants an unlock token that it does not give out. Rights are
named as Jamf Pro's roles name them, since its refusals do not say which one is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.mdm import reading
from integrations.mdm.jamf_pro_records import COMPUTER, NO_SITE, split
from integrations.mdm.port import BadRequest, Command, Platform, Unsupported, Verb

MAC, PAD, PHONE, TV, VISION = (
    Platform.MACOS,
    Platform.IPADOS,
    Platform.IOS,
    Platform.TVOS,
    Platform.VISIONOS,
)
HELD = frozenset({PAD, PHONE})
EVERY = frozenset({MAC, PAD, PHONE, TV, VISION})

PLATFORMS: Mapping[Verb, frozenset[Platform]] = {
    Verb.RESTART: frozenset({MAC, PAD, PHONE, TV}),
    Verb.SHUTDOWN: frozenset({MAC, PAD, PHONE}),
    Verb.LOCK: frozenset({MAC, PAD, PHONE, VISION}),
    Verb.WIPE: EVERY,
    Verb.UNENROL: EVERY,
    Verb.CLEAR_PASSCODE: HELD,
    Verb.SYNC: EVERY,
    Verb.LOST_MODE_ON: HELD,
    Verb.LOST_MODE_OFF: HELD,
    Verb.PLAY_SOUND: HELD,
    Verb.LOCATE: HELD,
    Verb.RENAME: frozenset({MAC, PAD, PHONE, TV}),
    Verb.SET_ASSET_TAG: EVERY,
    Verb.SET_USER: EVERY,
    Verb.MOVE: EVERY,
}
RECORD_EDITS = frozenset({Verb.SET_ASSET_TAG, Verb.SET_USER, Verb.MOVE})
"""Done when they are answered: they change Jamf Pro's record and nothing on the device."""
SUPERVISED = frozenset(
    {
        Verb.RESTART,
        Verb.SHUTDOWN,
        Verb.LOST_MODE_ON,
        Verb.LOST_MODE_OFF,
        Verb.PLAY_SOUND,
        Verb.LOCATE,
        Verb.RENAME,
    }
)
"""What Apple lets be done only to mobile devices that are supervised."""
TYPES: Mapping[Verb, str] = {
    Verb.RESTART: "RESTART_DEVICE",
    Verb.SHUTDOWN: "SHUT_DOWN_DEVICE",
    Verb.LOCK: "DEVICE_LOCK",
    Verb.WIPE: "ERASE_DEVICE",
    Verb.CLEAR_PASSCODE: "CLEAR_PASSCODE",
    Verb.SYNC: "DEVICE_INFORMATION",
    Verb.LOST_MODE_ON: "ENABLE_LOST_MODE",
    Verb.LOST_MODE_OFF: "DISABLE_LOST_MODE",
    Verb.PLAY_SOUND: "PLAY_LOST_MODE_SOUND",
    Verb.LOCATE: "DEVICE_LOCATION",
}
"""How a command is listed among those sent; a rename is not told from other settings there."""
QUERIES = ("DeviceName", "OSVersion", "SerialNumber", "BatteryLevel", "AvailableDeviceCapacity")

READ_COMPUTERS, READ_MOBILE, READ_SITES = "Read Computers", "Read Mobile Devices", "Read Sites"
VIEW_COMMANDS = "View MDM command information in Jamf Pro API"
LOST_MODE = "Send Mobile Device Lost Mode Command"
RIGHTS: Mapping[Verb, tuple[str, str]] = {
    Verb.RESTART: ("Send Computer Restart Command", "Send Mobile Device Restart Device Command"),
    Verb.SHUTDOWN: ("Send Computer Shut Down Command", "Send Mobile Device Shut Down Command"),
    Verb.LOCK: ("Send Computer Remote Lock Command", "Send Mobile Device Remote Lock Command"),
    Verb.WIPE: ("Send Computer Remote Wipe Command", "Send Mobile Device Remote Wipe Command"),
    Verb.UNENROL: ("Send Computer Unmanage Command", "Unmanage Mobile Devices"),
    Verb.CLEAR_PASSCODE: ("", "Send Mobile Device Remove Passcode Command"),
    Verb.SYNC: ("Send Device Information Command", "Send Inventory Requests to Mobile Devices"),
    Verb.LOST_MODE_ON: ("", LOST_MODE),
    Verb.LOST_MODE_OFF: ("", LOST_MODE),
    Verb.PLAY_SOUND: ("", LOST_MODE),
    Verb.LOCATE: ("", LOST_MODE),
    Verb.RENAME: ("", "Send Mobile Device Set Device Name Command"),
    Verb.SET_ASSET_TAG: ("Update Computers", "Update Mobile Devices"),
    Verb.SET_USER: ("Update Computers", "Update Mobile Devices"),
    Verb.MOVE: ("Update Computers", "Update Mobile Devices"),
}
"""The right that a command wants for a computer and for a mobile device; empty where no name is known."""


@dataclass(frozen=True, slots=True)
class Asking:
    """`path` is below the tenant's address; `right` is what the client's role needs for it."""

    method: str
    path: str
    right: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)


def supported(command: Command) -> None:
    """Unsupported where this platform, or this device as it is managed, does not do that."""
    device, verb = command.device, command.verb
    if device.platform not in PLATFORMS.get(verb, ()):
        raise Unsupported(f"Jamf Pro does not do that on {device.platform}.")
    if verb in SUPERVISED and device.platform is not MAC and device.supervised is False:
        raise Unsupported("That is only for supervised devices, and this one is not.")
    if verb in TYPES and device.command_id is None:
        raise Unsupported("The device has no management id: commands cannot reach it.")


def needs_pin(command: Command) -> bool:
    """A Mac is locked and erased with a PIN."""
    return command.device.platform is MAC and command.verb in (Verb.LOCK, Verb.WIPE)


def asking(command: Command, *, routes: str, pin: str | None = None, site: str | None = None) -> Asking:
    """The request. `routes` is the version of the computers' routes ("v4", or "v1" of older servers), `pin`
    six digits where one is needed, `site` the id to move to. BadRequest where an argument is missing.
    """
    kind, number = split(command.device.external_id)
    computer, mobile = RIGHTS[command.verb]
    right = computer if kind == COMPUTER else mobile
    if command.verb in (Verb.SET_ASSET_TAG, Verb.SET_USER, Verb.MOVE):
        return _edit(command, kind, number, routes, right, site)
    if kind == COMPUTER and command.verb in (Verb.WIPE, Verb.UNENROL):
        return _computer(command, number, routes, right, pin)
    if kind != COMPUTER and (found := _mobile(command, number, right)):
        return found
    clients = [{"managementId": command.device.command_id}]
    body = {"clientData": clients, "commandData": _data(command, pin)}
    return Asking("POST", "/api/v2/mdm/commands", right, body)


def _computer(command: Command, number: str, routes: str, right: str, pin: str | None) -> Asking:
    room = "computer-inventory" if routes == "v1" else "computers-inventory"
    base = f"/api/{routes}/{room}/{number}"
    if command.verb is Verb.WIPE:
        return Asking("POST", f"{base}/erase", right, {"pin": pin})
    return Asking("POST", f"{base}/remove-mdm-profile", right)


def _mobile(command: Command, number: str, right: str) -> Asking | None:
    base = f"/api/v2/mobile-devices/{number}"
    classic = "/JSSResource/mobiledevicecommands/command"
    if command.verb is Verb.WIPE:
        return Asking("POST", f"{base}/erase", right, {"preserveDataPlan": True, "clearActivationLock": True})
    if command.verb is Verb.UNENROL:
        return Asking("POST", f"{base}/unmanage", right)
    if command.verb is Verb.RENAME:
        return Asking("PATCH", base, right, {"name": argument(command, "name"), "enforceName": True})
    if command.verb is Verb.CLEAR_PASSCODE:
        return Asking("POST", f"{classic}/ClearPasscode/id/{number}", right)
    if command.verb is Verb.SYNC:
        return Asking("POST", f"{classic}/UpdateInventory/id/{number}", right)
    return None


def _data(command: Command, pin: str | None) -> dict[str, Any]:
    said = {name: value for name in ("message", "phone") if (value := command.arguments.get(name))}
    if command.verb is Verb.RENAME:
        return {"commandType": "SETTINGS", "deviceName": argument(command, "name")}
    data: dict[str, Any] = {"commandType": TYPES[command.verb]}
    if command.verb is Verb.RESTART and command.device.platform is MAC:
        data["notifyUser"] = True
    elif command.verb is Verb.SYNC:
        data["queries"] = list(QUERIES)
    elif command.verb is Verb.LOCK:
        data |= _named(said, message="message", phone="phoneNumber") | ({"pin": pin} if pin else {})
    elif command.verb is Verb.LOST_MODE_ON:
        if not said:
            raise BadRequest("Lost mode needs a message or a phone number to show.")
        data |= _named(said, message="lostModeMessage", phone="lostModePhone")
    return data


def _named(said: Mapping[str, str], **names: str) -> dict[str, Any]:
    return {names[name]: value for name, value in said.items()}


def _edit(command: Command, kind: str, number: str, routes: str, right: str, site: str | None) -> Asking:
    mac = kind == COMPUTER
    if command.verb is Verb.SET_USER:
        place = _user(argument(command, "user", empty=True), mac=mac)
        body: dict[str, Any] = {"userAndLocation" if mac else "location": place}
    elif command.verb is Verb.SET_ASSET_TAG:
        tag = {"assetTag": argument(command, "tag", empty=True)}
        body = {"general": tag} if mac else tag
    else:
        where = {"siteId": site or NO_SITE}
        body = {"general": where} if mac else where
    path = f"/api/{routes}/computers-inventory-detail" if mac else "/api/v2/mobile-devices"
    return Asking("PATCH", f"{path}/{number}", right, body)


def _user(user: str, *, mac: bool) -> dict[str, str]:
    """The address as user name too, and no full name: nothing of the person before stays."""
    if user and reading.address(user) is None:
        raise BadRequest("A user is named by an e-mail address.")
    names = {"realname": "", "email": user} if mac else {"realName": "", "emailAddress": user}
    return {"username": user, **names}


def argument(command: Command, name: str, *, empty: bool = False) -> str:
    """BadRequest where it is missing, or empty and must not be."""
    said = command.arguments.get(name)
    if said is None or not (said.strip() or empty):
        raise BadRequest(f"That needs a {name}.")
    return said.strip()


def six_digits(pin: str) -> str:
    """BadRequest for anything else."""
    if not re.fullmatch(r"[0-9]{6}", pin):
        raise BadRequest("A PIN has six digits.")
    return pin
