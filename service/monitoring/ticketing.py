"""The tickets of faults: opened in words that people use, resolved when the device is well again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from integrations.snmp.profile import FaultSpec
from service.assets.models import Asset
from service.core.settings import settings
from service.core.work import Work
from service.monitoring.models import UNRESOLVED, FaultState, NetworkDevice, NetworkFault
from service.monitoring.wording import About, clean, description, nearest, sentence
from service.places.models import Place, PlaceKind
from service.tickets import actions, inputs
from service.tickets.changes import NOTE
from service.tickets.lifecycle import Status, is_open
from service.tickets.models import OPEN, Channel, LinkKind, Ticket, TicketEvent, TicketLink
from service.tickets.opening import open_ticket
from service.tickets.priority import Impact, Urgency
from service.tickets.resolution import Cause, Fix, Outcome
from service.tickets.rules import DeskRules, desk_rules

School = aliased(Place)
TAG: Final = "network-monitor"
POLLER_KEY: Final = "network:poller"
LONGEST_KEY: Final = 200
MOST_ALIKE: Final = 150
"""So many devices of one profile have a ticket of their own for the same fault within `QUIET`; the others
share one: then it is the profile that is wrong, or the season."""
QUIET: Final = timedelta(hours=1)
"""A number that moves (a temperature, minutes on battery) is told so often at most."""
SAID: Final = {
    "en": {
        "recovered": "{label}: well again since {at}, after {lasted}.",
        "recovered_touched": "The device reports that it is well again since {at}, after {lasted}. "
        "Somebody has worked on this ticket, so it stays with you.",
        "again": "It is back: {sentence}",
        "changed": "The device now reports: {sentence}",
        "vanished": "The device no longer answers for this ({label}), neither as well nor as broken. "
        "It may have been taken out: please look, and close this ticket yourself.",
        "unwatched": "{device} is no longer watched, so nobody will tell when this is over. "
        "Please look, and close this ticket yourself.",
        "many": "More than {most} devices ({profile}) report the same within an hour: {check}",
        "many_why": "Further devices get no tickets of their own; the list of faults names them. Where the "
        "devices are well, the profile is wrong. This ticket ends when the last of them is well.",
        "joined": "Not reachable either, because it hangs on this: {device}.",
        "known": "We know about this: {sentence} It is being worked on, you need not do anything.",
        "cause_well": "What caused this is over. It was: {sentence}",
        "poller": "Many network devices stopped answering at once",
        "poller_why": "The desk's own poller or the network near it may be the trouble ({why}). "
        "Tickets about single devices are held back until it sees clearly again.",
        "poller_well": "The poller sees clearly again.",
    },
    "es": {
        "recovered": "{label}: funciona de nuevo desde {at}, después de {lasted}.",
        "recovered_touched": "El equipo informa que funciona de nuevo desde {at}, después de {lasted}. "
        "Alguien trabajó en esta solicitud, así que queda en sus manos.",
        "again": "Volvió a ocurrir: {sentence}",
        "changed": "El equipo informa ahora: {sentence}",
        "vanished": "El equipo ya no informa de esto ({label}), ni bien ni mal. "
        "Puede que lo hayan quitado: compruébelo y cierre usted esta solicitud.",
        "unwatched": "{device} ya no se vigila, así que nadie avisará cuando esto termine. "
        "Compruébelo y cierre usted esta solicitud.",
        "many": "Más de {most} equipos ({profile}) informan lo mismo en una hora: {check}",
        "many_why": "Los demás equipos no tienen solicitud propia; la lista de fallos los nombra. Si los "
        "equipos están bien, el perfil está mal. Esta solicitud termina cuando el último esté bien.",
        "joined": "Tampoco responde, porque depende de este equipo: {device}.",
        "known": "Ya lo sabemos: {sentence} Se está trabajando en ello, no tiene que hacer nada.",
        "cause_well": "Lo que causaba esto ya pasó. Era: {sentence}",
        "poller": "Muchos equipos de la red dejaron de responder a la vez",
        "poller_why": "Puede ser el propio sistema de vigilancia o la red junto a él ({why}). "
        "Las solicitudes de equipos sueltos esperan hasta que vea claro otra vez.",
        "poller_well": "El sistema de vigilancia ve claro otra vez.",
    },
}
CAUSES: Final = {
    "printer.jammed": Cause.PRINT_JAM,
    "printer.paper": Cause.PRINT_PAPER,
    "printer.tray": Cause.PRINT_PAPER,
    "printer": Cause.PRINT_SUPPLY,
    "ups": Cause.ENV_POWER,
    "port": Cause.NET_SWITCH_PORT,
    "poe": Cause.NET_SWITCH_PORT,
    "ap": Cause.NET_AP_DOWN,
    "projector": Cause.AV_LAMP,
}


def words(language: str, name: str, **holes: Any) -> str:
    return nearest(SAID, language)[name].format(**holes)


def source_key(device_id: int, check: str, instance: str) -> str:
    """What makes a fault one fault: the device, the check, and what of the device."""
    key = f"network:{device_id}:{check}:{instance}"
    if len(key) <= LONGEST_KEY and key == key.strip():
        return key
    return f"{key[:150].strip()}#{hashlib.sha256(key.encode()).hexdigest()[:32]}"


async def about(work: Work, device: NetworkDevice, fault: NetworkFault, behind: Sequence[str]) -> About:
    """What is told of a fault, with the room and the school by their names."""
    names = (
        await work.db.execute(
            select(Place.name, Place.kind, School.name)
            .join(School, School.id == Place.school_id)
            .where(Place.id == (device.place_id or device.school_id))
        )
    ).first()
    room = names[0] if names is not None and names[1] is not PlaceKind.SCHOOL else None
    return About(
        device=device.name,
        address=device.address,
        model=" ".join(part for part in (device.vendor, device.model) if part) or None,
        room=room,
        school=names[2] if names is not None else None,
        label=fault.label,
        instance=fault.instance,
        value=fault.value,
        since=fault.since,
        evidence=fault.evidence,
        behind=behind,
    )


async def open_for(
    work: Work, device: NetworkDevice, fault: NetworkFault, spec: FaultSpec, behind: Sequence[str]
) -> Ticket:
    """The one open ticket of this fault, made if there is none; one that is there is told that it is back."""
    desk = work.as_desk()
    if await _are_many(desk, device, fault):
        return await _open_for_many(desk, device, fault, spec)
    rules = await desk_rules(desk)
    told = await about(desk, device, fault, behind)
    language = settings().desk_language
    wanted: dict[str, Any] = {
        "subject": sentence(spec.for_teacher, told, language),
        "description": description(spec.for_technician, told, language, spec.playbook),
        "asset_tag": await desk.session.scalar(select(Asset.tag).where(Asset.id == device.asset_id)),
        "place_id": device.place_id or device.school_id,
        "category": known_category(rules, spec.category),
        "queue": spec.queue if spec.queue in rules.by_key else None,
        "impact": Impact(spec.impact),
        "urgency": Urgency(spec.urgency),
        "channel": Channel.MONITORING,
        "language": language,
        "tags": [TAG, fault.check],
        "source_key": source_key(device.id, fault.check, fault.instance),
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    earlier = await open_of(desk, wanted["source_key"])
    if earlier is not None:
        await _note(desk, earlier, words(language, "again", sentence=wanted["subject"]))
    return await open_ticket(desk, inputs.OpenTicket(**given))


async def _are_many(work: Work, device: NetworkDevice, fault: NetworkFault) -> bool:
    alike = (
        select(NetworkFault.id)
        .join(NetworkDevice, NetworkDevice.id == NetworkFault.device_id)
        .where(
            UNRESOLVED,
            NetworkFault.state == FaultState.OPEN,
            NetworkFault.check == fault.check,
            NetworkFault.opened_at > work.now - QUIET,
            NetworkFault.ticket_id.is_not(None),
            NetworkDevice.profile == device.profile,
        )
        .limit(MOST_ALIKE)
    )
    return len((await work.session.scalars(alike)).all()) == MOST_ALIKE


async def _open_for_many(desk: Work, device: NetworkDevice, fault: NetworkFault, spec: FaultSpec) -> Ticket:
    """The one open ticket that further devices share."""
    rules = await desk_rules(desk)
    language = settings().desk_language
    said = {"most": MOST_ALIKE, "profile": device.profile, "check": fault.check}
    wanted: dict[str, Any] = {
        "subject": words(language, "many", **said),
        "description": words(language, "many_why"),
        "category": known_category(rules, spec.category),
        "queue": spec.queue if spec.queue in rules.by_key else None,
        "impact": Impact.SCHOOL,
        "urgency": Urgency(spec.urgency),
        "channel": Channel.MONITORING,
        "language": language,
        "tags": [TAG, fault.check],
        "source_key": f"network:many:{device.profile}:{fault.check}",
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    return await open_ticket(desk, inputs.OpenTicket(**given))


async def _is_shared(work: Work, fault: NetworkFault) -> bool:
    """Whether another fault that is not over has the same ticket."""
    others = exists().where(
        NetworkFault.ticket_id == fault.ticket_id, NetworkFault.id != fault.id, UNRESOLVED
    )
    return bool(await work.session.scalar(select(others)))


async def open_of(work: Work, key: str) -> int | None:
    """The open ticket of a source key."""
    number: int | None = await work.session.scalar(select(Ticket.id).where(Ticket.source_key == key, OPEN))
    return number


async def is_in_doubt(work: Work) -> bool:
    """Whether the desk has been told that the poller doubts itself, and nobody said since that it is over."""
    return await open_of(work, POLLER_KEY) is not None


def known_category(rules: DeskRules, wanted: str | None) -> str | None:
    """The category, or the nearest one above it that this desk has."""
    while wanted and wanted not in rules.categories:
        wanted = wanted.rpartition(".")[0]
    return wanted or None


async def touched(work: Work, ticket: Ticket) -> bool:
    """Whether a person has done anything with it."""
    if ticket.assignee_id is not None or ticket.status is not Status.NEW:
        return True
    by_person = exists().where(TicketEvent.ticket_id == ticket.id, TicketEvent.actor_id.is_not(None))
    return bool(await work.session.scalar(select(by_person)))


async def end_for(work: Work, device: NetworkDevice, fault: NetworkFault, spec: FaultSpec | None) -> None:
    """The device is well: the ticket is resolved, or told so where a person has it in hand."""
    desk = work.as_desk()
    await tell_waiting(desk, device, fault, spec)
    ticket = await locked(desk, fault.ticket_id)
    if ticket is None or not is_open(ticket.status) or await _is_shared(desk, fault):
        return
    language = settings().desk_language
    label = clean(fault.label or fault.instance or device.name)
    said = {"label": label, "at": _moment(desk.now), "lasted": lasted(desk.now - fault.since)}
    if await touched(desk, ticket):
        body = words(language, "recovered_touched", **said)
        await actions.note(desk, ticket.id, inputs.Note(body=body))
        return
    outcome = inputs.Resolve(
        resolution=words(language, "recovered", **said),
        cause=cause_of(fault.check),
        fix=Fix.NONE,
        outcome=Outcome.SOLVED_CONFIRMED,
    )
    await actions.resolve(desk, ticket.id, outcome)


def cause_of(check: str) -> Cause:
    while check:
        if check in CAUSES:
            return CAUSES[check]
        cut = check.rpartition("_")[0] or check.rpartition(".")[0]
        check = cut if cut != check else ""
    return Cause.OTHER


async def reopen_for(work: Work, device: NetworkDevice, fault: NetworkFault, spec: FaultSpec) -> bool:
    """It came back within its flap window: the same ticket goes on. False where there is none."""
    desk = work.as_desk()
    ticket = await locked(desk, fault.ticket_id)
    if ticket is None:
        return False
    told = await about(desk, device, fault, ())
    language = settings().desk_language
    body = words(language, "again", sentence=sentence(spec.for_teacher, told, language))
    if is_open(ticket.status):
        await actions.note(desk, ticket.id, inputs.Note(body=body))
    elif ticket.source_key and await open_of(desk, ticket.source_key) is not None:
        return False
    elif ticket.status in (Status.RESOLVED, Status.CLOSED):
        await actions.reopen(desk, ticket.id, inputs.Reopen(reason=body))
    else:
        return False
    return True


async def tell_changed(work: Work, device: NetworkDevice, fault: NetworkFault, spec: FaultSpec) -> None:
    """What the device says of an open fault has changed; where only a measure moved, not over and over."""
    told = await about(work, device, fault, ())
    language = settings().desk_language
    text = sentence(spec.for_technician, told, language)
    await _note(work, fault.ticket_id, words(language, "changed", sentence=text))


async def was_told_lately(work: Work, number: int | None) -> bool:
    """Whether the desk itself has written a note within the last `QUIET`."""
    lately = exists().where(
        TicketEvent.ticket_id == number,
        TicketEvent.kind == NOTE,
        TicketEvent.actor_id.is_(None),
        TicketEvent.at > work.now - QUIET,
    )
    return bool(await work.session.scalar(select(lately)))


async def tell_vanished(work: Work, device: NetworkDevice, fault: NetworkFault) -> None:
    """The part that an open fault is about is not answered any more, so no recovery will come."""
    label = clean(fault.label or fault.instance or device.name)
    await _note(work, fault.ticket_id, words(settings().desk_language, "vanished", label=label))


async def tell_unwatched(work: Work, device: NetworkDevice, fault: NetworkFault) -> None:
    """Nobody asks the device any more, so no recovery will come."""
    said = words(settings().desk_language, "unwatched", device=clean(device.name))
    await _note(work, fault.ticket_id, said)


async def tell_joined(work: Work, parent_ticket: int | None, device: NetworkDevice) -> None:
    await _note(work, parent_ticket, words(settings().desk_language, "joined", device=clean(device.name)))


async def tell_waiting(
    work: Work, device: NetworkDevice, fault: NetworkFault, spec: FaultSpec | None
) -> None:
    """Whoever has a ticket that this fault caused is told, on the desk's side, that the cause is gone."""
    if fault.ticket_id is None or spec is None:
        return
    caused = (
        select(TicketLink.ticket_id)
        .where(TicketLink.other_id == fault.ticket_id, TicketLink.kind == LinkKind.CAUSED_BY)
        .order_by(TicketLink.ticket_id)
    )
    told = await about(work, device, fault, ())
    language = settings().desk_language
    text = words(language, "cause_well", sentence=sentence(spec.for_teacher, told, language))
    for number in (await work.session.scalars(caused)).all():
        await _note(work, number, text)


async def _note(work: Work, number: int | None, body: str) -> None:
    desk = work.as_desk()
    ticket = await locked(desk, number)
    if ticket is not None and is_open(ticket.status):
        await actions.note(desk, ticket.id, inputs.Note(body=body))


async def locked(work: Work, number: int | None) -> Ticket | None:
    """The ticket as it is once its lock is ours: what somebody did to it while we waited counts."""
    if number is None:
        return None
    query = select(Ticket).where(Ticket.id == number).with_for_update(key_share=True)
    ticket: Ticket | None = await work.session.scalar(query.execution_options(populate_existing=True))
    return ticket


def _moment(at: Any) -> str:
    return str(at.isoformat(timespec="minutes"))


def lasted(span: Any) -> str:
    """A length of time as people say it: `2 d 3 h`, `5 min`."""
    seconds = max(0, int(span.total_seconds()))
    parts = [(seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "min")]
    told = [f"{n} {unit}" for n, unit in parts if n][:2]
    return " ".join(told) or f"{seconds} s"
