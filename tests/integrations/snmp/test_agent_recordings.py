"""Every real recording, walked by gufo and compared row for row with its file."""

from pathlib import Path

import pytest

from integrations.snmp.agent import SimulatedAgent, Tree, User
from integrations.snmp.target import AuthProtocol, PrivProtocol
from tests.integrations.snmp.test_agent_asking import gufo, gufo_v3, running_agent

pytestmark = pytest.mark.shared

NAMES = [
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
SEALER = User("sealer", AuthProtocol.SHA256, "maplesyrup", PrivProtocol.AES128, "pancakes!")


def rows(path: Path) -> list[tuple[str, int | bytes | str]]:
    """What a walk must give, read from the file without the code under test."""
    found = []
    for line in path.read_bytes().split(b"\n"):
        if line:
            name, tag, value = line.split(b"|", 2)
            found.append((name.decode(), _value(tag.decode(), value)))
    return sorted(found, key=lambda row: [int(part) for part in row[0].split(".")])


def _value(tag: str, value: bytes) -> int | bytes | str:
    if tag == "4x":
        return bytes.fromhex(value.decode())
    if tag == "4":
        return value
    return value.decode() if tag in ("6", "64") else int(value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", ["v2c", "v3"])
async def test_a_walk_gives_the_recording_row_for_row(shared, name, version):
    path = shared / "data" / "snmp" / f"{name}.snmprec"
    with running_agent(SimulatedAgent(Tree.from_snmprec(path), users=[SEALER])) as agent:
        async with gufo(agent) if version == "v2c" else gufo_v3(agent, SEALER) as session:
            walked = [row for base in ("1.0", "1.3") async for row in session.getbulk(base, 50)]
    assert walked == rows(path)


def test_all_recordings_are_walked(shared):
    assert sorted(path.stem for path in (shared / "data" / "snmp").glob("*.snmprec")) == NAMES
