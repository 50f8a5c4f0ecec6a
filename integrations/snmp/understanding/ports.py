"""Interfaces (IF-MIB, EtherLike-MIB) with power over Ethernet (RFC 3621, Cisco's watts)."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from integrations.snmp.decoding import LINK_STATES, integer, link_state, mac, number, scaled, subids
from integrations.snmp.reading import Port
from integrations.snmp.target import Answers, Value
from integrations.snmp.understanding.answered import Answered

IF: Final = "1.3.6.1.2.1.2.2.1"
IFX: Final = "1.3.6.1.2.1.31.1.1.1"
DESCR, TYPE, MTU, SPEED, MAC, ADMIN, OPER, CHANGED = (f"{IF}.{n}" for n in range(2, 10))
IN_OCTETS, IN_ERRORS, OUT_OCTETS, OUT_ERRORS = (f"{IF}.{n}" for n in (10, 14, 16, 20))
NAME, HC_IN, HC_OUT, HIGH_SPEED, ALIAS, DISCONTINUITY = (f"{IFX}.{n}" for n in (1, 6, 10, 15, 18, 19))
DUPLEX: Final = "1.3.6.1.2.1.10.7.2.1.19"
BRIDGE_PORT: Final = "1.3.6.1.2.1.17.1.4.1.2"
PVID: Final = "1.3.6.1.2.1.17.7.1.4.5.1.1"
PVID_802: Final = "1.3.111.2.802.1.1.4.1.4.5.1.1"
CISCO_VLAN: Final = "1.3.6.1.4.1.9.9.68.1.2.2.1.2"
COLUMNS: Final = (
    *(DESCR, TYPE, MTU, SPEED, MAC, ADMIN, OPER, CHANGED, IN_OCTETS, IN_ERRORS, OUT_OCTETS, OUT_ERRORS),
    *(NAME, HC_IN, HC_OUT, HIGH_SPEED, ALIAS, DISCONTINUITY, DUPLEX, BRIDGE_PORT, PVID, CISCO_VLAN),
)
POLLED: Final = (OPER, ADMIN, HC_IN, HC_OUT, IN_OCTETS, OUT_OCTETS, IN_ERRORS, OUT_ERRORS)
"""What a poll asks of a port, the most important first."""

POE: Final = "1.3.6.1.2.1.105.1.1.1"
POE_ADMIN, POE_STATE, POE_CLASS = f"{POE}.3", f"{POE}.6", f"{POE}.10"
CISCO_WATTS: Final = "1.3.6.1.4.1.9.9.402.1.2.1.9"
POE_COLUMNS: Final = (POE_ADMIN, POE_STATE, POE_CLASS, CISCO_WATTS)
POE_STATES: Final = {1: "disabled", 2: "searching", 3: "delivering", 4: "fault", 5: "test", 6: "other_fault"}

PHYSICAL: Final = frozenset({6, 7, 26, 62, 69, 71, 117, 169})
"""ifType of what has a socket or an antenna: Ethernet in its five names, 802.11, DSL."""

Word = TypeVar("Word")
_LETTERS: Final = string.ascii_letters + " -"
_DUPLEX: Final = {2: "half", 3: "full"}
_TOO_FAST: Final = 4_294_967_295
"""What ifSpeed says when it cannot say it."""


def ports_of(answered: Answered) -> list[Port]:
    """Every interface, by index. Names that repeat are told apart by the index."""
    names = _names(answered)
    repeated = {name for name, times in Counter(names.values()).items() if times > 1}
    bridged = bridge_ports(answered)
    vlans = _vlans(answered, bridged)
    return [
        _port(answered, index, f"{name}#{index}" if name in repeated or not name else name, bridged, vlans)
        for index, name in names.items()
    ]


def _names(answered: Answered) -> dict[str, str]:
    """Index → ifName, else ifDescr, of every interface that either table has."""
    rows: dict[str, None] = {}
    for column in (DESCR, OPER, TYPE, NAME):
        rows.update(dict.fromkeys(answered.column(column)))
    indexes = sorted((index for index in rows if index.isdigit()), key=int)
    return {
        index: answered.text(f"{NAME}.{index}") or answered.text(f"{DESCR}.{index}") or ""
        for index in indexes
    }


def _port(answered: Answered, index: str, key: str, bridged: dict[int, int], vlans: dict[int, int]) -> Port:
    def at(column: str) -> int | None:
        return integer(answered.get(f"{column}.{index}"))

    octets = HC_IN in wide(answered, index), HC_OUT in wide(answered, index)
    return Port(
        key=key,
        index=int(index),
        name=answered.text(f"{NAME}.{index}"),
        description=answered.text(f"{DESCR}.{index}"),
        alias=answered.text(f"{ALIAS}.{index}"),
        type=at(TYPE),
        admin=link_state(answered.get(f"{ADMIN}.{index}")),
        oper=link_state(answered.get(f"{OPER}.{index}")),
        speed_mbps=speed_mbps(at(HIGH_SPEED), at(SPEED)),
        mtu=at(MTU),
        mac=mac(answered.get(f"{MAC}.{index}")),
        duplex=_DUPLEX.get(at(DUPLEX) or 0),
        last_change=at(CHANGED),
        in_octets=at(HC_IN if octets[0] else IN_OCTETS),
        out_octets=at(HC_OUT if octets[1] else OUT_OCTETS),
        in_errors=at(IN_ERRORS),
        out_errors=at(OUT_ERRORS),
        discontinuity=at(DISCONTINUITY),
        bridge_port=bridged.get(int(index)),
        vlan=vlans.get(int(index)),
    )


def wide(answered: Answered, index: str) -> set[str]:
    """Which of the 64-bit counters the interface has."""
    return {column for column in (HC_IN, HC_OUT) if f"{column}.{index}" in answered.answers}


def speed_mbps(mbps: int | None, bps: int | None) -> float | None:
    """ifHighSpeed; below 1 Mbit/s, or where it is not there, ifSpeed."""
    if mbps:
        return float(mbps)
    if bps is None or bps == _TOO_FAST:
        return None if mbps is None else float(mbps)
    return bps / 1_000_000


def bridge_ports(answered: Answered) -> dict[int, int]:
    """ifIndex → the bridge's own port number."""
    return {
        found: int(number_)
        for number_, value in answered.column(BRIDGE_PORT).items()
        if number_.isdigit() and (found := integer(value)) is not None
    }


