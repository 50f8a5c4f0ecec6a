"""Which addresses an operator's words name: an address, a CIDR range, `a-b`, or a host name. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv6Address,
    collapse_addresses,
    ip_address,
    ip_network,
    summarize_address_range,
)
from itertools import chain
from typing import Any

MOST_ADDRESSES = 4096
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(\.{_LABEL})*\.?$")
_BROADCAST = IPv4Address("255.255.255.255")

Address = IPv4Address | IPv6Address


class BadTarget(ValueError):
    """A target that names nothing that may be asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Named:
    """Ranges of addresses that do not overlap, and host names still to be looked up."""

    ranges: tuple[Any, ...]
    hosts: tuple[str, ...]

    @property
    def count(self) -> int:
        """Addresses and hosts that will be asked."""
        return sum(int(one.num_addresses) for one in self.ranges) + len(self.hosts)

    def addresses(self) -> Iterator[str]:
        """Every address of the ranges, once and in order."""
        return (str(address) for address in chain.from_iterable(self.ranges))


def named(targets: Sequence[str]) -> Named:
    """What the targets name together. BadTarget for one that is not understood, may not be asked, or for too
    many.
    """
    ranges: list[Any] = []
    hosts: dict[str, None] = {}
    for target in targets:
        found = _ranges(target.strip())
        if found is None:
            hosts.setdefault(_host(target.strip()))
        else:
            ranges += found
    made = Named(tuple(_collapsed(ranges)), tuple(hosts))
    if made.count > MOST_ADDRESSES:
        raise BadTarget(f"That is more than {MOST_ADDRESSES:,} addresses. Name fewer at a time.")
    return made


def why_not(address: Address) -> str | None:
    """Why an address may not be asked, or None."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if mapped is not None:
        return why_not(mapped)
    if address.is_multicast:
        return "is a multicast address"
    if address.is_unspecified:
        return "is not an address of one device"
    if address == _BROADCAST:
        return "is the broadcast address"
    if address.is_reserved and isinstance(address, IPv4Address):
        return "is a reserved address"
    return None


def _ranges(target: str) -> list[Any] | None:
    """None for what looks like a host name."""
    if "%" in target:
        raise BadTarget(f"“{target}” names an interface of one machine; leave out “%…”.")
    try:
        if "/" in target:
            return _hosts_of(_checked(ip_network(target, strict=False), target))
        first, dash, last = target.partition("-")
        if dash and _is_address(first):
            return _span(first.strip(), last.strip(), target)
        return [_checked(ip_network(ip_address(target)), target)]
    except BadTarget:
        raise
    except (ValueError, TypeError):
        if "/" in target or _is_numeric(target):
            raise BadTarget(f"“{target}” is not an address or a range of addresses.") from None
        return None


def _span(first: str, last: str, target: str) -> list[Any]:
    """`10.0.0.5-10.0.0.9`, or `10.0.0.5-9` for short."""
    start = ip_address(first)
    if isinstance(start, IPv4Address) and last.isascii() and last.isdigit():
        last = first.rpartition(".")[0] + "." + last
    end: Any = ip_address(last)
    if end < start:
        raise BadTarget(f"“{target}” ends before it begins.")
    if int(end) - int(start) >= MOST_ADDRESSES:
        raise BadTarget(f"“{target}” is more than {MOST_ADDRESSES:,} addresses. Name fewer at a time.")
    return [_checked(part, target) for part in summarize_address_range(start, end)]


def _hosts_of(network: Any) -> list[Any]:
    """Without the network's own address and its broadcast address, where it has them."""
    if network.version == 6 or network.prefixlen > 30:
        return [network]
    return list(summarize_address_range(network.network_address + 1, network.broadcast_address - 1))


def _checked(network: Any, target: str) -> Any:
    if network.num_addresses > MOST_ADDRESSES:
        raise BadTarget(f"“{target}” is more than {MOST_ADDRESSES:,} addresses. Name fewer at a time.")
    for address in (network.network_address, network.broadcast_address):
        why = why_not(address)
        if why is not None:
            raise BadTarget(f"“{target}”: {address} {why}.")
    return network


def _collapsed(ranges: list[Any]) -> Iterator[Any]:
    for kind in (4, 6):
        yield from collapse_addresses([one for one in ranges if one.version == kind])


def _host(target: str) -> str:
    if not _NAME.match(target):
        raise BadTarget(f"“{target}” is neither an address, nor a range of them, nor the name of a host.")
    return target.rstrip(".").lower()


def _is_address(text: str) -> bool:
    try:
        ip_address(text.strip())
    except ValueError:
        return False
    return True


def _is_numeric(target: str) -> bool:
    """Digits, dots, dashes and colons only: meant as an address, whatever a resolver would make of it."""
    return not target.strip("0123456789.-: ") or target.count(":") > 1
