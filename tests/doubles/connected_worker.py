"""A worker of a district whose Chromebooks Google manages: a simulated Google, over HTTP in this process.

Its clock runs a minute a second, so that a restart is done soon; a device that is told to restart checks in.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from integrations.mdm.simulated.google import SimulatedGoogle
from integrations.mdm.simulated.server import Answer, Asked, Clock, serving
from service.commands import base
from service.core import logs
from service.core.settings import settings
from service.worker import run_worker

DEVICE = "7f3c2a10-0000-4000-8000-000000000001"
FASTER = 60


class Hurried(Clock):
    """Time as it is at first, and `FASTER` times as fast from then on."""

    def __init__(self) -> None:
        self._began = datetime.now(UTC)

    @property
    def now(self) -> datetime:  # type: ignore[override]
        return self._began + FASTER * (datetime.now(UTC) - self._began)


class School(SimulatedGoogle):
    """One Chromebook."""

    def __init__(self, key: RSAPublicKey) -> None:
        super().__init__(key, Hurried())
        self.devices = {DEVICE: self.devices[DEVICE]}
        self.telemetry = {}

    async def answer(self, asked: Asked) -> Answer:
        before = len(self.effects)
        given = await super().answer(asked)
        if len(self.effects) > before:
            self.devices[DEVICE]["lastSync"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        return given


async def work_off(url: str) -> None:
    key = load_pem_public_key(os.environ["SIMULATED_GOOGLE_KEY"].encode())
    assert isinstance(key, RSAPublicKey)
    async with (
        serving(School(key), int(os.environ["SIMULATED_GOOGLE_PORT"])),
        base.resources(url) as resources,
    ):
        await run_worker(url, resources, settings())


if __name__ == "__main__":
    logs.configure("warning", "console")
    base.run(work_off(os.environ["FIRSTBELL_DATABASE_URL"]))
