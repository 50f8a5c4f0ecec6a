"""Which device, and which of its ports, a neighbour's words or a MAC speak of. PURE.

MACs are as `decoding.mac` gives them: `00:1b:a9:0b:a7:52`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address

from integrations.snmp.reading import Arp, DeviceKind, Learned, Neighbour, Port, Reading

SHARED_MACS = ("00:00:5e:00:01:", "00:00:5e:00:02:", "00:00:0c:07:ac:", "00:00:0c:9f:f", "00:07:b4:")
"""VRRP, HSRP and GLBP: whichever router is in charge answers with them."""
_MAC = re.compile(r"(?:[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})")
_IN_BRACKETS = re.compile(r"(.+?)\s*\(([^()]+)\)")
FORWARDING = frozenset(
    {
        DeviceKind.SWITCH,
        DeviceKind.ROUTER,
        DeviceKind.FIREWALL,
        DeviceKind.ACCESS_POINT,
        DeviceKind.WIRELESS_CONTROLLER,
    }
)


@dataclass(slots=True)
class Seen:
    """What is known of one device, as of its last reading; `addresses` are all IP addresses that are its own.

    The order within a list means nothing.
    """

    device_id: int
    kind: DeviceKind = DeviceKind.OTHER
    name: str | None = None
    serial: str | None = None
    addresses: Sequence[str] = ()
    macs: Sequence[str] = ()
    ports: Sequence[Port] = ()
    neighbours: Sequence[Neighbour] = ()
    learned: Sequence[Learned] = ()
    arp: Sequence[Arp] = field(default=())

    @classmethod
    def of(cls, device_id: int, address: str, reading: Reading, macs: Iterable[str] = ()) -> Seen:
        """From a discovery's reading, with the address that it was read at and MACs known from elsewhere."""
        identity = reading.identity
        return cls(
            device_id,
            kind=identity.kind,
            name=identity.name,
            serial=identity.serial,
            addresses=(address, *(own.address for own in reading.addresses)),
            macs=tuple(macs),
            ports=reading.ports,
            neighbours=reading.neighbours,
            learned=reading.learned,
            arp=reading.arp,
        )

    @property
    def forwards(self) -> bool:
        """Whether other devices can hang on it."""
        return self.kind in FORWARDING or bool(self.learned)


def merged(seen: Iterable[Seen]) -> dict[int, Seen]:
    """By id in ascending order, with what was given of one device twice put together."""
    alike: defaultdict[int, list[Seen]] = defaultdict(list)
    for one in seen:
        alike[one.device_id].append(one)
    return {device: _together(alike[device]) for device in sorted(alike)}


def _together(alike: list[Seen]) -> Seen:
    if len(alike) == 1:
        return alike[0]
    kinds = sorted({one.kind for one in alike}, key=lambda kind: (kind is DeviceKind.OTHER, kind))
    return Seen(
        alike[0].device_id,
        kind=kinds[0],
        name=min((one.name for one in alike if one.name), default=None),
        serial=min((one.serial for one in alike if one.serial), default=None),
        addresses=[address for one in alike for address in one.addresses],
        macs=[mac for one in alike for mac in one.macs],
        ports=[port for one in alike for port in one.ports],
        neighbours=[neighbour for one in alike for neighbour in one.neighbours],
        learned=[learned for one in alike for learned in one.learned],
        arp=[arp for one in alike for arp in one.arp],
    )


def mac_in(words: str | None) -> str | None:
    """A MAC of any usual spelling, if the words are one that names a single interface."""
    low = (words or "").strip().lower()
    if not _MAC.fullmatch(low):
        return None
    digits = re.sub("[^0-9a-f]", "", low)
    mac = ":".join(digits[n : n + 2] for n in range(0, 12, 2))
    return mac if is_single(mac) else None


def is_single(mac: str) -> bool:
    """Whether it can name one interface: neither a group's, nor nobody's, nor one that routers share."""
    return (
        mac[1:2] not in "13579bdf"
        and mac != "00:00:00:00:00:00"
        and not any(mac.startswith(shared) for shared in SHARED_MACS)
    )


def address_in(words: str | None) -> str | None:
    """An IP address of a single host that others can reach, in its shortest spelling."""
    try:
        found = ip_address((words or "").strip())
    except ValueError:
        return None
    if found.is_unspecified or found.is_loopback or found.is_multicast or found.is_link_local:
        return None
    return str(found)


