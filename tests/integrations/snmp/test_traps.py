"""Traps and informs over UDP on loopback: from the simulated agent's notifier and from pysnmp's engine."""

from __future__ import annotations

import asyncio
import random
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    NotificationType,
    ObjectIdentity,
    SnmpEngine,
    UdpTransportTarget,
    UsmUserData,
    send_notification,
    usmAesCfb128Protocol,
    usmHMAC192SHA256AuthProtocol,
)

from integrations.snmp.agent import Type, User
from integrations.snmp.agent.engine import Report
from integrations.snmp.agent.message import V2C, PduType, encode_community, encode_pdu, varbind
from integrations.snmp.agent.notify import TRAP_OID, UPTIME, Notifier, Refused
from integrations.snmp.profile import load_profiles
from integrations.snmp.target import AuthProtocol, Credential, PrivProtocol, Version
from integrations.snmp.trap_gate import ELSEWHERE, LEVELS_KEPT, Gate, Tally
from integrations.snmp.traps import Limits, Notification, Reason, Source, TrapListener
from integrations.snmp.traps_map import Meaning, declared, meaning

HERE = "127.0.0.1"
SWITCH, FIREWALL, OTHER, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9"
LINK_DOWN, LINK_UP = "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.6.3.1.1.5.4"
IF_INDEX = "1.3.6.1.2.1.2.2.1.1.7"
PORT = (IF_INDEX, Type.INTEGER, 7)
ENGINE = b"\x80\x00\x00\x00\x05the desk"
ROOMY = Limits(per_source=1000, burst=1000, overall=1000, overall_burst=1000)
SECRET = Credential(Version.V2C, community="not public")
OPS = Credential(
    Version.V3,
    user="ops",
    auth=AuthProtocol.SHA256,
    auth_password="maplesyrup",
    priv=PrivProtocol.AES128,
    priv_password="pancakes!",
)
OPS_USER = User("ops", AuthProtocol.SHA256, "maplesyrup", PrivProtocol.AES128, "pancakes!")
SOURCES = {SWITCH: Source(1, SECRET), FIREWALL: Source(2, OPS), OTHER: Source(3, SECRET)}


class Desk(TrapListener):
    """A listener with what it heard."""

    heard: list[Notification]


@asynccontextmanager
async def listening(
    sources: dict[str, Source] = SOURCES, limits: Limits = ROOMY, **more: object
) -> AsyncIterator[Desk]:
    heard: list[Notification] = []
    hear = more.pop("hear", heard.append)
    desk = Desk(HERE, 0, sources=sources.get, hear=hear, engine_id=ENGINE, limits=limits, **more)
    desk.heard = heard
    async with desk:
        yield desk


async def until(claim: Callable[[], bool], seconds: float = 3.0) -> None:
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, "It has not come to pass."
        await asyncio.sleep(0.005)


