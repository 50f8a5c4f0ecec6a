"""Mappings, and files as streams of rows: nothing here needs the database."""

from __future__ import annotations

import gzip
import lzma
import random
from pathlib import Path

import pytest

from service.imports.actions import mapping_named, shipped_mappings
from service.imports.directory import slug
from service.imports.folding import folded, grew_from, hash_of
from service.imports.lines import Known, Line, Unfit, line_reader
from service.imports.mapping import BadMapping, FileForm, mapping_from_yaml
from service.imports.reading import LONGEST_LINE, Export, Reject, Row, Unreadable
from service.imports.sorting import Sorter

SMALL = """
name: small
zone: UTC
dates: ["%d/%m/%Y %H:%M"]
event: {id: number, at: at, opened_at: opened}
ticket: {subject: "{number} {text}"}
status: {column: state, values: {New: new, Done: resolved}}
priority: {column: priority, values: {high: P1}, unmapped: P4}
queue: {column: team, create: true}
"""


def read(path: Path) -> tuple[list[Row], list[Reject]]:
    rows, rejects = [], []
    with Export(path, FileForm()) as export:
        for found in export.rows():
            if isinstance(found, Row):
                rows.append(found)
            else:
                rejects.append(found)
    return rows, rejects


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "export.csv"
    path.write_bytes(content)
    return path


def test_the_shipped_mapping_fits_itself() -> None:
    assert shipped_mappings() == ["servicenow-events"]
    assert mapping_named("servicenow-events").event.id == "number"


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("zone: UTC", "zone: Moon/Base", "zone: is no IANA time zone"),
        ("New: new", "New: fresh", "status.values.New: Input should be 'new'"),
        ("at: at,", "", "event.at: is missing"),
        ("name: small", "nmae: small", "nmae: is no key that a mapping has"),
        ("%d/%m/%Y %H:%M", "%d/%m %H:%M", "needs day, month and year"),
        ("{number} {text}", "{number} {", "ticket.subject"),
        ("high: P1", "high: urgent", "priority.values.high"),
    ],
)
def test_a_mistake_in_a_mapping_is_told_with_its_place(was: str, becomes: str, said: str) -> None:
    with pytest.raises(BadMapping, match=said.replace(".", r"\.")):
        mapping_from_yaml(SMALL.replace(was, becomes))


def test_a_mapping_that_is_no_yaml_is_told_by_line() -> None:
    with pytest.raises(BadMapping, match="line 3"):
        mapping_from_yaml("name: x\nzone: [\n}")
    with pytest.raises(BadMapping, match="YAML object"):
        mapping_from_yaml("- a list")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_files_are_told_apart_by_how_they_begin(tmp_path: Path, pack: object) -> None:
    path = write(tmp_path, pack(b"a,b\r\n1,2\n\n3,4"))  # type: ignore[operator]
    rows, rejects = read(path)
    assert [(row.line, row.fields) for row in rows] == [(2, ["1", "2"]), (4, ["3", "4"])]
    assert rejects == []


def test_quoted_values_may_run_over_lines(tmp_path: Path) -> None:
    rows, rejects = read(write(tmp_path, b'a,b,c\n1,"two\nlines ""both""",x\n3,4,y\n'))
    assert [row.fields for row in rows] == [["1", 'two\nlines "both"', "x"], ["3", "4", "y"]]
    assert rejects == []


def test_each_bad_line_costs_itself_only(tmp_path: Path) -> None:
    bad = [
        b'2,"never ended,x',
        b"3,too few",
        b"4,too,many,values",
        b"5,nul\x00,x",
        b"6,\xff\xfe,x",
        b'7,"stray"quote,x',
        b"8," + b"y" * (10 * LONGEST_LINE) + b",x",
    ]
    content = b"a,b,c\n1,fine,x\n"
    for line in bad:
        content += line + b"\n" + b"0,good,x\n"
    rows, rejects = read(write(tmp_path, content))
    assert len(rows) == 1 + len(bad)
    assert [reject.line for reject in rejects] == [3, 5, 7, 9, 11, 13, 15]
    reasons = " | ".join(reject.reason for reject in rejects)
    for part in ("does not end", "has 2 values", "has 4 values", "NUL", "not utf-8", "stray quote", "longer"):
        assert part in reasons


def test_two_stray_quotes_swallow_nothing_between_them(tmp_path: Path) -> None:
    """Joined, the two lines would be one record of the right width."""
    rows, rejects = read(write(tmp_path, b'a,b,c\n1,"x,y\n2,good,z\n3,"x,y\n4,good,z\n'))
    assert [row.fields[0] for row in rows] == ["2", "4"]
    assert [reject.line for reject in rejects] == [2, 4]


