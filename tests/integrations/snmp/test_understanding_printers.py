"""Printers: what levels, bits and alerts say together, and what they never say."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.snmp.profile import load_profiles
from integrations.snmp.reading import Reading, Special, Verdict
from integrations.snmp.target import Answers
from integrations.snmp.understanding import poll_plan, rows_of, understand

PROFILE = load_profiles().by_name("printer")
SUPPLY, INPUT = "1.3.6.1.2.1.43.11.1.1", "1.3.6.1.2.1.43.8.2.1"
ALERT = "1.3.6.1.2.1.43.18.1.1"
ERRORS, STATUS, DEVICE = "1.3.6.1.2.1.25.3.5.1.2.1", "1.3.6.1.2.1.25.3.5.1.1.1", "1.3.6.1.2.1.25.3.2.1.5.1"
TONER, WASTE, DRUM = 3, 4, 9


def printer(errors: bytes | None = b"\x00", **more: Any) -> Answers:
    answers: Answers = {"1.3.6.1.2.1.25.3.2.1.2.1": "1.3.6.1.2.1.25.3.1.5", DEVICE: 2}
    if errors is not None:
        answers[ERRORS] = errors
    return answers | more


def supply(
    number: int, level: int, capacity: int = 100, kind: int = TONER, words: str = "Black Toner"
) -> Answers:
    return {
        f"{SUPPLY}.5.1.{number}": kind,
        f"{SUPPLY}.6.1.{number}": words.encode(),
        f"{SUPPLY}.8.1.{number}": capacity,
        f"{SUPPLY}.9.1.{number}": level,
    }


def tray(number: int, level: int, capacity: int = 500, name: str | None = None, kind: int = 3) -> Answers:
    answers: Answers = {
        f"{INPUT}.2.1.{number}": kind,
        f"{INPUT}.9.1.{number}": capacity,
        f"{INPUT}.10.1.{number}": level,
    }
    return answers | ({f"{INPUT}.13.1.{number}": name.encode()} if name else {})


def alert(code: int, *, row: int = 7, severity: int = 3, group: int = 1, about: int = 0) -> Answers:
    return {
        f"{ALERT}.2.1.{row}": severity,
        f"{ALERT}.3.1.{row}": 4,
        f"{ALERT}.4.1.{row}": group,
        f"{ALERT}.5.1.{row}": about,
        f"{ALERT}.7.1.{row}": code,
        f"{ALERT}.8.1.{row}": b"The printer says so",
    }


def verdicts(answers: Answers) -> dict[tuple[str, str], Verdict]:
    return {(one.check, one.instance): one.verdict for one in understand(PROFILE, answers).findings}


def bad(answers: Answers) -> set[tuple[str, str]]:
    return {key for key, verdict in verdicts(answers).items() if verdict is Verdict.BAD}


def read(answers: Answers) -> Any:
    return understand(PROFILE, answers).printer


COLOURS = [
    supply(at, level, words=f"{name} Toner")
    for at, (name, level) in enumerate(
        {"Black": 70, "Cyan": 60, "Magenta": 50, "Yellow": 40}.items(), start=1
    )
]
FOUR = {oid: value for one in COLOURS for oid, value in one.items()}


def test_a_healthy_printer_has_no_fault_and_nothing_is_left_open() -> None:
    answers = printer() | FOUR | tray(1, 300) | supply(9, 90, kind=WASTE) | supply(10, 80, kind=DRUM)
    assert set(verdicts(answers).values()) == {Verdict.GOOD}


@pytest.mark.parametrize(
    ("errors", "check"),
    [
        (b"\x04", "printer.jammed"),
        (b"\x40", "printer.paper_out"),
        (b"\x08", "printer.door_open"),
        (b"\x01", "printer.service_requested"),
        (b"\x02", "printer.offline"),
        (b"\x00\x08", "printer.output_full"),
        (b"\x00\x20", "printer.part_missing"),
        (b"\x00\x02", "printer.maintenance_due"),
    ],
)
def test_each_error_bit_is_its_fault_until_it_is_gone(errors: bytes, check: str) -> None:
    assert bad(printer(errors) | FOUR | tray(1, 300)) == {(check, "")}
    assert verdicts(printer() | FOUR | tray(1, 300))[check, ""] is Verdict.GOOD


def test_a_jam_that_takes_the_printer_offline_and_asks_for_service_is_one_fault() -> None:
    assert bad(printer(b"\x07") | FOUR) == {("printer.jammed", "")}


def test_low_paper_and_an_empty_second_tray_are_no_paper_out() -> None:
    assert bad(printer(b"\x80\x04") | FOUR | tray(1, 300) | tray(2, 0)) == {("printer.tray_empty", "1.2")}


def test_error_bits_that_are_not_answered_open_and_close_nothing() -> None:
    answers = printer(None, **{DEVICE: 3}) | FOUR
    assert verdicts(answers)["printer.jammed", ""] is Verdict.KEEP
    assert read(answers).troubles is None


@pytest.mark.parametrize(
    ("level", "empty", "low"),
    [
        (0, Verdict.BAD, Verdict.KEEP),
        (1, Verdict.KEEP, Verdict.BAD),
        (5, Verdict.GOOD, Verdict.BAD),
        (6, Verdict.GOOD, Verdict.KEEP),
        (19, Verdict.GOOD, Verdict.KEEP),
        (20, Verdict.GOOD, Verdict.GOOD),
    ],
)
def test_toner_opens_at_five_percent_and_closes_at_twenty(level: int, empty: Verdict, low: Verdict) -> None:
    found = verdicts(printer() | supply(1, level) | supply(2, 90))
    assert (found["printer.toner_empty", "1.1"], found["printer.toner_low", "1.1"]) == (empty, low)


def test_some_remains_is_never_a_percentage() -> None:
    found = read(printer() | supply(1, -3)).supplies[0]
    assert (found.percent, found.special, found.level) == (None, Special.SOME_REMAINS, -3)
    assert bad(printer() | supply(1, -3)) == set()


def test_a_low_toner_bit_makes_some_remains_low() -> None:
    answers = printer(b"\x20") | supply(1, -3)
    assert bad(answers) == {("printer.toner_low", "1.1")}


def test_the_panel_is_right_where_the_only_toner_says_a_hundred_percent() -> None:
    assert bad(printer(b"\x20") | supply(1, 100)) == {("printer.toner_low", "1.1")}
    assert bad(printer(b"\x10") | supply(1, 100)) == {("printer.toner_empty", "1.1")}


def test_nothing_of_an_unknown_capacity_is_empty_only_if_the_printer_says_so() -> None:
    two = supply(1, 0, -2) | supply(2, -3, -2)
    assert bad(printer() | two) == set()
    assert bad(printer(b"\x10") | two) == {("printer.toner_empty", "1.1")}


def test_of_several_toners_the_lowest_is_meant() -> None:
    assert bad(printer(b"\x20") | FOUR | supply(3, 12, words="Magenta Toner")) == {
        ("printer.toner_low", "1.3")
    }


def test_a_bit_that_fits_no_toner_is_about_the_printer() -> None:
    assert bad(printer(b"\x20") | FOUR) == {("printer.supplies_low", "")}
    assert bad(printer(b"\x10") | FOUR) == {("printer.supplies_empty", "")}


def test_an_empty_toner_is_not_low_as_well() -> None:
    found = verdicts(printer(b"\x30") | supply(1, 0) | supply(2, 80))
    assert found["printer.toner_empty", "1.1"] is Verdict.BAD
    assert found["printer.toner_low", "1.1"] is Verdict.KEEP
    assert found["printer.supplies_low", ""] is Verdict.GOOD


def test_an_alert_names_the_supply_that_it_is_about() -> None:
    assert bad(printer() | FOUR | alert(13, group=11, about=2)) == {("printer.toner_empty", "1.2")}
    assert bad(printer() | FOUR | supply(9, 40, kind=DRUM) | alert(11, group=11, about=9)) == {
        ("printer.drum_end", "1.9")
    }


def test_an_alert_without_bits_is_enough() -> None:
    answers = printer(None) | FOUR | alert(8)
    assert bad(answers) == {("printer.jammed", "")}
    found = read(answers).alerts[0]
    assert (found.severity, found.code, found.trained) == ("critical", 8, True)
    assert found.description == "The printer says so"


def test_an_empty_tray_stops_the_printer_only_if_the_alert_is_critical() -> None:
    trays = tray(1, -3) | tray(2, -3)
    assert bad(printer() | trays | alert(808, group=8)) == {("printer.paper_out", "")}
    assert bad(printer() | trays | alert(808, group=8, severity=4)) == set()


def test_a_printer_that_saves_power_is_well() -> None:
    assert bad(printer() | FOUR | alert(23, severity=4)) == set()


@pytest.mark.parametrize(
    ("level", "full", "nearly"),
    [
        (0, Verdict.BAD, Verdict.KEEP),
        (4, Verdict.KEEP, Verdict.BAD),
        (15, Verdict.GOOD, Verdict.KEEP),
        (60, Verdict.GOOD, Verdict.GOOD),
    ],
)
def test_the_level_of_a_waste_box_is_the_room_left_in_it(level: int, full: Verdict, nearly: Verdict) -> None:
    found = verdicts(printer() | supply(9, level, kind=WASTE, words="Waste"))
    assert (found["printer.waste_full", "1.9"], found["printer.waste_near_full", "1.9"]) == (full, nearly)
    assert ("printer.toner_empty", "1.9") not in found


def test_a_waste_box_is_full_when_an_alert_says_so() -> None:
    answers = printer() | supply(9, -3, -2, kind=WASTE) | alert(1109, group=10)
    assert bad(answers) == {("printer.waste_full", "1.9")}


def test_an_empty_bypass_is_no_fault() -> None:
    for bypass in (
        tray(7, 0, 150),
        tray(7, 0, 50, "MP TRAY"),
        tray(7, 0, 500, kind=5),
        tray(7, 0, 1, "Slot"),
    ):
        assert bad(printer() | tray(1, 500) | tray(2, 500) | bypass) == set()


def test_all_trays_empty_is_out_of_paper() -> None:
    empty = tray(1, 0, name="Tray 1") | tray(2, 0, name="Tray 2") | tray(3, 40, 50, "MP Tray")
    assert bad(printer() | empty) == {("printer.paper_out", "")}
    assert bad(printer() | empty | tray(2, 250, name="Tray 2")) == {("printer.tray_empty", "1.1")}


def test_a_drum_at_its_end_is_a_fault_of_its_own() -> None:
    assert bad(printer() | supply(3, 120, 12000, DRUM, "Drum")) == {("printer.drum_end", "1.3")}


def test_colours_come_from_the_colorant_or_the_description() -> None:
    answers = printer() | supply(1, 50, words="Cartridge X") | supply(2, 50, words="Cyan Cartridge HP CF401X")
    answers |= {f"{SUPPLY}.3.1.1": 3, "1.3.6.1.2.1.43.12.1.1.4.1.3": b"Magenta"}
    assert [one.colour for one in read(answers).supplies] == ["magenta", "cyan"]


def test_the_second_of_two_devices_may_be_the_printer() -> None:
    answers: Answers = {
        "1.3.6.1.2.1.25.3.2.1.2.1": "1.3.6.1.2.1.25.3.1.3",
        "1.3.6.1.2.1.25.3.2.1.2.5": "1.3.6.1.2.1.25.3.1.5",
        "1.3.6.1.2.1.25.3.2.1.5.5": 5,
        "1.3.6.1.2.1.25.3.5.1.1.5": 4,
        "1.3.6.1.2.1.25.3.5.1.2.5": b"\x04",
        "1.3.6.1.2.1.43.16.5.1.2.1.1": b"Paper jam",
        "1.3.6.1.2.1.43.16.5.1.2.1.2": b"Open rear door",
        "1.3.6.1.2.1.43.10.2.1.4.1.1": 4711,
    }
    found = read(answers)
    assert (found.status, found.device_status, found.errors) == ("printing", "down", ("jammed",))
    assert (found.panel, found.pages) == ("Paper jam Open rear door", 4711)


def test_a_poll_walks_the_alerts_and_forgets_those_that_are_gone() -> None:
    answers = printer() | FOUR | alert(8)
    known = understand(PROFILE, answers)
    plan = poll_plan(PROFILE, rows_of(PROFILE, answers), known)
    assert plan.walks == (ALERT,)
    assert not any(oid.startswith(ALERT) for oid in plan.oids)
    healthy = plan.read({oid: answers[oid] for oid in plan.oids})
    assert healthy.printer is not None
    assert (healthy.printer.alerts, known_checks(healthy)) == ([], set())


def known_checks(reading: Reading) -> set[str]:
    return {one.check for one in reading.findings if one.verdict is Verdict.BAD}


def test_evidence_says_what_was_read() -> None:
    finding = next(
        one
        for one in understand(PROFILE, printer() | supply(1, 3)).findings
        if one.check == "printer.toner_low"
    )
    assert (finding.label, finding.value) == ("black", 3.0)
    assert finding.evidence == {"description": "Black Toner", "level": 3, "capacity": 100, "reported": "ok"}
