"""What a batch of devices comes to, in view of what is kept: nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, any_, func, literal, select, union
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Text

from integrations.mdm.port import ManagedDevice
from service.assets.models import Asset
from service.core.work import Eyes
from service.mdm.mapped import Kind, Mapped, compiled, kind_for, place_for
from service.mdm.matching import Around, KnownAsset, KnownRecord, Match, match
from service.mdm.merging import Merge, merged, moved
from service.mdm.models import LineKind, MdmConnection, MdmMapping, MdmRecord
from service.mdm.records import from_json
from service.people.models import Person
from service.places.models import Place

_ASSET: Final = [Asset.__table__.c[name] for name in KnownAsset.__dataclass_fields__]
_KNOWN: Final = [
    MdmRecord.id,
    MdmRecord.connection_id,
    MdmRecord.external_id,
    MdmRecord.asset_id,
    MdmRecord.matched,
    MdmRecord.serial,
    MdmRecord.tag,
    MdmRecord.record["user"].astext.label("user"),
    MdmRecord.model,
    MdmRecord.record["model_id"].astext.label("model_id"),
    MdmRecord.enrolment,
    MdmRecord.record["enrolled_at"].astext.label("enrolled_at"),
    MdmRecord.last_check_in,
    MdmRecord.missing_since.is_not(None).label("missing"),
    MdmRecord.mapped_place_id,
    MdmRecord.digest,
    MdmRecord.changed_at,
    MdmConnection.owns_holder,
    MdmConnection.owns_tag,
]


@dataclass(frozen=True, slots=True)
class Read:
    """A device as it was read: canonical JSON, the digest of it, and the same as a value."""

    told: dict[str, Any]
    digest: bytes
    device: ManagedDevice

    @classmethod
    def of(cls, told: dict[str, Any], digest: bytes) -> Read:
        return cls(told, digest, from_json(told))


@dataclass(slots=True)
class Planned:
    """What becomes of one device. `record` is how it will be kept, `before` how it is; without a `match` it
    stays what it was tied to.
    """

    read: Read
    record: KnownRecord
    before: KnownRecord | None
    match: Match | None
    asset: KnownAsset | None
    merge: Merge | None

    @property
    def kind(self) -> LineKind | None:
        """None: it is as it was kept."""
        if self.before is None:
            return LineKind.ADDED
        if self.before.missing:
            return LineKind.RETURNED
        return None if self.before.digest == self.read.digest else LineKind.UPDATED

    @property
    def moves(self) -> bool:
        """Whether something that was known is replaced; what is only new or filled in is not."""
        if self.match is not None and self.match.takes_over:
            return True
        if self.before is None:
            return False
        return moved(self.record, self.before) or (self.merge is not None and self.merge.moves)

    @property
    def notes(self) -> Sequence[str]:
        return self.merge.notes if self.merge is not None else ()


@dataclass(slots=True)
class Plan:
    """`real` are the numbers that planned assets were given when it was carried out."""

    devices: list[Planned] = field(default_factory=list)
    around: Around = field(default_factory=Around)
    real: dict[int, int] = field(default_factory=dict)


async def load_mapped(eyes: Eyes) -> Mapped:
    """The district's mapping tables, compiled."""
    mappings = (await eyes.db.execute(select(*MdmMapping.__table__.c))).all()
    places = (await eyes.db.execute(select(Place.id, Place.name, Place.school_id))).all()
    return compiled(mappings, places)


async def planned(
    eyes: Eyes,
    connection: Any,
    mapped: Mapped,
    reads: Sequence[Read],
    *,
    around: Around | None = None,
    listed_at: datetime | None = None,
) -> Plan:
    """A plan for devices of one connection, each id at most once. `listed_at`: what was kept since then and
    is not older stays as it is. `around` holds what earlier batches would add.
    """
    kept = await _kept(eyes, connection.id, [read.device.external_id for read in reads])
    plan = Plan(around=around or Around())
    fresh = [read for read in reads if not _is_older(read, kept.get(read.device.external_id), listed_at)]
    await _look_around(eyes, plan.around, kept, fresh)
    people = await _people(eyes, fresh) if connection.owns_holder else {}
    for read in fresh:
        device = read.device
        before = kept.get(device.external_id)
        place = place_for(mapped, connection.id, device.site)
        kind = kind_for(mapped, connection.id, device.model, device.model_id, device.platform)
        record = _record(read, connection, before, eyes.now)
        one = _tied(read, record, before, connection, plan.around, kind)
        if one.asset is not None:
            one.merge = merged(one.asset, device, one.record, before, plan.around, people, place, kind)
            _taken_over(one.asset, one.merge, plan.around)
            one.record.mapped_place_id = one.merge.mapped_place_id
        plan.devices.append(one)
    return plan


