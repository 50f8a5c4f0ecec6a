"""The chart of made-up school networks whose cables are known, and of whatever devices may claim."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.snmp.profile import load_profiles
from integrations.snmp.reading import Address as OwnAddress
from integrations.snmp.reading import Arp, DeviceKind, Identity, Learned, Neighbour, Port, Reading
from integrations.snmp.topology import Chart, Link, Place, Seen, behind, chart
from integrations.snmp.topology_matching import mac_in
from integrations.snmp.understanding import understand

SWITCHING = (DeviceKind.SWITCH, DeviceKind.FIREWALL, DeviceKind.ROUTER)


def mac(number: int) -> str:
    return (0x02_00_00_00_00_00 + number).to_bytes(6, "big").hex(":")


@dataclass
class School:
    """A tree of cables: what each device would answer follows from it.

    A device hangs on `above[device]` with its own port 1. `hosts` are MACs at a (device, port) that are no
    devices of ours. Devices in `mute` speak no LLDP.
    """

    kinds: dict[int, DeviceKind] = field(default_factory=dict)
    above: dict[int, tuple[int, str]] = field(default_factory=dict)
    hosts: dict[str, tuple[int, str]] = field(default_factory=dict)
    mute: set[int] = field(default_factory=set)

    def add(self, device: int, kind: DeviceKind, above: int | None = None) -> int:
        self.kinds[device] = kind
        if above is not None:
            self.above[device] = (above, self.free_port(above))
        return device

    def free_port(self, device: int) -> str:
        used = [port for at, port in (*self.above.values(), *self.hosts.values()) if at == device]
        return f"p{max((int(port[1:]) for port in used), default=1) + 1}"

    def host(self, number: int, device: int, port: str | None = None) -> str:
        self.hosts[mac(number)] = (device, port or self.free_port(device))
        return mac(number)

    def path(self, device: int) -> list[int]:
        found = [device]
        while found[-1] in self.above:
            found.append(self.above[found[-1]][0])
        return found

    def port_towards(self, device: int, at: int) -> str | None:
        """The port of `device` by which what hangs on `at` is reached; None if that is `device` itself."""
        path = self.path(at)
        if device not in path:
            return "p1"
        step = path.index(device)
        return None if step == 0 else self.above[path[step - 1]][1]

    def seen(self) -> list[Seen]:
        return [self._seen(device) for device in self.kinds]

    def _seen(self, device: int) -> Seen:
        down = {port for at, port in (*self.above.values(), *self.hosts.values()) if at == device}
        ports = [
            Port(key, int(key[1:]), mac=mac(device * 1000 + int(key[1:]))) for key in sorted({"p1", *down})
        ]
        one = Seen(device, self.kinds[device], addresses=[f"10.0.{device // 250}.{device % 250 + 1}"])
        one.ports = ports
        one.neighbours = self._neighbours(device)
        if self.kinds[device] is DeviceKind.SWITCH:
            one.learned = self._learned(device)
        return one

    def _neighbours(self, device: int) -> list[Neighbour]:
        """Only bridges and access points speak LLDP."""
        if device in self.mute:
            return []
        ends = [(port, child, "p1") for child, (at, port) in self.above.items() if at == device]
        if device in self.above:
            ends.append(("p1", *self.above[device]))
        return [
            Neighbour(
                "lldp",
                port[1:],
                port,
                int(port[1:]),
                chassis=mac(other * 1000 + 1),
                port=far,
                is_bridge=self.kinds[other] in (*SWITCHING, DeviceKind.ACCESS_POINT),
            )
            for port, other, far in ends
            if other not in self.mute and self.kinds[other] in (*SWITCHING, DeviceKind.ACCESS_POINT)
        ]

    def _learned(self, device: int) -> list[Learned]:
        found = [
            Learned(mac(other * 1000 + 1), 1, int(port[1:]), int(port[1:]), port)
            for other in self.kinds
            if other != device and (port := self.port_towards(device, other))
        ]
        for host, (at, own) in self.hosts.items():
            port = self.port_towards(device, at) or own
            found.append(Learned(host, 10, int(port[1:]), int(port[1:]), port))
        return found

    def parents(self) -> dict[int, tuple[tuple[int, str], ...]]:
        """A firewall has no table that could tell which port of it a mute switch hangs on."""
        found = {}
        for device in self.kinds:
            up = (self.above[device],) if device in self.above else ()
            if up and self.kinds[up[0][0]] is DeviceKind.FIREWALL and self.mute & {device, up[0][0]}:
                up = ((up[0][0], ""),)
            found[device] = up
        return found


def two_tier_school(rng: random.Random, devices: int = 200) -> School:
    school = School()
    school.add(1, DeviceKind.FIREWALL)
    core = school.add(2, DeviceKind.SWITCH, 1)
    edges = [school.add(n, DeviceKind.SWITCH, core) for n in range(3, 15)]
    leaves = (DeviceKind.ACCESS_POINT, DeviceKind.PRINTER, DeviceKind.UPS, DeviceKind.CAMERA)
    for n in range(15, devices + 1):
        school.add(n, rng.choice(leaves), rng.choice(edges))
    for n in range(300):
        school.host(5_000_000 + n, rng.choice(edges))
    return school


def assert_is(charted: Chart, school: School) -> None:
    assert charted.parents == school.parents()
    for host, (device, port) in school.hosts.items():
        assert charted.places[host] == Place(device, port, 10)


def test_a_two_tier_school_that_speaks_lldp_is_charted_as_it_is_cabled():
    school = two_tier_school(random.Random(1))
    charted = chart(school.seen())
    assert_is(charted, school)
    assert charted.roots == (1,)
    assert {(device, "p1") for device in range(2, 15)} <= charted.uplinks
    assert not any(port != "p1" for _, port in charted.uplinks)
    assert Link(1, "p2", 2, "p1", "lldp") in charted.links
    assert Link(2, "p1", 1, "p2", "lldp") in charted.links_of(2)


def test_a_two_tier_school_without_any_lldp_is_charted_from_its_tables():
    school = two_tier_school(random.Random(2))
    school.mute = set(school.kinds)
    charted = chart(school.seen())
    assert_is(charted, school)
    assert {link.protocol for link in charted.links} == {"fdb"}
    assert {(device, "p1") for device in range(2, 15)} <= charted.uplinks


@st.composite
def schools(draw: st.DrawFn) -> School:
    """Up to 14 devices of any depth; any of them may be mute. A firewall on top, hosts at every switch."""
    school = School()
    switches = [school.add(2, DeviceKind.SWITCH, school.add(1, DeviceKind.FIREWALL))]
    for n in range(3, draw(st.integers(3, 15))):
        kind = draw(st.sampled_from([DeviceKind.SWITCH, DeviceKind.SWITCH, DeviceKind.PRINTER]))
        school.add(n, kind, draw(st.sampled_from(switches)))
        if kind is DeviceKind.SWITCH:
            switches.append(n)
    school.mute = draw(st.sets(st.sampled_from(sorted(school.kinds))))
    for n, switch in enumerate(switches):
        school.host(5_000_000 + n, switch)
    return school


@settings(max_examples=60)
@given(schools())
def test_any_tree_is_charted_as_it_is_cabled_whoever_speaks_lldp(school):
    assert_is(chart(school.seen()), school)


@settings(max_examples=40)
@given(schools(), st.randoms(use_true_random=False))
def test_what_is_behind_a_device_is_what_hangs_on_it(school, rng):
    charted = chart(school.seen())
    device = rng.choice(sorted(school.kinds))
    below = [other for other in school.kinds if other != device and device in school.path(other)]
    assert behind(charted, device) == sorted(below)


MACS = [mac(n) for n in range(1, 7)]
WORDS = [None, "", "core", "core.example.org", "10.0.0.1", "<private>", "S1", *MACS, "1", "p1"]
KEYS = ["p1", "p2", "p3"]
FEW = [None, 1, 2, 3]


def claims(rng: random.Random) -> list[Seen]:
    """Up to eight devices of six ids that claim one another's MACs, names, addresses and ports."""
    return [_claim(rng) for _ in range(rng.randint(0, 8))]


