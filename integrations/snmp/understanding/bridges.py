"""Which MAC a bridge has learned where (RFC 4188, RFC 4363, IEEE8021-Q-BRIDGE-MIB), and its VLANs."""

from __future__ import annotations

from typing import Final

from integrations.snmp.decoding import index_mac, integer, subids, text
from integrations.snmp.reading import Learned, Port, Vlan
from integrations.snmp.understanding.answered import Answered
from integrations.snmp.understanding.ports import bridge_ports

Q_PORT, Q_STATUS = "1.3.6.1.2.1.17.7.1.2.2.1.2", "1.3.6.1.2.1.17.7.1.2.2.1.3"
Q_FDB: Final = "1.3.6.1.2.1.17.7.1.4.2.1.3"
Q_NAME: Final = "1.3.6.1.2.1.17.7.1.4.3.1.1"
D_PORT, D_STATUS = "1.3.6.1.2.1.17.4.3.1.2", "1.3.6.1.2.1.17.4.3.1.3"
I_PORT, I_STATUS = "1.3.111.2.802.1.1.4.1.2.2.1.2", "1.3.111.2.802.1.1.4.1.2.2.1.3"
I_FDB: Final = "1.3.111.2.802.1.1.4.1.4.2.1.4"
I_NAME: Final = "1.3.111.2.802.1.1.4.1.4.3.1.3"
VTP_NAME: Final = "1.3.6.1.4.1.9.9.46.1.3.1.1.4"
COLUMNS: Final = (
    *(Q_PORT, Q_STATUS, Q_FDB, Q_NAME, D_PORT, D_STATUS),
    *("1.3.111.2.802.1.1.4.1.2.2.1", "1.3.111.2.802.1.1.4.1.4.2.1", "1.3.111.2.802.1.1.4.1.4.3.1"),
    *("1.3.111.2.802.1.1.4.1.4.5.1.1", VTP_NAME),
)
LEARNED: Final = 3
MOST_LEARNED: Final = 20_000


def learned_on(answered: Answered, ports: list[Port]) -> list[Learned]:
    """The bridge's own MACs and what it has forgotten again are left out.

    Port 0 says that it knows the MAC but not where.
    """
    by_bridge_port = {number: index for index, number in bridge_ports(answered).items()}
    keys = {port.index: port.key for port in ports}
    found = []
    for mac, vlan, port in (_by_vlan(answered) or _plain(answered))[:MOST_LEARNED]:
        index = by_bridge_port.get(port)
        found.append(Learned(mac, vlan, port, index, keys.get(index) if index is not None else None))
    return found


def _by_vlan(answered: Answered) -> list[tuple[str, int | None, int]]:
    for port_column, status_column, vlans, more in (
        (Q_PORT, Q_STATUS, _vlan_of_filter(answered), 0),
        (I_PORT, I_STATUS, _vlan_of_filter_802(answered), 1),
    ):
        status = answered.column(status_column)
        found: list[tuple[str, int | None, int]] = []
        for index, value in answered.column(port_column).items():
            parts = subids(index)[more:]
            mac, port = index_mac(parts[1:]), integer(value)
            if mac is not None and port is not None and status.get(index, LEARNED) == LEARNED:
                found.append((mac, vlans.get(parts[0], parts[0]), port))
        if found:
            return found
    return []


def _vlan_of_filter(answered: Answered) -> dict[int, int]:
    """dot1qVlanFdbId turned round: a filtering database's number need not be the VLAN's."""
    found: dict[int, int] = {}
    for index, value in answered.column(Q_FDB).items():
        parts, database = subids(index), integer(value)
        if len(parts) == 2 and database is not None:
            found.setdefault(database, parts[1])
    return found


def _vlan_of_filter_802(answered: Answered) -> dict[int, int]:
    found: dict[int, int] = {}
    for index, value in answered.column(I_FDB).items():
        parts, database = subids(index), integer(value)
        if len(parts) == 3 and database is not None:
            found.setdefault(database, parts[2])
    return found


def _plain(answered: Answered) -> list[tuple[str, int | None, int]]:
    status = answered.column(D_STATUS)
    found: list[tuple[str, int | None, int]] = []
    for index, value in answered.column(D_PORT).items():
        mac, port = index_mac(subids(index)), integer(value)
        if mac is not None and port is not None and status.get(index, LEARNED) == LEARNED:
            found.append((mac, None, port))
    return found


def vlans_of(answered: Answered) -> list[Vlan]:
    """By number; a VLAN without a name has none."""
    names: dict[int, str | None] = {}
    for column in (Q_NAME, I_NAME, VTP_NAME):
        for index, value in answered.column(column).items():
            parts = subids(index)
            if parts:
                names[parts[-1]] = text(value) or names.get(parts[-1])
    for index in answered.column(Q_FDB):
        parts = subids(index)
        if len(parts) == 2:
            names.setdefault(parts[1], None)
    return [Vlan(number, name) for number, name in sorted(names.items()) if 1 <= number <= 4094 or name]
