"""The bulk loader: a district with as many tickets as wanted, straight into the tables, in seconds.

Calendar, policy and tokens are made by the verbs; the rest comes from `generate_series`, spread by a hash so
that no two columns follow each other. A ticket has two timers, three events or more, and a text. The last
tenth of the ids holds the open ones. Due times of open timers are those the service's own clock gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import select

from service.app import make_resources
from service.core.actor import SYSTEM
from service.core.database import driver_url
from service.core.migrating import migrate
from service.core.settings import Settings
from service.core.work import Work
from service.people.models import Person
from service.people.tokens import MadeToken, NewToken, create_token
from service.playbooks.versions import publish_shipped
from service.sla.calendar import Calendar
from service.sla.calendars import NewCalendar, create_calendar
from service.sla.clock import due_at
from service.sla.policies import NewPolicy, create_policy

QUEUES, SCHOOLS, ROOMS, STAFF, TECHNICIANS, ASSETS = 50, 200, 10, 20_000, 200, 10_000
HALF_SERVED = 5
OPEN_SHARE = 0.05
OPEN_DAYS = 40
RARE, FEW, COMMON = "periscope", "oscilloscope", "screen"
RARE_HITS, FEW_SHARE = 60, 0.002
HOURS = {day: [["07:30", "16:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
CALENDAR = {"zone": "America/Chicago", "hours": HOURS}
TARGETS: dict[str, dict[str, float]] = {
    "P1": {"first_response": 30, "next_response": 60, "resolution": 240},
    "P2": {"first_response": 60, "next_response": 120, "resolution": 480},
    "P3": {"first_response": 120, "next_response": 240, "resolution": 1440},
    "P4": {"first_response": 480, "next_response": 480, "resolution": 4800},
}


@dataclass(frozen=True, slots=True)
class Desk:
    """Who can act on a loaded database: a secret for each."""

    url: str
    tickets: int
    admin: str
    teacher: str
    technician: str
    half_served: str
    """A technician who serves 5 schools and no queue."""
    dispatcher: str
    """A technician who serves every queue."""


async def load(url: str, tickets: int, *, open_share: float = OPEN_SHARE) -> Desk:
    """Migrate the empty database at `url` and fill it."""
    migrate(url)
    with connected(url) as db:
        _people_and_places(db)
    desk = await _by_the_verbs(url, tickets)
    add_tickets(url, tickets, open_share=open_share)
    return desk


def add_tickets(url: str, count: int, *, open_share: float = OPEN_SHARE, answered: bool = True) -> range:
    """`count` more tickets, the newest last; their numbers. With `answered=False` no open one has a reply."""
    with connected(url) as db:
        (first,) = db.execute("SELECT coalesce(max(id), 1000) + 1 FROM tickets").fetchone() or (1001,)
        given = {
            "first": first,
            "last": first + count - 1,
            "count": count,
            "open_from": first + int(count * (1 - min(1, 2 * open_share))),
            "all_open": open_share >= 1,
            "answered": answered,
        }
        _dues(db)
        for statement in STATEMENTS:
            db.execute(statement % given)
        db.commit()
        db.autocommit = True
        for table in ("tickets", "sla_timers", "ticket_events", "ticket_texts"):
            db.execute(f"VACUUM (ANALYZE) {table}")
        db.execute("CHECKPOINT")
    return range(first, first + count)


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that loads: no foreign key is looked up, since every row is made to fit."""
    with psycopg.connect(driver_url(url).replace("+psycopg", "", 1)) as db:
        db.execute("SET session_replication_role = replica")
        db.execute("SET synchronous_commit = off")
        db.execute("SET maintenance_work_mem = '512MB'")
        db.execute("SET work_mem = '128MB'")
        db.execute("SET TIME ZONE 'UTC'")
        db.commit()
        yield db
        if not db.autocommit:
            db.commit()


def _people_and_places(db: psycopg.Connection[Any]) -> None:
    for statement in PLACES:
        db.execute(statement)
    db.commit()
    db.autocommit = True
    db.execute("VACUUM ANALYZE")


