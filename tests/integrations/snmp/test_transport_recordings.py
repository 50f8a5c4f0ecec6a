"""Recordings of real devices through both engines, against what the files hold, and by a stranger's agent."""

from __future__ import annotations

import asyncio
import getpass
import grp
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integrations.snmp.agent import SimulatedAgent, Tree
from integrations.snmp.target import (
    Answers,
    AuthProtocol,
    Credential,
    PrivProtocol,
    SnmpError,
    Target,
    Version,
)
from integrations.snmp.transport import Transport
from tests.integrations.snmp.transport_asking import V2C, V3, recorded, target, users
from tests.ports import free_port

pytestmark = pytest.mark.shared
BASES = ("1.0", "1.3.6.1")
"""LLDP's objects lie below 1.0.8802."""
RECORDINGS = [
    "apc_smtl1000-nmc3",
    "aruba-instant_105",
    "avtech_roomalert12e",
    "brother",
    "brother_hl5370dw",
    "dsm_ds214se-dsm7",
    "eaton-mgeups_5px",
    "edgeswitch_usw-flex-xg",
    "fortigate_100e",
    "ios_c3560",
    "jetdirect_m252dw",
    "konica_c250i",
    "procurve_2520",
]


@pytest.fixture(scope="module")
async def transports() -> AsyncIterator[list[Transport]]:
    async with Transport("gufo") as gufo, Transport("pysnmp") as pysnmp:
        yield [gufo, pysnmp]


@pytest.mark.parametrize("name", RECORDINGS)
async def test_both_engines_read_what_the_recording_holds(
    transports: list[Transport], shared: Path, name: str
) -> None:
    """pysnmp by v2c and v3 in turns: it is slow, and reads them all by both elsewhere."""
    path = shared / "data" / "snmp" / f"{name}.snmprec"
    expected = recorded(path)
    some = {oid: expected[oid] for oid in list(expected)[::7]}
    agent = SimulatedAgent(Tree.from_snmprec(path), users=users())
    agent.start()
    gufo, pysnmp = transports
    slow = V3 if RECORDINGS.index(name) % 2 else V2C
    try:
        for transport, credential in ((gufo, V2C), (gufo, V3), (pysnmp, slow)):
            asked = target(agent, credential, timeout=5.0)
            walked = [await transport.walk(asked, base) for base in BASES]
            assert all(each.cut is None for each in walked)
            assert [*walked[0].answers.items(), *walked[1].answers.items()] == list(expected.items())
            assert await transport.get(asked, list(some)) == some
    finally:
        agent.stop()


def test_every_recording_is_read(shared: Path) -> None:
    found = sorted(path.stem for path in (shared / "data" / "snmp").glob("*.snmprec"))
    assert found == sorted(RECORDINGS)


@pytest.mark.slow
async def test_an_independent_agent_is_read_the_same(
    transports: list[Transport], shared: Path, tmp_path: Path
) -> None:
    """snmpsim: the community, or v3's context, picks the recording."""
    pytest.importorskip("pysmi", reason="snmpsim needs pysmi, and does not say so")
    port = free_port()
    names = ("avtech_roomalert12e", "konica_c250i")
    for name in names:
        shutil.copy(shared / "data" / "snmp" / f"{name}.snmprec", tmp_path)
    simulator = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("snmpsim-command-responder"),
        *(f"--data-dir={tmp_path}", f"--cache-dir={tmp_path / 'cache'}"),
        f"--agent-udpv4-endpoint=127.0.0.1:{port}",
        *(f"--process-user={getpass.getuser()}", f"--process-group={grp.getgrgid(os.getgid()).gr_name}"),
        *("--logging-method=null", "--log-level=error", "--v3-user=simulator"),
        *("--v3-auth-key=auctoritas", "--v3-auth-proto=SHA256"),
        *("--v3-priv-key=privatus", "--v3-priv-proto=AES128"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        for name in names:
            expected = recorded(shared / "data" / "snmp" / f"{name}.snmprec")
            for credential in (_community(name), _context(name)):
                asked = Target("127.0.0.1", credential, port, timeout=2.0)
                for transport in transports:
                    assert await _walked_when_up(transport, asked) == expected
    finally:
        if simulator.returncode is None:
            simulator.terminate()
        await simulator.wait()


def _community(name: str) -> Credential:
    return Credential(Version.V2C, community=name)


def _context(name: str) -> Credential:
    return Credential(
        Version.V3,
        user="simulator",
        auth=AuthProtocol.SHA256,
        auth_password="auctoritas",
        priv=PrivProtocol.AES128,
        priv_password="privatus",
        context=name,
    )


async def _walked_when_up(transport: Transport, asked: Target) -> Answers:
    for _ in range(60):
        try:
            return (await transport.walk(asked, "1.3.6.1")).answers
        except SnmpError:
            await asyncio.sleep(0.1)
    raise AssertionError("The simulator did not come up.")
