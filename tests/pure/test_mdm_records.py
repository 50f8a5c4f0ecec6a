"""A device as JSON that is kept, and as facts."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from integrations.mdm.port import Compliance, Enrolment, ManagedDevice, Platform
from service.mdm.records import as_json, digest_of, facts_standing, facts_told, from_json

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
instants = st.integers(0, 4_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "platform": st.sampled_from(Platform),
    "enrolment": st.sampled_from(Enrolment),
    "compliance": st.sampled_from(Compliance),
    "supervised": st.booleans(),
    "lost_mode": st.booleans(),
    "battery_percent": st.floats(0, 100),
    "battery_health_percent": st.floats(0, 100),
    "battery_cycles": st.integers(0, 5000),
    "storage_total": st.integers(0, 2**50),
    "storage_free": st.integers(0, 2**50),
    "last_check_in": instants,
    "enrolled_at": instants,
    "support_ends": instants,
    "vendor": st.dictionaries(texts, texts, max_size=2),
}
ENUMS = ("platform", "enrolment", "compliance", "vendor")


def _of(name: str) -> st.SearchStrategy[Any]:
    if name == "external_id":
        return texts.filter(bool)
    values = VALUES.get(name, texts)
    return values if name in ENUMS else st.none() | values


devices = st.builds(ManagedDevice, **{field.name: _of(field.name) for field in fields(ManagedDevice)})


@given(devices)
def test_what_is_kept_is_the_device_again(device: ManagedDevice) -> None:
    assert from_json(orjson.loads(orjson.dumps(as_json(device)))) == device


@given(devices)
def test_a_digest_is_of_the_record_whatever_the_order(device: ManagedDevice) -> None:
    told = as_json(device)
    turned = dict(reversed(told.items()))
    assert digest_of(told) == digest_of(turned)
    assert len(digest_of(told)) == 16
    assert digest_of(as_json(replace(device, name="another name"))) != digest_of(told)


@given(devices)
def test_facts_are_what_json_can_tell_and_never_null(device: ManagedDevice) -> None:
    for facts in (facts_told(device), facts_standing(device)):
        orjson.dumps(facts)
        assert None not in facts.values()
        assert all(name.startswith("device.") for name in facts)
    assert not facts_told(device).keys() & facts_standing(device).keys()


def test_a_field_that_is_not_known_any_more_is_passed_over() -> None:
    assert from_json({"external_id": "d", "from_the_future": 1}) == ManagedDevice("d")