def sender(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    return made


def v2c(community: bytes = b"not public", kind: int = PduType.TRAP, number: int = 1) -> bytes:
    binds = varbind(UPTIME, Type.TICKS, 1200) + varbind(TRAP_OID, Type.OID, LINK_DOWN) + varbind(*PORT)
    return encode_community(V2C, community, encode_pdu(kind, number, binds))


async def count_after(datagram: bytes, address: str = SWITCH, **more: object) -> dict[str, int]:
    """What one datagram is counted as, with a good one behind it to show that the listener lives."""
    async with listening(**more) as desk:
        with sender(address) as one, sender(OTHER) as two:
            one.sendto(datagram, (HERE, desk.port))
            two.sendto(v2c(), (HERE, desk.port))
            await until(lambda: sum(desk.counts().values()) == 2)
        assert [each.source for each in desk.heard][-1:] == [SOURCES[OTHER]]
        counts = desk.counts()
        counts["taken"] -= 1
        return {reason: count for reason, count in counts.items() if count}


async def test_a_trap_of_v2c_is_heard_with_its_source_and_values():
    async with listening() as desk:
        async with Notifier(HERE, desk.port, community="not public", source=SWITCH) as device:
            device.started -= 12
            device.trap(LINK_DOWN, [PORT, ("1.3.6.1.2.1.2.2.1.2.7", Type.OCTETS, b"gi\xff")])
            await until(lambda: bool(desk.heard))
        (heard,) = desk.heard
        assert (heard.source.device_id, heard.trap_oid, heard.inform) == (1, LINK_DOWN, False)
        assert heard.values == {IF_INDEX: 7, "1.3.6.1.2.1.2.2.1.2.7": b"gi\xff"}
        assert 1200 <= heard.uptime < 1400


async def test_a_trap_of_v1_is_named_as_v2c_would():
    async with listening() as desk:
        async with Notifier(HERE, desk.port, community="not public", source=SWITCH) as device:
            device.trap_v1("1.3.6.1.4.1.318", 6, 5, agent="10.9.9.9")
            device.trap_v1("1.3.6.1.4.1.318", 2, binds=[PORT])
            await until(lambda: len(desk.heard) == 2)
        assert [each.trap_oid for each in desk.heard] == ["1.3.6.1.4.1.318.0.5", LINK_DOWN]
        assert desk.heard[1].values == {IF_INDEX: 7}


async def test_every_type_of_value_comes_as_the_contract_says():
    binds = [
        ("1.3.1", Type.COUNTER64, 2**64 - 1),
        ("1.3.2", Type.IP, "10.1.2.3"),
        ("1.3.3", Type.OID, "1.3.6.1"),
        ("1.3.4", Type.OPAQUE, b"\x9f\x78\x04\x3f\x80\x00\x00"),
        ("1.3.5", Type.NULL, None),
        ("1.3.6", Type.INTEGER, -5),
    ]
    async with listening() as desk:
        async with Notifier(HERE, desk.port, community="not public", source=SWITCH) as device:
            device.trap(LINK_DOWN, binds)
            await until(lambda: bool(desk.heard))
        assert desk.heard[0].values == {
            "1.3.1": 2**64 - 1,
            "1.3.2": "10.1.2.3",
            "1.3.3": "1.3.6.1",
            "1.3.4": 1.0,
            "1.3.6": -5,
        }


async def test_an_inform_of_v2c_is_acknowledged():
    async with listening() as desk:
        async with Notifier(HERE, desk.port, community="not public", source=SWITCH) as device:
            await device.inform(LINK_UP, [PORT])
        assert [(each.trap_oid, each.inform, each.values) for each in desk.heard] == [
            (LINK_UP, True, {IF_INDEX: 7})
        ]


async def test_a_repeated_inform_is_acknowledged_again_but_heard_once():
    async with listening() as desk:
        with sender(SWITCH) as device:
            device.setblocking(False)
            for _ in range(3):
                device.sendto(v2c(kind=PduType.INFORM), (HERE, desk.port))
            device.sendto(v2c(kind=PduType.INFORM, number=2), (HERE, desk.port))
            await until(lambda: sum(desk.counts().values()) == 4)
            answers = {device.recv(2000) for _ in range(4)}
        assert desk.counts() == {"duplicate": 2, "taken": 2}
        assert answers == {v2c(kind=PduType.RESPONSE), v2c(kind=PduType.RESPONSE, number=2)}


@pytest.mark.parametrize(
    ("auth", "priv"),
    [
        (AuthProtocol.SHA256, PrivProtocol.AES128),
        (AuthProtocol.SHA512, PrivProtocol.AES256),
        (AuthProtocol.SHA1, PrivProtocol.AES192),
        (AuthProtocol.MD5, PrivProtocol.DES),
        (AuthProtocol.SHA224, None),
        (None, None),
    ],
)
async def test_traps_and_informs_of_v3_are_taken_at_every_level(auth, priv):
    words = ("maplesyrup" if auth else "", priv, "pancakes!" if priv else "")
    sources = {FIREWALL: Source(2, Credential(Version.V3, "", "ops", auth, *words))}
    async with listening(sources) as desk:
        user = User("ops", auth, *words)
        async with Notifier(HERE, desk.port, user=user, source=FIREWALL, context="vlan-2") as device:
            device.trap(LINK_DOWN, [PORT])
            await device.inform(LINK_UP, [PORT])
            await device.inform(LINK_DOWN)
        assert [(each.trap_oid, each.inform) for each in desk.heard] == [
            (LINK_DOWN, False),
            (LINK_UP, True),
            (LINK_DOWN, True),
        ]
        assert desk.counts() == {"discovery": 1, "taken": 3}


@pytest.mark.parametrize("credential", [SECRET, OPS], ids=["v2c", "v3"])
async def test_pysnmp_gets_its_traps_and_informs_through(credential):
    as_whom = CommunityData("not public", mpModel=1)  # noqa: S508 -- v2c is what is tried
    if credential is OPS:
        as_whom = UsmUserData(
            "ops",
            "maplesyrup",
            "pancakes!",
            authProtocol=usmHMAC192SHA256AuthProtocol,
            privProtocol=usmAesCfb128Protocol,
        )
    engine, what = SnmpEngine(), NotificationType(ObjectIdentity(LINK_DOWN))
    try:
        async with listening({HERE: Source(2, credential)}) as desk:
            there = await UdpTransportTarget.create((HERE, desk.port), timeout=1, retries=2)
            for kind in ("inform", "trap", "inform"):
                told = await send_notification(engine, as_whom, there, ContextData(), kind, what)
                assert not told[0]
                assert kind == "trap" or int(told[1]) == 0
            await until(lambda: len(desk.heard) == 3)
        assert [(each.trap_oid, each.inform) for each in desk.heard] == [
            (LINK_DOWN, True),
            (LINK_DOWN, False),
            (LINK_DOWN, True),
        ]
    finally:
        engine.close_dispatcher()
        await asyncio.sleep(0)


async def test_two_devices_may_have_one_user_name_and_two_passwords():
    theirs = User("ops", AuthProtocol.SHA256, "another one", PrivProtocol.AES128, "and another")
    credential = Credential(
        Version.V3, "", "ops", AuthProtocol.SHA256, "another one", PrivProtocol.AES128, "and another"
    )
    async with listening({FIREWALL: Source(2, OPS), SWITCH: Source(1, credential)}) as desk:
        async with (
            Notifier(HERE, desk.port, user=OPS_USER, source=FIREWALL) as ours,
            Notifier(HERE, desk.port, user=theirs, source=SWITCH) as other,
            Notifier(HERE, desk.port, user=theirs, source=FIREWALL) as liar,
        ):
            await ours.inform(LINK_UP)
            await other.inform(LINK_DOWN)
            with pytest.raises(Refused) as refused:
                await liar.inform(LINK_DOWN)
        assert refused.value.reason == Report.WRONG_DIGESTS
        assert [each.source.device_id for each in desk.heard] == [2, 1]


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (
            User("ops", AuthProtocol.SHA256, "wrong password", PrivProtocol.AES128, "pancakes!"),
            "wrong_digest",
        ),
        (User("ops", AuthProtocol.SHA1, "maplesyrup", PrivProtocol.AES128, "pancakes!"), "wrong_digest"),
        (User("ops", AuthProtocol.SHA256, "maplesyrup", PrivProtocol.AES128, "wrong!!!"), "not_decrypted"),
        (User("ops", AuthProtocol.SHA256, "maplesyrup"), "wrong_level"),
        (User("ops"), "wrong_level"),
        (User("nobody", AuthProtocol.SHA256, "maplesyrup"), "unknown_user"),
    ],
)
async def test_a_trap_of_v3_with_wrong_credentials_is_counted_and_not_heard(user, reason):
    async with listening() as desk:
        async with Notifier(HERE, desk.port, user=user, source=FIREWALL) as device:
            device.trap(LINK_DOWN, [PORT])
            await until(lambda: bool(desk.counts()))
            with pytest.raises((Refused, TimeoutError)):
                await device.inform(LINK_DOWN, wait=0.05, retries=0)
        assert not desk.heard
        assert desk.counts()[reason] >= 1
        assert "taken" not in desk.counts()


