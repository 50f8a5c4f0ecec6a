"""What a trap asks for, as declared in `traps.yaml`. PURE but for reading that file once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, field_validator

from integrations.snmp.target import Value

DECLARED = Path(__file__).with_name("traps.yaml")
_OID = re.compile(r"[0-2](\.\d+)+")


class Meaning(BaseModel):
    """`check` and `instance` are hints: what the poll will most likely decide, and of which row (of a port by
    its ifIndex). `name` is the trap's, None for one that is not declared.
    """

    model_config = ConfigDict(frozen=True)
    kind: Literal["poll_now", "ignore"]
    check: str | None = None
    instance: str | None = None
    name: str | None = None


class Declared(BaseModel):
    """A line of `traps.yaml`, which says what its fields mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    oid: str
    meaning: Literal["poll_now", "ignore"]
    below: bool = False
    check: str | None = None
    instance: tuple[str, ...] = ()

    @field_validator("oid", "instance")
    @classmethod
    def _are_oids(cls, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for oid in (given,) if isinstance(given, str) else given:
            if not _OID.fullmatch(oid):
                raise ValueError(f"{oid} is no object identifier")
        return given


UNKNOWN = Meaning(kind="ignore")


def meaning(trap_oid: str, values: Mapping[str, Value]) -> Meaning:
    """What a trap asks for: the declaration of its OID, else of the nearest OID above it, else `ignore`."""
    found = _declaration(trap_oid)
    if found is None:
        return UNKNOWN
    return Meaning(
        kind=found.meaning, check=found.check, instance=_index(found.instance, values), name=found.name
    )


@cache
def declared() -> Mapping[str, Declared]:
    """The file by OID. ValueError if it is not as it should be, or declares an OID twice."""
    lines = TypeAdapter(list[Declared]).validate_python(yaml.safe_load(DECLARED.read_text("utf-8")))
    found = {line.oid: line for line in lines}
    if len(found) != len(lines):
        raise ValueError(f"{DECLARED.name} declares an object identifier twice.")
    return found


def _declaration(trap_oid: str) -> Declared | None:
    lines = declared()
    for oid in _spellings(trap_oid):
        if oid in lines:
            return lines[oid]
    above = trap_oid
    while "." in above:
        above = above.rpartition(".")[0]
        if above in lines and lines[above].below:
            return lines[above]
    return None


def _spellings(trap_oid: str) -> Iterable[str]:
    """RFC 2576 puts a 0 before the last number of a v1 trap, which some MIBs and agents leave out."""
    above, _, last = trap_oid.rpartition(".")
    yield trap_oid
    yield f"{above.removesuffix('.0')}.{last}" if above.endswith(".0") else f"{above}.0.{last}"


def _index(entries: Iterable[str], values: Mapping[str, Value]) -> str | None:
    """The index of the first object that lies in one of these table entries."""
    for entry in entries:
        for oid in values:
            column, _, index = oid.removeprefix(f"{entry}.").partition(".")
            if oid.startswith(f"{entry}.") and column.isdigit() and index:
                return index
    return None
