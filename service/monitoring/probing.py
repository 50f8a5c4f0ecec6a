"""One look at one address: a scan of one target that adds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from pydantic import Field

from service.core.errors import NotFound
from service.core.fields import Input
from service.core.work import Eyes, Work
from service.monitoring import scanning
from service.monitoring.devices import Address
from service.monitoring.models import NetworkScan


class AskForProbe(Input):
    """Look what answers at an address, with every credential in order. It becomes no device by that."""

    address: Address
    port: int = Field(161, ge=1, le=65_535, description="The UDP port that the agent answers on.")


async def ask_for_probe(work: Work, wanted: AskForProbe) -> NetworkScan:
    """Have an address asked by the job `monitoring.scan`; `probe_by_id` has the answer in a while."""
    asked = scanning.AskForScan(targets=[wanted.address], port=wanted.port, adopts=False)
    return await scanning.ask_for_scan(work, asked)


async def probe_by_id(eyes: Eyes, probe_id: int) -> Any:
    """NotFound for a scan that is no probe."""
    row = await scanning.scan_by_id(eyes, probe_id)
    if row.adopts or not _is_one_address(row.targets):
        raise NotFound("There is no such probe.")
    return row


def _is_one_address(targets: Sequence[str]) -> bool:
    """And no range, which may have several answers."""
    try:
        (one,) = targets
        ip_address(one)
    except ValueError:
        return False
    return True
