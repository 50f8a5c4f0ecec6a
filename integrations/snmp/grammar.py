"""The grammar of device profiles: what may stand in `profiles/*.yaml`, and what it means. PURE.

What is written in no profile is not asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from integrations.snmp import decoding
from integrations.snmp.reading import DeviceKind
from integrations.snmp.target import Answers
from integrations.snmp.understanding.asking import discovery_of

_OID: Final = re.compile(r"[0-2](\.(0|[1-9]\d{0,9})){1,127}")
CHECK_NAME: Final = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
HOLES: Final = frozenset(
    (
        *("place", "room", "school", "device", "model", "address", "label", "colour", "value"),
        *("port", "behind", "count", "since", "evidence"),
    )
)
"""What the words of a fault may leave open; the desk fills it."""


def _oid(value: str) -> str:
    if not _OID.fullmatch(value):
        raise ValueError(f"{value!r} is no object identifier")
    return value


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from None
    return value


Oid = Annotated[str, AfterValidator(_oid)]
Regex = Annotated[str, AfterValidator(_regex)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class State(_Model):
    """The device's word for a number. `healthy` left out: neither good nor bad."""

    name: str
    healthy: bool | None = None


class Pick(_Model):
    """Where one value comes from: a scalar, or the first row of a column, that was answered and is not one of
    `skip`. `pattern` takes its first group (or all) from a text; `words` give a text or a truth for a number.
    """

    oid: Oid | None = None
    column: Oid | None = None
    pattern: Regex | None = None
    divisor: float = Field(default=1, gt=0)
    multiplier: float = 1
    words: dict[int, str | bool] = {}
    skip: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _one(self) -> Pick:
        if (self.oid is None) == (self.column is None):
            raise ValueError("says either an oid or a column")
        return self


class Limit(_Model):
    """Where a threshold of the device's own stands, in the sensor's raw unit."""

    oid: Oid | None = None
    column: Oid | None = None


class Labels(_Model):
    """A text for each row from another column, or one scalar for all rows. `take` is how many leading
    sub-identifiers of our index name the row there (all by default).
    """

    column: Oid
    take: int | None = Field(default=None, ge=1)
    decode: Literal["text", "mac", "address"] = "text"


class _Rows(_Model):
    """`label` has holes for `labels`, `{index}` and `{last}` (the last sub-identifier). A row is left out
    unless the columns of `needs` hold one of the values named there.
    """

    label: str = "{index}"
    labels: dict[str, Labels] = {}
    needs: dict[Oid, tuple[int, ...]] = {}


class SensorSpec(_Rows):
    """`skip` are raw values that say that there is no sensor. `high` and `low` are thresholds in the scaled
    unit, or where the device keeps its own. `fault` is the check for a state that is not healthy. Without
    `poll` the value is read at discovery only.
    """

    oid: Oid | None = None
    column: Oid | None = None
    kind: str
    unit: str | None = None
    divisor: float = Field(default=1, gt=0)
    multiplier: float = 1
    decode: Literal["plain", "channel_mhz", "fahrenheit", "dbm"] = "plain"
    skip: tuple[int, ...] = ()
    states: dict[int, State] = {}
    fault: str | None = None
    high: float | Limit | None = None
    low: float | Limit | None = None
    poll: bool = True

    @model_validator(mode="after")
    def _one(self) -> SensorSpec:
        if (self.oid is None) == (self.column is None):
            raise ValueError("says either an oid or a column")
        if self.kind == "state" and not self.states:
            raise ValueError("a state says what its numbers mean")
        return self


class LoadSpec(_Rows):
    """Columns (or, with `scalar`, objects) of a processor, memory or store; one of its units is `bytes`."""

    kind: str
    key: str
    percent: Oid | None = None
    used: Oid | None = None
    free: Oid | None = None
    total: Oid | None = None
    bytes: float = Field(default=1, gt=0)
    scalar: bool = False

    @model_validator(mode="after")
    def _enough(self) -> LoadSpec:
        if self.percent is None and (self.used or self.free) is None:
            raise ValueError("says a percentage, or what is used or free")
        return self


class ApState(_Model):
    name: str
    up: bool | None = None


class AccessPointSpec(_Model):
    """Columns of a controller's table of access points. `mac_in_index`: the index ends in the MAC.
    `states` are of a number, or of a text in lower case.
    """

    state: Oid
    states: dict[int | str, ApState]
    name: Oid | None = None
    mac: Oid | None = None
    mac_in_index: bool = False
    address: Oid | None = None
    model: Oid | None = None
    serial: Oid | None = None
    clients: Oid | None = None


