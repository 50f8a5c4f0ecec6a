"""Credentials of agents: kept sealed, tried in order, never read back."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, StringConstraints
from sqlalchemy import func, or_, select

from integrations.snmp.target import AuthProtocol, PrivProtocol, Version
from service.core.errors import Conflict, FieldError, Invalid, NotFound, require
from service.core.fields import Clean, Id, Input, Line
from service.core.idempotency import once
from service.core.vault import KeyMissing, open_vault
from service.core.work import Work
from service.monitoring.access import may_keep_credentials
from service.monitoring.models import NetworkDevice, SnmpCredential

MOST_CREDENTIALS: Final = 200
LONGEST_SECRET: Final = 255
OF_V3: Final = ("user", "auth", "auth_password", "priv", "priv_password", "context")


class CredentialInUse(Conflict):
    code = "credential_in_use"
    title = "Devices are asked with this credential. Give them another one first."


def _fits(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if "\x00" in value or len(value.encode(errors="replace")) > LONGEST_SECRET:
        raise ValueError(f"is not text of at most {LONGEST_SECRET} bytes")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("holds characters that are not text") from None
    return secret


# Told only to what compares a request with its repetition, which keeps a digest of it.
_Digested = PlainSerializer(lambda secret: secret.get_secret_value(), return_type=str, when_used="json")
Community = Annotated[
    SecretStr, Field(min_length=1, max_length=LONGEST_SECRET), AfterValidator(_fits), _Digested
]
Password = Annotated[
    SecretStr, Field(min_length=8, max_length=LONGEST_SECRET), AfterValidator(_fits), _Digested
]
User = Annotated[str, StringConstraints(min_length=1, max_length=32), Clean]
ContextName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_SECRET), Clean]


class EditCredential(Input):
    """The credential, whole. A secret that is not sent stays what it is; none is ever told."""

    name: Line = Field(examples=["Switches, read only"])
    version: Version = Field(examples=["v3"])
    community: Community | None = Field(None, description="Of v1 and v2c: 1 to 255 characters.")
    user: User | None = Field(None, description="Of v3.", examples=["firstbell"])
    auth: AuthProtocol | None = Field(None, description="How v3 authenticates.", examples=["sha256"])
    auth_password: Password | None = Field(None, description="At least 8 characters.")
    priv: PrivProtocol | None = Field(None, description="How v3 encrypts; needs `auth`.", examples=["aes128"])
    priv_password: Password | None = Field(None, description="At least 8 characters.")
    context: ContextName | None = Field(
        None, description="The context name of v3, where an agent has several."
    )
    writes: bool = Field(False, description="True: it may be given to devices for port commands.")


class NewCredential(EditCredential):
    """A credential, tried after those that are there. Its secrets are sealed and never told."""


class OrderCredentials(Input):
    """Every credential, the one that discovery tries first at the front."""

    ids: list[Id] = Field(min_length=1, max_length=MOST_CREDENTIALS, examples=[[3, 1, 2]])


def warning_of(row: Any) -> str | None:
    """What is weak about a credential (a row with its columns), as sentences; None where nothing is."""
    told = []
    if row.auth is AuthProtocol.MD5:
        told.append("MD5 is broken: use SHA-256 or more where the devices can.")
    if row.priv is PrivProtocol.DES:
        told.append("DES is broken: use AES where the devices can.")
    if row.writes and row.version is not Version.V3:
        told.append("Whoever listens on the network can read this community and write with it: use v3.")
    if row.writes and row.version is Version.V3 and row.auth is None:
        told.append("Anybody who knows the user name can write: use authentication.")
    return " ".join(told) or None


@once(SnmpCredential)
async def add_credential(work: Work, wanted: NewCredential) -> SnmpCredential:
    """Keep a credential. Conflict where its name is taken."""
    require(may_keep_credentials(work.actor), "Only administrators keep credentials.")
    secrets = _secrets(wanted, {})
    await _name_is_free(work, wanted.name, None)
    there, last = (await work.db.execute(_COUNTED)).one()
    if there >= MOST_CREDENTIALS:
        raise Conflict(f"The desk keeps at most {MOST_CREDENTIALS} credentials.")
    made = SnmpCredential(
        position=(last or 0) + 1,
        sealed=open_vault().seal(secrets),
        created_at=work.now,
        changed_at=work.now,
        **_plain(wanted),
    )
    work.session.add(made)
    await work.session.flush()
    return made


@once(SnmpCredential)
async def edit_credential(work: Work, credential_id: int, wanted: EditCredential) -> SnmpCredential:
    """Change it, whole; secrets that are not sent stay. NotFound, Conflict."""
    require(may_keep_credentials(work.actor), "Only administrators keep credentials.")
    row = await _for_update(work, credential_id)
    secrets = _secrets(wanted, _kept(row))
    await _name_is_free(work, wanted.name, row.id)
    if not wanted.writes and await _is_used(work, NetworkDevice.write_credential_id == row.id):
        raise CredentialInUse("Devices write with this credential. Take it from them first.")
    for name, value in _plain(wanted).items():
        setattr(row, name, value)
    row.sealed = open_vault().seal(secrets)
    row.changed_at = work.now
    await work.session.flush()
    return row


@once(SnmpCredential)
async def delete_credential(work: Work, credential_id: int) -> SnmpCredential:
    """Forget it. CredentialInUse while a device has it."""
    require(may_keep_credentials(work.actor), "Only administrators keep credentials.")
    row = await _for_update(work, credential_id)
    either = or_(NetworkDevice.credential_id == row.id, NetworkDevice.write_credential_id == row.id)
    if await _is_used(work, either):
        raise CredentialInUse
    await work.session.delete(row)
    await work.session.flush()
    return row


async def order_credentials(work: Work, wanted: OrderCredentials) -> None:
    """Let discovery try them in this order. Invalid where it does not name each of them once."""
    require(may_keep_credentials(work.actor), "Only administrators keep credentials.")
    query = select(SnmpCredential).order_by(SnmpCredential.id).with_for_update()
    rows = {row.id: row for row in await work.session.scalars(query)}
    if sorted(wanted.ids) != sorted(rows):
        raise Invalid.field("ids", "Name every credential once.", "bad_order")
    for position, credential_id in enumerate(wanted.ids, start=1):
        rows[credential_id].position = position
    await work.session.flush()


_COUNTED = select(func.count(), func.max(SnmpCredential.position))


async def _for_update(work: Work, credential_id: int) -> SnmpCredential:
    row = await work.session.get(SnmpCredential, credential_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such credential.")
    return row


async def _name_is_free(work: Work, name: str, but: int | None) -> None:
    taken = await work.session.scalar(select(SnmpCredential.id).where(SnmpCredential.name == name))
    if taken not in (None, but):
        raise Conflict(f"There is a credential {name} already.")


async def _is_used(work: Work, condition: Any) -> bool:
    return await work.session.scalar(select(NetworkDevice.id).where(condition).limit(1)) is not None


def _kept(row: SnmpCredential) -> dict[str, str]:
    """The secrets that are kept; none where the key that sealed them is gone, so that they are asked for."""
    try:
        return open_vault().open(row.sealed)
    except KeyMissing:
        return {}


def _plain(wanted: EditCredential) -> dict[str, Any]:
    """The columns that are no secret."""
    return {
        "name": wanted.name,
        "version": wanted.version,
        "username": wanted.user,
        "auth": wanted.auth,
        "priv": wanted.priv,
        "context": wanted.context,
        "writes": wanted.writes,
    }


def _secrets(wanted: EditCredential, kept: dict[str, str]) -> dict[str, str]:
    """What is sealed: the secrets that were sent, else those kept. Invalid where they do not fit together."""
    if wanted.version is not Version.V3:
        needed, wrong = ["community"], _belonging_to_v3(wanted)
    else:
        needed, wrong = _needed_by_v3(wanted)
    told: dict[str, str] = {}
    for name in needed:
        given: SecretStr | None = getattr(wanted, name)
        secret = given.get_secret_value() if given is not None else kept.get(name)
        if secret is None:
            wrong.append(FieldError(name, "required", f"A credential like this needs its {_words(name)}."))
        else:
            told[name] = secret
    if wrong:
        raise Invalid(wrong[0].message, fields=wrong)
    return told


def _belonging_to_v3(wanted: EditCredential) -> list[FieldError]:
    return [
        FieldError(name, "only_v3", f"Only v3 has this; {wanted.version.value} has a community.")
        for name in OF_V3
        if getattr(wanted, name) is not None
    ]


def _needed_by_v3(wanted: EditCredential) -> tuple[list[str], list[FieldError]]:
    """Names of the secrets that it has, and what is wrong about the rest."""
    wrong = []
    if wanted.community is not None:
        wrong.append(FieldError("community", "not_v3", "v3 has a user, no community."))
    if wanted.user is None:
        wrong.append(FieldError("user", "required", "A credential of v3 needs its user."))
    if wanted.priv is not None and wanted.auth is None:
        wrong.append(FieldError("auth", "required", "Encryption needs authentication: say how."))
    for protocol, password in (("auth", "auth_password"), ("priv", "priv_password")):
        if getattr(wanted, protocol) is None and getattr(wanted, password) is not None:
            wrong.append(FieldError(protocol, "required", "Say for which protocol this password is."))
    needed = [f"{name}_password" for name in ("auth", "priv") if getattr(wanted, name) is not None]
    return needed, wrong


def _words(name: str) -> str:
    return {"auth_password": "authentication password", "priv_password": "encryption password"}.get(
        name, name
    )
