"""What every device management has in common: a device, a command, how asking fails, and what an adapter
offers.

Adapters translate one vendor's API into these values and back; nothing of a vendor's quirks goes further.
They hold no database, no clock but the one given, and no retries of anything that may have been done
already.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Platform(StrEnum):
    CHROMEOS = "chromeos"
    WINDOWS = "windows"
    MACOS = "macos"
    IOS = "ios"
    IPADOS = "ipados"
    TVOS = "tvos"
    VISIONOS = "visionos"
    ANDROID = "android"
    LINUX = "linux"
    OTHER = "other"


class Enrolment(StrEnum):
    ENROLLED = "enrolled"
    DISABLED = "disabled"
    UNENROLLED = "unenrolled"
    PENDING = "pending"
    UNKNOWN = "unknown"


class Compliance(StrEnum):
    OK = "ok"
    BAD = "bad"
    GRACE = "grace"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ManagedDevice:
    """A device as its management knows it. None is "not said"; instants are aware UTC; sizes are bytes.

    `external_id` names it to the vendor, with the kind before it where two kinds share numbers
    ("computer:7"); `command_id` is what commands are sent to where that is another. `serial` is upper
    case and None where it is a placeholder; `user` is an address in lower case. `as_of` is the last
    check-in: what the record says was so then. `vendor` keeps what only this vendor's commands need.
    """

    external_id: str
    command_id: str | None = None
    serial: str | None = None
    name: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    model_id: str | None = None
    platform: Platform = Platform.OTHER
    os_version: str | None = None
    user: str | None = None
    last_user: str | None = None
    asset_tag: str | None = None
    site: str | None = None
    site_id: str | None = None
    last_check_in: datetime | None = None
    enrolled_at: datetime | None = None
    enrolment: Enrolment = Enrolment.UNKNOWN
    compliance: Compliance = Compliance.UNKNOWN
    supervised: bool | None = None
    battery_percent: float | None = None
    battery_health_percent: float | None = None
    battery_cycles: int | None = None
    storage_total: int | None = None
    storage_free: int | None = None
    wifi_mac: str | None = None
    lan_address: str | None = None
    public_address: str | None = None
    lost_mode: bool | None = None
    support_ends: datetime | None = None
    vendor: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BadRecord:
    """One record that could not be understood; it never stops the others. `why` holds no personal data."""

    external_id: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Page:
    """Devices of one page, and what to ask the next one by. `total` where the vendor says how many there
    are.
    """

    devices: Sequence[ManagedDevice]
    bad: Sequence[BadRecord] = ()
    next: str | None = None
    total: int | None = None


class Verb(StrEnum):
    RESTART = "restart"
    SHUTDOWN = "shutdown"
    LOCK = "lock"
    DISABLE = "disable"
    ENABLE = "enable"
    WIPE = "wipe"
    WIPE_USERS = "wipe_users"
    UNENROL = "unenrol"
    CLEAR_PASSCODE = "clear_passcode"
    SYNC = "sync"
    LOST_MODE_ON = "lost_mode_on"
    LOST_MODE_OFF = "lost_mode_off"
    PLAY_SOUND = "play_sound"
    LOCATE = "locate"
    RENAME = "rename"
    MESSAGE = "message"
    SET_ASSET_TAG = "set_asset_tag"
    SET_USER = "set_user"
    MOVE = "move"


class Risk(StrEnum):
    """What a command may destroy: nothing, a lesson, access, data for good."""

    HARMLESS = "harmless"
    DISTURBING = "disturbing"
    LOCKING = "locking"
    DESTRUCTIVE = "destructive"


RISKS: Mapping[Verb, Risk] = {
    Verb.SYNC: Risk.HARMLESS,
    Verb.LOCATE: Risk.DISTURBING,
    Verb.MESSAGE: Risk.DISTURBING,
    Verb.PLAY_SOUND: Risk.DISTURBING,
    Verb.RENAME: Risk.HARMLESS,
    Verb.SET_ASSET_TAG: Risk.HARMLESS,
    Verb.SET_USER: Risk.HARMLESS,
    Verb.MOVE: Risk.LOCKING,
    Verb.RESTART: Risk.DISTURBING,
    Verb.SHUTDOWN: Risk.DISTURBING,
    Verb.LOCK: Risk.LOCKING,
    Verb.DISABLE: Risk.LOCKING,
    Verb.ENABLE: Risk.LOCKING,
    Verb.LOST_MODE_ON: Risk.LOCKING,
    Verb.LOST_MODE_OFF: Risk.LOCKING,
    Verb.CLEAR_PASSCODE: Risk.LOCKING,
    Verb.WIPE_USERS: Risk.DESTRUCTIVE,
    Verb.WIPE: Risk.DESTRUCTIVE,
    Verb.UNENROL: Risk.DESTRUCTIVE,
}


class State(StrEnum):
    """Where a command stands. `UNVERIFIABLE`: it was sent, and this vendor never says what became of it."""

    QUEUED = "queued"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNSUPPORTED = "unsupported"
    UNVERIFIABLE = "unverifiable"


FINAL = frozenset(
    {
        State.SUCCEEDED,
        State.FAILED,
        State.EXPIRED,
        State.CANCELLED,
        State.UNSUPPORTED,
        State.UNVERIFIABLE,
    }
)


@dataclass(frozen=True, slots=True)
class Command:
    """What is wanted of one device. `arguments` by name (`message`, `pin`, `name`, `user`, `tag`, `site`,
    `phone`); a secret in them is never shown by `repr`.
    """

    verb: Verb
    device: ManagedDevice
    arguments: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the vendor said when it took a command. `handle` is what its outcome is asked by (None: it cannot
    be asked); `secrets` (a PIN, a bypass code) are shown once to whoever asked, and never logged.
    """

    state: State
    handle: str | None = None
    detail: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`at` is when the vendor says that it ended; `secrets` what it tells only then (an unlock PIN, a new
    passcode): shown once, never logged.
    """

    state: State
    detail: str | None = None
    at: datetime | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


class MdmError(Exception):
    """Asking failed. The message is fit for a technician and names no secret. `sent` is False where what was
    asked surely never reached the vendor (no connection, no token): nothing can have been done.
    """

    reason = "error"
    sent = True


class AuthFailed(MdmError):
    """The credentials are not accepted. Nothing is asked again until somebody has seen to them."""

    reason = "auth_failed"


class Forbidden(MdmError):
    """The credentials are good and lack a right; `permission` names it where the vendor does."""

    reason = "forbidden"

    def __init__(self, message: str, permission: str | None = None) -> None:
        super().__init__(message)
        self.permission = permission


class RateLimited(MdmError):
    """Too many requests; `retry_after` seconds where the vendor says so."""

    reason = "rate_limited"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Transient(MdmError):
    """A time-out, a broken connection or the vendor's own trouble. What was sent may have been done."""

    reason = "transient"


