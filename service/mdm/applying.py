"""Plans carried out: assets, records, reports and reviews written for many devices at once.

Whatever is written here can be written again: the second time changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import func, insert, select, text

from integrations.mdm.port import Enrolment, Platform
from service.assets.facts import Report, keep_reports
from service.assets.models import AssetKind
from service.core.database import Coded
from service.core.errors import Conflict
from service.core.work import Work
from service.mdm.mapped import Mapped
from service.mdm.matching import KnownAsset, KnownRecord
from service.mdm.merging import speaks_of
from service.mdm.models import LineKind, Matched, MdmRunLine, ReviewWhy
from service.mdm.planning import Plan, Planned, Read, planned
from service.mdm.records import facts_standing, facts_told

Line = dict[str, Any]
_KINDS: Final = Coded(AssetKind)
_MATCHED: Final = Coded(Matched)
_PLATFORMS: Final = Coded(Platform)
_ENROLMENTS: Final = Coded(Enrolment)
_WHY: Final = Coded(ReviewWhy)


class Collided(Conflict):
    """Somebody wrote the same asset meanwhile: plan anew."""

    code = "changed_meanwhile"
    title = "Somebody changed the same device just now. Do it again."


async def alone(work: Work) -> None:
    """One batch at a time, whatever the connection: two of them may know the same asset."""
    await work.session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended("mdm reconciling", 0)))
    )


async def carry_out(work: Work, connection: Any, plan: Plan) -> None:
    """Write it all in the transaction of `work`, begun by `alone` before the plan was made. Collided."""
    await _add_assets(work, plan)
    await _change_assets(work, plan)
    await _keep_records(work, connection.id, plan)
    await _keep_reports(work, connection, plan)
    await _keep_reviews(work, plan)


async def reapply(work: Work, connection: Any, mapped: Mapped, rows: Sequence[Any]) -> Plan:
    """Records that are kept (rows with `record` and `digest`), planned anew and carried out."""
    reads = [Read.of(row.record, row.digest) for row in rows]
    plan = await planned(work, connection, mapped, reads)
    await carry_out(work, connection, plan)
    return plan


async def _add_assets(work: Work, plan: Plan) -> None:
    """New assets take their real numbers everywhere in the plan. Collided where a tag was taken meanwhile."""
    new = {one.asset.id: one.asset for one in plan.devices if one.asset is not None and one.asset.id < 0}
    if not new:
        return
    rows = [_asset_row(asset) for asset in new.values()]
    made = {row.tag: row.id for row in (await work.db.execute(_ADD, {"rows": _json(rows)})).all()}
    if len(made) != len(new):
        raise Collided
    for planned_id, asset in new.items():
        asset.id = plan.real[planned_id] = made[asset.tag]
        plan.around.tied[asset.id] = plan.around.tied.pop(planned_id, {})
    for one in plan.devices:
        if one.asset is not None:
            one.record.asset_id = one.asset.id


def _asset_row(asset: KnownAsset) -> dict[str, Any]:
    return {
        "tag": asset.tag,
        "kind": _KINDS.code(asset.kind),
        "model": asset.model,
        "serial": asset.serial,
        "holder_id": asset.holder_id,
        "place_id": asset.place_id,
        "school_id": asset.school_id,
    }


async def _change_assets(work: Work, plan: Plan) -> None:
    """Collided where a person has changed one of them since the plan was made: theirs counts."""
    sets: dict[int, dict[str, Any]] = {}
    new = set(plan.real.values())
    for one in plan.devices:
        if one.asset is not None and one.merge is not None and one.merge.sets and one.asset.id not in new:
            sets.setdefault(one.asset.id, {}).update(one.merge.sets)
    if not sets:
        return
    rows = [
        {"id": asset_id, "sets": _coded(given), "seen": plan.around.seen[asset_id]}
        for asset_id, given in sorted(sets.items())
    ]
    done: Any = await work.db.execute(_CHANGE, {"rows": _json(rows)})
    if done.rowcount != len(rows):
        raise Collided


def _coded(sets: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _KINDS.code(value) if isinstance(value, AssetKind) else value for name, value in sets.items()
    }


async def _keep_records(work: Work, connection_id: int, plan: Plan) -> None:
    """Every planned record knows its number afterwards."""
    rows = [_record_row(one) for one in plan.devices if _differs(one)]
    if not rows:
        return
    given = {"connection": connection_id, "now": work.now, "rows": _json(rows)}
    ids = {row.external_id: row.id for row in (await work.db.execute(_KEEP, given)).all()}
    for one in plan.devices:
        if one.record.id is None:
            one.record.id = ids[one.record.external_id]


def _differs(one: Planned) -> bool:
    before, record = one.before, one.record
    return before is None or before.missing or _kept(before) != _kept(record)


def _kept(record: KnownRecord) -> tuple[Any, ...]:
    return record.digest, record.asset_id, record.matched, record.mapped_place_id


def _record_row(one: Planned) -> dict[str, Any]:
    record, device = one.record, one.read.device
    return {
        "external_id": record.external_id,
        "asset_id": record.asset_id,
        "matched": None if record.matched is None else _MATCHED.code(record.matched),
        "serial": record.serial,
        "tag": record.tag,
        "platform": _PLATFORMS.code(device.platform),
        "enrolment": _ENROLMENTS.code(record.enrolment),
        "site": device.site,
        "model": device.model,
        "mapped_place_id": record.mapped_place_id,
        "record": one.read.told,
        "digest": record.digest.hex(),
        "last_check_in": _instant(record.last_check_in),
    }


async def _keep_reports(work: Work, connection: Any, plan: Plan) -> None:
    """Of each asset what the device says that speaks for it on this connection."""
    speaking = (
        _report(one, one.asset)
        for one in plan.devices
        if one.asset is not None
        and speaks_of(plan.around.records(one.asset.id)).get(connection.id) is one.record
    )
    await keep_reports(work, connection.name, speaking)


def _report(one: Planned, asset: KnownAsset) -> Report:
    # The device as it is kept: a clock of its own that runs ahead tells of no check-in that is to come.
    device = replace(one.read.device, last_check_in=one.record.last_check_in)
    standing = facts_standing(device)
    if asset.real_serial is not None and one.record.serial is not None:
        standing["device.serial_matches"] = asset.real_serial == one.record.serial
    return Report(asset.id, facts_told(device), standing, one.record.last_check_in)


async def _keep_reviews(work: Work, plan: Plan) -> None:
    asked, found = [], []
    for one in plan.devices:
        if one.match is not None and one.match.why is not None:
            candidates = ",".join(str(plan.real.get(each, each)) for each in one.match.candidates)
            why = _WHY.code(one.match.why)
            asked.append({"record_id": one.record.id, "why": why, "candidates": f"{{{candidates}}}"})
        elif one.match is not None and one.before is not None:
            found.append({"record_id": one.record.id, "asset_id": one.record.asset_id})
    if asked:
        await work.db.execute(_ASK, {"now": work.now, "rows": _json(asked)})
    if found:
        await work.db.execute(_FOUND, {"now": work.now, "rows": _json(found)})


async def add_lines(work: Work, run_id: int, lines: Sequence[Line]) -> None:
    if lines:
        await work.db.execute(insert(MdmRunLine), [{"run_id": run_id, **line} for line in lines])


def line(kind: LineKind, why: str, external_id: str | None = None, asset_id: int | None = None) -> Line:
    """A line of a run's report. An asset that is only planned has no number."""
    known = asset_id if asset_id is not None and asset_id > 0 else None
    return {"kind": kind, "why": why, "external_id": external_id, "asset_id": known}