def _claim(rng: random.Random) -> Seen:
    def some(most: int, make):
        return [make() for _ in range(rng.randint(0, most))]

    def word() -> str | None:
        return rng.choice(WORDS)

    return Seen(
        device_id=rng.randint(1, 6),
        kind=rng.choice(list(DeviceKind)),
        name=word(),
        serial=word(),
        addresses=some(2, lambda: rng.choice(["10.0.0.1", "10.0.0.2", "127.0.0.1", "no address"])),
        macs=some(2, lambda: rng.choice([*MACS, "ff:ff:ff:ff:ff:ff", "rubbish"])),
        ports=some(
            3,
            lambda: Port(
                rng.choice(KEYS),
                rng.randint(1, 3),
                word(),
                alias=word(),
                mac=word(),
                bridge_port=rng.choice(FEW),
            ),
        ),
        neighbours=some(
            4,
            lambda: Neighbour(
                rng.choice(["lldp", "cdp", "edp"]),
                rng.choice(KEYS),
                rng.choice([None, *KEYS]),
                rng.choice(FEW),
                *(word() for _ in range(6)),
                is_bridge=rng.choice([None, True, False]),
            ),
        ),
        learned=some(
            6,
            lambda: Learned(
                rng.choice([*MACS, mac(900)]),
                rng.choice(FEW),
                rng.randint(0, 3),
                rng.choice(FEW),
                rng.choice([None, *KEYS]),
            ),
        ),
        arp=some(2, lambda: Arp(rng.choice(["10.0.0.1", "10.0.0.2", "x"]), rng.choice(MACS))),
    )


