"""Whom we ask and how: targets, credentials, what an answer holds, and how asking fails.

OIDs are strings without a leading dot. A value has lost its ASN.1 type: `int` for INTEGER, Counter, Gauge
and TimeTicks (hundredths of a second), `bytes` for OCTET STRING, BITS and Opaque, `str` for OBJECT
IDENTIFIER (no leading dot) and IpAddress, `float` for a decoded opaque float. What an agent does not have
(noSuchObject, noSuchInstance, endOfMibView, v1 noSuchName) is not in the answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

Value = int | float | bytes | str
Answers = dict[str, Value]


class Version(StrEnum):
    V1 = "v1"
    V2C = "v2c"
    V3 = "v3"


class AuthProtocol(StrEnum):
    MD5 = "md5"
    SHA1 = "sha1"
    SHA224 = "sha224"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


class PrivProtocol(StrEnum):
    DES = "des"
    AES128 = "aes128"
    AES192 = "aes192"
    AES256 = "aes256"


@dataclass(frozen=True, slots=True)
class Credential:
    """How to be let in. `repr` never shows a secret.

    v1 and v2c have a `community`; v3 has a `user`, and with `auth` and `priv` their passwords (at least 8
    characters). `context` is v3's context name.
    """

    version: Version
    community: str = field(default="", repr=False)
    user: str = ""
    auth: AuthProtocol | None = None
    auth_password: str = field(default="", repr=False)
    priv: PrivProtocol | None = None
    priv_password: str = field(default="", repr=False)
    context: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One agent. `timeout` is seconds for each try; `retries` come after the first try.

    `max_repetitions` is what this agent is known to bear; `engine_id` what it was last known by (v3).
    """

    address: str
    credential: Credential
    port: int = 161
    timeout: float = 2.0
    retries: int = 1
    max_repetitions: int = 25
    engine_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class Walked:
    """What was answered, and why it ended early if it did: `limit`, `loop`, `truncated` or `silent`."""

    answers: Answers
    cut: str | None = None


class SetType(StrEnum):
    INTEGER = "integer"
    STRING = "string"
    OBJECT_ID = "object_id"
    GAUGE = "gauge"


class SnmpError(Exception):
    """Asking failed. The message names no secret."""

    reason = "error"


class Silent(SnmpError):
    """No answer within every try: down, filtered, or (v1, v2c) a wrong community."""

    reason = "silent"


class Unreachable(SnmpError):
    """The host or its network said that there is no agent (ICMP port, host or network unreachable)."""

    reason = "unreachable"


class BadCredentials(SnmpError):
    """v3 refused us: unknown user, wrong digest, unsupported security level, or decryption failed."""

    reason = "bad_credentials"


class Malformed(SnmpError):
    """The answer is no SNMP, or none that fits the question."""

    reason = "malformed"


class AgentRefused(SnmpError):
    """An error status of the agent (RFC 3416), such as `notWritable`; `status` is its number."""

    reason = "agent_refused"

    def __init__(self, status: int, name: str, index: int = 0) -> None:
        super().__init__(f"The agent answered {name}.")
        self.status = status
        self.name = name
        self.index = index


class Engine(Protocol):
    """What both engines do. A call is bounded in time, rounds and size, whatever the agent answers."""

    name: str

    def serves(self, target: Target) -> bool:
        """Whether this engine can read from the target."""

    async def get(self, target: Target, oids: Sequence[str]) -> Answers:
        """The named objects, as many PDUs as it takes (at most 100 variables each); absent ones are left
        out.
        """

    async def walk(self, target: Target, base: str, *, limit: int = 20_000) -> Walked:
        """Every object below `base`, in order."""

    async def close(self) -> None:
        """Let go of sockets."""


class Writer(Protocol):
    """What only the complete engine does."""

    async def set(self, target: Target, values: Mapping[str, tuple[SetType, int | str | bytes]]) -> None:
        """One SET of all values, never repeated by itself: a lost answer may have been obeyed."""
