"""What is known of a device is taken down when a ticket about it is filed, and shown to whom it is for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text
from structlog.testing import CapturingLogger

import service.mdm.look_jobs  # noqa: F401
from service.assets import facts
from service.assets.facts import FactIn, keep_facts
from service.assets.models import AssetKind
from service.core.actor import Role, Scope
from service.core.errors import Invalid
from service.core.work import Work
from service.playbooks import actions as runs
from service.tickets import actions, inputs
from service.tickets.device import (
    MOST_DUPLICATES,
    MOST_FACTS,
    attach_fresh,
)
from service.tickets.device_seen import device_of, devices_of
from service.tickets.listing import TicketFilter, tickets_page
from service.tickets.models import TicketDevice
from service.tickets.queries import ticket_view
from tests import makers
from tests.device_school import PLAIN, PRIVATE, STANDING, TOLD, School, make_device_school, report
from tests.playbook_texts import small


@pytest.fixture
async def school(work: Work) -> School:
    return await make_device_school(work)


@contextmanager
def statements(work: Work) -> Iterator[list[str]]:
    heard: list[str] = []

    def hear(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        heard.append(" ".join(statement.split()))

    connection = work.session.bind.sync_connection  # type: ignore[union-attr]
    event.listen(connection, "before_cursor_execute", hear)
    yield heard
    event.remove(connection, "before_cursor_execute", hear)


# Taken down


async def test_filing_takes_down_what_is_known_of_the_device(school: School) -> None:
    ticket = await school.file()
    device = await school.seen(ticket.id, "technician")
    assert (device.tag, device.kind, device.serial) == (school.asset.tag, AssetKind.CHROMEBOOK, "5CD1234XYZ")
    assert {fact.name: fact.value for fact in device.facts} == (
        TOLD | STANDING | {"device.last_seen": (school.work.now - timedelta(days=9)).isoformat()}
    )
    assert device.taken_at == school.work.now
    assert {fact.source for fact in device.facts} == {"District Google"}


async def test_what_was_taken_down_stays_as_it_was(school: School) -> None:
    ticket = await school.file()
    school.work.now += timedelta(days=3)
    await report(school.work, school.asset, days=0, **{"device.os_version": "143.0"})
    device = await school.seen(ticket.id, "technician")
    (version,) = (fact for fact in device.facts if fact.name == "device.os_version")
    assert (version.value, version.stale) == ("142.0.7444.59", True)
    assert device.taken_at == school.work.now - timedelta(days=3)


async def test_only_what_was_over_a_day_old_at_filing_is_stale(school: School) -> None:
    ticket = await school.file()
    seen = await school.seen(ticket.id, "technician")
    assert {fact.name for fact in seen.facts if not fact.stale} == set(STANDING)
    on_the_day = await makers.make_asset(school.work)
    await report(school.work, on_the_day, days=1)
    same = await school.seen((await school.file(asset_tag=on_the_day.tag)).id, "technician")
    assert not any(fact.stale for fact in same.facts)


async def test_a_device_of_which_nothing_is_known_says_so(school: School) -> None:
    printer = await makers.make_asset(school.work, kind=AssetKind.PRINTER)
    ticket = await school.file(asset_tag=printer.tag)
    device = await school.seen(ticket.id)
    assert (device.facts, device.fresh, device.note) == ([], None, "Nothing is known of this device.")


async def test_a_ticket_about_no_device_has_no_block(school: School) -> None:
    ticket = await makers.make_ticket(await school.as_("teacher"))
    row = await ticket_view(await school.as_("teacher"), ticket.id)
    assert device_of(row) is None
    assert await school.work.session.get(TicketDevice, ticket.id) is None


async def test_at_most_sixty_facts_are_taken_down_those_of_the_device_first(school: School) -> None:
    asset = await makers.make_asset(school.work)
    many = [FactIn(name=f"app.number_{n}", value=n) for n in range(80)]
    await keep_facts(school.work, asset.id, "a directory", many)
    await report(school.work, asset)
    seen = await school.seen((await school.file(asset_tag=asset.tag)).id, "technician")
    assert len(seen.facts) == MOST_FACTS
    assert {fact.name for fact in seen.facts} > set(TOLD) | set(STANDING)


async def test_other_open_tickets_about_it_are_taken_down_newest_first(school: School) -> None:
    earlier = [(await school.file("technician")).id for _ in range(MOST_DUPLICATES + 2)]
    await actions.cancel(school.work, earlier[-1], inputs.Cancel(reason="Found it"))
    ticket = await school.file()
    device = await school.seen(ticket.id, "admin")
    assert device.duplicates == sorted(earlier[:-1], reverse=True)[:MOST_DUPLICATES]


async def test_the_desk_and_the_system_take_it_down_for_somebody_else(school: School) -> None:
    for work in (await school.as_("technician"), school.work):
        ticket = await makers.make_ticket(
            work, asset_tag=school.asset.tag, requester_id=school.people["pupil"].id
        )
        assert (await school.seen(ticket.id, "pupil")).facts


async def test_a_ticket_that_a_playbook_hands_over_has_the_facts(school: School) -> None:
    name = makers.unique("handing").replace("_", "-")
    await makers.make_playbook(school.work, small(name))
    teacher = await school.as_("teacher")
    run = await runs.start_run(teacher, runs.StartRun(playbook=name, asset_tag=school.asset.tag))
    run = await runs.hand_over(teacher, run.id, runs.Why(reason="No time"))
    assert run.ticket_id is not None
    assert (await school.seen(run.ticket_id)).facts


async def test_triage_to_another_device_takes_that_one_down(school: School) -> None:
    ticket = await school.file()
    other = await makers.make_asset(school.work)
    await report(school.work, other, days=0)
    technician = await school.as_("technician")
    await actions.triage(technician, ticket.id, inputs.Triage(asset_tag=other.tag))
    device = await school.seen(ticket.id, "technician")
    assert (device.tag, any(fact.stale for fact in device.facts)) == (other.tag, False)
    await actions.triage(technician, ticket.id, inputs.Triage(impact="school"))
    assert (await school.seen(ticket.id, "technician")).tag == other.tag
    await actions.triage(technician, ticket.id, inputs.Triage(asset_tag=None))
    assert device_of(await ticket_view(technician, ticket.id)) is None


# By serial number


@pytest.mark.parametrize("spelt", ["5CD1234XYZ", " 5cd1234xyz "])
async def test_a_device_can_be_named_by_its_serial_number(school: School, spelt: str) -> None:
    ticket = await school.file(asset_serial=spelt)
    assert (ticket.asset_id, ticket.device_holder_id) == (school.asset.id, school.people["pupil"].id)
    assert (await school.seen(ticket.id)).tag == school.asset.tag


async def test_a_serial_number_that_is_kept_in_small_letters_is_found_too(school: School) -> None:
    asset = await makers.make_asset(school.work, serial="pf0abc12")
    assert (await school.file(asset_serial="PF0ABC12")).asset_id == asset.id


async def refusal(school: School, who: str = "teacher", **given: Any) -> tuple[str, str, str]:
    with pytest.raises(Invalid) as refused:
        await makers.make_ticket(await school.as_(who), **given)
    (field,) = refused.value.fields
    return field.field, field.code, field.message


async def test_a_serial_number_that_nothing_bears_is_refused(school: School) -> None:
    assert await refusal(school, asset_serial="NOPE") == (
        "asset_serial",
        "unknown_asset",
        "There is no device with the serial number “NOPE”.",
    )


async def test_a_tag_and_a_serial_number_together_are_refused(school: School) -> None:
    field, code, _ = await refusal(school, asset_tag=school.asset.tag, asset_serial="5CD1234XYZ")
    assert (field, code) == ("asset_serial", "not_both")


async def test_tags_of_devices_with_one_serial_number_are_named_to_the_desk_alone(school: School) -> None:
    twin = await makers.make_asset(school.work, serial="5cd1234xyz")
    for who, named in (("teacher", False), ("pupil", False), ("technician", True)):
        field, code, message = await refusal(school, who, asset_serial="5CD1234XYZ")
        assert (field, code) == ("asset_serial", "ambiguous_asset")
        assert (twin.tag in message and school.asset.tag in message) is named
        assert (twin.tag in message) is named


# Who sees what


async def test_the_desk_reads_everything_in_the_usual_order(school: School) -> None:
    seen = await school.seen((await school.file()).id, "technician")
    assert set(PRIVATE) <= {fact.name for fact in seen.facts}
    assert [fact.name for fact in seen.facts][:2] == ["device.last_seen", "device.status"]


@pytest.mark.parametrize("who", ["teacher", "pupil", "guardian"])
async def test_whoever_may_know_the_device_reads_what_is_plain(school: School, who: str) -> None:
    ticket = await school.file(who)
    device = await school.seen(ticket.id, who)
    assert {fact.name for fact in device.facts} == PLAIN
    assert not device.withheld
    assert not any(value in repr(device) for value in PRIVATE.values())


async def test_a_token_without_the_directory_reads_what_is_plain(school: School) -> None:
    ticket = await school.file()
    work = await school.as_("technician")
    work.actor = makers.as_actor(
        Role.ADMIN, person_id=1, scopes=frozenset({Scope.TICKETS_READ, Scope.TICKETS_WRITE})
    )
    device = device_of(await ticket_view(work, ticket.id))
    assert device is not None
    assert {fact.name for fact in device.facts} == PLAIN


async def test_whoever_may_not_know_the_device_reads_nothing_of_it(school: School) -> None:
    """A classmate names the pupil's device by its tag."""
    ticket = await school.file("classmate")
    await attach_fresh(school.work, school.asset.id)
    device = await school.seen(ticket.id, "classmate")
    assert (device.withheld, device.facts, device.fresh, device.serial, device.duplicates) == (
        True, [], None, None, [],
    )  # fmt: skip
    assert device.note == "The desk has what is known of this device."
    assert (await school.seen(ticket.id, "technician")).facts


