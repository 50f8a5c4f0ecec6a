"""A port that nobody needs any more, while its fault is open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from service.core.migrating import migrate
from tests.conftest import fresh_database
from tests.network_lab import a_lab

pytestmark = pytest.mark.xdist_group("network")


@pytest.fixture(scope="module")
def url(server_url: str) -> Iterator[str]:
    with fresh_database(server_url, "fb_network_review_judging") as made:
        migrate(made)
        yield made


async def test_the_ticket_of_a_port_ends_when_it_is_up_also_if_nothing_hangs_on_it_any_more(url: str) -> None:
    async with a_lab(url, "kbm-ap-102") as lab:
        await lab.run(6)
        switch, port = str(lab.school["kbm-ap-102"].spec.parent), lab.school["kbm-ap-102"].port
        lab.school.port_down(switch, port)
        await lab.run(8)
        assert [status for _, status in await lab.told()] == ["new"]
        async with lab.work() as work:
            await work.session.execute(
                text("DELETE FROM network_devices WHERE id = :id"), {"id": lab.ids["kbm-ap-102"]}
            )
        lab.school.port_up(switch, port)
        await lab.run(16)
        assert [status for _, status in await lab.told()] == ["resolved"]
