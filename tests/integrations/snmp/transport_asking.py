"""Targets, agents and expectations that the transport's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from integrations.snmp.agent import SimulatedAgent, Tree, Type, User
from integrations.snmp.target import Answers, AuthProtocol, Credential, PrivProtocol, Target, Value, Version

SYSTEM = "1.3.6.1.2.1.1"
PASSWORD, SECRET = "auctoritas", "privatus-et-secretus"
V1 = Credential(Version.V1, community="public")
V2C = Credential(Version.V2C, community="public")


def v3(auth: AuthProtocol | None = None, priv: PrivProtocol | None = None, **others: str) -> Credential:
    """A credential whose user is named for its level, so that no two of them share a name."""
    name = f"{auth or 'none'}-{priv or 'none'}"
    given = {
        "user": name,
        "auth_password": PASSWORD if auth else "",
        "priv_password": SECRET if priv else "",
        **others,
    }
    return Credential(Version.V3, auth=auth, priv=priv, **given)


V3 = v3(AuthProtocol.SHA256, PrivProtocol.AES128)
LEVELS = [
    V1,
    V2C,
    v3(),
    v3(AuthProtocol.MD5),
    v3(AuthProtocol.SHA1),
    v3(AuthProtocol.SHA1, PrivProtocol.DES),
    v3(AuthProtocol.SHA1, PrivProtocol.AES128),
    v3(AuthProtocol.SHA1, PrivProtocol.AES256),
    v3(AuthProtocol.SHA224, PrivProtocol.AES128),
    V3,
    v3(AuthProtocol.SHA256, PrivProtocol.AES256),
    v3(AuthProtocol.SHA384, PrivProtocol.AES192),
    v3(AuthProtocol.SHA512, PrivProtocol.AES256),
]


def users() -> list[User]:
    levels = [each for each in LEVELS if each.version is Version.V3]
    return [User(each.user, each.auth, each.auth_password, each.priv, each.priv_password) for each in levels]


def target(agent: SimulatedAgent, credential: Credential = V2C, **others: object) -> Target:
    given = {"timeout": 0.4, "retries": 0, **others}
    return Target(agent.address, credential, agent.port, **given)  # type: ignore[arg-type]


def small_tree(rows: int = 40) -> Tree:
    """A system group with every type, and one column."""
    tree = Tree.of(
        [
            (f"{SYSTEM}.1.0", Type.OCTETS, "a switch"),
            (f"{SYSTEM}.2.0", Type.OID, "1.3.6.1.4.1.99999.1"),
            (f"{SYSTEM}.3.0", Type.TICKS, 4_294_967_295),
            (f"{SYSTEM}.5.0", Type.OCTETS, b"\x00\xff\x9f"),
            (f"{SYSTEM}.6.0", Type.IP, "10.1.2.3"),
            (f"{SYSTEM}.7.0", Type.INTEGER, -2_147_483_648),
            (f"{SYSTEM}.8.0", Type.OPAQUE, b"\x9f\x78\x04\x41\x48\x00\x00"),
            (f"{SYSTEM}.9.0", Type.OPAQUE, b"something else"),
            (f"{SYSTEM}.10.0", Type.OCTETS, b""),
        ]
    )
    tree.update(
        (f"1.3.6.1.2.1.2.2.1.10.{index}", Type.COUNTER32, index * 1000) for index in range(1, rows + 1)
    )
    return tree


SMALL: Answers = {
    f"{SYSTEM}.1.0": b"a switch",
    f"{SYSTEM}.2.0": "1.3.6.1.4.1.99999.1",
    f"{SYSTEM}.3.0": 4_294_967_295,
    f"{SYSTEM}.5.0": b"\x00\xff\x9f",
    f"{SYSTEM}.6.0": "10.1.2.3",
    f"{SYSTEM}.7.0": -2_147_483_648,
    f"{SYSTEM}.8.0": 12.5,
    f"{SYSTEM}.9.0": b"something else",
    f"{SYSTEM}.10.0": b"",
    **{f"1.3.6.1.2.1.2.2.1.10.{index}": index * 1000 for index in range(1, 41)},
}


def recorded(path: Path) -> Answers:
    """What a .snmprec file holds (OID|tag|value, `x` for hexadecimal), in the order of its names."""
    found = dict(_recorded(path))
    return {oid: found[oid] for oid in sorted(found, key=lambda oid: tuple(map(int, oid.split("."))))}


def _recorded(path: Path) -> Iterator[tuple[str, Value]]:
    for line in path.read_text(encoding="latin-1").splitlines():
        oid, tag, text = line.split("|", 2)
        octets = bytes.fromhex(text) if tag.endswith("x") else text.encode("latin-1")
        match tag.rstrip("x"):
            case "2" | "65" | "66" | "67" | "70":
                yield oid, int(text)
            case "6":
                yield oid, text.lstrip(".")
            case "64":
                yield oid, ".".join(map(str, octets)) if tag == "64x" else text
            case "4" | "68":
                yield oid, octets
            case _:
                raise ValueError(f"{path.name} holds a type {tag}.")
