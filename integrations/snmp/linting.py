"""What is wrong with a folder of device profiles. PURE but for reading the folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any, Final, Literal

from integrations.snmp.conditions import BadCondition, compiled, words_in
from integrations.snmp.decoding import ERROR_BITS
from integrations.snmp.grammar import CHECK_NAME, HOLES, FaultSpec, LoadSpec, Profile, SensorSpec
from integrations.snmp.profile import FOLDER, BadProfile, profile_from, read_sources
from integrations.snmp.reading import LinkState, Special
from integrations.snmp.understanding.checking import names_in
from integrations.snmp.understanding.loads import STORAGE_KINDS
from integrations.snmp.understanding.ports import POE_STATES
from integrations.snmp.understanding.power import PROJECTOR_FIELDS, SOURCES, UPS_FIELDS
from integrations.snmp.understanding.printer_words import KINDS

EVERYWHERE: Final = ("device.unreachable", "device.snmp")
"""Checks that the poller makes of every device: each profile has words for them."""

LONGEST: Final = 200
_KEY: Final = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_]*)*")
_HOST_KEYS: Final = frozenset({"processor", "pseudo", *STORAGE_KINDS.values()})
_POWERS: Final = frozenset({"off", "on", "cooling", "warming_up"})
_FAULTS: Final = frozenset({"none", "lamp", "heat", "filter", "cover", "fan", "other"})
_REPORTED: Final = frozenset({"ok", "low", "empty", "near_full", "full"})
_TEXTS: Final[dict[str, Collection[str]]] = {
    "printer.troubles": ERROR_BITS,
    "printer.errors": ERROR_BITS,
    "printer.reported": _REPORTED,
    "reported": _REPORTED,
    "ups.source": SOURCES,
    "ups.battery": ("unknown", "normal", "low", "depleted"),
    "oper": tuple(LinkState),
    "admin": tuple(LinkState),
    "poe_state": tuple(POE_STATES.values()),
    "special": tuple(Special),
    "projector.power": _POWERS,
    "projector.fault": _FAULTS,
}
"""What the texts can be that a name is compared with."""

_COMPARED: Final = re.compile(
    r"([a-z_][a-z0-9_.]*)\s*(?:==|!=|has)\s*'([^']*)'|([a-z_][a-z0-9_.]*)\s+in\s+\[([^\]]*)\]"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """`where` is the place in the file, such as `faults.printer.jammed`."""

    file: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.where}: {self.message}"


def lint(folder: Path | None = None, playbooks: Collection[str] | None = None) -> list[Problem]:
    """Every problem of every profile in the folder (ours by default), by file. Those of a folder of one's own
    are judged as they are used: over ours. `playbooks` are the keys that faults may name; without them any is
    well.
    """
    folder = folder or FOLDER
    try:
        sources = read_sources(folder)
        if folder != FOLDER and any(_extends_ours(source, sources) for _, source in sources.values()):
            sources = read_sources(FOLDER) | sources
    except BadProfile as error:
        return [Problem(error.path.name, "", str(error).partition(": ")[2])]
    problems: list[Problem] = []
    profiles: list[Profile] = []
    for name, (path, source) in sources.items():
        if "name" in source:
            problems.append(Problem(path.name, "name", "is the name of the file, do not say it"))
        try:
            profile = profile_from(path, name, sources)
        except BadProfile as error:
            problems += _grammar(path, error)
            continue
        except TypeError as error:
            problems.append(Problem(path.name, "", str(error)))
            continue
        problems += [Problem(path.name, where, text) for where, text in _problems(profile, playbooks)]
        if source.get("abstract"):
            if profile.match:
                problems.append(Problem(path.name, "match", "is abstract, so nothing can match it"))
        else:
            profiles.append(profile)
    return sorted([*problems, *_together(profiles)], key=lambda one: (one.file, one.where, one.message))


def _extends_ours(source: Mapping[str, Any], sources: Mapping[str, Any]) -> bool:
    above = source.get("extends", [])
    named = [above] if isinstance(above, str) else list(above)
    return any(name not in sources for name in named)


def _grammar(path: Path, error: BadProfile) -> list[Problem]:
    """A validation error line by line, in the places that pydantic names."""
    cause = error.details
    if not cause:
        return [Problem(path.name, "", str(error).partition(": ")[2])]
    return [Problem(path.name, where, message) for where, message in cause]


def _together(profiles: list[Profile]) -> Iterator[Problem]:
    """What is wrong between profiles: which of two would be taken, and whether any is for the rest."""
    for profile in profiles:
        if not profile.match:
            yield Problem(f"{profile.name}.yaml", "match", "nothing can match it")
    seen: dict[tuple[int, str], str] = {}
    for profile in profiles:
        for match in profile.match:
            rule = (profile.order, match.model_dump_json())
            other = seen.setdefault(rule, profile.name)
            if other != profile.name:
                yield Problem(f"{profile.name}.yaml", "match", f"matches as {other} does, at the same order")
    general = [one for one in profiles if any(match.holds({}) for match in one.match)]
    lowest = min((profile.order for profile in profiles), default=0)
    for profile in general:
        if profile.order != lowest or len(general) > 1:
            yield Problem(f"{profile.name}.yaml", "match", "matches every device before others are tried")
    if profiles and not general:
        yield Problem("", "match", "no profile is for devices that no other one knows")


def _problems(profile: Profile, playbooks: Collection[str] | None) -> Iterator[tuple[str, str]]:
    for name in EVERYWHERE:
        if name not in profile.faults:
            yield "faults", f"{name} has no words"
    for name, fault in profile.faults.items():
        for message in _fault(name, fault, playbooks):
            yield f"faults.{name}", message
    yield from _picked(profile)
    yield from _rows(profile)


def _fault(name: str, fault: FaultSpec, playbooks: Collection[str] | None) -> Iterator[str]:
    if not CHECK_NAME.fullmatch(name):
        yield "is no name of a check, such as printer.jammed"
    if not _KEY.fullmatch(fault.category):
        yield f"{fault.category!r} is no category"
    if fault.playbook is not None and playbooks is not None and fault.playbook not in playbooks:
        yield f"there is no playbook {fault.playbook!r}"
    for field, words in (("for_teacher", fault.for_teacher), ("for_technician", fault.for_technician)):
        for message in _words(words):
            yield f"{field} {message}"
    if fault.bad is not None and fault.rate is not None:
        yield "has both a condition and a rate"
    if fault.bad is None and fault.rate is None and name not in EVERYWHERE:
        yield "says neither what is bad nor a rate"
    if fault.good is not None and fault.bad is None:
        yield "says what is good but not what is bad"
    if fault.rate is not None and fault.rate.good >= fault.rate.bad:
        yield "is good and bad at the same rate"
    yield from _conditions(fault)


def _conditions(fault: FaultSpec) -> Iterator[str]:
    names = names_in(fault.each)
    for field, source in (("where", fault.where), ("bad", fault.bad), ("good", fault.good)):
        if source is None:
            continue
        try:
            compiled(source, names)
        except BadCondition as error:
            yield f"{field}: {error}"
            continue
        for name, word in _comparisons(source):
            allowed = _TEXTS.get(name) or (tuple(KINDS.values()) if _is_supply_kind(fault, name) else None)
            if allowed is not None and word not in allowed:
                yield f"{field}: {name} is never {word!r}"
    for told in (fault.value, *fault.evidence):
        if told is not None and told not in names:
            yield f"{told!r} is not known here"


def _is_supply_kind(fault: FaultSpec, name: str) -> bool:
    return fault.each == "supply" and name == "kind"


def _comparisons(source: str) -> Iterator[tuple[str, str]]:
    for found in _COMPARED.finditer(source):
        if found.group(1):
            yield found.group(1), found.group(2)
        else:
            for word in words_in(found.group(4))[1]:
                yield found.group(3), word


def _words(words: Mapping[Literal["en", "es"], str]) -> Iterator[str]:
    languages: tuple[Literal["en", "es"], ...] = ("en", "es")
    for language in languages:
        text = words.get(language, "")
        if not text.strip():
            yield f"has no words in {language}"
            continue
        if len(text) > LONGEST:
            yield f"is longer than {LONGEST} characters in {language}"
        try:
            holes = {hole for _, hole, _, _ in Formatter().parse(text) if hole is not None}
        except ValueError as error:
            yield f"cannot be filled in {language}: {error}"
            continue
        for hole in sorted(holes - HOLES):
            yield f"has a hole that nobody fills in {language}: {{{hole}}}"
    if _holes(words.get("en", "")) != _holes(words.get("es", "")):
        yield "says different things in en and es"


def _holes(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def _picked(profile: Profile) -> Iterator[tuple[str, str]]:
    for name in profile.ups:
        if name not in UPS_FIELDS:
            yield f"ups.{name}", "is no field of a UPS"
    for name in profile.projector:
        if name not in PROJECTOR_FIELDS:
            yield f"projector.{name}", "is no field of a projector"
    checked = (("ups.source", profile.ups, SOURCES), ("projector.power", profile.projector, _POWERS))
    for place, picks, allowed in checked:
        for pick in picks.get(place.partition(".")[2], ()):
            for word in pick.words.values():
                if word not in allowed:
                    yield place, f"is never {word!r}"


def _rows(profile: Profile) -> Iterator[tuple[str, str]]:
    for at, spec in enumerate(profile.sensors):
        yield from ((f"sensors.{at}", message) for message in _sensor(profile, spec))
    keys = Counter(spec.key for spec in profile.loads)
    for at, load in enumerate(profile.loads):
        yield from ((f"loads.{at}", message) for message in _label(load))
        if keys[load.key] > 1:
            yield f"loads.{at}", f"the key {load.key!r} is there twice"
        if load.key in _HOST_KEYS or "." in load.key:
            yield f"loads.{at}", f"{load.key!r} cannot be a key"
    places = Counter(
        (spec.oid or spec.column, spec.kind, tuple(spec.needs.items())) for spec in profile.sensors
    )
    for (place, kind, _), times in places.items():
        if times > 1:
            yield "sensors", f"{place} is read twice as {kind}"


def _sensor(profile: Profile, spec: SensorSpec) -> Iterator[str]:
    yield from _label(spec)
    if spec.fault is not None:
        fault = profile.faults.get(spec.fault)
        if fault is None or fault.each != "sensor":
            yield f"{spec.fault!r} is no fault of sensors here"
        if not spec.states:
            yield "only a state can be a fault by its name"
        elif not any(state.healthy is False for state in spec.states.values()):
            yield f"no state of it is a fault, so it cannot be {spec.fault!r}"


def _label(spec: SensorSpec | LoadSpec) -> Iterator[str]:
    for hole in sorted(_holes(spec.label) - {"index", "last", *spec.labels}):
        yield f"its label has a hole that nothing fills: {{{hole}}}"
