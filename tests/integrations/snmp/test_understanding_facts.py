"""The facts that guided help asks of the network, from readings."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.snmp.facts import facts_of
from integrations.snmp.profile import load_profiles
from integrations.snmp.reading import Printer, Projector, Reading, Supply, Tray
from integrations.snmp.understanding import understand
from service.playbooks.facts import FACTS, FactType, Keeper


def facts(printer: Printer) -> dict[str, Any]:
    return facts_of(Reading("printer", printer=printer))


def test_a_healthy_printer_tells_all_that_guided_help_may_ask_of_it() -> None:
    printer = Printer(
        status="idle",
        device_status="running",
        errors=(),
        troubles=(),
        panel="Ready",
        supplies=[
            Supply("1.1", "toner", percent=40.0, reported="ok"),
            Supply("1.2", "toner", percent=12.5, reported="ok"),
            Supply("1.9", "waste_toner", receptacle=True, percent=3.0, reported="ok"),
            Supply("1.10", "opc", percent=1.0, reported="ok"),
        ],
        trays=[Tray("1.1", level=200)],
    )
    assert facts(printer) == {
        "printer.status": "idle",
        "printer.jammed": False,
        "printer.paper_out": False,
        "printer.door_open": False,
        "printer.supply.min_percent": 12.5,
        "printer.supply.empty": False,
        "printer.waste_full": False,
        "printer.panel_text": "Ready",
    }


@pytest.mark.parametrize(
    ("printer", "expected"),
    [
        (Printer(troubles=("jammed",)), {"printer.jammed": True, "printer.status": "stopped"}),
        (Printer(troubles=("no_paper",)), {"printer.paper_out": True}),
        (Printer(troubles=(), out_of_paper=True), {"printer.paper_out": True}),
        (Printer(out_of_paper=True), {"printer.paper_out": True}),
        (Printer(troubles=("door_open",)), {"printer.door_open": True}),
        (Printer(status="warming_up", troubles=()), {"printer.status": "warming_up"}),
        (Printer(status="printing", device_status="down"), {"printer.status": "stopped"}),
        (Printer(supplies=[Supply("1", "toner", reported="empty")]), {"printer.supply.empty": True}),
        (Printer(reported="empty"), {"printer.supply.empty": True}),
        (Printer(supplies=[Supply("1", "toner", percent=0.0)]), {"printer.supply.empty": True}),
        (
            Printer(supplies=[Supply("1", "waste_toner", receptacle=True, reported="full")]),
            {"printer.waste_full": True},
        ),
    ],
)
def test_what_is_wrong_is_told(printer: Printer, expected: dict[str, Any]) -> None:
    assert facts(printer).items() >= expected.items()


def test_what_the_printer_does_not_say_is_no_fact() -> None:
    assert facts(Printer()) == {}
    assert facts(Printer(status="other", device_status="running")) == {}
    some_remains = Printer(supplies=[Supply("1", "toner"), Supply("2", "toner", percent=50.0)])
    assert "printer.supply.empty" not in facts(some_remains)
    assert facts(some_remains)["printer.supply.min_percent"] == 50.0


def test_a_projector_tells_its_own() -> None:
    projector = Projector(power="cooling", lamp_percent=80.0, fault="none")
    assert facts_of(Reading("projector", projector=projector)) == {
        "av.power": "cooling",
        "av.lamp_percent": 80.0,
        "av.fault": "none",
    }


def test_every_fact_has_a_name_a_type_and_a_choice_that_guided_help_knows() -> None:
    wrong = Printer(
        status="printing",
        troubles=("jammed",),
        panel="Jam",
        out_of_paper=False,
        supplies=[
            Supply("1", "toner", percent=1.0),
            Supply("2", "waste_toner", receptacle=True, percent=0.0),
        ],
    )
    projector = Projector("on", "HDMI 1", "lamp", 4000.0, 90.0)
    types = {FactType.NUMBER: float, FactType.BOOLEAN: bool, FactType.TEXT: str}
    found = facts_of(Reading("x", printer=wrong, projector=projector))
    assert len(found) == 12
    for name, value in found.items():
        known = FACTS[name]
        assert known.keeper is Keeper.NETWORK
        assert isinstance(value, types[known.type])
        assert not known.choices or value in known.choices


def test_a_device_that_is_neither_tells_none() -> None:
    switch = load_profiles().by_name("switch")
    assert facts_of(understand(switch, {"1.3.6.1.2.1.2.2.1.8.1": 1})) == {}
