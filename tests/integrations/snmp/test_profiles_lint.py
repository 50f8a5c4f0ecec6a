"""What lint says of profiles: nothing of ours, and something of each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.snmp.grammar import HOLES
from integrations.snmp.linting import lint
from integrations.snmp.profile import load_profiles
from service.demo.district import CATEGORIES, QUEUES
from service.monitoring.wording import About, sentence
from service.tickets.priority import Impact, Urgency

PLAYBOOKS = {path.stem for path in (Path(__file__).parents[3] / "playbooks").glob("*.yaml")}

WORDS = '{en: "{device} in {place}.", es: "{device} en {place}."}'
HEAD = f"""
category: network
impact: individual
urgency: would_help
for_teacher: {WORDS}
for_technician: {WORDS}
"""
EVERYWHERE = "".join(
    f"  {name}:" + HEAD.replace("\n", "\n    ").rstrip() + "\n"
    for name in ("device.unreachable", "device.snmp")
)
GOOD = f"kind: other\norder: -9\nmatch: [{{}}]\nfaults:\n{EVERYWHERE}"


def fault(more: str, head: str = HEAD) -> str:
    return GOOD + "  printer.odd:" + head.replace("\n", "\n    ").rstrip() + f"\n    {more}\n"


def problems(folder: Path, text: str) -> list[str]:
    (folder / "one.yaml").write_text(text, encoding="utf-8")
    return [f"{one.where} {one.message}" for one in lint(folder, {"printer-clear"})]


def test_our_profiles_are_well() -> None:
    assert [str(one) for one in lint(playbooks=PLAYBOOKS)] == []


def test_a_profile_without_mistakes_is_well(tmp_path: Path) -> None:
    text = fault("bad: printer.troubles has 'jammed'\n    playbook: printer-clear")
    assert problems(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: [", "no YAML"),
        ("kind: toaster\nmatch: [{}]\n", "kind Input should be"),
        (GOOD + "\ntypo: 1\n", "typo Extra inputs"),
        ("kind: other\nmatch: [{}]\n", "device.unreachable has no words"),
        (GOOD.replace("match: [{}]\n", ""), "nothing can match it"),
        (GOOD.replace("match: [{}]", "match: [{description: x}]"), "no profile is for devices"),
        (GOOD + "abstract: true\n", "is abstract"),
        ("name: x\n" + GOOD, "is the name of the file"),
        (fault("bad: printer.nothing == 1"), "'printer.nothing' is not known here"),
        (fault("bad: printer.troubles has 'on_fire'"), "printer.troubles is never 'on_fire'"),
        (fault("bad: ups.source in ['mains', 'battery']"), "ups.source is never 'mains'"),
        (fault("bad: percent <= 5"), "'percent' is not known here"),
        (fault("each: supply\n    bad: kind == 'tonner'"), "kind is never 'tonner'"),
        (fault("each: supply\n    bad: percent <"), "ends too early"),
        (fault("bad: clients > 3\n    value: klients"), "'klients' is not known here"),
        (fault("bad: clients > 3\n    evidence: [klients]"), "'klients' is not known here"),
        (fault("confirm: 2"), "neither what is bad nor a rate"),
        (fault("bad: clients > 3\n    order: 5"), "order Extra inputs"),
        (fault("bad: clients > 3\n    informs: teacher"), "informs Extra inputs"),
        (fault("bad: clients > 3\n    confirm: 0"), "confirm Input should be greater"),
        (fault("good: clients > 3"), "what is good but not what is bad"),
        (fault("rate: {metrics: [port.in_errors], bad: 5, good: 5}"), "good and bad at the same rate"),
        (fault("bad: clients > 3\n    playbook: nobody"), "no playbook 'nobody'"),
        (fault("bad: clients > 3", HEAD.replace("{place}", "{planet}")), "a hole that nobody fills"),
        (fault("bad: clients > 3", HEAD.replace('es: "{device} en {place}."', 'es: ""')), "no words in es"),
        (fault("bad: clients > 3", HEAD.replace("{device} en", "Algo en")), "different things in en and es"),
        (
            fault("bad: clients > 3", HEAD.replace("category: network", "category: Net work")),
            "is no category",
        ),
        (GOOD.replace("device.snmp", "device_snmp"), "no name of a check"),
        (GOOD + "ups: {sauce: [{oid: 1.3.1}]}\n", "no field of a UPS"),
        (GOOD + "ups: {source: [{oid: 1.3.1, words: {1: mains}}]}\n", "never 'mains'"),
        (GOOD + "projector: {bulb: [{oid: 1.3.1}]}\n", "no field of a projector"),
        (
            GOOD + "sensors: [{kind: state, oid: 1.3.1, fault: fan.failed, "
            "states: {1: {name: bad, healthy: false}}}]\n",
            "no fault of sensors",
        ),
        (GOOD + "sensors: [{kind: count, oid: 1.3.1, label: '{who}'}]\n", "hole that nothing fills"),
        (GOOD + "sensors: [{kind: count, oid: 1.3.1}, {kind: count, oid: 1.3.1}]\n", "read twice"),
        (GOOD + "loads: [{kind: memory, key: memory, percent: 1.3.1}]\n", "cannot be a key"),
        (
            GOOD
            + "loads: [{kind: memory, key: m, percent: 1.3.1}, {kind: memory, key: m, percent: 1.3.2}]\n",
            "twice",
        ),
    ],
)
def test_each_mistake_is_told_in_its_place(tmp_path: Path, text: str, says: str) -> None:
    found = problems(tmp_path, text)
    assert any(says in one for one in found), found


def test_two_profiles_that_match_alike_are_told(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(
        GOOD.replace("match: [{}]", "match: [{description: x}, {}]"), encoding="utf-8"
    )
    found = problems(tmp_path, GOOD)
    assert any("matches as one does" in one or "matches as other does" in one for one in found)
    assert any("before others are tried" in one for one in found)


@pytest.mark.parametrize("profile", load_profiles().all, ids=lambda profile: profile.name)
def test_the_tickets_of_our_profiles_fit_the_desk(profile: object) -> None:
    for name, spec in profile.faults.items():  # type: ignore[attr-defined]
        assert spec.category in CATEGORIES, name
        assert spec.queue is None or spec.queue in QUEUES, name
        Impact(spec.impact), Urgency(spec.urgency)
        assert spec.playbook is None or spec.playbook in PLAYBOOKS


def test_the_desk_fills_every_hole_that_words_may_have() -> None:
    told = About("Printer 7", "10.0.0.7", "M252", "Room 4", "Lincoln", label="Black", instance="1.1", value=3)
    for hole in HOLES - {"since", "evidence"}:
        assert "{" not in sentence({"en": f"x {{{hole}}} y"}, told, "en")
        assert sentence({"en": f"x {{{hole}}} y"}, told, "en") != "x y", hole
