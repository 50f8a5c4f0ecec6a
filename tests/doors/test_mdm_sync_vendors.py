"""Every vendor synced over HTTP: whole, since, unchanged; and with everything going wrong at every request.

In the walk of faults two states of a school take turns. However a run ends, what is kept is wholly the one or
wholly the other: the new one where the run is complete, the one before where it failed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.mdm.simulated import fleet, google, intune, jamf_pro, jamf_school, mosyle
from integrations.mdm.simulated.google_tokens import ADMIN
from integrations.mdm.simulated.server import Clock, Fault, Simulator, status
from service.core.actor import SYSTEM
from service.core.migrating import migrate
from service.mdm.models import VendorName
from service.mdm.queries import connection_row
from tests.conftest import fresh_database
from tests.mdm_lab import IMPATIENT, KEY, KEY_FILE, Lab, opened

COMPLETE, FAILED = 5, 6
FOR_GOOD = 1_000
HTML = b"<!doctype html><title>Sign in</title>"
FAULTS: Mapping[str, tuple[Fault, int]] = {
    "401 for good": (status(401, {"error": "unauthorised"}), FOR_GOOD),
    "403 for good": (status(403, {"error": {"code": 403, "message": "Not Authorized"}}), FOR_GOOD),
    "403 that is a quota": (Fault(answer=google.TOO_FAST), FOR_GOOD),
    "429 for an hour": (status(429, {"error": "slow down"}, retry_after="3600"), FOR_GOOD),
    "503 for good": (status(503, HTML, content_type="text/html"), FOR_GOOD),
    "no answer": (Fault("silence"), 1),
    "cut": (Fault("cut"), FOR_GOOD),
    "cut within the body": (Fault("cut_body"), 1),
    "half of the JSON": (Fault("truncated"), 1),
}


@dataclass(frozen=True)
class Kind:
    """How a vendor stands: its school, what a connection is made of, and its devices by their keys. `renames`
    changes what a device says of itself; `alike` finds requests whose failure only makes records say less.
    """

    simulator: Callable[[Clock], Simulator]
    devices: Callable[[Any], dict[Any, Any]]
    renames: Callable[[Any, str], None]
    secrets: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    alike: str | None = None


def _set(*path: str) -> Callable[[Any, str], None]:
    def change(row: Any, value: str) -> None:
        for name in path[:-1]:
            row = row[name]
        row[path[-1]] = value

    return change


def _google(clock: Clock) -> Simulator:
    return google.SimulatedGoogle(KEY.public_key(), clock, page=6)


def _mosyle(clock: Clock) -> Simulator:
    made = mosyle.SimulatedMosyle(clock)
    made.page_size = 8
    return made


KINDS: Mapping[VendorName, Kind] = {
    VendorName.GOOGLE: Kind(
        _google,
        lambda made: made.devices,
        _set("osVersion"),
        {"service_account": KEY_FILE},
        {"admin": ADMIN},
        alike="telemetry",
    ),
    VendorName.INTUNE: Kind(
        intune.SimulatedIntune,
        lambda made: made.devices,
        _set("osVersion"),
        {"client_secret": intune.SECRET},
        {"tenant": intune.TENANT, "client_id": intune.CLIENT},
    ),
    VendorName.JAMF_PRO: Kind(
        jamf_pro.SimulatedJamfPro,
        lambda made: made.computers,
        _set("general", "name"),
        {"client_secret": jamf_pro.SECRET},
        {"client_id": jamf_pro.CLIENT},
        alike="/sites",
    ),
    VendorName.JAMF_SCHOOL: Kind(
        jamf_school.SimulatedJamfSchool,
        lambda made: made.devices,
        _set("name"),
        {"api_key": jamf_school.KEY},
        {"network_id": jamf_school.NETWORK},
        alike="/locations",
    ),
    VendorName.MOSYLE: Kind(
        _mosyle,
        lambda made: made.devices,
        _set("device_name"),
        {"access_token": mosyle.ACCESS, "password": mosyle.PASSWORD},
        {"email": mosyle.EMAIL},
    ),
    VendorName.FLEET: Kind(
        fleet.SimulatedFleet, lambda made: made.hosts, _set("display_name"), {"token": fleet.TOKEN}
    ),
}
VENDORS = [pytest.param(name, id=name.value) for name in KINDS]


@pytest.fixture(scope="module")
def own_url(server_url: str) -> Iterator[str]:
    with fresh_database(server_url, "mdm_vendors") as url:
        migrate(url)
        yield url


@pytest.fixture(scope="module")
async def open_lab(own_url: str) -> AsyncIterator[Lab]:
    async with opened(own_url, IMPATIENT) as lab:
        yield lab


@pytest.fixture
async def lab(open_lab: Lab) -> Lab:
    await open_lab.clear()
    return open_lab


class School:
    """A vendor's school on stage, in one of two states: "all", or "fewer" without its last device and with
    its first one renamed.
    """

    def __init__(self, lab: Lab, vendor: VendorName) -> None:
        self.lab, self.kind = lab, KINDS[vendor]
        self.clock = Clock(datetime.now(UTC))
        self.simulator = Simulator()

    def stands(self, *, whole: bool) -> None:
        """Afresh, with nothing going wrong; who asks signs in anew."""
        self.simulator = self.lab.stage.current = self.kind.simulator(self.clock)
        rows = self.kind.devices(self.simulator)
        self.kind.renames(next(iter(rows.values())), "as it was" if whole else "renamed")
        if not whole:
            rows.popitem()
        self.lab.sign_in_anew()

    async def listed(self, connection_id: int) -> dict[str, Any]:
        """What the vendor lists now, by id."""
        vendor = self.lab.managements.vendor(await self.row(connection_id))
        return {device.external_id: device async for page in vendor.pages() for device in page.devices}

    async def row(self, connection_id: int) -> Any:
        async with self.lab.resources.read(SYSTEM) as read:
            return await connection_row(read, connection_id)

    async def connect(self, vendor: VendorName, **columns: Any) -> int:
        return await self.lab.connect(vendor, dict(self.kind.settings), dict(self.kind.secrets), **columns)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_every_vendor_is_synced_whole_then_since_then_unchanged(lab: Lab, vendor: VendorName) -> None:
    school = School(lab, vendor)
    school.stands(whole=True)
    connection = await school.connect(vendor)
    listed = await school.listed(connection)
    first = await lab.ask(connection)
    await lab.work_off()
    run = await lab.run(first)
    assert (run.state, run.kind, run.failure) == (COMPLETE, 1, None), run.detail
    assert run.counts["listed"] == len(listed) + run.counts["bad"]
    assert run.counts["added"] == len(listed) >= 5
    records = await lab.rows("SELECT * FROM mdm_records")
    assert {record.external_id for record in records} == listed.keys()
    told = await lab.kept()
    lab.later(minutes=70)
    since = await lab.ask(connection, "incremental")
    await lab.work_off()
    run = await lab.run(since)
    assert (run.state, run.kind, run.counts["added"], run.counts["missing"]) == (COMPLETE, 2, 0, 0)
    assert await lab.kept() == told
    versions = "SELECT id, CAST(xmin AS text) FROM mdm_records UNION ALL SELECT asset_id, CAST(xmin AS text)"
    versions += " FROM asset_reports ORDER BY 1, 2"
    before = await lab.rows(versions)
    again = await lab.ask(connection, "full")
    await lab.work_off()
    run = await lab.run(again)
    assert (run.state, run.counts["unchanged"], run.counts["updated"]) == (COMPLETE, len(listed), 0)
    assert await lab.rows(versions) == before
    assert await lab.rows("SELECT 1 FROM assets GROUP BY serial HAVING count(serial) > 1") == []


def state_of(kept: Mapping[str, Any]) -> Any:
    """What must be wholly one or wholly the other: records with whether they are listed, and assets."""
    return kept["records"], kept["assets"]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_whatever_goes_wrong_at_whatever_request_nothing_is_lost_doubled_or_half_done(
    lab: Lab, vendor: VendorName, caplog: pytest.LogCaptureFixture
) -> None:
    school = School(lab, vendor)
    connection = await school.connect(vendor, guard_percent=100)
    expected = {}
    for whole in (True, False, True):
        school.stands(whole=whole)
        run = await lab.sync(connection, "full")
        assert run.state == COMPLETE, run.detail
        requests = school.simulator.asked
        expected[whole] = state_of(await lab.kept())
    assert expected[True] != expected[False]
    here, ended = True, {COMPLETE: 0, FAILED: 0}
    for name, (fault, times) in FAULTS.items():
        for nth in range(1, requests + 1):
            wanted = not here
            school.stands(whole=wanted)
            school.simulator.inject(fault, at=nth, times=times)
            run = await lab.sync(connection, "full")
            kept = await lab.kept()
            told = f"{name} at request {nth}: {run.failure} {run.detail}"
            assert run.state in (COMPLETE, FAILED), told
            ended[run.state] += 1
            if run.state == COMPLETE and not forgiving(school, kept, expected[wanted]):
                assert state_of(kept) == expected[wanted], told
            elif run.state == FAILED:
                assert state_of(kept) == expected[here], told
                assert run.counts.get("missing") is None, told
                assert not shows_secret(school, f"{run.failure} {run.detail}"), told
            here = wanted if run.state == COMPLETE else here
    assert ended[FAILED] > requests
    assert ended[COMPLETE] > 0
    assert not shows_secret(school, caplog.text)
    assert await lab.rows("SELECT * FROM mdm_staged_pages") == []


def forgiving(school: School, kept: Mapping[str, Any], expected: Any) -> bool:
    """Where a request failed that only says more of devices, the same devices are kept, saying less."""
    if school.kind.alike is None:
        return False
    faulty = [each.asked.path for each in school.simulator.log if each.faulty]
    if not faulty or school.kind.alike not in faulty[-1]:
        return False
    records, _ = expected
    return [(one[2], one[-1]) for one in kept["records"]] == [(one[2], one[-1]) for one in records]


def shows_secret(school: School, text: str) -> bool:
    if "PRIVATE KEY" in text:
        return True
    return any(secret in text for name, secret in school.kind.secrets.items() if name != "service_account")
