"""Faults of devices: kept in their table, made tickets of their own, or told under a parent's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import structlog
from sqlalchemy import select, text

from integrations.snmp.profile import FaultSpec, Profiles
from service.core.outbox import announce
from service.core.work import Eyes, Work
from service.monitoring import ticketing
from service.monitoring.around import PORT_DOWN, UNREACHABLE, behind, is_port_in_maintenance, surroundings
from service.monitoring.memory import Memory
from service.monitoring.models import (
    UNRESOLVED,
    FaultState,
    NetworkDevice,
    NetworkFault,
    NetworkWatch,
)
from service.monitoring.rules import SNMP
from service.monitoring.settling import (
    Decision,
    Fault,
    Held,
    HoldUntil,
    Note,
    OpenTicket,
    Recover,
    Silenced,
    UnderParent,
    Why,
    settle,
)
from service.monitoring.specs import spec_of
from service.monitoring.transitions import Changed, Opened, Recovered, Reopened, Suspected, Transition

Key = tuple[str, str]
MOST_SETTLED = 300
SILENT_FOR = timedelta(minutes=1)
STATES = {
    Why.HELD: FaultState.HELD,
    Why.UNDER_PARENT: FaultState.UNDER_PARENT,
    Why.SILENCED: FaultState.SILENCED,
    Why.SUSPENDED: FaultState.SUSPENDED,
}
WHYS = {state: why for why, state in STATES.items()}
log = structlog.get_logger()


@dataclass(slots=True)
class Reported:
    """Devices that should be looked at now, because what they say decides about others."""

    look_at: set[int] = field(default_factory=set)


async def report(
    work: Work,
    profiles: Profiles,
    device_id: int,
    transitions: Sequence[Transition],
    suspect: Literal["itself", "uplink"] | None = None,
) -> Reported:
    """Carry one device's transitions, and its faults that wait, into faults and tickets.

    The device's row is locked: two reports of one device follow each other.
    """
    device = await work.session.get(NetworkDevice, device_id, with_for_update={"key_share": True})
    reported = Reported()
    if device is None or not device.watched:
        return reported
    memory = Memory.from_json(
        await work.session.scalar(select(NetworkWatch.memory).where(NetworkWatch.device_id == device_id))
        or {}
    )
    rows = await _unresolved(work, device_id)
    held = [_held(row) for row in rows.values() if row.state in WHYS]
    if held and suspect is None and not transitions and await ticketing.is_in_doubt(work):
        suspect = "itself"
    place = await surroundings(work, device_id, memory, suspect)
    settled = settle(transitions, place, held)
    on = _On(work, profiles, device, rows)
    if any(isinstance(one, Suspected) and one.check in (UNREACHABLE, SNMP) for one in transitions):
        reported.look_at.update(parent.device_id for parent in place.parents)
    for decision in settled.decisions:
        await on.carry_out(decision, reported)
    return reported


async def _unresolved(work: Work, device_id: int) -> dict[Key, NetworkFault]:
    query = select(NetworkFault).where(NetworkFault.device_id == device_id, UNRESOLVED)
    return {(row.check, row.instance): row for row in await work.session.scalars(query)}


def _held(row: NetworkFault) -> Held:
    made: dict[str, Any] = {
        "check": row.check,
        "instance": row.instance,
        "at": row.opened_at,
        "since": row.since,
        "label": row.label,
        "value": row.value,
        "evidence": row.evidence,
    }
    fault: Fault = Reopened(**made, flaps=row.flaps) if row.ticket_id else Opened(**made)
    return Held(fault, WHYS[row.state], row.hold_until, row.parent_id)


class _On:
    """What is decided about one device's faults, carried out."""

    def __init__(
        self, work: Work, profiles: Profiles, device: NetworkDevice, rows: dict[Key, NetworkFault]
    ) -> None:
        self.work, self.profiles, self.device, self.rows = work, profiles, device, rows

    async def carry_out(self, decision: Decision, reported: Reported) -> None:
        match decision:
            case Recover(recovered):
                await self._recover(recovered)
                return
            case Note(transition):
                await self._note(transition)
                return
        row = await self._row(decision.fault)
        before = row.state, row.ticket_id, row.parent_id
        match decision:
            case OpenTicket(fault):
                await self._open(row, fault)
            case UnderParent(_, parent_id):
                await self._under(row, parent_id)
            case HoldUntil(_, at, probe, again, why):
                row.state, row.hold_until = STATES[why], at
                reported.look_at.update(probe)
                if again:
                    reported.look_at.add(self.device.id)
            case Silenced():
                self._silence(row)
        await self.work.session.flush()
        if before != (row.state, row.ticket_id, row.parent_id) or row.opened_at == self.work.now:
            self._announce(row)

    def _spec(self, check: str) -> FaultSpec | None:
        return spec_of(self.profiles, self.device.profile, check)

    async def _row(self, fault: Fault) -> NetworkFault:
        key = fault.check, fault.instance
        row = self.rows.get(key)
        if row is None and isinstance(fault, Reopened):
            row = await self._earlier(fault)
        if row is None:
            row = NetworkFault(
                device_id=self.device.id,
                school_id=self.device.school_id,
                check=fault.check,
                instance=fault.instance,
                state=FaultState.HELD,
                since=fault.since,
                opened_at=self.work.now,
                flaps=0,
            )
            self.work.session.add(row)
        if isinstance(fault, Reopened):
            row.flaps = fault.flaps
        row.label, row.value, row.evidence = fault.label, fault.value, fault.evidence
        self.rows[key] = row
        return row

    async def _earlier(self, fault: Reopened) -> NetworkFault | None:
        """The same fault from before it recovered; it goes on."""
        query = (
            select(NetworkFault)
            .where(
                NetworkFault.device_id == self.device.id,
                NetworkFault.check == fault.check,
                NetworkFault.instance == fault.instance,
            )
            .order_by(NetworkFault.id.desc())
            .limit(1)
        )
        row = await self.work.session.scalar(query)
        if row is not None:
            row.resolved_at, row.state, row.opened_at = None, FaultState.HELD, self.work.now
        return row

    async def _open(self, row: NetworkFault, fault: Fault) -> None:
        spec = self._spec(row.check)
        if row.check == PORT_DOWN and await is_port_in_maintenance(self.work, self.device.id, row.instance):
            self._silence(row)
            return
        row.state, row.hold_until, row.parent_id = FaultState.OPEN, None, None
        if spec is None:
            log.warning("fault_without_words", check=row.check, profile=self.device.profile)
            return
        if row.ticket_id is not None and await ticketing.reopen_for(self.work, self.device, row, spec):
            return
        names: Sequence[str] = ()
        if row.check in (UNREACHABLE, PORT_DOWN):
            names = await behind(self.work, self.device.id, row.instance or None)
        row.ticket_id = (await ticketing.open_for(self.work, self.device, row, spec, names)).id

    def _silence(self, row: NetworkFault) -> None:
        """Looked at again in a while: maintenance may end early."""
        row.state, row.hold_until = FaultState.SILENCED, self.work.now + SILENT_FOR

    async def _under(self, row: NetworkFault, parent_id: int) -> None:
        joins = row.state is not FaultState.UNDER_PARENT or row.parent_id != parent_id
        row.state, row.hold_until, row.parent_id = FaultState.UNDER_PARENT, None, parent_id
        if joins and row.check == UNREACHABLE:
            number = await self.work.session.scalar(_PARENTS_TICKET, {"id": parent_id})
            await ticketing.tell_joined(self.work, number, self.device)

    async def _recover(self, recovered: Recovered) -> None:
        row = self.rows.pop((recovered.check, recovered.instance), None)
        if row is None:
            return
        was_open = row.state is FaultState.OPEN or row.ticket_id is not None
        row.state, row.resolved_at = FaultState.RECOVERED, self.work.now
        row.hold_until = row.parent_id = None
        await self.work.session.flush()
        if was_open:
            await ticketing.end_for(self.work, self.device, row, self._spec(row.check))
        self._announce(row)

    async def _note(self, transition: Transition) -> None:
        row = self.rows.get((transition.check, transition.instance))
        if row is None:
            return
        if isinstance(transition, Changed):
            await self._change(row, transition)
        else:
            await ticketing.tell_vanished(self.work, self.device, row)
        self._announce(row)

    async def _change(self, row: NetworkFault, changed: Changed) -> None:
        spec = self._spec(row.check)
        same_words = changed.value == row.value or not isinstance(changed.value, str)
        moved = row.label == changed.label and same_words
        row.label, row.value, row.evidence = changed.label, changed.value, changed.evidence
        await self.work.session.flush()
        if spec is None or (moved and await ticketing.was_told_lately(self.work, row.ticket_id)):
            return
        await ticketing.tell_changed(self.work, self.device, row, spec)

    def _announce(self, row: NetworkFault) -> None:
        _announce(self.work, row)