async def test_a_trap_of_another_engine_than_the_known_one_is_not_taken():
    sources = {FIREWALL: Source(2, OPS, b"\x80\x00\x00\x00\x05firewall")}
    async with listening(sources) as desk:
        async with (
            Notifier(HERE, desk.port, user=OPS_USER, source=FIREWALL, engine_id=b"\x80fake one") as fake,
            Notifier(
                HERE, desk.port, user=OPS_USER, source=FIREWALL, engine_id=sources[FIREWALL].engine_id
            ) as real,
        ):
            fake.trap(LINK_DOWN)
            real.trap(LINK_UP)
            await until(lambda: len(desk.heard) == 1)
        assert desk.counts() == {"taken": 1, "unknown_engine": 1}


async def test_a_recorded_trap_is_not_taken_after_its_time():
    async with listening() as desk:
        async with Notifier(HERE, desk.port, user=OPS_USER, source=FIREWALL, boots=4) as device:
            device.started -= 10_000
            device.trap(LINK_DOWN)
            device.started += 200
            device.trap(LINK_DOWN)
            device.boots = 3
            device.trap(LINK_DOWN)
            device.boots, device.started = 5, device.clock()
            device.trap(LINK_UP)
            await until(lambda: sum(desk.counts().values()) == 4)
        assert desk.counts() == {"not_in_time": 2, "taken": 2}


