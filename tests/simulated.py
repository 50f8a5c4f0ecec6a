"""Small simulated devices for tests: a switch that gives power, an access point, a printer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from procrastinate import PsycopgConnector

import service.monitoring.field_jobs
from integrations.snmp.agent import SimulatedAgent, Tree, Type, running
from service.core.outbox import jobs
from service.core.work import Resources
from service.monitoring.network import Network
from service.monitoring.port_writing import POWER_ADMIN, POWER_STATE

IF, IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
ENTITY = "1.3.6.1.2.1.47.1.1.1.1"
LLDP = "1.0.8802.1.1.2.1.4.1.1"
DISABLED, SEARCHING, DELIVERING = 1, 2, 3


async def work_off(url: str, resources: Resources, network: Network) -> None:
    """A worker on the queue of scans, discoveries and port commands, until nothing waits there any more."""
    connector = PsycopgConnector(conninfo=url.replace("+psycopg", "", 1), min_size=1, max_size=4)
    with jobs.replace_connector(connector) as app:
        async with app.open_async():
            await app.run_worker_async(
                queues=[service.monitoring.field_jobs.QUEUE],
                wait=False,
                delete_jobs="successful",
                install_signal_handlers=False,
                listen_notify=False,
                additional_context={"resources": resources, "network": network},
            )


def octets(text: str) -> bytes:
    return text.encode()


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def system(name: str, description: str, object_id: str) -> list[Any]:
    return [
        ("1.3.6.1.2.1.1.1.0", Type.OCTETS, octets(description)),
        ("1.3.6.1.2.1.1.2.0", Type.OID, object_id),
        ("1.3.6.1.2.1.1.3.0", Type.TICKS, running(500_000)),
        ("1.3.6.1.2.1.1.5.0", Type.OCTETS, octets(name)),
    ]


def interface(index: int, name: str, mac: str, *, up: bool = True) -> list[Any]:
    return [
        (f"{IF}.2.{index}", Type.OCTETS, octets(f"Port {name}")),
        (f"{IF}.3.{index}", Type.INTEGER, 6),
        (f"{IF}.5.{index}", Type.GAUGE32, 1_000_000_000),
        (f"{IF}.6.{index}", Type.OCTETS, mac_bytes(mac)),
        (f"{IF}.7.{index}", Type.INTEGER, 1),
        (f"{IF}.8.{index}", Type.INTEGER, 1 if up else 2),
        (f"{IFX}.1.{index}", Type.OCTETS, octets(name)),
        (f"{IFX}.15.{index}", Type.GAUGE32, 1000),
        (f"1.3.6.1.2.1.17.1.4.1.2.{index}", Type.INTEGER, index),
    ]


def neighbour(port: int, mac: str, name: str, *, is_bridge: bool, far_port: str = "eth0") -> list[Any]:
    """What LLDP says of whom it heard on a port."""
    at = f"0.{port}.1"
    capabilities = b"\x20\x00" if is_bridge else b"\x01\x00"
    return [
        (f"{LLDP}.4.{at}", Type.INTEGER, 4),
        (f"{LLDP}.5.{at}", Type.OCTETS, mac_bytes(mac)),
        (f"{LLDP}.6.{at}", Type.INTEGER, 5),
        (f"{LLDP}.7.{at}", Type.OCTETS, octets(far_port)),
        (f"{LLDP}.9.{at}", Type.OCTETS, octets(name)),
        (f"{LLDP}.11.{at}", Type.OCTETS, capabilities),
        (f"{LLDP}.12.{at}", Type.OCTETS, capabilities),
    ]


def learned(macs: Mapping[str, int]) -> list[Any]:
    """MAC → bridge port, in VLAN 1."""
    rows = []
    for mac, port in macs.items():
        at = ".".join(["1", *(str(part) for part in mac_bytes(mac))])
        rows += [
            (f"1.3.6.1.2.1.17.7.1.2.2.1.2.{at}", Type.INTEGER, port),
            (f"1.3.6.1.2.1.17.7.1.2.2.1.3.{at}", Type.INTEGER, 3),
        ]
    return rows


def serial_rows(model: str, serial: str) -> list[Any]:
    return [
        (f"{ENTITY}.2.1", Type.OCTETS, octets(model)),
        (f"{ENTITY}.5.1", Type.INTEGER, 3),
        (f"{ENTITY}.11.1", Type.OCTETS, octets(serial)),
        (f"{ENTITY}.13.1", Type.OCTETS, octets(model)),
    ]


def switch_tree(
    name: str = "sw-1", serial: str = "SW000111", mac: str = "00:1b:21:00:01", ports: int = 4
) -> Tree:
    """A ProCurve-like switch; `mac` is the first five octets of its ports' MACs. Port 1 gives power."""
    objects = system(name, "ProCurve J9299A Switch 2520G-24-PoE", "1.3.6.1.4.1.11.2.3.7.11.102")
    objects += serial_rows("J9299A", serial)
    objects += [
        ("1.3.6.1.2.1.17.1.1.0", Type.OCTETS, mac_bytes(f"{mac}:00")),
        ("1.3.6.1.2.1.17.1.2.0", Type.INTEGER, ports),
        ("1.3.6.1.2.1.47.1.4.1.0", Type.TICKS, 100),
        ("1.3.6.1.2.1.31.1.5.0", Type.TICKS, 100),
    ]
    for index in range(1, ports + 1):
        objects += interface(index, str(index), f"{mac}:{index:02x}")
        objects += [
            (f"{POWER_ADMIN}.1.{index}", Type.INTEGER, 1),
            (f"{POWER_STATE}.1.{index}", Type.INTEGER, DELIVERING),
        ]
    return Tree.of(objects)