def _vlans(answered: Answered, bridged: dict[int, int]) -> dict[int, int]:
    """ifIndex → the VLAN of untagged frames."""
    by_port = {int(at): vlan for at, vlan in _whole(answered.column(PVID).items()) if at.isdigit()}
    for at, vlan in _whole(answered.column(PVID_802).items()):
        parts = subids(at)
        if len(parts) == 2:
            by_port.setdefault(parts[1], vlan)
    vlans = {index: by_port[port] for index, port in bridged.items() if port in by_port}
    vlans.update({int(at): vlan for at, vlan in _whole(answered.column(CISCO_VLAN).items()) if at.isdigit()})
    return vlans


def _whole(rows: Iterable[tuple[str, object]]) -> list[tuple[str, int]]:
    return [(index, value) for index, value in rows if isinstance(value, int)]


def add_poe(ports: list[Port], answered: Answered) -> None:
    """Gives each port its row of pethPsePortTable: the one that the end of its name (unit/…/port) says, else
    the bridge's number of it, else its ifIndex.
    """
    physical = [port for port in ports if port.type is None or port.type in PHYSICAL]
    by_name = {place: port for port in reversed(physical) if (place := _place_named(port.name)) is not None}
    by_bridge = {port.bridge_port: port for port in reversed(physical) if port.bridge_port is not None}
    by_index = {port.index: port for port in physical}
    for index in answered.column(POE_STATE) or answered.column(POE_ADMIN):
        parts = subids(index)
        if len(parts) != 2:
            continue
        unit, number_ = parts
        named = by_name.get((unit, number_)) or by_name.get((unit - 1, number_))
        port = named or by_bridge.get(number_) or by_index.get(number_)
        if port is not None and port.poe_index is None:
            _power(port, index, answered)


def _place_named(name: str | None) -> tuple[int, int] | None:
    """(unit, port) of a name such as Gi1/0/7; some makers count units from nought."""
    numbers = (name or "").lstrip(_LETTERS).split("/")
    if len(numbers) < 2 or not (numbers[0].isdecimal() and numbers[-1].isdecimal()):
        return None
    return int(numbers[0]), int(numbers[-1])


def _power(port: Port, index: str, answered: Answered) -> None:
    port.poe_index = index
    enabled = answered.integer(f"{POE_ADMIN}.{index}")
    port.poe_admin = None if enabled is None else enabled == 1
    port.poe_state = POE_STATES.get(answered.integer(f"{POE_STATE}.{index}") or 0)
    level = answered.integer(f"{POE_CLASS}.{index}")
    port.poe_class = None if level is None else level - 1
    port.poe_watts = scaled(answered.number(f"{CISCO_WATTS}.{index}"), 1000)


def is_physical(port: Port) -> bool:
    return port.type in PHYSICAL


def compiled(ports: list[Port], want: Callable[[str, str], str | None]) -> PolledPorts | None:
    """The physical ports as polls read them; None if none is polled."""
    polled = [found for port in ports if is_physical(port) and (found := _polled(port, want)) is not None]
    return PolledPorts(polled) if polled else None