async def test_an_inform_sender_finds_us_again_after_our_restart():
    async with Notifier(HERE, 0, user=OPS_USER, source=FIREWALL) as device:
        for boots in (7, 8):
            async with listening(boots=boots) as desk:
                device.peer = (HERE, desk.port)
                await device.inform(LINK_UP)
                assert len(desk.heard) == 1
                assert desk.counts().get("not_in_time", 0) == boots - 7


async def test_what_is_wrong_is_counted_by_its_reason():
    assert await count_after(v2c(b"public")) == {"wrong_community": 1}
    assert await count_after(v2c(), STRANGER) == {"unknown_source": 1}
    assert await count_after(v2c(), FIREWALL) == {"wrong_version": 1}
    assert await count_after(v2c(kind=PduType.GET)) == {"not_a_notification": 1}
    assert await count_after(v2c() + b"x" * 9000) == {"too_large": 1}
    assert await count_after(v2c()[:-3]) == {"malformed": 1}
    assert await count_after(b"") == {"malformed": 1}
    assert await count_after(b"\x30\x80" + b"\x30\x80" * 2000) == {"malformed": 1}
    assert await count_after(random.Random(4).randbytes(300)) == {"malformed": 1}


async def test_a_v3_trap_cut_anywhere_is_counted_and_nothing_raises():
    whole: list[bytes] = []
    with sender(HERE) as tap:
        tap.settimeout(1)
        async with Notifier(*tap.getsockname(), user=OPS_USER, source=FIREWALL) as device:
            device.trap(LINK_DOWN, [PORT])
            whole.append(tap.recv(4000))
    async with listening() as desk:
        with sender(FIREWALL) as device:
            for size in range(len(whole[0])):
                device.sendto(whole[0][:size], (HERE, desk.port))
            await until(lambda: sum(desk.counts().values()) == len(whole[0]))
        assert desk.counts() == {"malformed": len(whole[0])}


async def test_mutilated_traps_never_stop_the_listener():
    rng, good = random.Random(11), v2c()
    async with listening() as desk:
        with sender(SWITCH) as device:
            for _ in range(400):
                bad = bytearray(good)
                for _ in range(rng.randint(1, 3)):
                    bad[rng.randrange(25, len(bad))] = rng.choice((0, 0x80, 0x88, 0xFF, rng.randrange(256)))
                device.sendto(bad, (HERE, desk.port))
            await until(lambda: sum(desk.counts().values()) == 400)
            device.sendto(good, (HERE, desk.port))
            await until(lambda: sum(desk.counts().values()) == 401)
        assert desk.heard[-1].values == {IF_INDEX: 7}
        assert desk.counts()["malformed"] > 100
        assert "failed" not in desk.counts()


async def test_a_hearer_that_fails_costs_only_its_own_datagram_and_no_acknowledgement():
    heard: list[Notification] = []
    complaints: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    def hear(notification: Notification) -> None:
        if notification.trap_oid == LINK_DOWN:
            raise RuntimeError("the desk is full")
        heard.append(notification)

    try:
        async with listening(hear=hear) as desk:
            async with Notifier(HERE, desk.port, community="not public", source=SWITCH) as device:
                with pytest.raises(TimeoutError):
                    await device.inform(LINK_DOWN, wait=0.05, retries=0)
                await device.inform(LINK_UP)
            assert desk.counts() == {"failed": 1, "taken": 1}
    finally:
        loop.set_exception_handler(before)
    assert [each.trap_oid for each in heard] == [LINK_UP]
    assert [str(each["exception"]) for each in complaints] == ["the desk is full"]


