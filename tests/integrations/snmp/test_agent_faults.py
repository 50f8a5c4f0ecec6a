"""Troubles that are switched while an agent runs, and many agents at once."""

import asyncio
import socket
import time

import pytest

from integrations.snmp.agent import Network, SimulatedAgent, Type, loopback
from integrations.snmp.agent.message import PduType
from tests.integrations.snmp.test_agent_asking import NAME, gufo, question, running_agent, small_switch

GET_NAME = question(PduType.GET, [NAME])


class Asker(asyncio.DatagramProtocol):
    """A connected UDP socket: the kernel tells it of ICMP errors."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes | Exception] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self.heard.put_nowait(exc)


@pytest.fixture
async def agent():
    with running_agent(SimulatedAgent(small_switch(), reach_port=0)) as made:
        yield made


@pytest.fixture
async def asking(agent):
    loop = asyncio.get_running_loop()
    transport, asker = await loop.create_datagram_endpoint(Asker, remote_addr=(agent.address, agent.port))

    async def ask(wait: float = 0.5) -> bytes | Exception | None:
        transport.sendto(GET_NAME)
        try:
            return await asyncio.wait_for(asker.heard.get(), wait)
        except TimeoutError:
            return None

    yield ask
    transport.close()


async def can_connect(agent: SimulatedAgent) -> bool:
    try:
        _, writer = await asyncio.open_connection(agent.address, agent.reach_port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_a_silent_agent_hears_and_says_nothing_until_it_speaks_again(agent, asking):
    agent.faults.silent = True
    assert await asking(0.1) is None
    assert (agent.received, agent.answered) == (1, 0)
    assert await can_connect(agent)
    agent.faults.silent = False
    assert isinstance(await asking(), bytes)


async def test_a_slow_agent_answers_after_its_delay_and_not_before(agent, asking):
    agent.faults.delay = 0.15
    began = time.monotonic()
    assert isinstance(await asking(), bytes)
    assert time.monotonic() - began >= 0.15
    agent.faults.delay = 0
    began = time.monotonic()
    assert isinstance(await asking(), bytes)
    assert time.monotonic() - began < 0.15


async def test_every_third_question_is_lost(agent, asking):
    agent.faults.drop_every = 3
    assert [await asking(0.1) is None for _ in range(6)] == [False, False, True] * 2


async def test_an_unplugged_agent_is_unreachable_and_its_host_is_not(agent, asking):
    port = agent.port
    agent.unplug()
    assert isinstance(await asking(), ConnectionRefusedError)
    assert await can_connect(agent)
    agent.plug()
    assert agent.port == port
    assert isinstance(await asking(), bytes)


async def test_without_power_nothing_is_there_and_with_it_all_begins_anew(agent, asking):
    agent.tree.let_uptime_run()
    assert await can_connect(agent)
    agent.power_off()
    assert not await can_connect(agent)
    assert isinstance(await asking(), ConnectionRefusedError)
    agent.power_on()
    assert await can_connect(agent)
    assert isinstance(await asking(), bytes)
    assert agent.engine.boots == 2
    assert agent.tree.get("1.3.6.1.2.1.1.3.0")[1] < 100


async def test_a_value_changes_between_two_questions(agent):
    async with gufo(agent) as session:
        assert await session.get(NAME) == b"sw-1"
        agent.tree.set(NAME, Type.OCTETS, "renamed")
        assert await session.get(NAME) == b"renamed"
        agent.frozen = True
        agent.tree.set(NAME, Type.OCTETS, "again")
        assert await session.get(NAME) == b"renamed"


async def test_noise_is_counted_and_the_agent_lives(agent, asking):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy:
        for data in (b"", b"0", b"\x30\x80\x00\x00", b"\xff" * 1400):
            noisy.sendto(data, (agent.address, agent.port))
    assert isinstance(await asking(), bytes)
    assert agent.malformed == 4


async def test_agents_have_addresses_of_their_own_and_answer_from_them():
    network = Network()
    for place in range(20):
        tree = small_switch()
        tree.set(NAME, Type.OCTETS, f"sw-{place}")
        network.add(f"sw-{place}", SimulatedAgent(tree, address=loopback(place, "127.77.3.250")))
    async with network:
        assert network["sw-4"].address == "127.77.3.254"
        assert network["sw-5"].address == "127.77.4.1"
        for name, agent in network.agents.items():
            async with gufo(agent) as session:
                assert await session.get(NAME) == name.encode()
        network.add("late", SimulatedAgent(small_switch()))
        async with gufo(network["late"]) as session:
            assert await session.get(NAME) == b"sw-1"
        with pytest.raises(ValueError, match="already"):
            network.add("late", SimulatedAgent(small_switch()))
        network.remove("late")
    assert not any(agent._endpoint.is_open for agent in network.agents.values())


async def test_a_network_whose_address_is_taken_leaves_nothing_open():
    with running_agent(SimulatedAgent(small_switch())) as first:
        network = Network()
        free = network.add("free", SimulatedAgent(small_switch()))
        network.add("taken", SimulatedAgent(small_switch(), port=first.port))
        with pytest.raises(OSError, match="in use"):
            network.start()
        assert not free._endpoint.is_open


async def test_two_thousand_five_hundred_devices_start_within_two_seconds():
    switch = small_switch()
    network = Network()
    for place in range(2_500):
        network.add(str(place), SimulatedAgent(switch.copy(), address=loopback(place, "127.80.0.1")))
    began = time.process_time()
    async with network:
        assert time.process_time() - began < 2
        async with gufo(network["2499"]) as session:
            assert await session.get(NAME) == b"sw-1"


def test_an_address_outside_the_loopback_is_refused():
    with pytest.raises(ValueError, match="loopback"):
        loopback(2, "127.255.255.254")