class PoweredSwitch(SimulatedAgent):
    """Power follows `pethPsePortAdminEnable`: off at once, on again after `warm_up` seconds, unless `dead`.

    `written` is every SET in order: object, value.
    """

    def __init__(self, tree: Tree, **given: Any) -> None:
        self.warm_up = 0.05
        self.dead = False
        self.written: list[tuple[str, Any]] = []
        given.setdefault("communities", ("public", "private"))
        given.setdefault("write", ("private",))
        super().__init__(tree, on_set=_obeyed, **given)

    def power(self, port: str) -> Any:
        return self.tree.get(f"{POWER_STATE}.{port}")


def _obeyed(agent: SimulatedAgent, oid: str, value: Any) -> None:
    assert isinstance(agent, PoweredSwitch)
    agent.written.append((oid, value))
    if not oid.startswith(f"{POWER_ADMIN}."):
        return
    state = f"{POWER_STATE}.{oid.removeprefix(f'{POWER_ADMIN}.')}"
    if value == 2:
        agent.tree.set(state, Type.INTEGER, DISABLED)
        return
    agent.tree.set(state, Type.INTEGER, SEARCHING)
    if not agent.dead:
        loop = asyncio.get_running_loop()
        loop.call_later(agent.warm_up, agent.tree.set, state, Type.INTEGER, DELIVERING)


def printer_tree(name: str = "prn-1", serial: str | None = "PRN0001", mac: str | None = None) -> Tree:
    """A laser printer with one cartridge at 40 %."""
    objects = system(name, "HP Color LaserJet M252dw", "1.3.6.1.4.1.11.2.3.9.1")
    objects += [
        ("1.3.6.1.2.1.25.3.2.1.2.1", Type.OID, "1.3.6.1.2.1.25.3.1.5"),
        ("1.3.6.1.2.1.25.3.2.1.3.1", Type.OCTETS, b"HP Color LaserJet M252dw"),
        ("1.3.6.1.2.1.25.3.2.1.5.1", Type.INTEGER, 2),
        ("1.3.6.1.2.1.25.3.5.1.1.1", Type.INTEGER, 3),
        ("1.3.6.1.2.1.25.3.5.1.2.1", Type.OCTETS, b"\x00"),
        ("1.3.6.1.2.1.43.10.2.1.4.1.1", Type.COUNTER32, 1234),
        ("1.3.6.1.2.1.43.11.1.1.4.1.1", Type.INTEGER, 3),
        ("1.3.6.1.2.1.43.11.1.1.5.1.1", Type.INTEGER, 3),
        ("1.3.6.1.2.1.43.11.1.1.6.1.1", Type.OCTETS, b"Black Cartridge"),
        ("1.3.6.1.2.1.43.11.1.1.8.1.1", Type.INTEGER, 1000),
        ("1.3.6.1.2.1.43.11.1.1.9.1.1", Type.INTEGER, 400),
    ]
    if serial is not None:
        objects.append(("1.3.6.1.2.1.43.5.1.1.17.1", Type.OCTETS, octets(serial)))
    if mac is not None:
        objects += interface(1, "eth0", mac)
    return Tree.of(objects)