async def test_sources_may_change_while_it_runs():
    sources: dict[str, Source] = {}
    async with listening(sources) as desk:
        with sender(SWITCH) as device:
            device.sendto(v2c(), (HERE, desk.port))
            await until(lambda: desk.counts() == {"unknown_source": 1})
            sources[SWITCH] = Source(1, SECRET)
            device.sendto(v2c(), (HERE, desk.port))
            await until(lambda: len(desk.heard) == 1)
        assert desk.strangers() == [(SWITCH, 1)]
        assert desk.drained() == {(SWITCH, Reason.UNKNOWN_SOURCE): 1, (SWITCH, Reason.TAKEN): 1}
        assert desk.drained() == {}


async def test_a_listener_may_be_closed_by_what_it_hears():
    desks: list[Desk] = []
    async with listening(hear=lambda _: desks[0].close()) as desk:
        desks.append(desk)
        with sender(SWITCH) as device:
            for _ in range(3):
                device.sendto(v2c(kind=PduType.INFORM), (HERE, desk.port))
            await until(lambda: desk.counts() == {"taken": 1})


async def test_a_port_that_is_taken_is_refused_at_once():
    async with listening() as desk:
        second = TrapListener(HERE, desk.port, sources=SOURCES.get, hear=print, engine_id=ENGINE)
        with pytest.raises(OSError, match="in use"):
            second.open()


@pytest.mark.parametrize("engine_id", [b"", b"four", b"x" * 33])
def test_an_engine_id_has_5_to_32_octets(engine_id):
    with pytest.raises(ValueError, match="5 to 32"):
        TrapListener(HERE, 0, sources=SOURCES.get, hear=print, engine_id=engine_id)


async def test_a_storm_of_5000_a_second_does_not_drown_a_quiet_device(capsys):
    """Half from a known switch that has gone mad, half from unknown addresses, for a second."""
    async with listening(limits=Limits()) as desk:
        datagram, there, sent, quiet = v2c(), (HERE, desk.port), 0, 0
        with sender(SWITCH) as mad, sender(STRANGER) as unknown, sender(OTHER) as calm:
            began, sending = time.monotonic(), 0.0
            cpu = time.process_time()
            while (now := time.monotonic() - began) < 1.0:
                started = time.process_time()
                for _ in range(max(0, int(now * 5000) - sent) // 2):
                    mad.sendto(datagram, there)
                    unknown.sendto(datagram, there)
                    sent += 2
                if quiet < int(now * 4):
                    calm.sendto(datagram, there)
                    quiet += 1
                sending += time.process_time() - started
                await asyncio.sleep(0.004)
            await until(lambda: sum(desk.counts().values()) == sent + quiet)
            spent = time.process_time() - cpu - sending
        counts, seconds = desk.counts(), time.monotonic() - began
    share, each = 100 * spent / seconds, 1e6 * spent / sent
    with capsys.disabled():
        sys.stdout.write(f"\nstorm: {sent / seconds:.0f}/s, {share:.1f} % of a core, {each:.1f} µs each\n")
    assert sent > 2500
    assert counts["unknown_source"] == sent // 2
    assert counts["taken"] <= 20 + 5 * (seconds + 0.1) + quiet
    assert [each.source.device_id for each in desk.heard].count(3) == quiet == 3


def test_a_hundred_thousand_forged_addresses_take_no_memory_and_hide_no_loud_one():
    tally = Tally(64)
    gate = Gate(lambda _: None, Limits(), tally)
    for n in range(100_000):
        gate.judge("10.0.0.1" if n % 50 == 0 else f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}", 200, n / 500)
    assert tally.totals == {Reason.UNKNOWN_SOURCE: 100_000}
    assert len(tally) <= 129
    assert len(gate) == 0
    assert tally.strangers()[0] == ("10.0.0.1", 2_000)
    drained = tally.drained()
    assert sum(drained.values()) == 100_000
    assert drained[ELSEWHERE, Reason.UNKNOWN_SOURCE] > 90_000


def test_many_known_sources_keep_the_gate_small():
    source = Source(1, SECRET)
    gate = Gate(lambda _: source, Limits(per_source=100, burst=2, overall=1e6, overall_burst=10**6), Tally(8))
    for n in range(50_000):
        gate.judge(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 200, n / 10_000)
    assert len(gate) <= LEVELS_KEPT + 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 3)), max_size=200))