def _is_older(read: Read, before: KnownRecord | None, listed_at: datetime | None) -> bool:
    """Whether somebody has looked at the device since it was listed."""
    if before is None or listed_at is None or before.changed_at is None or before.changed_at <= listed_at:
        return False
    seen = read.device.last_check_in
    return before.last_check_in is not None and (seen is None or seen <= before.last_check_in)


def _tied(
    read: Read,
    record: KnownRecord,
    before: KnownRecord | None,
    connection: Any,
    around: Around,
    kind: Kind,
) -> Planned:
    found: Match | None = None
    if before is not None and (before.asset_id is not None or before.settled):
        record.asset_id, record.matched = before.asset_id, before.matched
    else:
        found = match(read.device, connection.id, around, adds_assets=connection.adds_assets)
        record.matched, record.asset_id = found.how, found.asset_id
        if found.adds is not None:
            record.asset_id = around.plan(KnownAsset(0, found.adds, kind.kind)).id
    around.tie(record)
    asset = around.assets[record.asset_id] if record.asset_id is not None else None
    return Planned(read, record, before, found, asset, None)


def _record(read: Read, connection: Any, before: KnownRecord | None, now: datetime) -> KnownRecord:
    """No check-in is later than now: a clock that runs ahead would speak for ever."""
    device = read.device
    seen = device.last_check_in
    return KnownRecord(
        connection_id=connection.id,
        external_id=device.external_id,
        id=before.id if before is not None else None,
        serial=device.serial,
        tag=device.asset_tag,
        user=device.user,
        model=device.model,
        model_id=device.model_id,
        enrolment=device.enrolment,
        enrolled_at=device.enrolled_at,
        last_check_in=min(seen, now) if seen is not None else None,
        digest=read.digest,
        owns_holder=connection.owns_holder,
        owns_tag=connection.owns_tag,
    )


def _taken_over(asset: KnownAsset, merge: Merge, around: Around) -> None:
    """Later devices of the batch see the asset as it will be."""
    for column, value in merge.sets.items():
        if column == "tag":
            around.retag(asset, value)
        else:
            setattr(asset, column, value)
    if "serial" in merge.sets:
        around.know(asset)


async def _kept(eyes: Eyes, connection_id: int, external_ids: list[str]) -> dict[str, KnownRecord]:
    here = MdmRecord.connection_id == connection_id, MdmRecord.external_id == _any(external_ids, Text())
    rows = (await eyes.db.execute(_known().where(*here))).all()
    return {row.external_id: _known_record(row) for row in rows}


async def _look_around(
    eyes: Eyes, around: Around, kept: dict[str, KnownRecord], reads: Sequence[Read]
) -> None:
    ids = sorted({record.asset_id for record in kept.values() if record.asset_id is not None})
    serials, tags = _names(kept, reads)
    found = union(
        select(*_ASSET).where(Asset.id == _any(ids, BigInteger())),
        select(*_ASSET).where(func.upper(Asset.serial) == _any(serials, Text())),
        select(*_ASSET).where(Asset.tag == _any(tags, Text())),
    )
    for row in (await eyes.db.execute(found)).all():
        around.know(KnownAsset(*row))
        around.seen[row.id] = row.tag, row.serial, row.model, row.holder_id, row.place_id
    for ids_of_serial in around.by_serial.values():
        ids_of_serial.sort()
    real = [asset_id for asset_id in around.assets if asset_id > 0]
    if real:
        tied = _known().where(MdmRecord.asset_id == _any(real, BigInteger()))
        for row in (await eyes.db.execute(tied)).all():
            around.tie(_known_record(row))


def _names(kept: dict[str, KnownRecord], reads: Sequence[Read]) -> tuple[list[str], list[str]]:
    """Serial numbers and tags by which assets may be found."""
    serials, tags = set(), set()
    for read in reads:
        device = read.device
        if device.asset_tag is not None:
            tags.add(device.asset_tag)
        before = kept.get(device.external_id)
        if device.serial is not None and (before is None or before.asset_id is None):
            serials.add(device.serial)
            tags.add(device.serial)
    return sorted(serials), sorted(tags)


async def _people(eyes: Eyes, reads: Iterable[Read]) -> dict[str, int]:
    """Active persons by address, in lower case."""
    users = sorted({read.device.user for read in reads if read.device.user is not None})
    if not users:
        return {}
    address = func.lower(Person.email)
    query = select(address, Person.id).where(address == _any(users, Text()), Person.active)
    return {row[0]: row[1] for row in (await eyes.db.execute(query)).all()}


def _known() -> Select[Any]:
    return select(*_KNOWN).join(MdmConnection, MdmConnection.id == MdmRecord.connection_id)


def _known_record(row: Any) -> KnownRecord:
    enrolled = row.enrolled_at
    return KnownRecord(
        **{
            **row._mapping,
            "enrolled_at": datetime.fromisoformat(enrolled) if enrolled is not None else None,
        }
    )


def _any(values: Sequence[Any], kind: Any) -> Any:
    return any_(literal(list(values), ARRAY(kind)))
