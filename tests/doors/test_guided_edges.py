"""Guided help over HTTP with what nobody should send."""

from __future__ import annotations

from typing import Any

from tests import makers
from tests.doors.graphql_client import Desk
from tests.doors.test_guided_help import Rest, desk  # noqa: F401


async def raw(rest: Rest, path: str, body: str, **headers: str) -> Any:
    """A body as it stands: what Python would not write by itself."""
    sent = rest.headers | {"Content-Type": "application/json"} | headers
    return await rest.client.post(f"/api/v1{path}", content=body, headers=sent)


async def test_facts_that_could_not_be_told_again_are_refused(desk: Desk) -> None:  # noqa: F811
    sync, technician, lead = Rest(desk, "sync"), Rest(desk, "technician"), Rest(desk, "lead")
    for value in ("1" + "0" * 30, "NaN", "1e999", "-Infinity", '"a\\u0000b"', '"\\ud83d"', "[1]", '{"a": 1}'):
        body = f'{{"source": "x", "facts": [{{"name": "device.odd", "value": {value}}}]}}'
        for headers in ({}, {"Idempotency-Key": makers.unique("odd")}):
            refused = await raw(sync, f"/assets/{desk.tag}/facts", body, **headers)
            assert refused.status_code == 422, (value, refused.text)
        body = f'{{"name": "policy.damage_words", "value": {value}}}'
        assert (await raw(lead, "/district-facts", body)).status_code == 422, value
    assert (await technician.get(f"/assets/{desk.tag}/facts")).is_success
    assert (await technician.get("/district-facts")).is_success


async def test_half_a_character_in_an_answer_is_no_fault(desk: Desk) -> None:  # noqa: F811
    teacher = Rest(desk, "teacher")
    run = (await teacher.post("/playbook-runs", {"playbook": "helped"})).json()["id"]
    for value in ('"\\ud83d"', '"\\u0000"', '["\\ud83d"]', '["\\u0000"]', "NaN", "1e999"):
        for step in ("first", "second"):
            key = {"Idempotency-Key": makers.unique("half")}
            body = f'{{"step": "{step}", "value": {value}}}'
            answer = await raw(teacher, f"/playbook-runs/{run}/answer", body, **key)
            assert answer.status_code in (409, 422), (value, step, answer.text)
    await teacher.post(f"/playbook-runs/{run}/answer", {"step": "first", "value": "yes"})
    for value in ('["\\u0000"]', '["\\ud83d"]'):
        answer = await raw(teacher, f"/playbook-runs/{run}/answer", f'{{"step": "second", "value": {value}}}')
        assert answer.status_code == 422, (value, answer.text)


async def test_figures_of_any_period_are_given_or_refused(desk: Desk) -> None:  # noqa: F811
    asked = '{ reportDeflection(%s) playbook(id: "helped") { analytics(%s) } }'
    for period in (
        'until: "0001-01-02T00:00:00Z"',
        'since: "0001-01-01T00:00:00+14:00"',
        'until: "9999-12-31T23:59:59-12:00"',
        'since: "2026-01-01T00:00:00"',
        'since: "2026-02-01T00:00:00Z", until: "2026-01-01T00:00:00Z"',
    ):
        answer = await desk.ask(asked % (period, period), "lead")
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        assert "internal_error" not in codes, (period, answer)


async def test_a_version_of_a_playbook_is_named_in_bounds(desk: Desk) -> None:  # noqa: F811
    for number in (0, -1, 2**31 - 1):
        asked = f'{{ playbook(id: "helped") {{ analytics(version: {number}) }} }}'
        answer = await desk.ask(asked, "lead")
        assert {error["extensions"]["code"] for error in answer.get("errors", ())} == {"not_found"}, answer


async def test_a_run_is_begun_with_odd_words(desk: Desk) -> None:  # noqa: F811
    teacher = Rest(desk, "teacher")
    for body in (
        '{"playbook": "helped", "asset_tag": "\\u0000"}',
        '{"playbook": "\\ud83d"}',
        '{"playbook": "helped", "person_id": 99999999}',
        '{"playbook": "helped", "ticket": 99999999}',
        f'{{"playbook": "helped", "language": "{"a" * 40}"}}',
    ):
        answer = await raw(teacher, "/playbook-runs", body, **{"Idempotency-Key": makers.unique("odd")})
        assert answer.status_code in (404, 422), (body, answer.text)
    for words in ("%00", "%ed%a0%80", "x" * 20_001):
        assert (await teacher.get(f"/playbook-suggestions?words={words}")).status_code in (200, 400, 422)


async def test_loans_of_what_is_not_there(desk: Desk) -> None:  # noqa: F811
    technician = Rest(desk, "technician")
    person = desk.people["teacher"].id
    for given in ({"school_id": "nowhere"}, {"person_id": 99999999}, {"days": 0}, {"kind": "cat"}):
        body = {"kind": "chromebook", "person_id": person, "order": True} | given
        answer = await technician.post("/loans", body)
        assert answer.status_code == 422, (given, answer.text)
