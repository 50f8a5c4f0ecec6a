"""Secrets at rest: sealed, opened, and sealed anew under another key."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, select

from integrations.snmp.target import Version
from service.commands.secrets import reseal_all, sealed_columns
from service.core import vault as vaults
from service.core.actor import SYSTEM
from service.core.database import make_engine, utc_now
from service.core.settings import Settings
from service.core.vault import KeyMissing, Vault, new_key, open_vault
from service.core.work import Resources
from service.monitoring.models import SnmpCredential
from tests import makers

SECRET = {"community": "s3cret-Größe"}


def named_keys(*keys: str) -> Settings:
    return Settings(secret_keys=SecretStr(", ".join(keys)))


def test_what_is_sealed_is_opened_again_and_cannot_be_read_in_between() -> None:
    vault = Vault([new_key()])
    sealed = vault.seal(SECRET)
    assert b"s3cret" not in sealed
    assert sealed != vault.seal(SECRET)
    assert vault.open(sealed) == SECRET


def test_another_key_does_not_open_it_and_says_so_without_the_secret() -> None:
    sealed = Vault([new_key()]).seal(SECRET)
    with pytest.raises(KeyMissing) as refused:
        Vault([new_key()]).open(sealed)
    assert "s3cret" not in str(refused.value)
    with pytest.raises(KeyMissing):
        Vault([new_key()]).reseal(sealed)


def test_a_changed_byte_is_noticed() -> None:
    vault = Vault([new_key()])
    sealed = bytearray(vault.seal(SECRET))
    sealed[len(sealed) // 2] ^= 1
    with pytest.raises(KeyMissing):
        vault.open(bytes(sealed))


def test_older_keys_open_and_the_newest_seals() -> None:
    old, new = new_key(), new_key()
    sealed = Vault([old]).seal(SECRET)
    both = open_vault(named_keys(new, old))
    assert both.open(sealed) == SECRET
    assert Vault([new]).open(both.seal(SECRET)) == SECRET
    assert Vault([new]).open(both.reseal(sealed)) == SECRET


def test_a_key_that_is_none_is_told_by_the_name_of_the_setting() -> None:
    with pytest.raises(ValueError, match="FIRSTBELL_SECRET_KEYS"):
        open_vault(named_keys("hunter2"))


def test_without_keys_one_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    sealed = open_vault(settings).seal(SECRET)
    assert open_vault(settings).open(sealed) == SECRET
    kept = tmp_path / "home" / vaults.KEY_FILE
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == [vaults.KEY_FILE]


def _sealed_in(home: str, made: Any) -> None:
    made.put(open_vault(Settings(home=Path(home))).seal(SECRET))


@pytest.mark.slow
def test_two_processes_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    made: Any = context.SimpleQueue()
    processes = [context.Process(target=_sealed_in, args=(str(tmp_path), made)) for _ in range(4)]
    for process in processes:
        process.start()
    sealed = [made.get() for _ in processes]
    for process in processes:
        process.join(10)
    vault = open_vault(Settings(home=tmp_path))
    assert [vault.open(one) for one in sealed] == [SECRET] * 4


def test_credentials_of_agents_are_among_what_is_sealed() -> None:
    assert "snmp_credentials.sealed" in [str(column) for column in sealed_columns()]


async def test_rotating_seals_everything_anew_and_leaves_what_it_cannot_open(database_url: str) -> None:
    old, new, lost = new_key(), new_key(), new_key()
    engine = make_engine(database_url, pool=2)
    resources = Resources(engine=engine)
    try:
        ids = await _kept(resources, [Vault([old])] * 5 + [Vault([lost])])
        both = Vault([new, old])
        done = await reseal_all(resources, both, batch=2)
        async with resources.begin(SYSTEM) as work:
            query = select(SnmpCredential).where(SnmpCredential.id.in_(ids)).order_by(SnmpCredential.id)
            rows = list(await work.session.scalars(query))
            assert [Vault([new]).open(row.sealed) for row in rows[:5]] == [SECRET] * 5
            assert Vault([lost]).open(rows[5].sealed) == SECRET
            assert f"snmp_credentials {ids[5]}" in done.closed
            assert done.count >= 5
    finally:
        async with resources.begin(SYSTEM) as work:
            await work.session.execute(delete(SnmpCredential).where(SnmpCredential.id.in_(ids)))
        await resources.close()


async def _kept(resources: Resources, vaults: list[Vault]) -> list[int]:
    """A credential sealed by each."""
    async with resources.begin(SYSTEM) as work:
        rows = [
            SnmpCredential(
                name=makers.unique("credential"),
                version=Version.V2C,
                position=n,
                sealed=vault.seal(SECRET),
                created_at=utc_now(),
                changed_at=utc_now(),
            )
            for n, vault in enumerate(vaults)
        ]
        work.session.add_all(rows)
        await work.session.flush()
        return [row.id for row in rows]