def test_prose_with_commas_may_run_over_lines_where_events_are_known(tmp_path: Path) -> None:
    path = write(tmp_path, b'a,b\n1,"two\nlines, and more"\n3,4\n')
    with Export(path, FileForm()) as export:
        found = list(export.rows(lambda fields: fields[0].isdigit()))
    assert [row.fields for row in found] == [["1", "two\nlines, and more"], ["3", "4"]]


@pytest.mark.parametrize("seed", range(20))
def test_noise_never_stops_the_reading(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    good = b"k,v,w"
    lines = [bytes(chance.choices(b'a,"\x00\xff\r\n\t;', k=chance.randrange(40))) for _ in range(50)]
    path = write(tmp_path, b"a,b,c\n" + b"\n".join(line + b"\n" + good for line in lines) + b"\n")
    rows, _ = read(path)
    assert sum(row.fields == ["k", "v", "w"] for row in rows) >= 40


def test_an_archive_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    chance = random.Random(1)
    body = b"a,b\n" + b"".join(b"%d,%d\n" % (n, chance.randrange(10**9)) for n in range(50_000))
    rows, rejects = read(write(tmp_path, gzip.compress(body)[:-90_000]))
    assert len(rows) > 10_000
    assert "breaks off" in rejects[-1].reason


@pytest.mark.parametrize("content", [b"", b"\n", b'"open,quote\n1\n'])
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Unreadable):
        read(write(tmp_path, content))


def line(number: str, n: int, **said: object) -> Line:
    values: dict[str, object] = dict.fromkeys(Line._fields) | {
        "id": number, "rank": n, "line": n, "at": n * 60_000_000, "opened_at": 0, "state": "New",
        "status": "new", "priority": "P3", "subject": "s", "description": "",
    }  # fmt: skip
    return Line(**(values | said))  # type: ignore[arg-type]


def test_lines_are_brought_together_whatever_the_memory() -> None:
    chance = random.Random(5)
    lines = [line(f"N{chance.randrange(40)}", n) for n in range(1, 2_001)]
    with Sorter(lines_a_run=7) as sorter:
        for one in lines:
            sorter.add(one)
        found = list(sorter.tickets())
    assert [ticket[0].id for ticket in found] == sorted({one.id for one in lines})
    for ticket in found:
        assert ticket == [one for one in lines if one.id == ticket[0].id]


def test_a_line_says_why_it_means_nothing() -> None:
    mapping = mapping_from_yaml(SMALL)
    to_line = line_reader(mapping, ["number", "at", "opened", "state", "priority", "team", "text"], Known())
    good = ["A1", "29/2/2016 01:16", "29/2/2016 01:10", "New", "what", "", "  no   picture "]
    made = to_line(2, good)
    assert (made.priority, made.queue, made.subject) == ("P4", None, "A1 no picture")
    for place, value, said in [
        (0, "", "number is missing"),
        (1, "30/2/2016 01:16", "no date"),
        (2, "", "opened is missing"),
        (3, "Odd", "state: 'Odd' has no status"),
    ]:
        with pytest.raises(Unfit, match=said):
            to_line(3, [*good[:place], value, *good[place + 1 :]])


def test_an_event_a_line_with_what_changed() -> None:
    ticket = folded(
        [
            line("A", 1, status="in_progress", queue="Net"),
            line("A", 2, status="in_progress", queue=None),
            line("A", 3, status="resolved", queue="Desk", priority="P1"),
            line("A", 4, status="resolved"),
            line("A", 5, status="in_progress"),
            line("A", 6, status="closed", state="Closed"),
        ]
    )
    told = [(event.kind, event.status, event.queue) for event in ticket.events]
    assert told == [
        ("ticket.opened", "new", None),
        ("ticket.started", "in_progress", "Net"),
        ("ticket.imported_update", None, None),
        ("ticket.resolved", "resolved", "Desk"),
        ("ticket.imported_update", "resolved", None),
        ("ticket.reopened", "in_progress", None),
        ("ticket.closed", "closed", None),
    ]
    assert (ticket.reopens, ticket.queue, ticket.status) == (1, "Desk", "closed")
    assert (ticket.resolved_at, ticket.closed_at) == (240_000_000, 360_000_000)


def test_a_later_export_grows_from_an_earlier_one() -> None:
    lines = [hash_of(line("A", n)) for n in range(1, 6)]
    assert grew_from(lines[:3], lines)
    assert grew_from([lines[0], lines[4]], lines)
    assert not grew_from(lines, lines)
    assert not grew_from([lines[1], lines[0]], lines)
    assert hash_of(line("A", 1)) == hash_of(line("A", 1)._replace(line=9, rank=9))


def test_a_key_reads_like_its_name() -> None:
    assert slug("Group 70", "-") == "group-70"
    assert slug("École Curie", "_") == "ecole_curie"
    assert slug("学校", "-").isalnum()