async def test_a_vendor_with_whom_it_is_shared_reads_nothing_of_it(school: School) -> None:
    ticket = await school.file()
    await actions.share(school.work, ticket.id, inputs.Share(person_id=school.people["vendor"].id))
    assert (await school.seen(ticket.id, "vendor")).withheld


async def test_the_next_holder_does_not_read_the_story_of_the_last(school: School) -> None:
    ticket = await school.file("classmate")
    school.asset.holder_id = school.people["classmate"].id
    await school.work.session.flush()
    assert (await school.seen(ticket.id, "classmate")).withheld


async def test_other_tickets_are_named_to_those_who_see_them(school: School) -> None:
    of_pupil, of_teacher = (await school.file("pupil")).id, (await school.file()).id
    hidden = await makers.make_queue(school.work, confidential=True)
    await actions.transfer(school.work, of_pupil, inputs.Transfer(queue=hidden.key))
    ticket = (await school.file()).id
    assert (await school.seen(ticket, "admin")).duplicates == [of_teacher, of_pupil]
    assert (await school.seen(ticket, "technician")).duplicates == [of_teacher]
    assert (await school.seen(ticket, "teacher")).duplicates == [of_teacher]


async def test_several_tickets_are_looked_up_as_one_would_be(school: School) -> None:
    numbers = [(await school.file(who)).id for who in ("teacher", "classmate", "pupil")]
    numbers.append((await makers.make_ticket(await school.as_("teacher"))).id)
    for who in ("admin", "technician", "teacher", "classmate", "pupil", "guardian", "vendor"):
        work = await school.as_(who)
        with statements(school.work) as heard:
            together = await devices_of(work, numbers)
        assert len(heard) == 1
        for number in numbers:
            row = await ticket_view(work, number, checked=False)
            assert together.get(number) == device_of(row), (who, number)