def roots_of(rng: random.Random) -> list[int]:
    return [rng.randint(1, 8) for _ in range(rng.choice((0, 0, 1, 2)))]


def shuffled(seen: list[Seen], rng: random.Random) -> list[Seen]:
    """The same claims in another order, within the devices as well."""

    def mixed(some):
        return rng.sample(list(some), len(some))

    lists = ("addresses", "macs", "ports", "neighbours", "learned", "arp")
    return mixed([replace(one, **{name: mixed(getattr(one, name)) for name in lists}) for one in seen])


@pytest.mark.parametrize("seed", range(8))
def test_whatever_devices_claim_the_order_means_nothing(seed):
    rng = random.Random(seed)
    for _ in range(60):
        seen, roots = claims(rng), roots_of(rng)
        assert chart(seen, roots) == chart(shuffled(seen, rng), roots[::-1])


@pytest.mark.parametrize("seed", range(8))
def test_whatever_devices_claim_nobody_hangs_on_itself(seed):
    rng = random.Random(seed)
    for _ in range(60):
        seen = claims(rng)
        assert_is_a_tree_of(chart(seen, roots_of(rng)), seen)


def assert_is_a_tree_of(charted: Chart, seen: list[Seen]) -> None:
    devices = {one.device_id for one in seen}
    assert set(charted.parents) == devices
    above = {device: {parent for parent, _ in up} for device, up in charted.parents.items()}
    for device in devices:
        reached, waiting = set(), [device]
        while waiting:
            fresh = above[waiting.pop()] - reached
            reached |= fresh
            waiting += fresh
        assert device not in reached
        assert device not in behind(charted, device)
    assert all(charted.parents[root] == () for root in charted.roots)
    assert {link.device_id for link in charted.links} <= devices
    assert all(link.device_id < link.neighbour_id for link in charted.links)


