"""Who hangs on whom in a district's network: links, the port of every MAC, and the tree of parents. PURE.

LLDP and CDP say which devices are linked. Where they are silent, the tables of the bridges do. Whatever
devices claim, the result is the same for every order of the input, and no device hangs on itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from integrations.snmp.reading import DeviceKind, Neighbour
from integrations.snmp.topology_links import Link, Told, is_edge
from integrations.snmp.topology_matching import Identities, Seen, merged
from integrations.snmp.topology_tables import Place, Tables

__all__ = ["Chart", "Link", "Place", "Seen", "behind", "chart"]

Parents = dict[int, tuple[tuple[int, str], ...]]


@dataclass(frozen=True, slots=True)
class Chart:
    """`parents` gives (device, its port) for each way up, and nothing for roots and for what hangs on nobody;
    `uplinks` are the ports (device, port) that lead up. `unmanaged` are neighbours that are no device of
    ours, with the device and port that heard them.
    """

    links: tuple[Link, ...]
    places: Mapping[str, Place]
    parents: Mapping[int, tuple[tuple[int, str], ...]]
    uplinks: frozenset[tuple[int, str]]
    roots: tuple[int, ...]
    unmanaged: tuple[tuple[int, str, Neighbour], ...]

    def links_of(self, device_id: int) -> list[Link]:
        """As seen from the device: its own id and port first."""
        ends = (end for link in self.links for end in (link, link.turned))
        return sorted(link for link in ends if link.device_id == device_id)


def chart(seen: Sequence[Seen], roots: Collection[int] = ()) -> Chart:
    """The chart of a district.

    Each part of the network that hangs together hangs on those of its devices that are in `roots`. Where
    there is none, it hangs on its firewall, else its router, else a controller that joins bridges, else the
    bridge that joins most.
    """
    devices = merged(seen)
    known = Identities(devices.values())
    told = Told(devices, known)
    tables = Tables(devices, known)
    bridges = {device for device, one in devices.items() if _forwards(one, told, roots)}
    heads = _Heads(devices, bridges, tables, told.links, roots)
    tables.close(told, heads.of(_joined_parts(bridges, told.links, tables)))
    silent = _Silent(devices, bridges, known, told, tables)
    islands = set(silent.islands(heads.chosen))
    tables.close_links(islands, {device for device in bridges if not is_edge(devices[device])})
    places = tables.places()
    links = tuple(sorted({*told.links, *islands, *silent.leaves(places)}))
    chosen = heads.of(_parts(bridges, links), heads.chosen)
    parents, uplinks = _tree(devices, bridges, links, chosen)
    return Chart(
        links, places, parents, frozenset(uplinks | tables.upward), tuple(sorted(chosen)), told.unmanaged
    )


def behind(charted: Chart, device_id: int) -> list[int]:
    """Every device that cannot be reached without this one, in ascending order."""
    children: defaultdict[int, set[int]] = defaultdict(set)
    for child, above in charted.parents.items():
        for parent, _ in above:
            children[parent].add(child)
    cut, waiting = {device_id}, [device_id]
    while waiting:
        for child in children[waiting.pop()]:
            if child not in cut and all(parent in cut for parent, _ in charted.parents[child]):
                cut.add(child)
                waiting.append(child)
    return sorted(cut - {device_id})


def _forwards(one: Seen, told: Told, roots: Collection[int]) -> bool:
    unknown_bridge = one.kind is DeviceKind.OTHER and one.device_id in told.called_bridges
    return one.forwards or unknown_bridge or one.device_id in roots


def _parts(bridges: Iterable[int], links: Iterable[Link]) -> list[set[int]]:
    """Bridges that are linked with one another, each once."""
    return _components(bridges, ((link.device_id, link.neighbour_id) for link in links))


def _joined_parts(bridges: Collection[int], links: Iterable[Link], tables: Tables) -> list[set[int]]:
    """Bridges that are linked with one another, or of which one has learned the other's MAC."""
    seen = ((device, other) for device, others in tables.sightings.items() for other in others)
    told = ((link.device_id, link.neighbour_id) for link in links)
    return _components(bridges, (*told, *seen))


def _components(nodes: Iterable[int], edges: Iterable[tuple[int, int]]) -> list[set[int]]:
    near: dict[int, set[int]] = {node: set() for node in nodes}
    for one, other in edges:
        if one in near and other in near:
            near[one].add(other)
            near[other].add(one)
    found, left = [], set(near)
    for node in sorted(near):
        if node not in left:
            continue
        part, waiting = {node}, [node]
        while waiting:
            fresh = near[waiting.pop()] - part
            part |= fresh
            waiting += fresh
        left -= part
        found.append(part)
    return found


