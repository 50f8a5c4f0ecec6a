"""Every call of the Google adapter against every fault at every request of it."""

from __future__ import annotations

import httpx

from tests.integrations.mdm.google_bench import bench
from tests.integrations.mdm.walking import walked


async def test_every_fault_at_every_request_of_every_call_is_told_truly(http: httpx.AsyncClient) -> None:
    found = await walked(bench(), http)
    assert not found.wrong, f"{len(found.wrong)} of {found.cases}:\n" + "\n".join(found.wrong[:40])
    assert found.cases > 350
    assert found.mended > 130