async def _by_the_verbs(url: str, tickets: int) -> Desk:
    resources = make_resources(url, Settings(database_pool=2))
    try:
        async with resources.begin(SYSTEM) as work:
            await create_calendar(work, NewCalendar(name="Schools", definition=CALENDAR))
            await create_policy(work, NewPolicy(name="All", targets=TARGETS))
            await publish_shipped(work)
            return Desk(
                url,
                tickets,
                admin=await _token(work, "admin"),
                teacher=await _token(work, "staff-1"),
                technician=await _token(work, "tech-1"),
                half_served=await _token(work, "tech-2"),
                dispatcher=await _token(work, "tech-3"),
            )
    finally:
        await resources.close()


async def _token(work: Work, external_id: str) -> str:
    person = await work.session.scalar(select(Person.id).where(Person.external_id == external_id))
    assert person is not None
    made = await create_token(work, NewToken(person_id=person, label="bench"))
    assert isinstance(made, MadeToken)
    return made.secret


def _dues(db: psycopg.Connection[Any]) -> None:
    """The due time of every target for a start in any hour in which an open ticket can have been opened."""
    db.execute(
        "CREATE TEMP TABLE dues (priority smallint, target smallint, start timestamptz, due timestamptz)"
        " ON COMMIT DROP"
    )
    calendar = Calendar.from_json({**CALENDAR, "name": "Schools"})
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    starts = [hour - timedelta(hours=back) for back in range(OPEN_DAYS * 24 + 2)]
    with db.cursor().copy("COPY dues FROM STDIN") as copy:
        for priority, targets in enumerate(TARGETS.values(), start=1):
            for code, target in ((1, "first_response"), (4, "resolution")):
                goal = timedelta(minutes=targets[target])
                for start in starts:
                    copy.write_row((priority, code, start, due_at(start, goal, calendar)))
    db.execute("ANALYZE dues")


def _h(seed: int, modulus: int, value: str = "i") -> str:
    """A number below `modulus` that depends on the row and on nothing else."""
    return f"((hashint8extended({value}, {seed}) & 2147483647) %% {modulus})"


PLACES = [
    f"""INSERT INTO places (id, kind, name, school_id)
        SELECT lpad(n::text, 4, '0'), 1, 'School ' || n, lpad(n::text, 4, '0')
        FROM generate_series(1, {SCHOOLS}) AS n""",
    f"""INSERT INTO places (id, kind, name, parent_id, school_id)
        SELECT s.id || '-' || r, 3, 'Room ' || r, s.id, s.id
        FROM places AS s, generate_series(101, {100 + ROOMS}) AS r""",
    f"""INSERT INTO queues (key, name, confidential, is_default)
        SELECT 'q' || lpad(n::text, 2, '0'), 'Queue ' || n, n = {QUEUES}, n = 1
        FROM generate_series(1, {QUEUES}) AS n""",
    """INSERT INTO categories (id, name)
       SELECT c, initcap(replace(c, '.', ' ')) FROM unnest(ARRAY['av.projector', 'device.screen',
           'device.keyboard', 'account.password', 'network.wifi', 'print.toner', 'software.install', 'other'])
           AS c""",
    f"""INSERT INTO persons (external_id, name, email, role, school_id)
        SELECT 'staff-' || n, 'Teacher ' || n, 'teacher' || n || '@desk.example', 1,
            lpad((1 + n % {SCHOOLS})::text, 4, '0')
        FROM generate_series(1, {STAFF}) AS n""",
    f"""INSERT INTO persons (external_id, name, email, role)
        SELECT 'tech-' || n, 'Technician ' || n, 'tech' || n || '@desk.example', 5
        FROM generate_series(1, {TECHNICIANS}) AS n""",
    """INSERT INTO persons (external_id, name, role) VALUES ('admin', 'Admin', 7)""",
    f"""INSERT INTO served_queues (person_id, queue_id)
        SELECT p.id, q.id FROM persons AS p, queues AS q
        WHERE (p.external_id = 'tech-1' AND q.id <= {HALF_SERVED}) OR p.external_id = 'tech-3'""",
    f"""INSERT INTO served_schools (person_id, school_id)
        SELECT p.id, lpad(n::text, 4, '0') FROM persons AS p, generate_series(1, {HALF_SERVED}) AS n
        WHERE p.external_id IN ('tech-1', 'tech-2')""",
    f"""INSERT INTO assets (tag, kind, model, place_id, school_id, holder_id)
        SELECT 'CB-' || lpad(n::text, 6, '0'), 1, 'Chromebook 11', s || '-101', s, 1 + n % {STAFF}
        FROM (SELECT n, lpad((1 + n % {SCHOOLS})::text, 4, '0') AS s FROM generate_series(1, {ASSETS}) AS n)
            AS a""",
]