@pytest.mark.parametrize("seed", range(6))
def test_behind_a_device_is_whoever_has_no_other_way_up(seed):
    rng, found = random.Random(seed), 0
    for _ in range(60):
        charted = chart(claims(rng))
        for device in charted.parents:
            below = cut_off_by(charted, device)
            assert behind(charted, device) == below
            found += len(below)
    assert found > 20


def cut_off_by(charted: Chart, device: int) -> list[int]:
    """By trying which devices can still be reached from above."""
    below = defaultdict(set)
    for child, up in charted.parents.items():
        for parent, _ in up:
            below[parent].add(child)

    def reached(without: int | None) -> set[int]:
        found = {one for one, up in charted.parents.items() if not up} - {without}
        waiting = list(found)
        while waiting:
            fresh = below[waiting.pop()] - found - {without}
            found |= fresh
            waiting += fresh
        return found

    return sorted(reached(None) - reached(device) - {device})


def switch(
    device: int, *told: Neighbour, learned: dict[str, list[str]] | None = None, **more: object
) -> Seen:
    """A switch with ports p1 to p4; `learned` is port → MACs."""
    ports = [Port(f"p{n}", n, mac=mac(device * 1000 + n), bridge_port=n) for n in range(1, 5)]
    rows = [
        Learned(one, 1, int(key.strip("pao")), None, key)
        for key, macs in (learned or {}).items()
        for one in macs
    ]
    return Seen(device, DeviceKind.SWITCH, ports=ports, neighbours=told, learned=rows, **more)


def lldp(at: str, is_bridge: bool = True, **said: object) -> Neighbour:
    return Neighbour("lldp", at[1:], at, is_bridge=is_bridge, **said)


@pytest.mark.parametrize(
    "said",
    [
        {"chassis": mac(2001)},
        {"chassis": "0200.0000.07D1"},
        {"chassis": "02-00-00-00-07-D1"},
        {"address": "10.0.0.2"},
        {"chassis": "10.0.0.2"},
        {"name": "EDGE-2"},
        {"name": "edge-2.example.org"},
        {"chassis": "edge-2"},
        {"name": "anything(FOC1234)"},
        {"chassis": "FOC1234"},
    ],
)
def test_a_neighbour_is_known_by_mac_address_name_or_serial_number(said):
    seen = [
        switch(1, lldp("p3", port="p1", **said), addresses=["10.0.0.1"], name="core"),
        switch(2, addresses=["10.0.0.2"], name="edge-2", serial="FOC1234"),
    ]
    assert chart(seen, [1]).links == (Link(1, "p3", 2, "p1", "lldp"),)


def test_a_name_or_address_that_two_devices_have_names_neither():
    for shared in ({"name": "switch"}, {"addresses": ["192.168.1.1"]}):
        told = lldp("p1", name=shared.get("name"), address=(shared.get("addresses") or [None])[0])
        seen = [switch(1, told), switch(2, **shared), switch(3, **shared)]
        charted = chart(seen, [1])
        assert charted.links == ()
        assert charted.unmanaged == ((1, "p1", told),)


def test_another_domain_is_another_device():
    seen = [switch(1, lldp("p1", name="sw1.north.org")), switch(2, name="sw1.south.org")]
    assert chart(seen).links == ()


@pytest.mark.parametrize("port", ["p2", "P2", mac(2002), "02:00:00:00:07:D2", "2", "uplink to core"])
def test_the_other_end_of_a_cable_is_known_by_any_of_its_port_s_names(port):
    seen = [switch(1, lldp("p1", chassis=mac(2001), port=port)), switch(2)]
    seen[1].ports[1].alias = "uplink to core"
    assert chart(seen, [1]).parents[2] == ((1, "p1"),)
    assert chart(seen, [1]).uplinks == {(2, "p2")}


