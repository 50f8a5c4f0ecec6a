"""Thirteen recorded devices as a district would have them: read over UDP by v2c and v3 with both engines,
polled into PostgreSQL, made ill and well again. Nothing missing, nothing false.
"""

from __future__ import annotations

import runpy
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest

from integrations.snmp.agent import Network as Agents
from integrations.snmp.agent import SimulatedAgent, Tree, loopback
from integrations.snmp.profile import load_profiles
from integrations.snmp.target import Credential, Target, Version
from integrations.snmp.transport import Transport
from service.demo.network.school import READER, READS
from service.monitoring.discovering import discover
from service.monitoring.models import DeviceKind, ReachBy, ReachState, SnmpState
from tests.conftest import fresh_database
from tests.integrations.snmp.recordings import FOLDER, PROFILES, counted, device
from tests.network_lab import Watching, begin_anew, discovered, opened, reading_credentials, watched

pytestmark = [pytest.mark.shared, pytest.mark.xdist_group("network recorded")]
Engine = Literal["gufo", "pysnmp"]
UPTIME = "1.3.6.1.2.1.1.3.0"
V2C = Credential(Version.V2C, community=READS)
V3 = Credential(
    Version.V3,
    user=READER.name,
    auth=READER.auth,
    auth_password=READER.auth_password,
    priv=READER.priv,
    priv_password=READER.priv_password,
)
FOUND = 3_062
"""So many facts are expected of all devices together."""

HEALTHY = [("konica_c250i printer.service_requested", "new")]
"""The tickets of the recordings as they are: its error bits say so (0100). No other device says that anything
is wrong; why not is told in the tests of what ails them."""


@dataclass
class Recorded(Watching):
    """The thirteen, and their agents."""

    trees: dict[str, Tree] = field(default_factory=dict)

    async def told_now(self) -> dict[str, str]:
        """Device, check and instance of the monitor's tickets → status; each has one ticket only."""
        told = await self.told()
        assert len(dict(told)) == len(told), told
        return dict(told)


def agent_of(name: str, tree: Tree, address: str) -> SimulatedAgent:
    """Lets v2c and v3 in. Cisco IOS has a community and a context for each VLAN; none was recorded."""
    vlans = [vlan.id for vlan in device(name).reading.vlans] if PROFILES[name] == "switch-cisco" else []
    return SimulatedAgent(
        tree,
        communities={READS: tree, **{f"{READS}@{vlan}": Tree() for vlan in vlans}},
        users=[READER],
        contexts={f"vlan-{vlan}": Tree() for vlan in vlans},
        engine_id=b"\x80\x00\x7e\xd9\x05" + name.encode()[:24],
        address=address,
    )


@asynccontextmanager
async def agents(trees: dict[str, Tree]) -> AsyncIterator[Agents]:
    made = Agents()
    for n, (name, tree) in enumerate(trees.items()):
        made.add(name, agent_of(name, tree, loopback(n, "127.29.0.1")))
    async with made:
        yield made


@pytest.mark.parametrize("credential", [V2C, V3], ids=["v2c", "v3"])
@pytest.mark.parametrize("engine", ["gufo", "pysnmp"])
async def test_every_fact_that_a_device_answers_is_found_and_none_is_invented(
    engine: Engine, credential: Credential
) -> None:
    profiles, right = load_profiles(), {}
    trees = {name: Tree.from_snmprec(FOLDER / f"{name}.snmprec") for name in PROFILES}
    async with agents(trees) as air, Transport(engine) as transport:
        for name, agent in air.agents.items():
            target = Target(agent.address, credential, agent.port)
            assert transport.engine_for(target).name == engine
            found = await discover(transport, profiles, target)
            assert (found.profile.name, found.cut) == (PROFILES[name], {})
            count = counted(replace(device(name), profile=found.profile, reading=found.reading))
            assert (count.missing, count.false) == ([], []), name
            right[name] = count.right
    sys.stdout.write(f"{sum(right.values())} facts, 0 missing, 0 false: {right}\n")
    assert len(right) == 13
    assert sum(right.values()) == FOUND


@pytest.fixture(scope="module")
def url(server_url: str, empty_url: str) -> Iterator[str]:
    with fresh_database(server_url, "fb_network_recorded", like=empty_url) as made:
        yield made


@asynccontextmanager
async def watching(url: str, engine: Engine, version: Version) -> AsyncIterator[Recorded]:
    """All thirteen are devices of the desk and polled by the engine; their uptime runs on. gufo has read them
    whole, as pysnmp takes long for what the facts have proved."""
    held: list[Recorded] = []
    clock = lambda: held[0].seconds if held else 0.0  # noqa: E731
    trees = {name: Tree.from_snmprec(FOLDER / f"{name}.snmprec", clock) for name in PROFILES}
    for tree in trees.values():
        if UPTIME in tree:
            tree.let_uptime_run()
    async with opened(url, Transport(engine)) as (resources, network), agents(trees) as air:
        lab = Recorded(resources, network, trees=trees)
        held.append(lab)
        resources.clock = lambda: lab.now
        async with lab.work() as work:
            await begin_anew(work)
            credentials = await reading_credentials(work, network.vault)
            for name, agent in air.agents.items():
                lab.ids[name] = await watched(
                    work,
                    name=name,
                    address=agent.address,
                    port=agent.port,
                    kind=DeviceKind.OTHER,
                    credential_id=credentials[version is Version.V3],
                    reach_by=ReachBy.SNMP,
                    important_ports=["3"] if name == "procurve_2520" else [],
                )
        async with Transport("gufo") as quick:
            lab.network = replace(network, transport=quick)
            await discovered(lab)
        lab.network = network
        yield lab


