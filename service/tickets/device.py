"""A ticket's device: what is known of it is taken down when the ticket is filed, and a fresh look is asked
for. The look itself is the device management's; it comes back here with what it found.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    Select,
    bindparam,
    case,
    func,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from service.assets.facts import known_where
from service.assets.models import AssetReport
from service.core.outbox import jobs, offer
from service.core.work import Work
from service.tickets.changes import tell, write_event
from service.tickets.device_seen import PATIENCE
from service.tickets.models import OPEN, Ticket, TicketDevice

LOOK: Final = "mdm.look_at_device"
MOST_FACTS: Final = 60
MOST_DUPLICATES: Final = 20
LOOKS_APART: Final = timedelta(minutes=2)
GIVEN_UP: Final = "The look was begun and never came to an end."
_EMPTY: Final[Any] = func.jsonb_build_array()


async def freeze(work: Work, ticket_id: int, asset_id: int) -> None:
    """Take down what is known of a ticket's device, and have it looked at where a device management reports
    it. Done again for a ticket, it takes the place of what was taken down.
    """
    told = {"ticket": ticket_id, "asset": asset_id, "now": work.now, "offers": LOOK in jobs.tasks}
    asked = (await work.db.execute(_FREEZE, told)).scalar_one()
    if asked is not None:
        await offer(work, "mdm.look_at_device", ticket_id=ticket_id, asset_id=asset_id)


async def follow(work: Work, ticket_id: int, asset_id: int | None) -> None:
    """The ticket turns out to be about another device, or about none."""
    if asset_id is not None:
        await freeze(work, ticket_id, asset_id)
        return
    await work.db.execute(_FROZEN.delete().where(_FROZEN.c.ticket_id == ticket_id))


def _known_now() -> Any:
    """The facts of the device `asset` as a JSON list of at most 60, those of the device itself first."""
    each: Any = known_where(lambda asset_id: asset_id == bindparam("asset", type_=BigInteger)).subquery()
    own = case((each.c.name.startswith("device."), 0), else_=1)
    first = select(each).order_by(own, each.c.name).limit(literal_column(str(MOST_FACTS))).subquery()
    fact = func.jsonb_build_object(
        *(part for name in ("name", "value", "as_of", "source") for part in (name, first.c[name]))
    )
    listed: Select[Any] = select(func.coalesce(func.jsonb_agg(fact), _EMPTY))
    return listed.select_from(first).scalar_subquery()


def _freezing() -> Any:
    """Everything in one statement; the answer is when a look was asked for, null where none is wanted."""
    now = bindparam("now", type_=DateTime(timezone=True))
    asset, ticket = bindparam("asset", type_=BigInteger), bindparam("ticket", type_=BigInteger)
    others = select(Ticket.id).where(Ticket.asset_id == asset, OPEN, Ticket.id != ticket)
    newest = others.order_by(Ticket.id.desc()).limit(literal_column(str(MOST_DUPLICATES)))
    reported = select(AssetReport.asset_id).where(AssetReport.asset_id == asset).exists()
    wanted: dict[str, Any] = {
        "ticket_id": ticket,
        "asset_id": asset,
        "facts": _known_now(),
        "duplicates": func.array(newest.scalar_subquery(), type_=ARRAY(BigInteger)),
        "taken_at": now,
        "fresh_asked_at": case((bindparam("offers", type_=Boolean) & reported, now), else_=null()),
    }
    row = insert(_FROZEN).from_select(list(wanted), select(*wanted.values()))
    anew = {name: row.excluded[name] for name in wanted if name != "ticket_id"}
    none: dict[str, Any] = dict.fromkeys(("fresh", "fresh_begun_at", "fresh_at", "fresh_detail"), null())
    return row.on_conflict_do_update(index_elements=["ticket_id"], set_=anew | none).returning(
        _FROZEN.c.fresh_asked_at
    )


_FROZEN: Any = TicketDevice.__table__
_FREEZE: Final = _freezing()


class Turn(StrEnum):
    """What a worker does that is to look at a device: go, wait for another's look, or nothing any more."""

    GO = "go"
    WAIT = "wait"
    DONE = "done"


async def begin_look(work: Work, ticket_id: int, asset_id: int) -> Turn:
    """Whether a device is to be looked at for a ticket. One that was looked at within two minutes is not
    asked again: what that look brought is the ticket's too.
    """
    await work.session.execute(select(_lock(asset_id)))
    recent = TicketDevice.fresh_begun_at > work.now - LOOKS_APART
    query = select(TicketDevice).where(
        TicketDevice.asset_id == asset_id, recent | (TicketDevice.ticket_id == ticket_id)
    )
    rows = (await work.session.scalars(query, execution_options={"populate_existing": True})).all()
    own = next((row for row in rows if row.ticket_id == ticket_id), None)
    if own is None or own.fresh_asked_at is None or own.fresh_at is not None:
        return Turn.DONE
    if own.fresh_begun_at is not None and own.fresh_asked_at < work.now - PATIENCE:
        await attach_fresh(work, asset_id, detail=GIVEN_UP)
        return Turn.DONE
    begun = {row.fresh_begun_at: row for row in rows if row.fresh_begun_at is not None}
    begun = {at: row for at, row in begun.items() if at > work.now - LOOKS_APART}
    if not begun:
        own.fresh_begun_at = work.now
        await work.session.flush()
        return Turn.GO
    last = begun[max(begun)]
    if last.fresh_at is None:
        return Turn.WAIT
    await attach_fresh(work, asset_id, detail=last.fresh_detail)
    return Turn.DONE


def _lock(asset_id: int) -> Any:
    """Of two workers that are to look at one device the second waits to hear that the first has begun."""
    return func.pg_advisory_xact_lock(func.hashtextextended(f"look at {asset_id}", 0))


async def never_mind(work: Work, asset_id: int) -> None:
    """There is nobody who could be asked about the device: no look is under way."""
    query = update(TicketDevice).where(*_waiting(asset_id)).values(fresh_asked_at=None, fresh_begun_at=None)
    await work.session.execute(query, execution_options={"synchronize_session": False})


async def attach_fresh(work: Work, asset_id: int, *, detail: str | None = None) -> Sequence[int]:
    """Give every ticket that waits for a look at the device what is known of it now; with `detail` only why
    there is nothing new. The numbers of these tickets; screens that show them are told.
    """
    fresh = _known_now() if detail is None else null()
    query = (
        update(_FROZEN)
        .where(*_waiting(asset_id))
        .values(fresh=fresh, fresh_at=work.now, fresh_detail=detail)
        .returning(_FROZEN.c.ticket_id)
    )
    numbers = sorted((await work.db.execute(query, {"asset": asset_id})).scalars())
    if numbers:
        tickets = await work.session.scalars(select(Ticket).where(Ticket.id.in_(numbers)).order_by(Ticket.id))
        for ticket in tickets.all():
            await _tell(work, ticket, detail)
    return numbers


def _waiting(asset_id: int) -> Sequence[Any]:
    return (
        TicketDevice.asset_id == asset_id,
        TicketDevice.fresh_asked_at.is_not(None),
        TicketDevice.fresh_at.is_(None),
    )


async def _tell(work: Work, ticket: Ticket, detail: str | None) -> None:
    """An event for the desk alone. The ticket itself is unchanged, so nobody's next change is refused."""
    event_id = await write_event(
        work, ticket, "ticket.device_looked_at", {}, public=False, detail={"detail": detail}
    )
    tell(work, ticket, event_id, {})