class ClientsSpec(_Model):
    """Wireless clients: the rows of a column are counted, its values are added up, or one object says it."""

    count: Oid | None = None
    sum: Oid | None = None
    oid: Oid | None = None


class Match(_Model):
    """All that is said must hold: one of the prefixes, the expression found in the description, every object
    answered and its text matched by the expression beside it.
    """

    object_id: tuple[Oid, ...] = ()
    description: Regex | None = None
    answers: dict[Oid, Regex] = {}

    def holds(self, answers: Answers) -> bool:
        object_id = f"{decoding.text(answers.get('1.3.6.1.2.1.1.2.0'))}."
        if self.object_id and not any(object_id.startswith(f"{prefix}.") for prefix in self.object_id):
            return False
        described = decoding.text(answers.get("1.3.6.1.2.1.1.1.0")) or ""
        if self.description is not None and not re.search(self.description, described):
            return False
        return all(
            oid in answers and re.search(pattern, decoding.text(answers[oid]) or "")
            for oid, pattern in self.answers.items()
        )


Words = dict[Literal["en", "es"], str]
SCOPES = Literal["device", "port", "supply", "tray", "sensor", "load", "access_point"]


class Rate(_Model):
    """What is counted in an hour over all the counters, and how much of it is bad or good."""

    metrics: tuple[str, ...] = Field(min_length=1)
    bad: float = Field(gt=0)
    good: float = Field(ge=0)


class FaultSpec(_Model):
    """A check and its ticket.

    `each` is what is checked, `where` which of them; `bad` opens, `good` closes (by default: whatever is not
    bad), in between nothing changes. Checks without conditions are found elsewhere: reachability by the
    poller, a `rate` from two readings. `confirm` and `clear` are polls in a row; without `confirm` it is 4 of
    a device's own two checks and 2 of others. Words have the holes of `HOLES`; `queue` and `playbook` are
    keys that a district may not have.
    """

    each: SCOPES = "device"
    where: str | None = None
    bad: str | None = None
    good: str | None = None
    rate: Rate | None = None
    value: str | None = None
    evidence: tuple[str, ...] = ()
    category: str
    impact: Literal["district", "school", "classroom", "individual"]
    urgency: Literal["critical_service_down", "cannot_work", "workaround", "would_help"]
    for_teacher: Words
    for_technician: Words
    playbook: str | None = None
    queue: str | None = None
    confirm: int | None = Field(default=None, ge=1, le=10)
    clear: int = Field(default=2, ge=1, le=10)


FAMILIES = Literal[
    "ports", "poe", "bridge", "neighbours", "addresses", "arp", "printer", "host", "entity", "entity_sensors"
]


@dataclass(frozen=True, slots=True)
class Discovery:
    """What is read once in a while: bases to walk, objects to get."""

    walk: tuple[str, ...]
    get: tuple[str, ...]


class Profile(_Model):
    """`interval` is seconds between polls; `grace` seconds that a device may be silent before it counts as
    down. Of the profiles that match, the one of the highest `order` is taken.
    """

    name: str
    kind: DeviceKind
    vendor: str | None = None
    order: int = 0
    match: tuple[Match, ...] = ()
    interval: int = Field(default=300, ge=30, le=86_400)
    grace: int = Field(default=0, ge=0, le=86_400)
    reads: tuple[FAMILIES, ...] = ()
    most_values: int = Field(default=400, ge=20, le=1000)
    identity: dict[Literal["model", "serial", "version", "vendor"], tuple[Pick, ...]] = {}
    ups: dict[str, tuple[Pick, ...]] = {}
    ups_alarms: Oid | None = None
    ups_alarm_words: dict[str, str] = {}
    projector: dict[str, tuple[Pick, ...]] = {}
    sensors: tuple[SensorSpec, ...] = ()
    loads: tuple[LoadSpec, ...] = ()
    access_points: tuple[AccessPointSpec, ...] = ()
    clients: tuple[ClientsSpec, ...] = ()
    faults: dict[str, FaultSpec] = {}

    @cached_property
    def discovery(self) -> Discovery:
        return Discovery(*discovery_of(self))

    def matches(self, answers: Answers) -> bool:
        return any(match.holds(answers) for match in self.match)