class PolledPorts:
    """Reads the ports from a poll's answers. `counted` names the counters in their order: metric, port."""

    def __init__(self, polled: list[_Polled]) -> None:
        counters = [counter for one in polled for counter in one.counters]
        self.counted = tuple((name, key) for name, key, _ in counters)
        self._polled = polled
        self._counters = tuple(oid for _, _, oid in counters)
        self._states = tuple(oid for one in polled for oid in (one.oper, one.admin, one.poe_state) if oid)
        self._last: tuple[tuple[Value | None, ...], list[Port]] | None = None

    @property
    def narrow(self) -> dict[int, float | None]:
        """Places in `counted` of what is a Counter32, with the most that it can count in a second: None where
        the port's speed is not known.
        """
        counters = [(one.known, *counter) for one in self._polled for counter in one.counters]
        return {
            at: _most(name, known)
            for at, (known, name, _, oid) in enumerate(counters)
            if oid.rpartition(".")[0] in _NARROW
        }

    def counts(self, answers: Answers) -> list[int | None]:
        """What the counters stand at, in the order of `counted`; None where there was no answer."""
        values = list(map(answers.get, self._counters))
        if _WHOLE.issuperset(map(type, values)):
            return values  # type: ignore[return-value]
        return [None if (found := integer(value)) is None or found >= 2**64 else found for value in values]

    def ports(self, answers: Answers) -> list[Port]:
        """The ports with all that was answered of them."""
        return [one.made(answers) for one in self._polled]

    def states(self, answers: Answers) -> list[Port]:
        """The ports without what moves all the time, their counters and watts. As long as no state has moved
        it is the same list: not to be changed.
        """
        states = tuple(map(answers.get, self._states))
        if self._last is None or self._last[0] != states:
            told = {oid: state for oid, state in zip(self._states, states, strict=True) if state is not None}
            self._last = states, self.ports(told)
        return self._last[1]


_WHOLE: Final = frozenset({int, type(None)})


@dataclass(frozen=True, slots=True)
class _Polled:
    """A port that discovery knows, and the objects that a poll asks of it."""

    known: Port
    admin: str | None
    oper: str | None
    octets: tuple[str | None, str | None]
    errors: tuple[str | None, str | None]
    poe_state: str | None
    poe_watts: str | None

    @property
    def counters(self) -> list[tuple[str, str, str]]:
        """Metric, port and object of each counter that is asked for."""
        asked = zip(_COUNTERS, (*self.octets, *self.errors), strict=True)
        return [(name, self.known.key, oid) for name, oid in asked if oid]

    def made(self, answers: Answers) -> Port:
        known = self.known
        watts = number(answers.get(self.poe_watts)) if self.poe_watts else None
        in_octets, out_octets, in_errors, out_errors = (
            integer(answers.get(oid)) if oid else None for oid in (*self.octets, *self.errors)
        )
        return replace(
            known,
            admin=_word(LINK_STATES, answers, self.admin),
            oper=_word(LINK_STATES, answers, self.oper),
            last_change=None,
            in_octets=in_octets,
            out_octets=out_octets,
            in_errors=in_errors,
            out_errors=out_errors,
            discontinuity=None,
            poe_state=_word(POE_STATES, answers, self.poe_state),
            poe_watts=None if watts is None else watts / 1000,
        )


def _word(words: Mapping[int, Word], answers: Answers, oid: str | None) -> Word | None:
    return words.get(answers.get(oid)) if oid else None  # type: ignore[arg-type]


def _polled(known: Port, want: Callable[[str, str], str | None]) -> _Polled | None:
    index = str(known.index)
    oper, admin = want(OPER, index), want(ADMIN, index)
    octets_in = want(HC_IN, index) or want(IN_OCTETS, index)
    octets_out = want(HC_OUT, index) or want(OUT_OCTETS, index)
    errors = want(IN_ERRORS, index), want(OUT_ERRORS, index)
    poe_state = want(POE_STATE, known.poe_index) if known.poe_index else None
    poe_watts = want(CISCO_WATTS, known.poe_index) if known.poe_index else None
    if not (oper or admin or octets_in or octets_out):
        return None
    return _Polled(known, admin, oper, (octets_in, octets_out), errors, poe_state, poe_watts)


def _most(name: str, known: Port) -> float | None:
    """What a counter of the port can count in a second."""
    if name.endswith("_errors"):
        return _MOST_ERRORS
    return known.speed_mbps * _OCTETS_OF_A_MEGABIT if known.speed_mbps else None


_NARROW: Final = frozenset({IN_OCTETS, OUT_OCTETS, IN_ERRORS, OUT_ERRORS})
_OCTETS_OF_A_MEGABIT: Final = 125_000
_MOST_ERRORS: Final = 100_000.0
"""More than a port in use shows in a second; so little that a counter that was set to 0 is not mistaken for
one that went round."""
_COUNTERS: Final = ("port.in_octets", "port.out_octets", "port.in_errors", "port.out_errors")
MOVING: Final = frozenset({"in_octets", "out_octets", "in_errors", "out_errors", "poe_watts"})
"""Fields of a polled port that its states say nothing of."""