def test_both_ends_tell_of_one_cable_once():
    told = [lldp("p1", chassis=mac(2001), port="not known"), lldp("p3", chassis=mac(1001), port="nor this")]
    cdp = replace(told[0], protocol="cdp")
    charted = chart([switch(1, told[0], cdp), switch(2, told[1])], [1])
    assert charted.links == (Link(1, "p1", 2, "p3", "lldp"),)


def test_two_ways_up_are_two_parents_and_nothing_is_behind_either():
    seen = [
        switch(1, lldp("p1", chassis=mac(2001), port="p1"), lldp("p2", chassis=mac(3001), port="p1")),
        switch(2, lldp("p2", chassis=mac(4001), port="p1")),
        switch(3, lldp("p2", chassis=mac(4001), port="p2"), lldp("p3", chassis=mac(2001), port="p3")),
        switch(4, learned={"p4": [mac(5)]}),
        Seen(5, DeviceKind.PRINTER, macs=[mac(5)]),
    ]
    charted = chart(seen, [1])
    assert charted.parents[4] == ((2, "p2"), (3, "p2"))
    assert charted.parents[3] == ((1, "p2"),)
    assert {(4, "p1"), (4, "p2")} <= charted.uplinks
    assert (2, "p3") not in charted.uplinks
    assert behind(charted, 2) == []
    assert behind(charted, 4) == [5]
    assert behind(charted, 1) == [2, 3, 4, 5]


def test_a_bundle_is_known_by_the_bridge_behind_its_members():
    """LLDP tells of the members, the bridge's table of the bundle."""
    printer, laptop = mac(7), mac(9)
    seen = [
        switch(
            1,
            lldp("p1", chassis=mac(2001), port="p1"),
            lldp("p2", chassis=mac(2001), port="p2"),
            learned={"po1": [mac(2001), printer, laptop]},
        ),
        switch(2, learned={"po9": [mac(1001), mac(8), mac(10)], "p3": [printer], "p4": [laptop]}),
        Seen(7, DeviceKind.PRINTER, macs=[printer]),
    ]
    charted = chart(seen, [1])
    assert charted.parents[2] == ((1, "p1"), (1, "p2"))
    assert charted.parents[7] == ((2, "p3"),)
    assert charted.places[laptop] == Place(2, "p4", 1)
    assert not any(place.port_key.startswith("po") for place in charted.places.values())
    assert charted.uplinks == {(2, "p1"), (2, "p2"), (2, "po9")}


def test_a_mac_is_not_placed_at_a_port_with_a_bridge_that_is_not_ours_but_a_device_hangs_there():
    seen = [
        switch(1, lldp("p2", chassis="9c:3d:cf:00:00:01", name="shop"), learned={"p2": [mac(7), mac(8)]}),
        Seen(7, DeviceKind.PRINTER, macs=[mac(7)]),
    ]
    charted = chart(seen, [1])
    assert charted.places == {}
    assert charted.parents[7] == ((1, "p2"),)
    assert [(device, port, told.name) for device, port, told in charted.unmanaged] == [(1, "p2", "shop")]


def test_a_bridge_that_has_forgotten_the_root_learns_the_way_up_from_another():
    """A chain of mute switches under a firewall (9); the last one has only its neighbour in its table."""
    seen = [
        Seen(9, DeviceKind.FIREWALL, macs=[mac(9)]),
        switch(1, learned={"p1": [mac(9)], "p2": [mac(2001), mac(3001), mac(7), mac(8)]}),
        switch(2, learned={"p1": [mac(9), mac(1001)], "p2": [mac(3001), mac(7), mac(8)]}),
        switch(3, learned={"p1": [mac(2001)], "p2": [mac(7)]}),
    ]
    charted = chart(seen)
    assert charted.parents == {1: ((9, ""),), 2: ((1, "p2"),), 3: ((2, "p2"),), 9: ()}
    assert {(1, "p1"), (2, "p1"), (3, "p1")} == charted.uplinks
    assert charted.places[mac(7)] == Place(3, "p2", 1)
    assert mac(8) not in charted.places, "it is behind switch 3, which has forgotten where"


