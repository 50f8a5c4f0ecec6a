"""A pupil with a Chromebook that last checked in nine days ago, and the people around them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import service.mdm.look_jobs  # noqa: F401
from service.core.actor import Role
from service.core.work import Work
from service.tickets.device_seen import DeviceSeen, device_of
from service.tickets.queries import ticket_view
from tests import makers

PRIVATE = {
    "device.last_user": "kai.moreno@pupils.fir.example",
    "device.last_network": "10.1.2.3",
    "device.public_address": "203.0.113.9",
    "device.wifi_mac": "aa:bb:cc:dd:ee:ff",
}
TOLD = {
    "device.os_version": "142.0.7444.59",
    "device.storage_free_gb": 3.2,
    "device.battery_percent": 61.0,
} | PRIVATE
STANDING = {
    "device.status": "active",
    "device.management": "enrolled",
    "device.enrolled": True,
    "device.support_ends": "2029-06-30T00:00:00+00:00",
    "device.user": "kai.moreno@pupils.fir.example",
}
PLAIN = {
    "device.last_seen", "device.os_version", "device.storage_free_gb", "device.battery_percent",
    "device.status", "device.management", "device.enrolled", "device.support_ends",
}  # fmt: skip


async def report(work: Work, asset: Any, *, days: float = 9, **facts: Any) -> None:
    seen = work.now - timedelta(days=days)
    await makers.keep_report(
        work,
        asset.id,
        "District Google",
        facts=TOLD | {"device.last_seen": seen.isoformat()} | facts,
        standing=STANDING,
        as_of=seen,
    )


class School:
    """A pupil with a Chromebook that checked in nine days ago, and people around them."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.people: dict[str, Any] = {}
        self.asset: Any = None
        self.queue: Any = None

    async def as_(self, who: str, **changes: Any) -> Work:
        return await makers.acting(self.work, self.people[who], **changes)

    async def file(self, who: str = "teacher", **given: Any) -> Any:
        if "asset_serial" not in given:
            given.setdefault("asset_tag", self.asset.tag)
        return await makers.make_ticket(await self.as_(who), **given)

    async def seen(self, number: int, who: str = "teacher", **changes: Any) -> DeviceSeen:
        device = device_of(await ticket_view(await self.as_(who, **changes), number))
        assert device is not None
        return device


async def make_device_school(work: Work) -> School:
    """Its Chromebook is reported on by a device management; the technician serves the default queue."""
    made = School(work)
    place = await makers.make_school(work)
    await makers.make_policy(work)
    made.queue = await makers.default_queue(work)
    pupil = await makers.make_person(work, Role.PUPIL, school_id=place.id)
    made.people = {
        "pupil": pupil,
        "classmate": await makers.make_person(work, Role.PUPIL, school_id=place.id),
        "guardian": await makers.make_person(work, Role.GUARDIAN, children=[pupil]),
        "teacher": await makers.make_person(work, school_id=place.id),
        "vendor": await makers.make_person(work, Role.VENDOR),
        "technician": await makers.make_person(work, Role.TECHNICIAN, queues=[made.queue]),
        "admin": await makers.make_person(work, Role.ADMIN),
    }
    made.asset = await makers.make_asset(work, holder_id=pupil.id, serial="5CD1234XYZ", place_id=place.id)
    await report(work, made.asset)
    return made