async def test_whole_records_of_others_devices_are_logged_as_read(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await school.file()
    technician = school.people["technician"]
    own = await makers.make_asset(school.work, holder_id=technician.id)
    await report(school.work, own)
    heard = CapturingLogger()
    monkeypatch.setattr(facts, "log", heard)
    await school.seen(ticket.id, "teacher")
    await school.seen((await school.file("technician", asset_tag=own.tag)).id, "technician")
    assert heard.calls == []
    await school.seen(ticket.id, "technician")
    await devices_of(await school.as_("technician"), [ticket.id])
    await facts.facts_of(await school.as_("technician"), school.asset.tag)
    line = {"by": technician.id, "token_id": None, "assets": [school.asset.id]}
    assert [(call.method_name, call.args, call.kwargs) for call in heard.calls] == [
        ("info", ("device_facts_read",), line)
    ] * 3


# In words


@pytest.mark.parametrize(
    ("language", "note", "label", "words"),
    [
        (
            "en",
            "Last seen by device management 9 days ago; what follows may have changed.",
            "enrolled in device management",
            "yes",
        ),
        (
            "es-MX",
            "Última conexión con la gestión de dispositivos: hace 9 días; lo que sigue puede haber cambiado.",
            "inscrito en la gestión de dispositivos",
            "sí",
        ),
    ],
)
async def test_a_teacher_reads_it_in_their_language(
    school: School, language: str, note: str, label: str, words: str
) -> None:
    school.people["teacher"].language = language
    await school.work.session.flush()
    device = await school.seen((await school.file()).id)
    (enrolled,) = (fact for fact in device.facts if fact.name == "device.enrolled")
    assert (device.note, enrolled.label, enrolled.words) == (note, label, words)


async def test_days_later_the_note_still_tells_of_the_filing(school: School) -> None:
    ticket = await school.file()
    later = await school.as_("teacher", now=school.work.now + timedelta(days=7))
    device = device_of(await ticket_view(later, ticket.id))
    assert device is not None
    assert device.note == (
        "Last seen by device management 9 days before this was filed; what follows may have changed."
    )


# What it costs


async def test_a_device_costs_one_statement_more_and_a_job_where_it_is_managed(school: School) -> None:
    counts = {}
    plain, managed = await makers.make_asset(school.work), school.asset
    for name, given in (
        ("none", {}),
        ("plain", {"asset_tag": plain.tag}),
        ("managed", {"asset_tag": managed.tag}),
    ):
        for _ in range(2):
            teacher = await school.as_("teacher")
            with statements(school.work) as heard:
                await makers.make_ticket(teacher, **given)
        counts[name] = len([one for one in heard if "FROM queues" not in one])
    looked_up, taken_down = 1, 1
    assert counts["plain"] == counts["managed"] == counts["none"] + looked_up + taken_down
    jobs = text("SELECT args->>'asset_id' FROM procrastinate_jobs WHERE task_name = 'mdm.look_at_device'")
    asked = (await school.work.session.execute(jobs)).scalars().all()
    assert asked == [str(managed.id), str(managed.id)]


async def test_a_list_does_not_read_it_and_a_view_takes_one_statement(school: School) -> None:
    ticket = await school.file()
    technician = await school.as_("technician")
    for _ in range(2):
        with statements(school.work) as heard:
            await tickets_page(technician, TicketFilter())
    assert not any("ticket_devices" in one for one in heard)
    with statements(school.work) as heard:
        await ticket_view(technician, ticket.id)
    assert len(heard) == 1