def test_of_several_ports_the_one_with_the_fewest_macs_has_it_whatever_came_first():
    """Two switches without LLDP, whose root's MAC nobody has learned."""
    many = [mac(100 + n) for n in range(5)]
    seen = [switch(1, learned={"p1": [*many, mac(7)]}), switch(2, learned={"p3": [mac(7), many[0]]})]
    for order in (seen, seen[::-1]):
        charted = chart(order)
        assert charted.places[mac(7)] == Place(2, "p3", 1)
        assert charted.places[many[1]] == Place(1, "p1", 1)


def test_a_printer_without_a_mac_of_its_own_is_found_by_the_router_s_arp():
    seen = [
        Seen(1, DeviceKind.ROUTER, arp=[Arp("10.0.0.7", mac(7)), Arp("10.0.0.8", mac(1001))]),
        switch(2, learned={"p1": [mac(1001)], "p3": [mac(7)]}),
        Seen(7, DeviceKind.PRINTER, addresses=["10.0.0.7"]),
        Seen(8, DeviceKind.PRINTER, addresses=["10.0.0.8"]),
    ]
    seen[0].ports = [Port("lan", 1, mac=mac(1001))]
    charted = chart(seen)
    assert charted.parents[7] == ((2, "p3"),)
    assert charted.parents[8] == (), "the router answers for it"


def test_a_wireless_printer_hangs_on_its_access_point_and_laptops_on_its_port():
    seen = [
        switch(1, lldp("p2", chassis=mac(3001)), learned={"p2": [mac(3001), mac(7), mac(9)]}),
        Seen(3, DeviceKind.ACCESS_POINT, macs=[mac(3001)]),
        Seen(7, DeviceKind.PRINTER, macs=[mac(7)]),
    ]
    charted = chart(seen, [1])
    assert charted.parents == {1: (), 3: ((1, "p2"),), 7: ((3, ""),)}
    assert charted.places[mac(9)] == Place(1, "p2", 1)
    assert behind(charted, 3) == [7]


def test_a_server_on_two_switches_joins_nothing():
    seen = [
        switch(1, lldp("p1", chassis=mac(5), is_bridge=False)),
        switch(2, lldp("p1", chassis=mac(6), is_bridge=False)),
        Seen(5, DeviceKind.SERVER, macs=[mac(5), mac(6)]),
    ]
    charted = chart(seen, [1])
    assert charted.parents == {1: (), 2: (), 5: ((1, "p1"), (2, "p1"))}
    assert charted.roots == (1, 2)
    assert behind(charted, 1) == []


def test_without_given_roots_a_firewall_is_the_root_then_a_router_then_the_switch_that_joins_most():
    star = [
        switch(1, lldp("p1", chassis=mac(2001))),
        switch(
            2, lldp("p1", chassis=mac(1001)), lldp("p2", chassis=mac(3001)), lldp("p3", chassis=mac(4001))
        ),
        switch(3),
        switch(4),
        switch(9),
    ]
    assert chart(star).roots == (2, 9)
    star[3].kind = DeviceKind.WIRELESS_CONTROLLER
    assert chart(star).roots == (2, 9), "a controller that joins nothing is no root"
    star[2].kind = DeviceKind.ROUTER
    assert chart(star).roots == (3, 9)
    star[0].kind = DeviceKind.FIREWALL
    assert chart(star).roots == (1, 9)
    assert chart(star, [4]).roots == (4, 9)
    assert chart(star, [4, 77]).parents[1] == ((2, "p1"),)


def test_shared_router_addresses_name_nobody():
    for words in ("00:00:5e:00:01:0a", "00:00:0c:07:ac:01", "01:80:c2:00:00:0e", "00:00:00:00:00:00", "p1"):
        assert mac_in(words) is None
    assert mac_in("0011.2233.44AA") == mac_in("00-11-22-33-44-aa") == "00:11:22:33:44:aa"