class BadRequest(MdmError):
    reason = "bad_request"


class NotFound(MdmError):
    reason = "not_found"


class Unsupported(MdmError):
    """This vendor, this platform or this device does not do that."""

    reason = "unsupported"


class ProtocolError(MdmError):
    """The answer is not what the vendor's schema says."""

    reason = "protocol_error"


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a connection: how a form asks for it, and how it is kept. A `secret` is write-only."""

    key: str
    label: str
    secret: bool = False
    required: bool = True
    kind: str = "text"
    default: str | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What a test of the connection found: rights that are there, and missing ones with what they are for.
    `reason` is that of the MdmError which ended it; None where none did.
    """

    works: bool
    detail: str
    granted: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None


class Vendor(Protocol):
    """One connection to one device management. Calls are bounded in time; reads may be repeated by the
    adapter itself, writes never are.
    """

    name: str
    settings: Sequence[Setting]

    def supports(self, verb: Verb, platform: Platform) -> bool:
        """Whether it can be asked of devices of that platform here."""

    async def check(self) -> Checked:
        """Try what we need, one right at a time, without changing anything."""

    def pages(self, since: datetime | None = None) -> AsyncIterator[Page]:
        """Every device, or where the vendor can, those that checked in since (with an overlap). Ends only
        when all pages were read; any failure raises, so that a broken list never looks complete.
        """

    async def device(self, external_id: str) -> ManagedDevice:
        """One device, now. NotFound where there is none."""

    async def find(self, serial: str) -> Sequence[ManagedDevice]:
        """Devices with exactly this serial number."""

    async def send(self, command: Command) -> Receipt:
        """Ask once. After Transient it may have been taken: `recent` tells, before anybody sends again."""

    async def recent(self, command: Command, since: datetime) -> Receipt | None:
        """A command like this one that the vendor took since; None where there is none, Unsupported where the
        vendor cannot tell.
        """

    async def outcome(self, command: Command, handle: str) -> Outcome:
        """How it stands."""

    async def close(self) -> None:
        """Let go of connections."""
