"""What the tables of the bridges say of where MACs and silent devices hang. PURE.

The rule: leave out the ports at which another bridge stands and those towards the root; of the rest, the port
with the fewest MACs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from integrations.snmp.topology_links import Link, Told
from integrations.snmp.topology_matching import Identities, Seen

Port = tuple[int, str]


class Place(NamedTuple):
    """Where a MAC hangs; `vlan` is the lowest that it was learned in there."""

    device_id: int
    port_key: str
    vlan: int | None


class Tables:
    """`on` gives device → port → MAC → lowest VLAN, `sightings` device → device whose MAC it has learned →
    ports.
    """

    def __init__(self, devices: Mapping[int, Seen], known: Identities) -> None:
        self._known = known
        self.on: dict[int, dict[str, dict[str, int | None]]] = {}
        self.sightings: dict[int, dict[int, set[str]]] = {}
        self.upward: set[Port] = set()
        self._closed: set[Port] = set()
        self._foreign: set[Port] = set()
        for device, one in devices.items():
            if one.learned:
                self.on[device] = self._ports(one)
                self.sightings[device] = self._sighted(device)

    def _ports(self, one: Seen) -> dict[str, dict[str, int | None]]:
        found: defaultdict[str, dict[str, int | None]] = defaultdict(dict)
        ports = self._known.ports[one.device_id]
        for row in one.learned:
            port = row.port_key or ports.of(None, row.index, row.bridge_port)
            if not port:
                continue
            macs, mac, vlan = found[port], row.mac, row.vlan
            if mac in macs and (before := macs[mac]) is not None:
                vlan = before if vlan is None else min(before, vlan)
            macs[mac] = vlan
        return dict(found)

    def _sighted(self, device: int) -> dict[int, set[str]]:
        found: defaultdict[int, set[str]] = defaultdict(set)
        owners = self._known.owners
        for port, macs in self.on[device].items():
            for mac in owners.keys() & macs.keys():
                if owners[mac] != device:
                    found[owners[mac]].add(port)
        return dict(found)

    def bridge_ports(self, device: int, bridges: Collection[int]) -> set[str]:
        """The ports on which a bridge of ours was learned."""
        return {
            port
            for other, ports in self.sightings.get(device, {}).items()
            if other in bridges
            for port in ports
        }

    def close(self, told: Told, heads: set[int]) -> None:
        """Leave out ports, now that the roots are known.

        A bundle of ports has its own name in a bridge's table. It is known by the MAC of the bridge that LLDP
        tells of on its members.
        """
        for device, ports in self.on.items():
            ours, others = told.bridge_macs[device], told.foreign_macs[device]
            bundles = {port for port, macs in ports.items() if not ours.isdisjoint(macs)}
            beyond = {port for port, macs in ports.items() if not others.isdisjoint(macs)}
            self._closed |= {(device, port) for port in told.bridges[device] | bundles}
            self._foreign |= {(device, port) for port in told.foreign_bridges[device] | beyond}
            if device not in heads:
                seen = self.sightings[device]
                self.upward |= {(device, port) for head in heads & seen.keys() for port in seen[head]}
        self._foreign -= self._closed
        self.upward |= self._upward_by_others(heads)

    def _upward_by_others(self, heads: set[int]) -> set[Port]:
        """For bridges that have forgotten the roots: the ports at which a bridge stands that knows the way up
        by another port than the one that leads here.
        """
        up: defaultdict[int, set[str]] = defaultdict(set)
        for device, port in self.upward:
            up[device].add(port)
        found = set()
        for device in self.on.keys() - up.keys() - heads:
            for other, ports in self.sightings[device].items():
                here = self.sightings.get(other, {}).get(device)
                if other in up and here and here.isdisjoint(up[other]):
                    found |= {(device, port) for port in ports}
        return found

    def close_links(self, links: Iterable[Link], behind: Collection[int]) -> None:
        """Leave out the ports of links to these bridges, if their own tables tell what is behind them."""
        ends = (end for link in links for end in (link, link.turned))
        found = {
            (end.device_id, end.port_key)
            for end in ends
            if end.neighbour_id in self.on and end.neighbour_id in behind
        }
        self._foreign |= found - self._closed

    def places(self) -> dict[str, Place]:
        """Every MAC that was learned on a port that is not left out."""
        return self._best(self._closed | self._foreign | self.upward, None)

    def places_beyond(self, macs: Collection[str]) -> dict[str, Place]:
        """These MACs at ports with bridges in whose tables they are not: they hang somewhere behind them."""
        if not macs:
            return {}
        others = {(device, port) for device, ports in self.on.items() for port in ports} - self._foreign
        return self._best(others | self._closed | self.upward, frozenset(macs))

    def _best(self, without: set[Port], only: frozenset[str] | None) -> dict[str, Place]:
        ports = sorted(
            (len(macs), device, port)
            for device, on in self.on.items()
            for port, macs in on.items()
            if (device, port) not in without
        )
        found: dict[str, Place] = {}
        owners = self._known.owners
        for _, device, port in ports:
            for mac, vlan in self.on[device][port].items():
                if mac in found or owners.get(mac) == device or (only is not None and mac not in only):
                    continue
                found[mac] = Place(device, port, vlan)
        return found

    def root_port(self, head: int, heard_by: Iterable[int]) -> Port | None:
        """The port on which a root hangs that has no table itself, as routers have none."""
        ports = (
            ((device, port) in self._foreign, len(self.on[device][port]), device, port)
            for device in heard_by
            for port in self.sightings[device][head]
            if (device, port) not in self._closed
        )
        best = min(ports, default=None)
        return best and best[2:]

    def above(self, island: Collection[int], heard_by: Iterable[int], links: Iterable[Link]) -> Link | None:
        """The link on which an island of linked bridges hangs, from its member's side; None if no table tells
        of any. The member is one that knows the way up by a port that does not lead into the island.
        """
        inside = {
            (one.device_id, one.port_key)
            for link in links
            for one in (link, link.turned)
            if link.device_id in island and link.neighbour_id in island
        }
        best = min(
            (
                (at in self._foreign, len(self.on[device][port]), device, port)
                for device in heard_by
                if device not in island
                for member in island
                for port in self.sightings[device].get(member, ())
                if (at := (device, port)) not in self._closed and at not in self.upward
            ),
            default=None,
        )
        if best is None:
            return None
        device, port = best[2:]
        own = min(
            (self._own_port(member, device, inside), member)
            for member in island
            if port in self.sightings[device].get(member, ())
        )
        return Link(own[1], own[0][1], device, port, "fdb")

    def _own_port(self, member: int, device: int, inside: set[Port]) -> tuple[int, str]:
        """How well a member is known to be the one that leads out (0 best), and its port."""
        ports = self.sightings.get(member, {}).get(device, set())
        ports = ports or {port for of, port in self.upward if of == member}
        out = sorted(port for port in ports if (member, port) not in inside)
        return (0, out[0]) if out else (1, "")
