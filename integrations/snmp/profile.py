"""Device profiles: loading `profiles/*.yaml`, and which profile a device has.

A profile says how a kind of device is known, what is read from it at discovery and at polls, what the
answers mean, which states are healthy, and what ticket a fault makes (`integrations/snmp/grammar.py`). PURE
but for reading the folder. `integrations/snmp/linting.py` says what is wrong with a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from integrations.snmp.grammar import Discovery, FaultSpec, Profile
from integrations.snmp.target import Answers

__all__ = ["IDENTIFY", "BadProfile", "Discovery", "FaultSpec", "Profile", "Profiles", "load_profiles"]

FOLDER: Final = Path(__file__).with_name("profiles")

IDENTIFY: Final[tuple[str, ...]] = (
    *(f"1.3.6.1.2.1.1.{scalar}.0" for scalar in (1, 2, 3, 4, 5, 6)),
    "1.3.6.1.6.3.10.2.1.2.0",  # snmpEngineBoots
    "1.3.6.1.6.3.10.2.1.3.0",  # snmpEngineTime
    "1.3.6.1.2.1.25.1.1.0",  # hrSystemUptime
    "1.3.6.1.2.1.25.2.2.0",  # hrMemorySize
    "1.3.6.1.2.1.25.3.2.1.2.1",  # hrDeviceType
    "1.3.6.1.2.1.25.3.2.1.3.1",  # hrDeviceDescr
    "1.3.6.1.2.1.25.3.5.1.2.1",  # hrPrinterDetectedErrorState
    "1.3.6.1.2.1.43.5.1.1.17.1",  # prtGeneralSerialNumber
    "1.3.6.1.2.1.43.10.2.1.4.1.1",  # prtMarkerLifeCount
    "1.3.6.1.2.1.17.1.1.0",  # dot1dBaseBridgeAddress
    "1.3.6.1.2.1.17.1.2.0",  # dot1dBaseNumPorts
    "1.3.6.1.2.1.33.1.1.1.0",  # upsIdentManufacturer
    "1.3.6.1.2.1.33.1.1.2.0",  # upsIdentModel
    "1.3.6.1.2.1.33.1.2.1.0",  # upsBatteryStatus
    "1.3.6.1.2.1.47.1.1.1.1.13.1",  # entPhysicalModelName
    "1.3.6.1.2.1.47.1.1.1.1.11.1",  # entPhysicalSerialNum
    "1.3.6.1.4.1.318.1.1.1.1.1.1.0",  # APC: upsBasicIdentModel
    "1.3.6.1.4.1.3808.1.1.1.1.1.1.0",  # CyberPower: upsBaseIdentModel
    "1.3.6.1.4.1.534.1.1.2.0",  # Eaton: xupsIdentModel
    "1.3.6.1.4.1.705.1.1.1.0",  # MGE: upsmgIdentFamilyName
    "1.3.6.1.4.1.14823.2.3.3.1.1.4.0",  # Aruba Instant: aiVirtualControllerVersion
    "1.3.6.1.4.1.41112.1.6.3.3.0",  # UniFi: unifiApSystemModel
    "1.3.6.1.4.1.6574.1.5.1.0",  # Synology: modelName
)
"""What is asked before anything is known of a device. Profiles may add to it (`Profiles.identify`)."""


class BadProfile(ValueError):
    """A file that is no profile. `path` names it, `details` are (place in it, what is wrong)."""

    def __init__(self, path: Path, message: str, details: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(f"{path.name}: {message}")
        self.path = path
        self.details = tuple(details)


@dataclass(frozen=True)
class Profiles:
    """All profiles, the ones that are tried first before the others."""

    all: tuple[Profile, ...]
    _by_name: dict[str, Profile] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._by_name.update((profile.name, profile) for profile in self.all)

    @cached_property
    def identify(self) -> tuple[str, ...]:
        """What to GET before `match`: `IDENTIFY`, and what profiles are matched by beyond it."""
        asked = dict.fromkeys(IDENTIFY)
        for profile in self.all:
            for match in profile.match:
                asked.update(dict.fromkeys(match.answers))
        return tuple(asked)

    def match(self, answers: Answers) -> Profile:
        """The profile for what a device answered to `identify`. Raises `LookupError` if none fits at all."""
        for profile in self.all:
            if profile.matches(answers):
                return profile
        raise LookupError("No profile matches, not even a generic one.")

    def by_name(self, name: str) -> Profile:
        """Raises `KeyError`: the profile was taken away since the device was found."""
        return self._by_name[name]


def load_profiles(folder: Path | None = None, own: Path | None = None) -> Profiles:
    """The profiles of a folder (ours by default), and over them those of a district's `own`, whose files may
    extend ours and take the place of one of the same name. Raises `BadProfile`.
    """
    if own is not None:
        return _made(read_sources(folder or FOLDER) | read_sources(own))
    return _ours() if folder is None else _made(read_sources(folder))


@lru_cache(maxsize=1)
def _ours() -> Profiles:
    return _made(read_sources(FOLDER))


def _made(sources: Mapping[str, tuple[Path, dict[str, Any]]]) -> Profiles:
    made = [
        profile_from(path, name, sources)
        for name, (path, source) in sources.items()
        if not source.get("abstract")
    ]
    return Profiles(tuple(sorted(made, key=lambda profile: (-profile.order, profile.name))))


def read_sources(folder: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Every file's mapping by the name of its file, nothing merged yet. Raises `BadProfile`."""
    sources = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            source = yaml.load(path.read_text(encoding="utf-8"), Loader=_SafeLoader)  # noqa: S506
        except yaml.YAMLError as error:
            raise BadProfile(path, f"is no YAML: {error}") from None
        if not isinstance(source, dict):
            raise BadProfile(path, "is no mapping")
        sources[path.stem] = (path, source)
    return sources