def test_a_reading_becomes_what_is_seen_of_a_device():
    reading = Reading("switch", Identity(DeviceKind.SWITCH, name="core", serial="S1"))
    reading.addresses = [OwnAddress("10.0.0.9", 24, 1)]
    reading.ports = [Port("p1", 1, mac=mac(1001))]
    one = Seen.of(4, "10.0.0.4", reading)
    assert (one.device_id, one.kind, one.name, one.serial) == (4, DeviceKind.SWITCH, "core", "S1")
    assert one.addresses == ("10.0.0.4", "10.0.0.9")
    assert one.ports is reading.ports


def test_an_empty_district_has_an_empty_chart():
    assert chart([]) == Chart((), {}, {}, frozenset(), (), ())


def test_a_thousand_switches_with_300_macs_each_are_charted():
    """Ten to a switch, three tiers deep; a third of them speaks no LLDP."""
    school = School()
    for n in range(1, 1001):
        school.kinds[n] = DeviceKind.SWITCH if n > 1 else DeviceKind.ROUTER
        if n > 1:
            school.above[n] = ((n - 2) // 10 + 1, f"p{(n - 2) % 10 + 2}")
    school.mute = set(range(3, 1001, 3))
    seen = []
    hosts = [Learned(mac(9_000_000 + n), 10, 20, 20, "p20") for n in range(300)]
    for device in school.kinds:
        near = {school.path(device)[-1], *school.path(device)}
        near |= {child for child, (at, _) in school.above.items() if at == device}
        one = Seen(device, school.kinds[device], macs=[mac(device * 1000 + 1)])
        one.neighbours = school._neighbours(device)
        rows = [(other, school.port_towards(device, other)) for other in sorted(near)]
        one.learned = [
            Learned(mac(other * 1000 + 1), 1, int(port[1:]), int(port[1:]), port)
            for other, port in rows
            if port
        ]
        one.learned += hosts[: 300 - len(one.learned)]
        seen.append(one)
    charted = chart(seen)
    assert sum(len(one.learned) for one in seen) == 300_000
    assert {device: {parent for parent, _ in up} for device, up in charted.parents.items()} == {
        device: {at for at, _ in up} for device, up in school.parents().items()
    }
    assert len(behind(charted, 2)) == 110


def recorded(shared, name: str) -> Reading:
    """A recording as this desk understands it."""
    answers: dict[str, object] = {}
    for line in (shared / "data" / "snmp" / f"{name}.snmprec").read_bytes().split(b"\n"):
        if line:
            oid, tag, value = line.decode("latin-1").split("|", 2)
            if tag == "4x":
                answers[oid] = bytes.fromhex(value)
            elif tag == "4":
                answers[oid] = value.encode("latin-1")
            else:
                answers[oid] = value if tag in ("6", "64") else int(value)
    return understand(load_profiles().match(answers), answers)


@pytest.mark.shared
def test_the_recorded_switches_hang_where_their_tables_say(shared):
    """The small switch leads to the network by port 5 alone, where two LLDP neighbours stand."""
    small, big = recorded(shared, "edgeswitch_usw-flex-xg"), recorded(shared, "procurve_2520")
    charted = chart([Seen.of(1, "10.0.0.1", small), Seen.of(2, "10.0.0.2", big)])
    assert {(device, port) for device, port, _ in charted.unmanaged} == {(1, "te4")}
    assert not any(place.device_id == 1 and place.port_key == "te4" for place in charted.places.values())
    here = {row.mac for row in big.learned if row.port_key is not None}
    placed = {one for one, place in charted.places.items() if place.device_id == 2}
    assert len(here) > 700
    assert len(placed) > 700
    assert placed <= here
    assert charted.parents == {1: (), 2: ()}
