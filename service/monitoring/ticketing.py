"""The tickets of faults: opened in words that people use, resolved when the device is well again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from integrations.snmp.profile import FaultSpec
from service.assets.models import Asset
from service.core.settings import settings
from service.core.work import Work
from service.monitoring.models import NetworkDevice, NetworkFault
from service.monitoring.wording import About, description, sentence
from service.places.models import Place, PlaceKind
from service.tickets import actions, inputs
from service.tickets.lifecycle import Status, is_open
from service.tickets.models import Channel, LinkKind, Ticket, TicketEvent, TicketLink
from service.tickets.opening import open_ticket
from service.tickets.priority import Impact, Urgency
from service.tickets.queries import ticket_for_update
from service.tickets.resolution import Cause, Fix, Outcome
from service.tickets.rules import DeskRules, desk_rules

School = aliased(Place)
TAG: Final = "network-monitor"
SAID: Final = {
    "en": {
        "recovered": "{label}: well again since {at}, after {lasted}.",
        "recovered_touched": "The device reports that it is well again since {at}, after {lasted}. "
        "Somebody has worked on this ticket, so it stays with you.",
        "again": "It is back: {sentence}",
        "changed": "The device now reports: {sentence}",
        "joined": "Not reachable either, because it hangs on this: {device}.",
        "known": "We know about this: {sentence} It is being worked on, you need not do anything.",
        "cause_well": "What caused this is well again: {sentence}",
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
        "joined": "Tampoco responde, porque depende de este equipo: {device}.",
        "known": "Ya lo sabemos: {sentence} Se está trabajando en ello, no tiene que hacer nada.",
        "cause_well": "Lo que causaba esto funciona de nuevo: {sentence}",
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
    return SAID.get(language, SAID["en"])[name].format(**holes)


def source_key(device_id: int, check: str, instance: str) -> str:
    """What makes a fault one fault: the device, the check, and what of the device."""
    return f"network:{device_id}:{check}:{instance}"[:200]


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
    """The one open ticket of this fault, made if there is none."""
    desk = work.as_desk()
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
    return await open_ticket(desk, inputs.OpenTicket(**given))


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
    ticket = await _ticket(desk, fault.ticket_id)
    if ticket is None or not is_open(ticket.status):
        return
    language = settings().desk_language
    label = fault.label or fault.instance or device.name
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
    ticket = await _ticket(desk, fault.ticket_id)
    if ticket is None:
        return False
    told = await about(desk, device, fault, ())
    language = settings().desk_language
    body = words(language, "again", sentence=sentence(spec.for_teacher, told, language))
    if is_open(ticket.status):
        await actions.note(desk, ticket.id, inputs.Note(body=body))
    elif ticket.status in (Status.RESOLVED, Status.CLOSED):
        await actions.reopen(desk, ticket.id, inputs.Reopen(reason=body))
    else:
        return False
    return True


async def tell_changed(work: Work, device: NetworkDevice, fault: NetworkFault, spec: FaultSpec) -> None:
    """What the device says of an open fault has changed."""
    told = await about(work, device, fault, ())
    language = settings().desk_language
    text = sentence(spec.for_technician, told, language)
    await _note(work, fault.ticket_id, words(language, "changed", sentence=text))


async def tell_joined(work: Work, parent_ticket: int | None, device: NetworkDevice) -> None:
    await _note(work, parent_ticket, words(settings().desk_language, "joined", device=device.name))


async def tell_waiting(
    work: Work, device: NetworkDevice, fault: NetworkFault, spec: FaultSpec | None
) -> None:
    """Whoever has a ticket that this fault caused is told, on the desk's side, that the cause is gone."""
    if fault.ticket_id is None or spec is None:
        return
    caused = select(TicketLink.ticket_id).where(
        TicketLink.other_id == fault.ticket_id, TicketLink.kind == LinkKind.CAUSED_BY
    )
    told = await about(work, device, fault, ())
    language = settings().desk_language
    text = words(language, "cause_well", sentence=sentence(spec.for_teacher, told, language))
    for number in (await work.session.scalars(caused)).all():
        await _note(work, number, text)


async def _note(work: Work, number: int | None, body: str) -> None:
    desk = work.as_desk()
    ticket = await _ticket(desk, number)
    if ticket is not None and is_open(ticket.status):
        await actions.note(desk, ticket.id, inputs.Note(body=body))


async def _ticket(desk: Work, number: int | None) -> Ticket | None:
    if number is None or await desk.session.get(Ticket, number) is None:
        return None
    return await ticket_for_update(desk, number)


def _moment(at: Any) -> str:
    return str(at.isoformat(timespec="minutes"))


def lasted(span: Any) -> str:
    """A length of time as people say it: `2 d 3 h`, `5 min`."""
    seconds = max(0, int(span.total_seconds()))
    parts = [(seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "min")]
    told = [f"{n} {unit}" for n, unit in parts if n][:2]
    return " ".join(told) or f"{seconds} s"
