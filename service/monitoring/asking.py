"""How an agent is asked: its address with a credential whose secrets are opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import select

from integrations.snmp.target import Credential, Target
from service.core.vault import KeyMissing, Vault
from service.core.work import Eyes
from service.monitoring.models import NetworkWatch, SnmpCredential

CREDENTIAL: Final = list(SnmpCredential.__table__.c)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opened:
    """A credential by its id and name, ready to be used."""

    id: int
    name: str
    credential: Credential


def opened(vault: Vault, row: Any) -> Opened:
    """KeyMissing where no key opens its secrets."""
    secrets = vault.open(row.sealed)
    return Opened(
        row.id,
        row.name,
        Credential(
            version=row.version,
            community=secrets.get("community", ""),
            user=row.username or "",
            auth=row.auth,
            auth_password=secrets.get("auth_password", ""),
            priv=row.priv,
            priv_password=secrets.get("priv_password", ""),
            context=row.context or "",
        ),
    )


async def credentials_in_order(
    eyes: Eyes, vault: Vault, *, only: int | None = None
) -> tuple[list[Opened], list[str]]:
    """Credentials as discovery tries them, and the names of those that cannot be opened."""
    query = select(*CREDENTIAL).order_by(SnmpCredential.position, SnmpCredential.id)
    if only is not None:
        query = query.where(SnmpCredential.id == only)
    return _opened((await eyes.db.execute(query)).all(), vault)


def _opened(rows: Sequence[Any], vault: Vault) -> tuple[list[Opened], list[str]]:
    good, closed = [], []
    for row in rows:
        try:
            good.append(opened(vault, row))
        except KeyMissing:
            log.warning("credential_cannot_be_opened", credential=row.name)
            closed.append(row.name)
    return good, closed


async def target_of(eyes: Eyes, vault: Vault, device: Any, *, write: bool = False) -> Target | None:
    """A device with its credential for reading or for writing; None where it has none that opens."""
    credential_id = device.write_credential_id if write else device.credential_id
    if credential_id is None:
        return None
    good, _ = await credentials_in_order(eyes, vault, only=credential_id)
    if not good:
        return None
    query = select(NetworkWatch.engine_id, NetworkWatch.max_repetitions).where(
        NetworkWatch.device_id == device.id
    )
    learnt = (await eyes.db.execute(query)).first()
    return Target(
        address=device.address,
        port=device.port,
        credential=good[0].credential,
        engine_id=learnt.engine_id if learnt is not None else None,
        max_repetitions=learnt.max_repetitions if learnt is not None else 25,
    )