class Ports:
    """A device's ports by what others call them. A name that two ports share names neither."""

    def __init__(self, ports: Iterable[Port]) -> None:
        self._ports = sorted(ports, key=lambda port: (port.key, port.index))
        self._by_index: dict[int, str] = {}
        self._by_bridge: dict[int, str] = {}
        for port in self._ports:
            self._by_index.setdefault(port.index, port.key)
            if port.bridge_port is not None:
                self._by_bridge.setdefault(port.bridge_port, port.key)

    @cached_property
    def _names(self) -> list[dict[str, set[str]]]:
        """Words to keys, the surest words first."""
        names: list[dict[str, set[str]]] = [defaultdict(set) for _ in range(5)]
        for port in self._ports:
            called = (port.key, port.name, port.mac, port.description, port.alias)
            for words, one in zip(names, called, strict=True):
                if one:
                    words[one.strip().lower()].add(port.key)
        return names

    def named(self, *called: str | None) -> str:
        """The key of the port that the first fitting words name, or ""."""
        for words in called:
            low = (words or "").strip().lower()
            if not low:
                continue
            for names in self._names:
                for spelling in (low, mac_in(low)):
                    if spelling and len(found := names.get(spelling, set())) == 1:
                        return min(found)
            if low.isdigit() and int(low) in self._by_index:
                return self._by_index[int(low)]
        return ""

    def of(self, key: str | None, index: int | None, bridge_port: int | None = None) -> str:
        """The key as given, else by ifIndex, else by the bridge's number; "" where none is known."""
        if key:
            return key
        if index is not None and index in self._by_index:
            return self._by_index[index]
        return self._by_bridge.get(bridge_port, "") if bridge_port is not None else ""


class Identities:
    """Devices by what is theirs alone; what two devices claim names neither. `owners` gives MAC → device,
    `macs` device → MACs.
    """

    def __init__(self, seen: Iterable[Seen]) -> None:
        devices = list(seen)
        self.ports = {one.device_id: Ports(one.ports) for one in devices}
        owners: defaultdict[str, set[int]] = defaultdict(set)
        self.macs: defaultdict[int, set[str]] = defaultdict(set)
        addresses: defaultdict[str, set[int]] = defaultdict(set)
        names: defaultdict[str, set[int]] = defaultdict(set)
        short: defaultdict[str, set[int]] = defaultdict(set)
        serials: defaultdict[str, set[int]] = defaultdict(set)
        for one in devices:
            device = one.device_id
            for words in (*one.macs, *(port.mac for port in one.ports)):
                if mac := mac_in(words):
                    owners[mac].add(device)
            for words in one.addresses:
                if address := address_in(words):
                    addresses[address].add(device)
            if one.name and (low := one.name.strip().lower()):
                names[low].add(device)
                short[_host(low)].add(device)
            if one.serial and (low := one.serial.strip().lower()):
                serials[low].add(device)
        self.owners, self._by_address = _alone(owners), _alone(addresses)
        self._by_name, self._by_short, self._by_serial = _alone(names), _alone(short), _alone(serials)
        self._claimed = frozenset(owners)
        self._learn_from_arp(devices)
        for mac, device in self.owners.items():
            self.macs[device].add(mac)

    def _learn_from_arp(self, devices: list[Seen]) -> None:
        """The MACs behind devices' addresses, unless they are somebody's by an interface of his own."""
        found: defaultdict[str, set[int]] = defaultdict(set)
        for one in devices:
            for row in one.arp:
                owner = self._by_address.get(row.address)
                if owner is not None and owner != one.device_id and (mac := mac_in(row.mac)):
                    found[mac].add(owner)
        for mac, device in _alone(found).items():
            if mac not in self._claimed:
                self.owners[mac] = device

    def said_macs(self, told: Neighbour) -> set[str]:
        """The MACs by which a neighbour calls itself and its port."""
        return {mac for words in (told.chassis, told.port) if (mac := mac_in(words))}

    def neighbour(self, told: Neighbour, device: int) -> int | None:
        """Whom a device's neighbour is: by MAC, address, serial number or name, in this order. Itself only by
        its MAC, which is a looped cable.
        """
        for mac in (mac_in(told.chassis), mac_in(told.name)):
            if mac and mac in self.owners:
                return self.owners[mac]
        addresses = (address_in(told.address), address_in(told.chassis))
        by_address = (self._by_address.get(address) for address in addresses if address)
        for found in (*by_address, *self._by_words(told.chassis, told.name)):
            if found is not None and found != device:
                return found
        return None

    def _by_words(self, *words: str | None) -> Iterable[int | None]:
        """CDP writes `name.domain(serial)`; a name may be said with or without its domain."""
        spoken = [said.strip().lower() for said in words if said and said.strip()]
        parts = [part for said in spoken if (part := _IN_BRACKETS.fullmatch(said))]
        for serial in (*spoken, *(part[2] for part in parts)):
            yield self._by_serial.get(serial)
        for name in (*spoken, *(part[1] for part in parts)):
            host = _host(name)
            yield self._by_name.get(name)
            yield self._by_short.get(name) if host == name else self._by_name.get(host)


def _host(name: str) -> str:
    """A name without its domain."""
    return name if address_in(name) else name.split(".")[0]


def _alone(claims: dict[str, set[int]]) -> dict[str, int]:
    return {claim: min(devices) for claim, devices in claims.items() if len(devices) == 1}
