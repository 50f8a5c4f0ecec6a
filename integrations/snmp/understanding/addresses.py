"""A device's own addresses, and the ARP table of a router (IP-MIB, old and new)."""

from __future__ import annotations

from typing import Final

from integrations.snmp.decoding import index_address, integer, mac, prefix_of, subids
from integrations.snmp.reading import Address, Arp
from integrations.snmp.understanding.answered import Answered

OLD_INDEX, OLD_MASK = "1.3.6.1.2.1.4.20.1.2", "1.3.6.1.2.1.4.20.1.3"
NEW_INDEX, NEW_PREFIX = "1.3.6.1.2.1.4.34.1.3", "1.3.6.1.2.1.4.34.1.5"
COLUMNS: Final = (OLD_INDEX, OLD_MASK, NEW_INDEX, NEW_PREFIX)
ARP_OLD, ARP_NEW = "1.3.6.1.2.1.4.22.1.2", "1.3.6.1.2.1.4.35.1.4"
ARP_COLUMNS: Final = (ARP_OLD, ARP_NEW)
MOST_ARP: Final = 20_000


def addresses_of(answered: Answered) -> list[Address]:
    """IPv4 of ipAddrTable; whatever ipAddressTable has beside it."""
    found: dict[str, Address] = {}
    for at, index in answered.column(OLD_INDEX).items():
        own = index_address(subids(at))
        if own is not None:
            mask = answered.get(f"{OLD_MASK}.{at}")
            found[own] = Address(own, prefix_of(mask), integer(index))
    for at, index in answered.column(NEW_INDEX).items():
        parts = subids(at)
        own = index_address(parts[2:]) if len(parts) > 2 and parts[0] in (1, 2) else None
        if own is not None and own not in found:
            found[own] = Address(own, _prefix(answered.get(f"{NEW_PREFIX}.{at}")), integer(index))
    return list(found.values())


def _prefix(row: object) -> int | None:
    """ipAddressPrefix points to a row whose last sub-identifier is the length; 0.0 to none."""
    parts = subids(row) if isinstance(row, str) else []
    return parts[-1] if len(parts) > 10 and parts[-1] <= 128 else None


def arp_of(answered: Answered) -> list[Arp]:
    found: dict[tuple[str, int], Arp] = {}
    for at, value in answered.column(ARP_OLD).items():
        parts = subids(at)
        own, theirs = index_address(parts[1:]), mac(value)
        if own is not None and theirs is not None:
            found[own, parts[0]] = Arp(own, theirs, parts[0])
    for at, value in answered.column(ARP_NEW).items():
        parts = subids(at)
        own, theirs = index_address(parts[3:]), mac(value)
        if own is not None and theirs is not None and parts[1] in (1, 2):
            found.setdefault((own, parts[0]), Arp(own, theirs, parts[0]))
    return list(found.values())[:MOST_ARP]
