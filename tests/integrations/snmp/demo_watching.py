"""How tests look at the demo's devices: discovered and polled without a network."""

from __future__ import annotations

from integrations.snmp.profile import Profile, load_profiles
from integrations.snmp.reading import Reading, Verdict
from integrations.snmp.target import Answers
from integrations.snmp.understanding import Plan, poll_plan, rows_of, understand
from service.demo.network.plays import SchoolNetwork
from service.demo.network.school import Device

Bad = set[tuple[str, str, str]]


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


def answers_of(device: Device) -> Answers:
    return {oid: value for oid, _, value in device.tree if value is not None}


def discovered(device: Device) -> tuple[Profile, Reading]:
    answers = answers_of(device)
    profile = load_profiles().match(answers)
    return profile, understand(profile, answers)


class Watcher:
    """Polls every device that is reached, and tells what is bad: device, check, instance."""

    def __init__(self, school: SchoolNetwork) -> None:
        self.school = school
        self.plans: dict[str, Plan] = {}
        for device in school.devices.values():
            if device.agent:
                answers = answers_of(device)
                profile, known = discovered(device)
                self.plans[device.name] = poll_plan(profile, rows_of(profile, answers), known)
        self.before = self.bad()

    def reading(self, name: str) -> Reading:
        """GETs find scalars and rows that were there at discovery; tables that come and go are walked."""
        plan, tree = self.plans[name], self.school[name].tree
        answers = {oid: found[1] for oid in plan.oids if (found := tree.get(oid)) is not None}
        for base in plan.walks:
            answers |= {oid: value for oid, _, value in tree.bulk(base, 50) if oid.startswith(f"{base}.")}
        return plan.read({oid: value for oid, value in answers.items() if value is not None})

    def bad(self) -> Bad:
        found: Bad = set()
        for name in self.plans:
            if self.school.is_reached(name):
                findings = self.reading(name).findings
                found |= {(name, f.check, f.instance) for f in findings if f.verdict is Verdict.BAD}
        return found

    def news(self) -> Bad:
        return self.bad() - self.before
