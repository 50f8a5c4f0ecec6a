"""Facts of an asset that polls do not ask for: read anew from whoever knows, when somebody wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from integrations.snmp.decoding import link_state
from integrations.snmp.profile import Profile
from integrations.snmp.reading import DeviceKind, LinkState
from integrations.snmp.target import Answers, SnmpError, Target
from integrations.snmp.transport import Transport
from integrations.snmp.understanding.answered import Answered
from integrations.snmp.understanding.ports import HIGH_SPEED, OPER, SPEED, speed_mbps
from integrations.snmp.understanding.system import identity_of
from service.assets.facts import FactIn
from service.core.work import Eyes
from service.monitoring.asking import target_of
from service.monitoring.network import Network
from service.monitoring.port_finding import PortPlace, device_of_asset, device_row, port_in, port_of_asset
from service.monitoring.specs import profile_of

Told = Callable[[Answers, datetime], FactIn | None]
FIRST_ROW: Final = "1"


@dataclass(frozen=True, slots=True)
class Question:
    """What one agent is asked, and the fact that its answers are."""

    target: Target
    oids: tuple[str, ...]
    told: Told


async def questions(eyes: Eyes, network: Network, asset_id: int) -> list[Question]:
    """For `net.uplink_mbps` and `printer.address_matches`, where the asset has a device that is watched."""
    device = await device_of_asset(eyes, asset_id)
    if device is None:
        return []
    asked = await _about_uplink(eyes, network, asset_id), await _about_serial(eyes, network, device)
    return [one for one in asked if one is not None]


async def ask_all(
    transport: Transport, asked: Sequence[Question], now: Callable[[], datetime]
) -> list[FactIn]:
    """What was answered, as of `now`; who does not answer tells nothing."""
    facts = await asyncio.gather(*(_ask(transport, one, now) for one in asked))
    return [fact for fact in facts if fact is not None]


async def _ask(transport: Transport, one: Question, now: Callable[[], datetime]) -> FactIn | None:
    try:
        answers = await transport.get(one.target, one.oids)
    except SnmpError:
        return None
    return one.told(answers, now())


async def _about_uplink(eyes: Eyes, network: Network, asset_id: int) -> Question | None:
    """The speed of the link by which the device hangs on its switch, as the switch says it."""
    place = await port_of_asset(eyes, asset_id)
    if not isinstance(place, PortPlace):
        return None
    switch = await device_row(eyes, place.device_id)
    port = port_in(switch, place.port_key)
    target = await _target(eyes, network, switch)
    if port is None or target is None:
        return None
    oids = tuple(f"{column}.{port.index}" for column in (OPER, HIGH_SPEED, SPEED))
    return Question(target, oids, lambda answers, at: _uplink(answers, oids, at))


def _uplink(answers: Answers, oids: Sequence[str], at: datetime) -> FactIn | None:
    """A port without a link has no speed, whatever it says."""
    oper, high, low = (answers.get(oid) for oid in oids)
    speed = speed_mbps(_whole(high), _whole(low)) if link_state(oper) is LinkState.UP else None
    return FactIn(name="net.uplink_mbps", value=speed, as_of=at) if speed else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


async def _about_serial(eyes: Eyes, network: Network, device: Any) -> Question | None:
    """Whether the printer that answers at the address is still the one that was found there."""
    profile = profile_of(network.profiles, device.profile)
    picks = profile.identity.get("serial", ())
    if device.kind is not DeviceKind.PRINTER or not device.serial or not picks:
        return None
    target = await _target(eyes, network, device)
    if target is None:
        return None
    oids = tuple(dict.fromkeys(pick.oid or f"{pick.column}.{FIRST_ROW}" for pick in picks))
    return Question(target, oids, lambda answers, at: _same(profile, answers, device.serial, at))


def _same(profile: Profile, answers: Answers, serial: str, at: datetime) -> FactIn | None:
    said = identity_of(profile, Answered(answers)).serial
    if said is None:
        return None
    return FactIn(name="printer.address_matches", value=said == serial, as_of=at)


async def _target(eyes: Eyes, network: Network, device: Any) -> Target | None:
    target = await target_of(eyes, network.vault, device)
    return None if target is None else replace(target, timeout=network.timeout, retries=network.retries)
