"""What becomes of an asset when a device of it was read: whose word counts, and how much a run may change by
itself. Pure.

Of several devices that one connection ties to an asset (a device that was enrolled anew), one speaks for it:
listed before gone, enrolled before unenrolled, then the latest enrolment. Check-ins do not count there, so
that two of them never take turns. Between connections the newest check-in counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from integrations.mdm.port import ManagedDevice
from service.mdm.mapped import Found, Kind
from service.mdm.matching import LONGEST_TAG, NEVER, Around, KnownAsset, KnownRecord

FEW: Final = 5
"""So many changes never stop a run, whatever they are in percent."""


def speaks_of(records: Iterable[KnownRecord]) -> dict[int, KnownRecord]:
    """By connection, the record that speaks for an asset of which these are the records."""
    found: dict[int, KnownRecord] = {}
    for record in records:
        other = found.get(record.connection_id)
        if other is None or _standing(record) > _standing(other):
            found[record.connection_id] = record
    return found


def _standing(record: KnownRecord) -> tuple[bool, bool, Any, float]:
    order = float("inf") if record.id is None else record.id
    return (
        not record.missing,
        not record.left,
        record.enrolled_at or NEVER,
        order,
    )


def leads(record: KnownRecord, others: Iterable[KnownRecord]) -> bool:
    """Whether its check-in is the newest; of equal ones, the connection that was there first."""
    return all((record.seen, -record.connection_id) >= (other.seen, -other.connection_id) for other in others)


@dataclass(slots=True)
class Merge:
    """What to set on the asset, by column, and what a person should read of it. `moves`: something that was
    there is replaced by something else.
    """

    sets: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    moves: bool = False
    mapped_place_id: str | None = None


def merged(
    asset: KnownAsset,
    device: ManagedDevice,
    record: KnownRecord,
    before: KnownRecord | None,
    around: Around,
    people: Mapping[str, int],
    place: Found,
    kind: Kind,
) -> Merge:
    """What `record`, tied to `asset` already, sets there. `before` is what was kept of the device; `people`
    are active persons by address in lower case.
    """
    made = Merge(mapped_place_id=before.mapped_place_id if before is not None else None)
    speakers = speaks_of(around.records(asset.id))
    if speakers.get(record.connection_id) is not record:
        return made
    if record.left:
        if asset.id < 0:
            _fill(made, asset, device, kind)
        return made
    present = [other for other in speakers.values() if not other.left]
    if leads(record, present):
        _identify(made, asset, device, before)
        _model(made, asset, device, before, kind)
        _place(made, asset, place)
    else:
        _fill(made, asset, device, kind)
    tagging = [other for other in present if other.owns_tag and other.tag is not None]
    if record.owns_tag and device.asset_tag is not None and leads(record, tagging):
        _tag(made, asset, device.asset_tag, around)
    owning = [other for other in present if other.owns_holder and other.user is not None]
    holder = people.get(device.user) if device.user is not None else None
    if record.owns_holder and holder is not None and leads(record, owning):
        _set(made, asset, "holder_id", holder)
    return made


def _set(made: Merge, asset: KnownAsset, column: str, value: Any) -> None:
    there = getattr(asset, column)
    if there == value:
        return
    made.sets[column] = value
    made.moves |= there is not None


def _fill(made: Merge, asset: KnownAsset, device: ManagedDevice, kind: Kind) -> None:
    if asset.real_serial is None and device.serial is not None:
        made.sets["serial"] = device.serial
    if asset.model is None and (model := kind.model_name or device.model) is not None:
        made.sets["model"] = model


def _identify(made: Merge, asset: KnownAsset, device: ManagedDevice, before: KnownRecord | None) -> None:
    """A serial number that a person wrote stays; one that came from this device follows its board."""
    old = before.serial if before is not None else None
    if device.serial is not None and old is not None and old != device.serial:
        made.notes.append(f"The serial number changed from {old} to {device.serial}.")
    there = asset.real_serial
    if device.serial is not None and there != device.serial and there in (None, old):
        made.sets["serial"] = device.serial
        made.moves |= there is not None


def _model(
    made: Merge, asset: KnownAsset, device: ManagedDevice, before: KnownRecord | None, kind: Kind
) -> None:
    model = kind.model_name or device.model
    came = asset.model is None or (before is not None and asset.model in (before.model, device.model))
    if model is not None and came and asset.model != model:
        made.sets["model"] = model


def _place(made: Merge, asset: KnownAsset, place: Found) -> None:
    """A place that a person chose since it was mapped stays."""
    if place.place_id is None or asset.place_id not in (None, made.mapped_place_id, place.place_id):
        return
    _set(made, asset, "place_id", place.place_id)
    if "place_id" in made.sets:
        made.sets["school_id"] = place.school_id
    made.mapped_place_id = place.place_id


def _tag(made: Merge, asset: KnownAsset, tag: str, around: Around) -> None:
    if tag == asset.tag:
        return
    if not around.is_free(tag):
        made.notes.append(f"The tag {tag[:LONGEST_TAG]} is not free: the asset keeps {asset.tag}.")
        return
    _set(made, asset, "tag", tag)


def moved(record: KnownRecord, before: KnownRecord) -> bool:
    """Whether the device became another one, or came or went."""
    serial, tag = (before.serial, record.serial), (before.tag, record.tag)
    changed = any(old is not None and old != new for old, new in (serial, tag))
    return changed or before.enrolment is not record.enrolment


def percent(changes: int, known: int) -> float:
    """Changes among the devices that were known before; 0 where none were."""
    return 0.0 if known == 0 else round(100 * min(changes, known) / known, 1)


def stops(changes: int, known: int, guard_percent: int) -> bool:
    """Whether a person has to look before so much is changed."""
    return known > 0 and changes > FEW and 100 * changes > guard_percent * known