async def let_go(work: Work, device: NetworkDevice) -> None:
    """End the faults of a device that is not asked any more, and tell whoever has their tickets."""
    for row in (await _unresolved(work, device.id)).values():
        row.state, row.resolved_at = FaultState.RECOVERED, work.now
        row.hold_until = row.parent_id = None
        await ticketing.tell_unwatched(work, device, row)
        _announce(work, row)
    await work.session.flush()


def _announce(work: Work, row: NetworkFault) -> None:
    announce(work, network_fault=row.id, school_id=row.school_id)


_PARENTS_TICKET = text(
    f"""
    SELECT ticket_id FROM network_faults
    WHERE device_id = :id AND resolved_at IS NULL AND "check" IN ('{UNREACHABLE}', '{PORT_DOWN}')
    ORDER BY "check" <> '{UNREACHABLE}', id LIMIT 1
    """
)
_WAITING = text(
    """
    SELECT f.device_id FROM network_faults AS f
    WHERE f.resolved_at IS NULL AND (
        f.state = 1 OR (f.state IN (4, 5) AND (f.hold_until IS NULL OR f.hold_until <= :now))
        OR (f.state = 3 AND NOT EXISTS (SELECT FROM network_faults AS p WHERE p.device_id = f.parent_id
            AND p.resolved_at IS NULL AND (p."check" = 'device.unreachable'
                OR (p."check" = 'port.down' AND p.instance IN (
                    SELECT np.parent_port FROM network_parents AS np
                    WHERE np.device_id = f.device_id AND np.parent_id = f.parent_id))))))
    GROUP BY f.device_id ORDER BY min(coalesce(f.hold_until, :now)), f.device_id LIMIT :most
    """
)


async def waiting(eyes: Eyes) -> list[int]:
    """Devices with faults whose wait may be over."""
    found = await eyes.db.execute(_WAITING, {"now": eyes.now, "most": MOST_SETTLED})
    return list(found.scalars())