class _SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe, and in C where PyYAML has it: ten times as fast."""


def profile_from(path: Path, name: str, sources: Mapping[str, tuple[Path, dict[str, Any]]]) -> Profile:
    """The profile with all that it extends. Raises `BadProfile`."""
    merged = _merged(path, name, sources, ())
    merged.pop("abstract", None)
    try:
        return Profile(name=name, **merged)
    except ValidationError as error:
        details = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False)]
        raise BadProfile(path, "; ".join(f"{where}: {what}" for where, what in details), details) from None
    except TypeError as error:
        raise BadProfile(path, str(error)) from None


def _merged(
    path: Path, name: str, sources: Mapping[str, tuple[Path, dict[str, Any]]], seen: tuple[str, ...]
) -> dict[str, Any]:
    if name not in sources:
        raise BadProfile(path, f"extends {name!r}, which is not there")
    if name in seen:
        raise BadProfile(path, f"extends itself by way of {name!r}")
    own = dict(sources[name][1])
    merged: dict[str, Any] = {}
    for parent in _listed(own.pop("extends", [])):
        inherited = _merged(path, parent, sources, (*seen, name))
        for key in ("match", "order", "abstract"):
            inherited.pop(key, None)
        merged = _over(merged, inherited)
    return _over(merged, own)


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`: lists follow each other (the upper first where one value is picked),
    mappings are merged, a null in a mapping takes its key away.
    """
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if key in ("identity", "ups", "projector") and isinstance(old, dict):
            merged[key] = {
                name: [*value.get(name, []), *old.get(name, [])] for name in dict.fromkeys([*old, *value])
            }
        elif isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _laid(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            merged[key] = list(_unique([*old, *value]))
        else:
            merged[key] = value
    return merged


def _laid(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    laid = dict(old)
    for key, value in new.items():
        if value is None:
            laid.pop(key, None)
        elif isinstance(value, dict) and isinstance(laid.get(key), dict):
            laid[key] = {**laid[key], **value}
        else:
            laid[key] = value
    return laid


def _unique(values: Iterable[Any]) -> Iterable[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
