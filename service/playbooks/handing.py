"""What a run does to its ticket: opens one, hands it over with what was learnt, notes, resolves.

The desk itself acts here, by rule; whose run it is stands in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from service.assets.models import Asset
from service.core.errors import Conflict, Invalid
from service.core.work import Work
from service.people.models import Person
from service.playbooks.grammar import Book
from service.playbooks.models import PlaybookRun
from service.playbooks.queries import summary_of
from service.playbooks.state import HandedOver, State
from service.playbooks.summary import as_text
from service.playbooks.texts import in_language
from service.tickets import actions, inputs
from service.tickets.lifecycle import is_open
from service.tickets.models import Ticket
from service.tickets.opening import open_ticket
from service.tickets.priority import Priority
from service.tickets.queries import language_of_notes
from service.tickets.resolution import Cause, Fix, Outcome
from service.tickets.rules import DeskRules, desk_rules

NEAREST: Mapping[str, tuple[str, ...]] = {
    "mdm": ("devices",),
    "testing": ("devices",),
    "vendor": ("devices",),
    "voice": ("network",),
    "filter": ("network", "accounts"),
}
"""Where a handoff goes on a desk that has no queue of that name; else to its default queue."""
SAID: Mapping[str, Mapping[str, str]] = {
    "opened": {
        "en": "Handed over by guided help. The desk has everything that was asked and answered.",
        "es": "Pasado por la ayuda guiada. La mesa tiene todo lo que se preguntó y se respondió.",
    },
    "solved": {"en": "Solved with guided help", "es": "Resuelto con la ayuda guiada"},
}
MOST_TAGS = 20
SOLVED = frozenset({Outcome.SOLVED_CONFIRMED.value, Outcome.SOLVED_ASSUMED.value})


async def hand_to_desk(work: Work, run: PlaybookRun, book: Book, to: HandedOver) -> None:
    """Give the ticket to the queue, with the summary as a note; without a ticket, open one."""
    desk = work.as_desk()
    await work.session.flush()
    if run.ticket_id is None:
        run.ticket_id = await _opened(desk, run, book, to)
        await work.session.flush()
    else:
        await _moved(desk, run, to)
    await _note_summary(desk, run, run.ticket_id)


async def _opened(desk: Work, run: PlaybookRun, book: Book, to: HandedOver) -> int:
    rules = await desk_rules(desk)
    wanted: dict[str, Any] = {
        "subject": in_language(book.main.title, run.language)[:200],
        "description": in_language(SAID["opened"], run.language),
        "requester_id": await _still_there(desk, run.person_id),
        "asset_tag": await desk.session.scalar(select(Asset.tag).where(Asset.id == run.asset_id)),
        "place_id": run.school_id,
        "language": run.language,
        "tags": [*to.tags, "guided-help"],
    }
    categories = [to.category, *book.main.applies_to.categories]
    wanted["category"] = next((one for one in categories if one in rules.categories), None)
    wanted["queue"] = queue_key(rules, to.queue)
    if to.priority is not None:
        wanted["priority"] = Priority(to.priority)
    given = {name: value for name, value in wanted.items() if value is not None}
    return int((await open_ticket(desk, inputs.OpenTicket(**given))).id)


async def _still_there(desk: Work, person_id: int | None) -> int | None:
    """The person, unless they left meanwhile: their run is handed over all the same."""
    query = select(Person.id).where(Person.id == person_id, Person.active)
    return (await desk.session.execute(query)).scalar()


async def _moved(desk: Work, run: PlaybookRun, to: HandedOver) -> None:
    """Queue, category, priority and tags as the handoff says; a priority is only ever raised."""
    ticket = await desk.session.get_one(Ticket, run.ticket_id)
    if not is_open(ticket.status):
        return
    rules = await desk_rules(desk)
    triage: dict[str, Any] = {}
    if to.category in rules.categories and ticket.category_id is None:
        triage["category"] = to.category
    if to.priority is not None and to.priority < ticket.priority.value:
        triage["priority"] = Priority(to.priority)
    if triage:
        await actions.triage(desk, ticket.id, inputs.Triage(**triage))
    if tags := [tag for tag in to.tags if tag not in ticket.tags][: MOST_TAGS - len(ticket.tags)]:
        await actions.tag(desk, ticket.id, inputs.Tag(add=tags))
    await _transferred(desk, ticket.id, to.queue)


async def _transferred(desk: Work, number: int, wanted: str) -> None:
    """Send it to a queue, or the nearest there is, unless it is there."""
    rules = await desk_rules(desk)
    queue = queue_key(rules, wanted)
    ticket = await desk.session.get_one(Ticket, number)
    if rules.by_key[queue].id != ticket.queue_id:
        await actions.transfer(desk, number, inputs.Transfer(queue=queue, reason="guided help"))


def queue_key(rules: DeskRules, wanted: str) -> str:
    """The queue of that name, or the nearest that this desk has."""
    there = (one for one in (wanted, *NEAREST.get(wanted, ())) if one in rules.by_key)
    return next(there, rules.default_queue.key)


async def close_solved(work: Work, run: PlaybookRun, book: Book, state: State) -> None:
    """A run that solved it resolves its ticket; whatever else it came to is a note on it."""
    if run.ticket_id is None:
        return
    desk = work.as_desk()
    await work.session.flush()
    ticket = await work.session.get_one(Ticket, run.ticket_id)
    await _note_summary(desk, run, ticket.id)
    if is_open(ticket.status) and state.code.get("outcome") in SOLVED:
        solved = inputs.Resolve(
            resolution=f"{in_language(SAID['solved'], run.language)}: "
            f"{in_language(book.main.title, run.language)}",
            cause=Cause(state.code["cause"]),
            fix=Fix(state.code["fix"]),
            outcome=Outcome(state.code["outcome"]),
        )
        await actions.resolve(desk, ticket.id, solved)


async def _note_summary(desk: Work, run: PlaybookRun, number: int) -> None:
    """What was learnt, in the language of the technician who has the ticket, else in the desk's."""
    language = await language_of_notes(desk, number)
    made = await summary_of(desk, run, language)
    await actions.note(desk, number, inputs.Note(body=as_text(made, language)))


async def note(work: Work, run: PlaybookRun, body: str) -> None:
    await actions.note(work.as_desk(), _ticket(run), inputs.Note(body=body))


async def reply(work: Work, run: PlaybookRun, body: str) -> None:
    await actions.reply(work.as_desk(), _ticket(run), inputs.Reply(body=body))


async def update_ticket(work: Work, run: PlaybookRun, given: Mapping[str, Any]) -> None:
    """Queue, priority, category; with a cause and a fix, resolve it. Conflict, Invalid."""
    desk, number = work.as_desk(), _ticket(run)
    changes = {name: given[name] for name in ("priority", "category") if name in given}
    if changes:
        await actions.triage(desk, number, inputs.Triage(**changes))
    if "queue" in given:
        await _transferred(desk, number, str(given["queue"]))
    if "cause" in given:
        if "fix" not in given:
            raise Invalid.field("fix", "A resolution has a cause and a fix.", "required")
        solved = inputs.Resolve(
            resolution=f"{in_language(SAID['solved'], run.language)}.",
            cause=Cause(given["cause"]),
            fix=Fix(given["fix"]),
            outcome=Outcome(given.get("outcome", Outcome.SOLVED_ASSUMED)),
        )
        await actions.resolve(desk, number, solved)


def _ticket(run: PlaybookRun) -> int:
    if run.ticket_id is None:
        raise Conflict("This run has no ticket.")
    return run.ticket_id
