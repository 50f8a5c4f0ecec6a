"""One command for many devices: the list is shown, confirmed as it was shown, and read again before any of it
is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
import structlog
from pydantic import Field
from sqlalchemy import select

from integrations.mdm.port import RISKS, Risk, Verb
from service.assets.models import Asset, AssetKind
from service.core.actor import Scope
from service.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale, require
from service.core.fields import Id, Input, Key, Line
from service.core.idempotency import once
from service.core.outbox import enqueue
from service.core.work import Eyes, Work
from service.mdm.access import APPROVES, CONFIGURES, may_approve, may_configure
from service.mdm.command_inputs import CommandArguments, Reason
from service.mdm.command_rules import CHECKED_BEFORE, WAITS_FOR_A_PERSON, misfits
from service.mdm.command_targets import Target, asker_is_active, choose, records_of
from service.mdm.models import MdmBulk, MdmRecord
from service.places.models import Place

MOST_TARGETS: Final = 500
MOST_DESTROYED: Final = 25
MOST_LEFT_OUT: Final = 100
log = structlog.get_logger()


class TooManyTargets(Conflict):
    code = "too_many_targets"
    title = "That is too many devices for one command."


class NoTargets(Conflict):
    code = "no_targets"
    title = "None of these devices can take this command."


class BulkOver(Conflict):
    code = "bulk_over"
    title = "This bulk command was confirmed already, or is too old. Propose it anew."


class ProposeBulk(Input):
    """The devices by their tags; or all of a school, of some kinds where they are given."""

    verb: Verb = Field(examples=["restart"])
    arguments: CommandArguments = Field(
        default_factory=CommandArguments, description="The same for all of them; no PIN."
    )
    reason: Reason = Field(examples=["Update of the whole cart before the holidays"])
    tags: Annotated[list[Line], Field(max_length=MOST_TARGETS)] = Field(
        default_factory=list, examples=[["CB-00017", "CB-00018"]]
    )
    school_id: Key | None = Field(None, examples=["0421"])
    kinds: Annotated[list[AssetKind], Field(max_length=20)] = Field(default_factory=list)
    connection_id: Id | None = Field(None, description="By which connection, where several know a device.")
    during_testing: bool = Field(False, description="Even while a test is being taken.")


class ConfirmBulk(Input):
    digest: Annotated[str, Field(min_length=64, max_length=64, pattern="^[0-9a-f]+$")] = Field(
        description="Of the list of devices as it was shown."
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whom a selection reaches now, by record; and whom it leaves out, with the reason."""

    targets: Sequence[Target]
    left_out: Sequence[Mapping[str, str]]

    @property
    def ids(self) -> list[int]:
        return [one.managed.record.id for one in self.targets]

    @property
    def digest(self) -> str:
        """Of what must be the same when it is read again."""
        rows = [
            [one.managed.record.id, one.managed.record.external_id, one.managed.record.serial, one.asset.tag]
            for one in self.targets
        ]
        return hashlib.sha256(orjson.dumps(rows)).hexdigest()


@once(MdmBulk)
async def propose_bulk(work: Work, wanted: ProposeBulk) -> MdmBulk:
    """Draw up the list of devices. Nothing is sent before it is confirmed. TooManyTargets, NoTargets."""
    require(may_configure(work.actor), CONFIGURES)
    require(work.actor.holds(Scope.DIRECTORY_READ))
    await _fits(work, wanted)
    selection = {
        "tags": sorted(set(wanted.tags)),
        "school_id": wanted.school_id,
        "kinds": sorted(kind.value for kind in wanted.kinds),
        "connection_id": wanted.connection_id,
    }
    arguments = wanted.arguments.plain()
    chosen = await chosen_by(work, selection, wanted.verb, arguments)
    _not_too_many(wanted.verb, chosen)
    bulk = MdmBulk(
        verb=wanted.verb,
        arguments=arguments,
        reason=wanted.reason,
        wanted={**selection, "left_out": list(chosen.left_out[:MOST_LEFT_OUT])},
        targets=chosen.ids,
        digest=chosen.digest,
        asked_by_id=work.actor.person_id,
        during_testing=wanted.during_testing,
        created_at=work.now,
    )
    work.session.add(bulk)
    await work.session.flush()
    log.info(
        "mdm_bulk_proposed",
        bulk=bulk.id,
        verb=bulk.verb.value,
        devices=len(bulk.targets),
        by=work.actor.person_id,
    )
    return bulk