def _json(rows: Iterable[Any]) -> str:
    return orjson.dumps(list(rows)).decode()


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


_ADD: Final = text("""
    INSERT INTO assets (tag, kind, model, serial, holder_id, place_id, school_id)
    SELECT n.tag, n.kind, n.model, n.serial, n.holder_id, n.place_id, n.school_id
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n (tag text, kind smallint, model text, serial text,
        holder_id bigint, place_id text, school_id text)
    ON CONFLICT (tag) DO NOTHING
    RETURNING id, tag
""")
_CHANGE: Final = text("""
    UPDATE assets AS a SET
        tag = coalesce(n.sets->>'tag', a.tag),
        kind = coalesce(CAST(n.sets->>'kind' AS smallint), a.kind),
        model = coalesce(n.sets->>'model', a.model),
        serial = coalesce(n.sets->>'serial', a.serial),
        holder_id = coalesce(CAST(n.sets->>'holder_id' AS bigint), a.holder_id),
        place_id = coalesce(n.sets->>'place_id', a.place_id),
        school_id = CASE WHEN n.sets ? 'place_id' THEN n.sets->>'school_id' ELSE a.school_id END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n (id bigint, sets jsonb, seen jsonb)
    WHERE a.id = n.id AND jsonb_build_array(a.tag, a.serial, a.model, a.holder_id, a.place_id) = n.seen
""")
_KEEP: Final = text("""
    INSERT INTO mdm_records (connection_id, external_id, asset_id, matched, serial, tag, platform, enrolment,
        site, model, mapped_place_id, record, digest, last_check_in, first_seen_at, changed_at)
    SELECT :connection, n.external_id, n.asset_id, n.matched, n.serial, n.tag, n.platform, n.enrolment,
        n.site, n.model, n.mapped_place_id, n.record, decode(n.digest, 'hex'), n.last_check_in,
        :now, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n (external_id text, asset_id bigint, matched smallint,
        serial text, tag text, platform smallint, enrolment smallint, site text, model text,
        mapped_place_id text, record jsonb, digest text, last_check_in timestamptz)
    ON CONFLICT (connection_id, external_id) DO UPDATE SET
        asset_id = excluded.asset_id, matched = excluded.matched, serial = excluded.serial,
        tag = excluded.tag, platform = excluded.platform, enrolment = excluded.enrolment,
        site = excluded.site, model = excluded.model, mapped_place_id = excluded.mapped_place_id,
        record = excluded.record, digest = excluded.digest, last_check_in = excluded.last_check_in,
        changed_at = excluded.changed_at, missing_since = NULL
    RETURNING id, external_id
""")
_ASK: Final = text("""
    INSERT INTO mdm_reviews AS kept (record_id, why, candidates, raised_at)
    SELECT n.record_id, n.why, CAST(n.candidates AS bigint[]), :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n (record_id bigint, why smallint, candidates text)
    ON CONFLICT (record_id) WHERE settled_at IS NULL DO UPDATE SET
        why = excluded.why, candidates = excluded.candidates
    WHERE (kept.why, kept.candidates) IS DISTINCT FROM (excluded.why, excluded.candidates)
""")
_FOUND: Final = text("""
    UPDATE mdm_reviews AS r SET settled_at = :now, asset_id = n.asset_id
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n (record_id bigint, asset_id bigint)
    WHERE r.record_id = n.record_id AND r.settled_at IS NULL
""")
