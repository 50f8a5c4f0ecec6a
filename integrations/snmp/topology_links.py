"""Links between devices as LLDP and CDP tell of them. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from integrations.snmp.reading import DeviceKind, Neighbour
from integrations.snmp.topology_matching import Identities, Seen

PROTOCOLS = ("lldp", "cdp", "fdb")


class Link(NamedTuple):
    """A cable between two devices, the lower id first; a port that is not known is ""."""

    device_id: int
    port_key: str
    neighbour_id: int
    neighbour_port: str
    protocol: str

    @property
    def turned(self) -> Link:
        """From the other end."""
        return Link(self.neighbour_id, self.neighbour_port, self.device_id, self.port_key, self.protocol)


class Told:
    """What the neighbours are.

    `links` between devices of ours; `unmanaged` neighbours with the device and port that heard them;
    `bridges` and `foreign_bridges` device → ports at which a bridge of ours or another stands; `bridge_macs`
    and `foreign_macs` device → their MACs; `aps` (device, port) → the one access point that stands there.
    """

    def __init__(self, devices: Mapping[int, Seen], known: Identities) -> None:
        self.bridges: defaultdict[int, set[str]] = defaultdict(set)
        self.foreign_bridges: defaultdict[int, set[str]] = defaultdict(set)
        self.bridge_macs: defaultdict[int, set[str]] = defaultdict(set)
        self.foreign_macs: defaultdict[int, set[str]] = defaultdict(set)
        self.called_bridges: set[int] = set()
        self._devices, self._known = devices, known
        self._ends: dict[tuple[int, str, int, str], str] = {}
        self._unmanaged: dict[tuple[int, str, tuple[str, ...]], Neighbour] = {}
        for device, one in devices.items():
            for neighbour in one.neighbours:
                self._take(device, neighbour)
        self.links = _joined(self._ends)
        self.unmanaged = tuple((key[0], key[1], self._unmanaged[key]) for key in sorted(self._unmanaged))
        self.aps = self._access_points()

    def _take(self, device: int, neighbour: Neighbour) -> None:
        other = self._known.neighbour(neighbour, device)
        if other == device:
            return
        port = self._known.ports[device].of(neighbour.port_key, neighbour.index) or neighbour.local_port
        if other is None:
            self._unmanaged[device, port, _words(neighbour)] = neighbour
            if neighbour.is_bridge:
                self.foreign_bridges[device].add(port)
                self.foreign_macs[device] |= self._known.said_macs(neighbour)
            return
        far = self._known.ports[other].named(neighbour.port, neighbour.port_description)
        end = (device, port, other, far)
        self._ends[end] = min(self._ends.get(end, neighbour.protocol), neighbour.protocol, key=_rank)
        if neighbour.is_bridge:
            self.called_bridges.add(other)
        if _is_bridge(self._devices[other], neighbour):
            self.bridges[device].add(port)
            self.bridge_macs[device] |= self._known.macs[other]

    def _access_points(self) -> dict[tuple[int, str], int]:
        found: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
        for link in (turned for one in self.links for turned in (one, one.turned)):
            if link.port_key:
                found[link.device_id, link.port_key].add(link.neighbour_id)
        return {
            at: min(others)
            for at, others in found.items()
            if len(others) == 1 and self._devices[min(others)].kind is DeviceKind.ACCESS_POINT
        }


def is_edge(one: Seen) -> bool:
    """Access points and telephones call themselves bridges, but what is behind them has no port elsewhere."""
    return one.kind in (DeviceKind.ACCESS_POINT, DeviceKind.PHONE)


def _is_bridge(other: Seen, neighbour: Neighbour) -> bool:
    return not is_edge(other) and (bool(neighbour.is_bridge) or other.forwards)


def _words(told: Neighbour) -> tuple[str, ...]:
    words = (told.protocol, told.chassis, told.port, told.name, told.address, told.port_description)
    return tuple(map(str, (*words, told.description, told.local_port, told.index, told.is_bridge)))


def _rank(protocol: str) -> tuple[int, str]:
    return (PROTOCOLS.index(protocol) if protocol in PROTOCOLS else len(PROTOCOLS)), protocol


def _joined(ends: Mapping[tuple[int, str, int, str], str]) -> list[Link]:
    """One link for what both of its ends tell."""
    pairs: defaultdict[tuple[int, int], dict[tuple[str, str], str]] = defaultdict(dict)
    for (device, port, other, far), protocol in ends.items():
        pair, at = ((device, other), (port, far)) if device < other else ((other, device), (far, port))
        pairs[pair][at] = min(pairs[pair].get(at, protocol), protocol, key=_rank)
    return [
        Link(low, here, high, there, protocol)
        for (low, high), found in sorted(pairs.items())
        for (here, there), protocol in sorted(_paired(found).items())
    ]


def _paired(found: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Port pairs of two devices. An end that does not know the other's port is paired with the only one that
    is left over.
    """
    whole = {at: protocol for at, protocol in found.items() if all(at)}
    ours, theirs = {at[0] for at in whole}, {at[1] for at in whole}
    left = [at for at in found if at[0] and not at[1] and at[0] not in ours]
    right = [at for at in found if at[1] and not at[0] and at[1] not in theirs]
    if len(left) == len(right) == 1:
        protocol = min(found[left[0]], found[right[0]], key=_rank)
        return whole | {(left[0][0], right[0][1]): protocol}
    return whole | {at: found[at] for at in left + right} or found