class _Heads:
    """Chooses the roots of parts; `chosen` are the last ones."""

    def __init__(
        self,
        devices: Mapping[int, Seen],
        bridges: Collection[int],
        tables: Tables,
        links: Iterable[Link],
        roots: Collection[int],
    ) -> None:
        self._devices, self._roots = devices, set(roots)
        self.chosen: set[int] = set()
        joins: defaultdict[int, set[str]] = defaultdict(set)
        for link in (end for one in links for end in (one, one.turned)):
            if link.neighbour_id in bridges:
                joins[link.device_id].add(link.port_key)
        for device in tables.on:
            joins[device] |= tables.bridge_ports(device, bridges)
        self._joins = {device: len(ports) for device, ports in joins.items()}

    def of(self, parts: Iterable[set[int]], preferred: Collection[int] = ()) -> set[int]:
        """The given roots of each part, else the preferred ones, else its best device."""
        found: set[int] = set()
        for part in parts:
            found |= part & self._roots or part & set(preferred) or {min(part, key=self._rank)}
        self.chosen = found
        return found

    def _rank(self, device: int) -> tuple[int, int, int]:
        kind, joins = self._devices[device].kind, self._joins.get(device, 0)
        rank = {DeviceKind.FIREWALL: 0, DeviceKind.ROUTER: 1, DeviceKind.ACCESS_POINT: 4}.get(kind, 3)
        if kind is DeviceKind.WIRELESS_CONTROLLER and joins > 1:
            rank = 2
        return rank, -joins, device


class _Silent:
    """Links of devices to which LLDP and CDP know none, from the tables."""

    def __init__(
        self,
        devices: Mapping[int, Seen],
        bridges: Collection[int],
        known: Identities,
        told: Told,
        tables: Tables,
    ) -> None:
        self._devices, self._bridges, self._known = devices, bridges, known
        self._told, self._tables = told, tables

    def islands(self, heads: Collection[int]) -> Iterable[Link]:
        """How bridges without a way to a root hang on others, and on roots that have no table."""
        parts = _parts(self._bridges, self._told.links)
        lost = [part for part in parts if part.isdisjoint(heads)]
        alone = [head for part in parts if len(part) == 1 for head in part.intersection(heads)]
        heard_by = self._heard_by({*alone, *(member for part in lost for member in part)})
        for head in alone:
            port = self._tables.root_port(head, heard_by[head]) if head not in self._tables.on else None
            if port is not None:
                yield _ordered(Link(head, "", *port, "fdb"))
        inside: defaultdict[int, list[Link]] = defaultdict(list)
        for link in self._told.links:
            inside[link.device_id].append(link)
        for part in lost:
            hearers = {device for member in part for device in heard_by[member]}
            found = self._tables.above(part, hearers, [link for one in part for link in inside[one]])
            if found is not None:
                yield _ordered(found)

    def _heard_by(self, members: set[int]) -> Mapping[int, set[int]]:
        """Bridge → bridges that have learned its MAC."""
        found: defaultdict[int, set[int]] = defaultdict(set)
        for device, others in self._tables.sightings.items():
            for member in others.keys() & members:
                found[member].add(device)
        return found

    def leaves(self, places: Mapping[str, Place]) -> Iterable[Link]:
        """How printers, servers and the like hang on bridges, by each of their MACs."""
        linked = {
            link.device_id
            for one in self._told.links
            for link in (one, one.turned)
            if link.neighbour_id in self._bridges
        }
        attached = linked.union(self._bridges)
        leaves = [device for device in self._devices if device not in attached]
        macs = {device: sorted(self._known.macs[device]) for device in leaves}
        beyond = self._tables.places_beyond(
            {mac for own in macs.values() for mac in own if mac not in places}
        )
        for device in leaves:
            found = [places[mac] for mac in macs[device] if mac in places]
            found = found or [beyond[mac] for mac in macs[device] if mac in beyond]
            for place in found:
                yield self._leaf_link(device, place)

    def _leaf_link(self, device: int, place: Place) -> Link:
        """To the access point if one stands at that port, else to the port."""
        ap = self._told.aps.get(place[:2])
        above, port = place[:2] if ap is None or ap == device else (ap, "")
        return _ordered(Link(device, "", above, port, "fdb"))


def _ordered(link: Link) -> Link:
    return link if link.device_id < link.neighbour_id else link.turned


def _tree(
    devices: Iterable[int], bridges: Collection[int], links: Iterable[Link], heads: Collection[int]
) -> tuple[Parents, set[tuple[int, str]]]:
    """Parents and the ports that lead to them: each device hangs on the bridges that are one step nearer to a
    root than itself.
    """
    ends: defaultdict[int, list[Link]] = defaultdict(list)
    for link in links:
        ends[link.device_id].append(link)
        ends[link.neighbour_id].append(link.turned)
    depth: dict[int, int] = dict.fromkeys(heads, 0)
    ring = sorted(heads)
    while ring:
        below = {
            link.neighbour_id
            for device in ring
            if device in bridges
            for link in ends[device]
            if link.neighbour_id not in depth
        }
        depth.update(dict.fromkeys(below, depth[ring[0]] + 1))
        ring = sorted(below)
    parents: Parents = {}
    uplinks: set[tuple[int, str]] = set()
    for device in devices:
        up = [link for link in ends[device] if _leads_up(link, depth, bridges)]
        parents[device] = tuple(sorted({(link.neighbour_id, link.neighbour_port) for link in up}))
        uplinks |= {(device, link.port_key) for link in up if link.port_key}
    return parents, uplinks


def _leads_up(link: Link, depth: Mapping[int, int], bridges: Collection[int]) -> bool:
    above = depth.get(link.neighbour_id)
    return link.neighbour_id in bridges and above is not None and above == depth.get(link.device_id, -1) - 1
