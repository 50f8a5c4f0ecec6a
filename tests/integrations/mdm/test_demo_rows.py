"""What the demo's managements list, by their vendors' strict schemas."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from service.assets.models import AssetKind
from service.demo.management import chromebooks, computers, tablets
from service.demo.management.fleet import Fleet, Owned

pytestmark = pytest.mark.shared
Flaws = Callable[[str, object], list[str]]
NOW = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)
SCHOOLS = {"0304": "Ridgewater High", "0101": "Alder Elementary"}


def fleet(kind: AssetKind, model: str) -> Fleet:
    """Forty devices, every fourth of them somebody's."""
    holder = lambda n: f"pupil{n}@example.org" if n % 4 == 0 else None  # noqa: E731
    school = [*SCHOOLS.values()]
    owned = [Owned(f"T-{n:05}", f"SER{n:08X}", kind, model, school[n % 2], holder(n)) for n in range(1, 41)]
    return Fleet.of(owned, NOW)


def test_chromebooks_keep_to_googles_schemas(flaws: Flaws) -> None:
    owned = fleet(AssetKind.CHROMEBOOK, "Acer Chromebook 311")
    rows = [row for row in chromebooks.devices(owned, NOW) if row.get("deviceId")]
    assert len(rows) >= 42
    listed = {"kind": "admin#directory#chromeosdevices", "chromeosdevices": rows}
    assert flaws("google.ChromeOsDevices.list.json", listed) == []
    telemetry = {"devices": [*chromebooks.batteries(owned, NOW)]}
    assert flaws("google.TelemetryDevices.list.json", telemetry) == []


def test_tablets_keep_to_the_schemas_of_jamf_school(flaws: Flaws) -> None:
    owned = fleet(AssetKind.TABLET, "iPad (9th generation)")
    rows = [*tablets.devices(owned, tablets.locations(SCHOOLS), NOW)]
    assert len(rows) >= 41
    assert flaws("jamfschool.devices.list.json", {"code": 200, "count": len(rows), "devices": rows}) == []


def test_computers_keep_to_the_schemas_of_graph(flaws: Flaws) -> None:
    owned = fleet(AssetKind.LAPTOP, "Latitude 3140")
    hidden = "-hardware"  # of the beta record alone, which is in no schema of v1.0
    rows = [{k: v for k, v in row.items() if k != hidden} for row in computers.devices(owned, NOW)]
    assert len(rows) >= 41
    wrong = [flaw for row in rows for flaw in flaws("intune.managedDevice.json", row)]
    assert wrong == []