async def _fits(work: Work, wanted: ProposeBulk) -> None:
    if bool(wanted.tags) == (wanted.school_id is not None):
        raise Invalid.field("tags", "Name the devices by their tags, or a school.", "one_of")
    if wanted.tags and wanted.kinds:
        raise Invalid.field("kinds", "Kinds narrow a school, not a list of tags.", "only_school")
    if wanted.arguments.pin is not None:
        told = "One PIN for many devices is none: leave it out, and each has its own."
        raise Invalid.field("arguments.pin", told, "misfit")
    if wanted.school_id is not None:
        place = await work.session.get(Place, wanted.school_id)
        if place is None or place.school_id != place.id:
            raise Invalid.field("school_id", "There is no such school.", "unknown_place")
    if wanted.tags:
        there = set((await work.session.scalars(select(Asset.tag).where(Asset.tag.in_(wanted.tags)))).all())
        unknown = sorted(set(wanted.tags) - there)
        if unknown:
            told = f"There is no device with the tag {', '.join(unknown[:10])}."
            raise Invalid.field("tags", told, "unknown_tag")


def _not_too_many(verb: Verb, chosen: Chosen) -> None:
    if not chosen.targets:
        why = next((one["why"] for one in chosen.left_out), None)
        raise NoTargets(f"None of these devices can take this command: {why}" if why else None)
    most = MOST_DESTROYED if RISKS[verb] is Risk.DESTRUCTIVE else MOST_TARGETS
    if len(chosen.targets) > most:
        raise TooManyTargets(f"{len(chosen.targets)} devices are more than {most} at once for {verb.value}.")


async def chosen_by(
    eyes: Eyes, selection: Mapping[str, Any], verb: Verb, arguments: Mapping[str, str]
) -> Chosen:
    """Whom a selection reaches as our own tables stand now, by record. TooManyTargets."""
    query = select(Asset.id, Asset.tag, Asset.serial, Asset.school_id)
    if selection["tags"]:
        query = query.where(Asset.tag.in_(selection["tags"]))
    else:
        known = select(MdmRecord.asset_id).where(MdmRecord.asset_id == Asset.id).exists()
        query = query.where(Asset.school_id == selection["school_id"], known)
    if selection["kinds"]:
        query = query.where(Asset.kind.in_([AssetKind(kind) for kind in selection["kinds"]]))
    assets = (await eyes.db.execute(query.order_by(Asset.id).limit(2 * MOST_TARGETS + 1))).all()
    if len(assets) > 2 * MOST_TARGETS:
        raise TooManyTargets(f"That selects more than {2 * MOST_TARGETS} devices.")
    known_of = await records_of(eyes, [asset.id for asset in assets], selection["connection_id"])
    targets: list[Target] = []
    left_out: list[Mapping[str, str]] = []
    for asset in assets:
        found = choose(asset, known_of.get(asset.id, []), verb)
        if isinstance(found, Conflict):
            left_out.append({"tag": asset.tag, "why": found.detail})
        elif wrong := misfits(verb, arguments, found.vendor, found.platform):
            left_out.append({"tag": asset.tag, "why": wrong[0].why})
        else:
            targets.append(found)
    return Chosen(targets, left_out)


@once(MdmBulk)
async def confirm_bulk(work: Work, bulk_id: int, wanted: ConfirmBulk) -> MdmBulk:
    """Have it done, to the devices as they were shown. What locks or destroys is confirmed by a second
    person. BulkOver, Stale, AskerGone.
    """
    require(may_approve(work.actor), APPROVES)
    bulk = await work.session.get(MdmBulk, bulk_id, with_for_update=True)
    if bulk is None:
        raise NotFound("There is no such bulk command.")
    me = work.actor.person_id
    if me is None:
        raise Forbidden("A bulk command is confirmed by a person.")
    if RISKS[bulk.verb] in CHECKED_BEFORE and me == bulk.asked_by_id:
        raise Forbidden("Somebody else must confirm what you proposed.")
    if bulk.confirmed_at is not None or work.now > bulk.created_at + WAITS_FOR_A_PERSON:
        raise BulkOver
    if wanted.digest != bulk.digest:
        raise Stale("That is not the list of devices that was proposed. Read it again.")
    await asker_is_active(work, bulk.asked_by_id)
    bulk.confirmed_by_id, bulk.confirmed_at = me, work.now
    await work.session.flush()
    await enqueue(work, "mdm.run_bulk", bulk_id=bulk.id)
    log.info("mdm_bulk_confirmed", bulk=bulk.id, by=me)
    return bulk
