"""Which asset a device is: by its serial number, else by its tag, else a new one, else a question for a
person. A device that has left its management is an asset that there is, or none: nobody has to do anything
about it. Pure.

What the vendor's own id was tied to before stays tied; only devices without an asset come here. Devices are
matched one after the other, each in view of what became of those before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from integrations.mdm import reading
from integrations.mdm.port import Enrolment, ManagedDevice
from service.assets.models import AssetKind
from service.mdm.models import Matched, ReviewWhy

NEVER: Final = datetime.min.replace(tzinfo=UTC)
AMBIGUOUS: Final = frozenset(
    {ReviewWhy.SERIAL_TWICE, ReviewWhy.TAG_TWICE, ReviewWhy.TAG_OF_ANOTHER, ReviewWhy.TAKEN}
)
"""A person has to choose; the other reasons say that there is nothing to choose from."""
LONGEST_TAG: Final = 200
MOST_ENROLMENTS: Final = 10
"""So often a device may have been enrolled anew; a serial number on more of them is no device's own."""


@dataclass(slots=True)
class KnownAsset:
    """`id` is below zero while it is only planned."""

    id: int
    tag: str
    kind: AssetKind = AssetKind.OTHER
    serial: str | None = None
    model: str | None = None
    holder_id: int | None = None
    place_id: str | None = None
    school_id: str | None = None

    @property
    def real_serial(self) -> str | None:
        """In upper case; None for what people write where there is none."""
        return reading.serial(self.serial)


@dataclass(slots=True)
class KnownRecord:
    """What is kept of a device by one connection. `id` is None while it is only planned; `settled`: a person
    has said which asset it is, or that it is none.
    """

    connection_id: int
    external_id: str
    id: int | None = None
    asset_id: int | None = None
    matched: Matched | None = None
    serial: str | None = None
    tag: str | None = None
    user: str | None = None
    model: str | None = None
    model_id: str | None = None
    enrolment: Enrolment = Enrolment.UNKNOWN
    enrolled_at: datetime | None = None
    last_check_in: datetime | None = None
    missing: bool = False
    mapped_place_id: str | None = None
    digest: bytes = b""
    changed_at: datetime | None = None
    owns_holder: bool = False
    owns_tag: bool = False

    @property
    def settled(self) -> bool:
        return self.matched is Matched.PERSON

    @property
    def left(self) -> bool:
        """Not listed or not enrolled any more."""
        return self.missing or self.enrolment is Enrolment.UNENROLLED

    @property
    def seen(self) -> datetime:
        return self.last_check_in or NEVER


@dataclass(slots=True)
class Around:
    """Assets that a batch of devices may be, and the records that are tied to them. `freed` tags were given
    up within the batch: nothing finds an asset by them any more, and nothing may take them yet.
    """

    assets: dict[int, KnownAsset] = field(default_factory=dict)
    by_serial: dict[str, list[int]] = field(default_factory=dict)
    by_tag: dict[str, int] = field(default_factory=dict)
    tied: dict[int, dict[tuple[int, str], KnownRecord]] = field(default_factory=dict)
    freed: set[str] = field(default_factory=set)
    seen: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    planned: int = 0

    def know(self, asset: KnownAsset) -> None:
        self.assets[asset.id] = asset
        self.by_tag[asset.tag] = asset.id
        if (serial := asset.real_serial) is not None:
            known = self.by_serial.setdefault(serial, [])
            if asset.id not in known:
                known.append(asset.id)

    def tie(self, record: KnownRecord) -> None:
        if record.asset_id is not None:
            here = self.tied.setdefault(record.asset_id, {})
            here[record.connection_id, record.external_id] = record

    def plan(self, asset: KnownAsset) -> KnownAsset:
        """A new asset among them."""
        self.planned += 1
        asset.id = -self.planned
        self.know(asset)
        return asset

    def retag(self, asset: KnownAsset, tag: str) -> None:
        del self.by_tag[asset.tag]
        self.freed.add(asset.tag)
        asset.tag = tag
        self.by_tag[tag] = asset.id

    def is_free(self, tag: str) -> bool:
        return len(tag) <= LONGEST_TAG and tag not in self.by_tag and tag not in self.freed

    def records(self, asset_id: int) -> Iterable[KnownRecord]:
        return self.tied.get(asset_id, {}).values()

    def carried(self) -> Around:
        """What is only planned so far, for the next batch of a plan that is not carried out."""
        made = Around(planned=self.planned)
        for asset in self.assets.values():
            if asset.id < 0:
                made.know(asset)
                made.tied[asset.id] = self.tied.get(asset.id, {})
        return made


