"""The same questions asked by the libraries alone: no decoding into readings, no diagnosis, no database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from gufo.snmp import SnmpVersion
from gufo.snmp.aio import SnmpSession
from pysnmp.hlapi.v3arch.asyncio import (  # type: ignore[import-untyped]
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    UdpTransportTarget,
    bulk_cmd,
    get_cmd,
)

from bench.network.fleet import COMMUNITY
from integrations.snmp.bounds import MAX_VARIABLES

GUFO_AT_ONCE, PYSNMP_AT_ONCE = 64, 25
TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A device and what a poll asks it."""

    address: str
    port: int
    oids: tuple[str, ...]
    walks: tuple[str, ...]

    @property
    def questions(self) -> list[list[str]]:
        """The objects, as many at once as ours asks for."""
        return [
            list(self.oids[start : start + MAX_VARIABLES])
            for start in range(0, len(self.oids), MAX_VARIABLES)
        ]


class Gufo:
    """Sessions are kept from round to round."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self._sessions = [
            (
                one,
                SnmpSession(
                    one.address, one.port, community=COMMUNITY, version=SnmpVersion.v2c, timeout=TIMEOUT
                ),
            )
            for one in asked
        ]

    async def round(self) -> int:
        """Ask everybody; how many values came."""
        turns = asyncio.Semaphore(GUFO_AT_ONCE)

        async def one(asked: Asked, session: SnmpSession) -> int:
            values = 0
            async with turns:
                for question in asked.questions:
                    values += len(await session.get_many(question))
                for base in asked.walks:
                    async for _ in session.getbulk(base):
                        values += 1
            return values

        return sum(await asyncio.gather(*(one(*pair) for pair in self._sessions)))


class Pysnmp:
    """One engine. `looks_up`: names and values are looked up in the MIBs, which is its default."""

    def __init__(self, asked: Sequence[Asked], *, looks_up: bool) -> None:
        self._asked = asked
        self._options = {} if looks_up else {"lookupMib": False}
        self._engine = SnmpEngine()
        self._who = CommunityData(COMMUNITY, mpModel=1)  # noqa: S508
        self._where: list[UdpTransportTarget] = []

    async def round(self) -> int:
        """Ask everybody; how many values came."""
        if not self._where:
            for asked in self._asked:
                at = (asked.address, asked.port)
                self._where.append(await UdpTransportTarget.create(at, timeout=TIMEOUT, retries=1))
        turns = asyncio.Semaphore(PYSNMP_AT_ONCE)

        async def one(asked: Asked, where: UdpTransportTarget) -> int:
            async with turns:
                return await self._ask(asked, where)

        pairs = zip(self._asked, self._where, strict=True)
        return sum(await asyncio.gather(*(one(*pair) for pair in pairs)))

    async def _ask(self, asked: Asked, where: UdpTransportTarget) -> int:
        values = 0
        for question in asked.questions:
            objects = [ObjectType(ObjectIdentity(oid)) for oid in question]
            error, status, _, binds = await get_cmd(
                self._engine, self._who, where, ContextData(), *objects, **self._options
            )
            values += _counted(error, status, binds)
        for base in asked.walks:
            error, status, _, binds = await bulk_cmd(
                self._engine,
                self._who,
                where,
                ContextData(),
                0,
                25,
                ObjectType(ObjectIdentity(base)),
                **self._options,
            )
            values += _counted(error, status, binds)
        return values

    def close(self) -> None:
        self._engine.close_dispatcher()


def _counted(error: object, status: object, binds: Sequence[object]) -> int:
    if error or status:
        raise RuntimeError(f"pysnmp: {error or status}")
    return len(binds)
