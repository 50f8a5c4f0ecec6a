"""What stands at the other end of a cable: LLDP (802.1AB) and CDP."""

from __future__ import annotations

from typing import Final

from integrations.snmp.decoding import address, bits, index_address, integer, mac, subids, text
from integrations.snmp.reading import Neighbour, Port
from integrations.snmp.target import Value
from integrations.snmp.understanding.answered import Answered

REMOTE: Final = "1.0.8802.1.1.2.1.4.1.1"
MANAGEMENT: Final = "1.0.8802.1.1.2.1.4.2.1.3"
LOCAL_SUBTYPE, LOCAL_ID, LOCAL_TEXT = (f"1.0.8802.1.1.2.1.3.7.1.{n}" for n in (2, 3, 4))
CDP: Final = "1.3.6.1.4.1.9.9.23.1.2.1.1"
COLUMNS: Final = (REMOTE, MANAGEMENT, "1.0.8802.1.1.2.1.3.7.1", CDP)
BRIDGE, ROUTER = 2, 4
"""Bits of lldpRemSysCapEnabled."""

MAC_CHASSIS, MAC_PORT, NETWORK_CHASSIS, NETWORK_PORT = 4, 3, 5, 4
CDP_SWITCH: Final = 0x08 | 0x02
MOST: Final = 2000


def neighbours_of(answered: Answered, ports: list[Port]) -> list[Neighbour]:
    """LLDP's, then CDP's of ports on which LLDP heard nobody."""
    heard = _lldp(answered, ports)
    taken = {one.index for one in heard if one.index is not None}
    return (heard + [one for one in _cdp(answered, ports) if one.index not in taken])[:MOST]


def _lldp(answered: Answered, ports: list[Port]) -> list[Neighbour]:
    rows: dict[str, dict[int, Value]] = {}
    for at, value in answered.column(REMOTE).items():
        column, _, index = at.partition(".")
        if column.isdigit():
            rows.setdefault(index, {})[int(column)] = value
    addresses = _management(answered)
    found = []
    for index, row in rows.items():
        parts = subids(index)
        if len(parts) != 3:
            continue
        local = str(parts[1])
        port = _local(answered, ports, local)
        found.append(
            Neighbour(
                protocol="lldp",
                local_port=local,
                port_key=port.key if port else None,
                index=port.index if port else None,
                chassis=_identifier(row.get(5), integer(row.get(4)), MAC_CHASSIS, NETWORK_CHASSIS),
                port=_identifier(row.get(7), integer(row.get(6)), MAC_PORT, NETWORK_PORT),
                port_description=text(row.get(8)),
                name=text(row.get(9)),
                description=text(row.get(10)),
                address=addresses.get(index),
                is_bridge=_is_bridge(row.get(12), row.get(11)),
            )
        )
    return found


def _identifier(value: Value | None, subtype: int | None, as_mac: int, as_address: int) -> str | None:
    """A MAC or an address where the subtype says so (agents that send text there are believed), else text."""
    if isinstance(value, bytes) and subtype == as_mac:
        return mac(value) or text(value)
    if isinstance(value, bytes) and subtype == as_address and value[:1] in (b"\1", b"\2"):
        return address(value[1:]) or text(value)
    return text(value)


def _is_bridge(enabled: Value | None, supported: Value | None) -> bool | None:
    said = bits(enabled) if enabled is not None else bits(supported)
    return None if said is None else BRIDGE in said


def _management(answered: Answered) -> dict[str, str]:
    """timeMark.localPort.remote → management address, IPv4 before IPv6."""
    found: dict[str, str] = {}
    for at in answered.column(MANAGEMENT):
        parts = subids(at)
        told = index_address(parts[5:]) if len(parts) > 5 and parts[3] in (1, 2) else None
        row = ".".join(map(str, parts[:3]))
        if told is not None and (row not in found or ":" in found[row]):
            found[row] = told
    return found


def _local(answered: Answered, ports: list[Port], number: str) -> Port | None:
    """By the name that LLDP gives to its local port, else by the bridge's number, else by ifIndex."""
    said = answered.get(f"{LOCAL_ID}.{number}")
    subtype = answered.integer(f"{LOCAL_SUBTYPE}.{number}")
    if subtype == MAC_PORT and (by_mac := mac(said)) is not None:
        alike = [port for port in ports if port.mac == by_mac]
        if len(alike) == 1:
            return alike[0]
    for words in (text(said), answered.text(f"{LOCAL_TEXT}.{number}")):
        if words is None:
            continue
        for field in ("name", "description", "alias"):
            alike = [port for port in ports if getattr(port, field) == words]
            if len(alike) == 1:
                return alike[0]
    by_bridge = next((port for port in ports if str(port.bridge_port) == number), None)
    return by_bridge or next((port for port in ports if str(port.index) == number), None)


def _cdp(answered: Answered, ports: list[Port]) -> list[Neighbour]:
    by_index = {port.index: port for port in ports}
    found = []
    for at, name in answered.column(f"{CDP}.6").items():
        parts = subids(at)
        if len(parts) != 2:
            continue
        port = by_index.get(parts[0])
        capable = answered.get(f"{CDP}.9.{at}")
        found.append(
            Neighbour(
                protocol="cdp",
                local_port=str(parts[0]),
                port_key=port.key if port else None,
                index=parts[0],
                name=text(name),
                port=answered.text(f"{CDP}.7.{at}"),
                description=answered.text(f"{CDP}.8.{at}"),
                address=address(answered.get(f"{CDP}.4.{at}")),
                is_bridge=_switches(capable),
            )
        )
    return found


def _switches(capable: Value | None) -> bool | None:
    if not isinstance(capable, bytes) or not capable:
        return None
    return bool(int.from_bytes(capable[-4:]) & CDP_SWITCH)