async def all_answer(lab: Recorded) -> None:
    for name in PROFILES:
        watch = await lab.watch(name)
        assert (watch.reach, watch.snmp) == (ReachState.UP, SnmpState.OK), name
        assert watch.polled_at is not None, name


@pytest.mark.parametrize(
    ("engine", "version", "minutes"),
    [("gufo", Version.V3, 17), ("pysnmp", Version.V2C, 6), ("pysnmp", Version.V3, 6)],
)
async def test_a_fault_is_a_ticket_and_a_healthy_device_is_none(
    url: str, engine: Engine, version: Version, minutes: float
) -> None:
    async with watching(url, engine, version) as lab:
        await lab.run(minutes)
        await all_answer(lab)
        assert await lab.told() == HEALTHY
        assert len(await lab.faults()) == 1


def become(lab: Recorded, name: str, folder: Path, *presets: str) -> None:
    """The device answers from now on what `mutate.py` makes of its recording; without presets, what it is."""
    source = made = FOLDER / f"{name}.snmprec"
    if presets:
        made = folder / f"{name}.snmprec"
        words = [word for preset in presets for word in ("--preset", preset)]
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            patch.setattr(sys, "argv", ["mutate.py", str(source), str(made), *words])
            runpy.run_path(str(FOLDER / "mutate.py"))
    tree = lab.trees[name]
    for oid, kind, value in Tree.from_snmprec(made):
        if oid != UPTIME and tree.get(oid) != (kind, value):
            tree.set(oid, kind, value)


Ill = dict[str, tuple[str, str]]
"""Device → what `mutate.py` does to it, and its ticket's check and instance; none where that is empty."""

WAVES: list[Ill] = [
    {
        "jetdirect_m252dw": ("printer-error:04", "printer.jammed"),
        "brother": ("printer-error:10", "printer.toner_empty 1.1"),
        "brother_hl5370dw": ("printer-error:40", "printer.paper_out"),
        "procurve_2520": ("port-down:3", "port.down 3"),
        "eaton-mgeups_5px": ("ups-battery:12", "ups.on_battery"),
        "apc_smtl1000-nmc3": ("apc-battery", "ups.on_battery"),
    },
    {
        "jetdirect_m252dw": ("toner:1.3=4", "printer.toner_low 1.3"),
        "brother": ("printer-error:20", "printer.toner_low 1.1"),
        "procurve_2520": ("port-down:7", ""),
        "brother_hl5370dw": ("printer-ok", ""),
        "eaton-mgeups_5px": ("ups-line", ""),
        "apc_smtl1000-nmc3": ("apc-line", ""),
    },
    {
        "jetdirect_m252dw": ("tray-empty:1.2", "printer.paper_out"),
        "brother": ("toner:1.2=100", "printer.drum_end 1.2"),
    },
]


async def test_what_breaks_opens_one_ticket_each_and_closes_it_when_it_is_well(
    url: str, tmp_path: Path
) -> None:
    async with watching(url, "gufo", Version.V2C) as lab:
        await lab.run(8)
        expected = dict(HEALTHY)
        for wave in WAVES:
            assert await lab.told_now() == expected
            for name, (preset, _) in wave.items():
                become(lab, name, tmp_path, preset)
            await lab.run(9)
            opened_now = {f"{name} {ticket}" for name, (_, ticket) in wave.items() if ticket}
            assert await lab.told_now() == expected | dict.fromkeys(opened_now, "new")
            for name in wave:
                become(lab, name, tmp_path)
            await lab.run(16)
            expected |= dict.fromkeys(opened_now, "resolved")
        become(lab, "konica_c250i", tmp_path, "printer-ok")
        await lab.run(16)
        expected["konica_c250i printer.service_requested"] = "resolved"
        assert await lab.told_now() == expected
        assert await lab.faults() == []
        await all_answer(lab)
        sys.stdout.write(f"{len(expected)} faults, as many tickets, 0 missing, 0 false, 0 left open\n")


async def test_a_reboot_and_a_wrapped_uptime_are_no_faults(url: str, tmp_path: Path) -> None:
    async with watching(url, "gufo", Version.V2C) as lab:
        await lab.run(8)
        for name, preset in (("procurve_2520", "reboot"), ("edgeswitch_usw-flex-xg", "uptime-wrap")):
            become(lab, name, tmp_path, preset)
            lab.trees[name].uptime = 30.0
        await lab.run(16)
        assert await lab.told() == HEALTHY
        await all_answer(lab)
