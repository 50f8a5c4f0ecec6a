"""Pages as they come: every id is written down, and those devices whose record is not the one that is kept.

The vendor is asked outside of any transaction; each page is one short one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import any_, insert, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from integrations.mdm.port import BadRecord, ManagedDevice, Page, Vendor
from service.core.work import Work
from service.mdm.applying import Line, add_lines, line
from service.mdm.lease import SWITCHED_OFF, Lease, TakenOver, end_run
from service.mdm.matching import NEVER
from service.mdm.models import LineKind, MdmConnection, MdmRecord, MdmStagedPage, SyncState
from service.mdm.records import LONGEST_ID, as_json, digest_of, why_not_kept

MOST_LINES: Final = 1_000
"""Lines that a run keeps of each kind of thing; what is beyond is only counted."""


@dataclass(slots=True)
class Counts:
    """What was listed so far. `nameless` bad records do not say which device they are; `total` is how many
    devices there are in the vendor's own words.
    """

    listed: int = 0
    bad: int = 0
    nameless: int = 0
    total: int | None = None

    def as_json(self) -> dict[str, int]:
        told = {"listed": self.listed, "bad": self.bad, "nameless": self.nameless}
        return told if self.total is None else {**told, "total": self.total}


@dataclass(slots=True)
class Staging:
    """One listing on its way. `everything` is staged, even what is kept already: settings have changed since.
    Unless it is `dry`, it ends as soon as its connection is switched off.
    `seen` holds the newest check-in by id, since vendors list a device twice while their pages shift.
    """

    lease: Lease
    connection_id: int
    everything: bool = False
    dry: bool = False
    counts: Counts = field(default_factory=Counts)
    seen: dict[str, datetime] = field(default_factory=dict)
    pages: int = 0
    lines: int = 0

    async def run(self, vendor: Vendor, since: datetime | None) -> None:
        """To the end of the list. MdmError where it breaks off, TakenOver."""
        async with aclosing(vendor.pages(since)) as pages:  # type: ignore[type-var]
            async for page in pages:
                await self.keep(page)

    async def keep(self, page: Page) -> None:
        told, bad = _readable(page)
        listed = [each.external_id for each in bad if each.external_id is not None] + list(told)
        newer = {name: each for name, each in told.items() if self._is_news(name, each)}
        self.counts.listed += sum(name not in self.seen for name in listed)
        for name in listed:
            seen = told[name][1].last_check_in if name in told else None
            self.seen[name] = max(seen or NEVER, self.seen.get(name, NEVER))
        self._count(page, bad)
        self.pages += 1
        values = {"pages_staged": self.pages, "counts": self.counts.as_json()}
        async with self.lease.work(**values) as work:
            if wanted := await self._is_wanted(work):
                await self._write(work, listed, newer)
                await add_lines(work, self.lease.run_id, self._lines(bad))
            else:
                await end_run(work, self.lease.run_id, SyncState.DISCARDED, detail=SWITCHED_OFF)
        if not wanted:
            raise TakenOver

    async def _is_wanted(self, work: Work) -> bool:
        on = select(MdmConnection.enabled).where(MdmConnection.id == self.connection_id)
        return self.dry or bool((await work.db.execute(on)).scalar())

    def _is_news(self, external_id: str, read: tuple[dict[str, Any], ManagedDevice]) -> bool:
        """Of a device that is listed twice the newest check-in counts; of equal ones, the first."""
        before = self.seen.get(external_id)
        return before is None or (read[1].last_check_in or NEVER) > before

    def _count(self, page: Page, bad: Sequence[BadRecord]) -> None:
        self.counts.bad += len(bad)
        self.counts.nameless += sum(each.external_id is None for each in bad)
        if page.total is not None:
            self.counts.total = page.total

    async def _write(
        self, work: Work, listed: list[str], read: Mapping[str, tuple[dict[str, Any], ManagedDevice]]
    ) -> None:
        digests = {name: digest_of(told) for name, (told, _) in read.items()}
        kept = {} if self.everything else await self._kept(work, list(digests))
        changed = [name for name, digest in digests.items() if kept.get(name) != digest]
        row = {
            "run_id": self.lease.run_id,
            "page": self.pages,
            "listed": listed,
            "devices": [read[name][0] for name in changed],
            "digests": [digests[name] for name in changed],
        }
        await work.db.execute(insert(MdmStagedPage).values(row))

    async def _kept(self, work: Work, names: list[str]) -> dict[str, bytes]:
        """Digests of what is kept and was listed the last time."""
        query = select(MdmRecord.external_id, MdmRecord.digest).where(
            MdmRecord.connection_id == self.connection_id,
            MdmRecord.external_id == any_(literal(names, ARRAY(Text))),
            MdmRecord.missing_since.is_(None),
        )
        return {row.external_id: row.digest for row in (await work.db.execute(query)).all()}

    def _lines(self, bad: Iterable[BadRecord]) -> list[Line]:
        lines = [line(LineKind.BAD_RECORD, each.why[:500], each.external_id) for each in bad]
        kept = lines[: max(0, MOST_LINES - self.lines)]
        self.lines += len(kept)
        return kept


def _readable(page: Page) -> tuple[dict[str, tuple[dict[str, Any], ManagedDevice]], list[BadRecord]]:
    """Devices by id, of two of one page the one that was seen last, and those that cannot be kept."""
    told: dict[str, tuple[dict[str, Any], ManagedDevice]] = {}
    bad = [_nameable(each) for each in page.bad]
    for device in page.devices:
        name = device.external_id
        read = as_json(device)
        why = why_not_kept(read)
        if why is not None:
            bad.append(_nameable(BadRecord(name, why)))
        elif name not in told or _seen(device) > _seen(told[name][1]):
            told[name] = read, device
    return told, bad


def _seen(device: ManagedDevice) -> datetime:
    return device.last_check_in or NEVER


def _nameable(bad: BadRecord) -> BadRecord:
    name = bad.external_id
    if name is not None and (not name or len(name) > LONGEST_ID or "\x00" in name or not _encodes(name)):
        return BadRecord(None, bad.why)
    return bad


def _encodes(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