def test_no_source_and_not_all_together_pass_more_than_their_limits(arrivals):
    limits = Limits(per_source=2, burst=3, overall=4, overall_burst=5)
    gate = Gate(lambda _: Source(1, SECRET), limits, Tally(8))
    now, passed = 100.0, []
    for address, pause in arrivals:
        now += pause / 10
        if gate.judge(address, 100, now):
            passed.append((now, address))
    for n, (start, _) in enumerate(passed):
        for end, _ in passed[n:]:
            within = [address for at, address in passed if start <= at <= end]
            assert len(within) <= limits.overall_burst + limits.overall * (end - start) + 1e-6
            for address in set(within):
                allowed = limits.burst + limits.per_source * (end - start)
                assert within.count(address) <= allowed + 1e-6


@pytest.mark.parametrize(
    ("trap_oid", "name", "kind", "check"),
    [
        (LINK_DOWN, "linkDown", "poll_now", "port.down"),
        (LINK_UP, "linkUp", "poll_now", "port.down"),
        ("1.3.6.1.6.3.1.1.5.1", "coldStart", "poll_now", None),
        ("1.3.6.1.6.3.1.1.5.5", "authenticationFailure", "ignore", None),
        ("1.3.6.1.2.1.43.18.2.0.1", "printerV2Alert", "poll_now", None),
        ("1.3.6.1.2.1.33.2.1", "upsTrapOnBattery", "poll_now", "ups.on_battery"),
        ("1.3.6.1.2.1.33.2.0.1", "upsTrapOnBattery", "poll_now", "ups.on_battery"),
        ("1.3.6.1.4.1.318.0.5", "upsOnBattery", "poll_now", "ups.on_battery"),
        ("1.3.6.1.4.1.318.0.270", "apcTraps", "poll_now", None),
        ("1.3.6.1.2.1.17.0.2", "bridgeTraps", "ignore", None),
        ("1.3.6.1.2.1.47.2.0.1", "entConfigChange", "poll_now", None),
    ],
)
def test_what_a_trap_asks_for_is_declared(trap_oid, name, kind, check):
    assert meaning(trap_oid, {}) == Meaning(kind=kind, check=check, name=name)


@pytest.mark.parametrize("trap_oid", ["1.3.6.1.4.1.99999.0.1", "1.3.6.1.4.1.3180.0.5", "1.3", "", "rubbish"])
def test_a_trap_that_is_not_declared_is_ignored_and_has_no_name(trap_oid):
    assert meaning(trap_oid, {IF_INDEX: 7}) == Meaning(kind="ignore")


def test_the_port_that_a_link_trap_is_about_is_read_from_whatever_of_it_was_sent():
    assert meaning(LINK_DOWN, {"1.3.6.1.2.1.1.5.0": b"core", IF_INDEX: 7}).instance == "7"
    assert meaning(LINK_DOWN, {"1.3.6.1.2.1.31.1.1.1.1.10101": b"Gi1/0/1"}).instance == "10101"
    assert meaning(LINK_DOWN, {"1.3.6.1.2.1.2.2.10.1.7": 7}).instance is None
    assert meaning("1.3.6.1.2.1.43.18.2.0.1", {"1.3.6.1.2.1.43.18.1.1.7.1.12": 8}).instance == "1.12"


def test_every_declared_trap_has_its_own_name_and_a_poll_to_ask_for_if_it_names_a_check():
    lines = list(declared().values())
    assert len({line.name for line in lines}) == len(lines) > 30
    assert all(line.meaning == "poll_now" for line in lines if line.check or line.instance)
    faults = {check for profile in load_profiles().all for check in profile.faults}
    assert {line.check for line in lines if line.check} <= faults
