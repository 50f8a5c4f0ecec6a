"""What Intune can be asked to do with a device, of which platforms, and with what body.

Sources: the bound actions of Graph v1.0 and, for those marked beta, of the beta SDK; where an action works is
from Microsoft's pages on remote actions and is narrower than what the API takes. A fresh start of Windows is
no wipe of its users and is left out; a display name, an asset tag and a user have no v1.0 action at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.mdm.port import BadRequest, Command, Platform, Unsupported, Verb

SOUND_MINUTES = "5"
TITLE = "IT service desk"

APPLE_MOBILE = frozenset({Platform.IOS, Platform.IPADOS})
APPLE = APPLE_MOBILE | {Platform.MACOS}
ALL = APPLE | {Platform.WINDOWS, Platform.ANDROID}


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a managed device: its name in the path, the platforms it may be asked for, whether it is
    in beta only, whether the device must be supervised, and what makes its body (None: it has none).
    """

    name: str
    platforms: frozenset[Platform]
    beta: bool = False
    supervised: bool = False
    body: Callable[[Command], Mapping[str, Any]] | None = None


def _wipe(command: Command) -> Mapping[str, Any]:
    body: dict[str, Any] = {"keepEnrollmentData": False, "keepUserData": False}
    if command.device.platform is not Platform.MACOS:
        return body
    pin = command.arguments.get("pin", "")
    if not (len(pin) == 6 and pin.isascii() and pin.isdigit()):
        raise BadRequest("Wiping a Mac needs a PIN of six digits, by which it is unlocked afterwards.")
    return body | {"macOsUnlockCode": pin}


def _lost_mode(command: Command) -> Mapping[str, Any]:
    said = command.arguments
    if not (said.get("message") or said.get("phone")):
        raise BadRequest("Lost mode needs a message or a phone number to show.")
    return {"message": said.get("message"), "phoneNumber": said.get("phone")}


def _rename(command: Command) -> Mapping[str, Any]:
    return {"deviceName": _needed(command, "name")}


def _message(command: Command) -> Mapping[str, Any]:
    return {"notificationTitle": TITLE, "notificationBody": _needed(command, "message")}


def _sound(_command: Command) -> Mapping[str, Any]:
    return {"durationInMinutes": SOUND_MINUTES}


def _needed(command: Command, name: str) -> str:
    value = command.arguments.get(name, "").strip()
    if not value:
        raise BadRequest(f"The {name} is missing.")
    return value


ACTIONS: Mapping[Verb, Action] = {
    Verb.RESTART: Action("rebootNow", APPLE | {Platform.WINDOWS}),
    Verb.SHUTDOWN: Action("shutDown", APPLE),
    Verb.LOCK: Action("remoteLock", APPLE | {Platform.ANDROID}),
    Verb.CLEAR_PASSCODE: Action("resetPasscode", APPLE_MOBILE | {Platform.ANDROID}),
    Verb.SYNC: Action("syncDevice", ALL),
    Verb.UNENROL: Action("retire", ALL),
    Verb.WIPE: Action("wipe", ALL, body=_wipe),
    Verb.LOCATE: Action("locateDevice", APPLE_MOBILE | {Platform.WINDOWS}),
    Verb.LOST_MODE_OFF: Action("disableLostMode", APPLE_MOBILE, supervised=True),
    Verb.LOST_MODE_ON: Action("enableLostMode", APPLE_MOBILE, beta=True, supervised=True, body=_lost_mode),
    Verb.PLAY_SOUND: Action("playLostModeSound", APPLE_MOBILE, beta=True, supervised=True, body=_sound),
    Verb.RENAME: Action("setDeviceName", APPLE | {Platform.WINDOWS}, beta=True, body=_rename),
    Verb.MESSAGE: Action(
        "sendCustomNotificationToCompanyPortal",
        APPLE_MOBILE | {Platform.ANDROID},
        beta=True,
        body=_message,
    ),
}
SUPERVISED_MOBILES = frozenset({Verb.RESTART, Verb.SHUTDOWN})
"""What of Apple's mobile devices only supervised ones do."""


def action_of(command: Command) -> Action:
    """The action for it; Unsupported where the platform or this very device cannot do it."""
    action = ACTIONS.get(command.verb)
    if action is None or command.device.platform not in action.platforms:
        raise Unsupported(f"Intune cannot do this with {command.device.platform.value} devices.")
    mobile = command.device.platform in APPLE_MOBILE
    strict = action.supervised or (mobile and command.verb in SUPERVISED_MOBILES)
    if strict and command.device.supervised is False:
        raise Unsupported("Intune can do this only with supervised devices, and this one is not.")
    return action
