"""Thirteen recorded devices: what they answer is found, and nothing is invented."""

from __future__ import annotations

import pytest

from tests.integrations.snmp.recordings import PROFILES, counted, device

pytestmark = pytest.mark.shared


@pytest.mark.parametrize("name", PROFILES)
def test_a_recorded_device_is_known_for_what_it_is(name: str) -> None:
    assert device(name).profile.name == PROFILES[name]


@pytest.mark.parametrize("name", PROFILES)
def test_every_recorded_fact_is_found_and_none_is_invented(name: str) -> None:
    count = counted(device(name))
    assert (count.missing, count.false) == ([], [])
    assert count.right >= 20