@dataclass(frozen=True, slots=True)
class Match:
    """One of three: an asset that there is, a new one by the tag `adds`, or why a person must look, with the
    assets it may be. None of them: it has left, and fits no asset. `takes_over`: from an earlier enrolment
    of the same device.
    """

    asset_id: int | None = None
    how: Matched | None = None
    adds: str | None = None
    why: ReviewWhy | None = None
    candidates: tuple[int, ...] = ()
    takes_over: bool = False


def match(device: ManagedDevice, connection_id: int, around: Around, *, adds_assets: bool) -> Match:
    """The asset of a device that no record is tied to one for."""
    found = _match(device, connection_id, around, adds_assets=adds_assets)
    return found if found.asset_id is not None or not _has_left(device) else Match()


def _match(device: ManagedDevice, connection_id: int, around: Around, *, adds_assets: bool) -> Match:
    if device.serial is not None:
        same = around.by_serial.get(device.serial, [])
        if len(same) > 1:
            return _asks(ReviewWhy.SERIAL_TWICE, *same)
        if same:
            return _by_serial(device, connection_id, same[0], around)
    by_tag = _by_tag(device, connection_id, around)
    if by_tag is not None:
        return by_tag
    if not adds_assets:
        return _asks(ReviewWhy.NOT_ADDED)
    tag = new_tag(device, around)
    return _asks(ReviewWhy.NO_NAME) if tag is None else Match(how=Matched.ADDED, adds=tag)


def new_tag(device: ManagedDevice, around: Around) -> str | None:
    """What a new asset is called: the device's tag, else its serial number; None where neither is free."""
    return next(
        (name for name in (device.asset_tag, device.serial) if name is not None and around.is_free(name)),
        None,
    )


def _by_serial(device: ManagedDevice, connection_id: int, asset_id: int, around: Around) -> Match:
    """An earlier enrolment of the same device steps back where it has left or was seen before this one; two
    that are both in use are a question. One that has left itself takes nothing over.
    """
    there = _present(device, connection_id, asset_id, around)
    if len(there) >= MOST_ENROLMENTS:
        return _asks(ReviewWhy.TAKEN, asset_id)
    if all(other.left or other.seen < (device.last_check_in or NEVER) for other in there):
        return Match(asset_id, Matched.SERIAL, takes_over=bool(there))
    if _has_left(device):
        return Match(asset_id, Matched.SERIAL)
    return _asks(ReviewWhy.TAKEN, asset_id)


def _by_tag(device: ManagedDevice, connection_id: int, around: Around) -> Match | None:
    """A device without a tag of its own is found under its serial number too, where that is its tag."""
    asset_id = next(
        (
            found
            for name in (device.asset_tag, device.serial)
            if name is not None and (found := around.by_tag.get(name)) is not None
        ),
        None,
    )
    if asset_id is None:
        return None
    serial = around.assets[asset_id].real_serial
    if serial is not None and device.serial is not None:
        return _asks(ReviewWhy.TAG_OF_ANOTHER, asset_id)
    others = _present(device, connection_id, asset_id, around)
    if any(not other.left for other in others) or (others and _has_left(device)):
        return _asks(ReviewWhy.TAG_TWICE, asset_id)
    return Match(asset_id, Matched.TAG)


def _has_left(device: ManagedDevice) -> bool:
    return device.enrolment is Enrolment.UNENROLLED


def _present(device: ManagedDevice, connection_id: int, asset_id: int, around: Around) -> list[KnownRecord]:
    """Other devices of the same connection that are tied to the asset and listed still."""
    return [
        record
        for record in around.records(asset_id)
        if record.connection_id == connection_id
        and record.external_id != device.external_id
        and not record.missing
    ]


def _asks(why: ReviewWhy, *candidates: int) -> Match:
    return Match(why=why, candidates=tuple(sorted(candidates)))
