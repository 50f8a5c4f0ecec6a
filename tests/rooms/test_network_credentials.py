"""Credentials of agents: sealed, ordered, warned about, and never told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from integrations.snmp.target import AuthProtocol, PrivProtocol, Version
from service.core.actor import Role, Scope
from service.core.errors import Conflict, Forbidden, Invalid, KeyReused, NotFound
from service.core.models import IdempotencyKey
from service.core.settings import settings
from service.core.vault import new_key, open_vault
from service.core.work import Conditions, Work
from service.monitoring import listing
from service.monitoring.credentials import (
    CredentialInUse,
    EditCredential,
    NewCredential,
    OrderCredentials,
    add_credential,
    delete_credential,
    edit_credential,
    order_credentials,
    warning_of,
)
from service.monitoring.models import SnmpCredential
from service.monitoring.wire import credential as shown
from tests import makers

V3: dict[str, Any] = {
    "name": "v3",
    "version": "v3",
    "user": "firstbell",
    "auth": "sha256",
    "auth_password": "auctoritas-1",
    "priv": "aes128",
    "priv_password": "privatus-1",
}


def secrets_of(row: SnmpCredential) -> dict[str, str]:
    return open_vault().open(row.sealed)


async def test_secrets_are_sealed_and_in_no_answer(work: Work) -> None:
    made = await add_credential(work, NewCredential(**V3))
    assert secrets_of(made) == {"auth_password": "auctoritas-1", "priv_password": "privatus-1"}
    assert b"auctoritas" not in made.sealed
    told = orjson.dumps(shown(await listing.credential_by_id(work, made.id)))
    assert b"auctoritas" not in told
    assert b"privatus" not in told
    assert b"sealed" not in told
    assert "auctoritas" not in repr(NewCredential(**V3))


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"version": "v2c"}, [("community", "required")]),
        ({"version": "v1", "community": "c", "user": "x"}, [("user", "only_v3")]),
        ({"version": "v3"}, [("user", "required")]),
        ({"version": "v3", "user": "x", "community": "c"}, [("community", "not_v3")]),
        ({"version": "v3", "user": "x", "auth": "sha256"}, [("auth_password", "required")]),
        (
            {"version": "v3", "user": "x", "priv": "aes128", "priv_password": "12345678"},
            [("auth", "required")],
        ),
        ({"version": "v3", "user": "x", "auth_password": "12345678"}, [("auth", "required")]),
    ],
)
async def test_what_does_not_fit_together_is_refused_by_field(
    work: Work, given: dict[str, Any], fields: list[tuple[str, str]]
) -> None:
    with pytest.raises(Invalid) as refused:
        await add_credential(work, NewCredential(name="x", **given))
    assert [(one.field, one.code) for one in refused.value.fields] == fields


@pytest.mark.parametrize(
    "given",
    [{"auth_password": "1234567"}, {"community": ""}, {"community": "ü" * 128}, {"community": "a\x00b"}],
)
def test_secrets_of_a_wrong_length_are_refused_without_being_repeated(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        NewCredential(name="x", version=Version.V2C, **given)  # type: ignore[arg-type]
    (name,) = given
    (error,) = refused.value.errors()
    assert error["loc"] == (name,)
    assert not given[name] or given[name] not in error["msg"]


async def test_an_edit_keeps_the_secrets_that_are_not_sent(work: Work) -> None:
    made = await add_credential(work, NewCredential(**V3))
    same = {name: value for name, value in V3.items() if "password" not in name}
    await edit_credential(work, made.id, EditCredential(**same | {"name": "renamed"}))
    assert (made.name, secrets_of(made)["auth_password"]) == ("renamed", "auctoritas-1")
    await edit_credential(work, made.id, EditCredential(**same | {"priv_password": "privatus-2"}))
    assert secrets_of(made) == {"auth_password": "auctoritas-1", "priv_password": "privatus-2"}


async def test_secrets_that_it_needs_no_more_are_forgotten(work: Work) -> None:
    made = await add_credential(work, NewCredential(**V3))
    await edit_credential(
        work, made.id, EditCredential(name="v2", version=Version.V2C, community=SecretStr("shared"))
    )
    assert secrets_of(made) == {"community": "shared"}
    assert (made.username, made.auth, made.priv) == (None, None, None)


async def test_where_the_key_is_gone_the_secrets_are_asked_for_again(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await makers.make_credential(work, name="lost")
    monkeypatch.setenv("FIRSTBELL_SECRET_KEYS", new_key())
    settings.cache_clear()
    try:
        with pytest.raises(Invalid) as refused:
            await edit_credential(work, made.id, EditCredential(name="lost", version=Version.V2C))
        assert refused.value.fields[0].field == "community"
    finally:
        monkeypatch.delenv("FIRSTBELL_SECRET_KEYS")
        settings.cache_clear()


async def test_weak_algorithms_are_allowed_and_warned_about(work: Work) -> None:
    weak = await add_credential(work, NewCredential(**V3 | {"auth": "md5", "priv": "des"}))
    assert (weak.auth, weak.priv) == (AuthProtocol.MD5, PrivProtocol.DES)
    warning = warning_of(weak) or ""
    assert "MD5" in warning
    assert "DES" in warning
    assert warning_of(await makers.make_credential(work)) is None
    assert "write" in (warning_of(await makers.make_credential(work, writes=True)) or "")


async def test_new_ones_come_last_and_are_ordered_as_a_whole(work: Work) -> None:
    made = [(await makers.make_credential(work)).id for _ in range(3)]
    assert [row.id for row in (await listing.credentials_page(work)).rows] == made
    await order_credentials(work, OrderCredentials(ids=made[::-1]))
    assert [row.id for row in (await listing.credentials_page(work)).rows] == made[::-1]
    first = await listing.credentials_page(work, limit=2)
    rest = await listing.credentials_page(work, limit=2, cursor=first.next_cursor)
    assert [row.id for row in (*first.rows, *rest.rows)] == made[::-1]
    for wrong in (made[:2], [*made, made[0]], [*made[:2], 10**9]):
        with pytest.raises(Invalid, match="once"):
            await order_credentials(work, OrderCredentials(ids=wrong))


async def test_one_that_a_device_needs_is_not_deleted(work: Work) -> None:
    reads, writes = await makers.make_credential(work), await makers.make_credential(work, writes=True)
    device = await makers.make_network_device(work, credential_id=reads.id, write_credential_id=writes.id)
    for used in (reads, writes):
        with pytest.raises(CredentialInUse):
            await delete_credential(work, used.id)
    with pytest.raises(CredentialInUse):
        await edit_credential(work, writes.id, EditCredential(name=writes.name, version=Version.V2C))
    rows = {row.id: row.devices for row in (await listing.credentials_page(work)).rows}
    assert rows == {reads.id: 1, writes.id: 1}
    device.credential_id = device.write_credential_id = None
    await work.session.flush()
    await delete_credential(work, reads.id)
    with pytest.raises(NotFound):
        await listing.credential_by_id(work, reads.id)


async def test_a_name_is_taken_once(work: Work) -> None:
    made, other = await makers.make_credential(work), await makers.make_credential(work)
    with pytest.raises(Conflict):
        await makers.make_credential(work, name=made.name)
    with pytest.raises(Conflict):
        await edit_credential(work, other.id, EditCredential(name=made.name, version=Version.V2C))


async def test_what_is_kept_of_a_request_tells_no_secret_and_tells_secrets_apart(work: Work) -> None:
    keyed = await makers.acting(work, conditions=Conditions("one"))
    made = await add_credential(keyed, NewCredential(**V3))
    again = await makers.acting(work, conditions=Conditions("one"))
    assert (await add_credential(again, NewCredential(**V3))).id == made.id
    other = await makers.acting(work, conditions=Conditions("one"))
    with pytest.raises(KeyReused):
        await add_credential(other, NewCredential(**V3 | {"priv_password": "privatus-9"}))
    (kept,) = (await work.session.scalars(select(IdempotencyKey))).all()
    assert b"privatus" not in kept.fingerprint + (kept.answer or b"")


async def test_only_administrators_keep_them_and_only_leads_see_them_too(work: Work) -> None:
    people = {role: await makers.make_person(work, role) for role in (Role.TECHNICIAN, Role.LEAD, Role.ADMIN)}
    for role, person in people.items():
        theirs = await makers.acting(work, person)
        theirs.actor = makers.as_actor(role, person_id=person.id)
        if role is Role.ADMIN:
            await makers.make_credential(theirs)
        else:
            with pytest.raises(Forbidden):
                await makers.make_credential(theirs)
        if role is Role.TECHNICIAN:
            with pytest.raises(Forbidden):
                await listing.credentials_page(theirs)
        else:
            assert (await listing.credentials_page(theirs)).rows is not None
    narrow = await makers.acting(work)
    narrow.actor = makers.as_actor(Role.ADMIN, scopes=frozenset(Scope) - {Scope.NETWORK_WRITE})
    with pytest.raises(Forbidden):
        await makers.make_credential(narrow)