# One row a ticket with everything the four tables need, made once: `made`.
STATEMENTS = [
    f"""
    CREATE TEMP TABLE made ON COMMIT DROP AS
    WITH drawn AS (
        SELECT i, i >= %(open_from)s AND (%(all_open)s OR {_h(1, 2)} = 0) AS open,
            1 + {_h(2, QUEUES)} AS queue, 1 + {_h(3, SCHOOLS)} AS school, 1 + {_h(4, 4)} AS priority,
            1 + {_h(5, STAFF)} AS requester, {STAFF} + 1 + {_h(6, TECHNICIANS)} AS technician,
            101 + {_h(7, ROOMS)} AS room, {_h(8, 3)} AS with_asset, 1 + {_h(9, ASSETS)} AS asset,
            {_h(10, 8)} AS topic, {_h(11, 10)} < 6 AND %(answered)s AS replied,
            {_h(12, 1000)} < {int(FEW_SHARE * 1000)} AS few, (i - %(first)s) %% greatest(1, %(count)s / {
        RARE_HITS
    }) = 0
                AS rare,
            date_trunc('second', now() - interval '365 days' * (%(last)s - i + 1) / (%(count)s + 1)) AS at,
            date_trunc('hour', now()) - interval '1 hour'
                * (1 + floor({_h(13, OPEN_DAYS * 24)} ^ 3 / {OPEN_DAYS * 24} ^ 2)) AS open_at
        FROM generate_series(%(first)s::bigint, %(last)s) AS i
    ), placed AS (
        SELECT *, CASE WHEN open THEN open_at ELSE at END AS opened_at, NOT open OR replied AS answered,
            lpad(school::text, 4, '0') AS school_id,
            (ARRAY['av.projector', 'device.screen', 'device.keyboard', 'account.password', 'network.wifi',
                'print.toner', 'software.install', 'other'])[1 + topic] AS category,
            (ARRAY['Projector shows no picture', 'Cracked {COMMON} on a chromebook', 'Keyboard keys missing',
                'Password forgotten again', 'No wifi in the room', 'Printer says toner low',
                'Please install the test app', 'Something else is wrong'])[1 + topic] AS subject
        FROM drawn
    ), goals (p, first_goal, whole_goal) AS (
        VALUES {
        ", ".join(
            f"({p}, interval '{t['first_response']} min', interval '{t['resolution']} min')"
            for p, t in enumerate(TARGETS.values(), start=1)
        )
    }
    )
    SELECT placed.*, first_goal, whole_goal,
        coalesce(f.due, opened_at + first_goal) AS first_due,
        coalesce(w.due, opened_at + whole_goal) AS whole_due
    FROM placed JOIN goals ON p = priority
        LEFT JOIN dues AS f ON open AND f.start = opened_at AND f.priority = placed.priority AND f.target = 1
        LEFT JOIN dues AS w ON open AND w.start = opened_at AND w.priority = placed.priority AND w.target = 4
    """,
    f"""
    INSERT INTO tickets (id, kind, status, priority, impact, urgency, channel, confidential, version, reopens,
        queue_id, requester_id, opened_by_id, assignee_id, asset_id, device_holder_id, school_id, place_id,
        category_id, language, subject, description, tags, shared_with, policy_id, policy_version,
        calendar_id,
        resolution, cause, fix, outcome, opened_at, reported_at, updated_at, touched_at, first_response_at,
        last_reply_at, resolved_at, closed_at, next_due_at)
    SELECT i, 1, CASE WHEN NOT open THEN 6 WHEN replied THEN 2 ELSE 1 END, priority, 4, 3, 1,
        queue = {QUEUES},
        CASE WHEN open THEN 2 ELSE 5 END, 0, queue, requester, requester,
        CASE WHEN answered THEN technician END,
        CASE WHEN with_asset = 0 THEN asset END, CASE WHEN with_asset = 0 THEN 1 + asset %% {STAFF} END,
        school_id, school_id || '-' || room, category, 'en', subject,
        subject || ' since second period. Number ' || i || ', room ' || room || ', cable and power checked.'
            || CASE WHEN rare THEN ' {RARE}' ELSE '' END || CASE WHEN few THEN ' {FEW}' ELSE '' END,
        '{{}}', '{{}}', 1, 1, 1,
        CASE WHEN NOT open THEN 'Looked at it and swapped the cable.' END,
        CASE WHEN NOT open THEN 'av.cable' END, CASE WHEN NOT open THEN 'onsite.replace_part' END,
        CASE WHEN NOT open THEN 'solved_assumed' END,
        opened_at, opened_at, opened_at + CASE WHEN answered THEN interval '10 min' ELSE interval '0' END,
        CASE WHEN answered THEN opened_at + interval '10 min' END,
        CASE WHEN answered THEN opened_at + interval '10 min' END,
        CASE WHEN answered THEN opened_at + interval '10 min' END,
        CASE WHEN NOT open THEN opened_at + interval '1 hour' END,
        CASE WHEN NOT open THEN opened_at + interval '4 days' END,
        CASE WHEN NOT open THEN NULL WHEN answered THEN whole_due ELSE least(first_due, whole_due) END
    FROM made ORDER BY i
    """,
    """
    INSERT INTO sla_timers (ticket_id, target, n, state, policy_id, policy_version, calendar_id,
        calendar_version, started_at, goal, pauses, due_at, stopped_at, breached_at, checks, next_check_at)
    SELECT i, target, 1, CASE WHEN ended IS NOT NULL THEN 3 WHEN due < now() THEN 4 ELSE 1 END, 1, 1, 1, 1,
        opened_at, goal, '[]', due, ended, CASE WHEN ended IS NULL AND due < now() THEN due END,
        CASE WHEN ended IS NULL AND due >= now() THEN ARRAY[due] ELSE '{}' END,
        CASE WHEN ended IS NULL AND due >= now() THEN due END
    FROM (
        SELECT i, 1 AS target, opened_at, first_goal AS goal, first_due AS due,
            CASE WHEN answered THEN opened_at + interval '10 min' END AS ended FROM made
        UNION ALL
        SELECT i, 4, opened_at, whole_goal, whole_due,
            CASE WHEN NOT open THEN opened_at + interval '1 hour' END
        FROM made
    ) AS cycles ORDER BY i, target
    """,
    """
    INSERT INTO ticket_events (ticket_id, kind, at, actor_id, actor_name, by_desk, public, status, queue_id,
        body, detail)
    SELECT i, kind, opened_at + after, CASE WHEN desk THEN technician ELSE requester END,
        CASE WHEN desk THEN 'Technician' ELSE 'Teacher' END, desk, kind <> 'ticket.triaged', status,
        CASE WHEN kind = 'ticket.opened' THEN queue END, body, '{}'
    FROM made, (VALUES
        ('ticket.opened', interval '0', false, 1, NULL, true, true),
        ('ticket.triaged', interval '5 min', true, NULL, NULL, true, true),
        ('ticket.started', interval '8 min', true, 2, NULL, false, true),
        ('ticket.replied', interval '10 min', true, NULL, 'On my way, leave it switched on.', false, true),
        ('ticket.resolved', interval '1 hour', true, 5, 'Looked at it and swapped the cable.', false, false),
        ('ticket.closed', interval '4 days', true, 6, NULL, false, false)
    ) AS e (kind, after, desk, status, body, always, while_open)
    WHERE always OR NOT open OR (while_open AND replied)
    ORDER BY i, after
    """,
    """
    INSERT INTO ticket_texts (ticket_id, words)
    SELECT id, subject || E'\\n' || description FROM tickets
    WHERE id BETWEEN %(first)s AND %(last)s ORDER BY id
    """,
    "SELECT setval('ticket_numbers', %(last)s + 1, false)",
]
