"""The user-based security model: keys, digests, encryption (RFC 3414, 3826, 7860). PURE.

AES-192 and AES-256 stretch short keys as draft-blumenthal-aes-usm-04 says, which is what net-snmp, gufo-snmp
and pysnmp's "Blumenthal" protocols do.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from integrations.snmp.agent.message import Framed, encode_framed, with_digest
from integrations.snmp.target import AuthProtocol, PrivProtocol

try:
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
except ImportError:  # where older releases keep it
    from cryptography.hazmat.primitives.ciphers.modes import CFB

DIGEST_SIZES = {
    AuthProtocol.MD5: 12,
    AuthProtocol.SHA1: 12,
    AuthProtocol.SHA224: 16,
    AuthProtocol.SHA256: 24,
    AuthProtocol.SHA384: 32,
    AuthProtocol.SHA512: 48,
}
KEY_SIZES = {PrivProtocol.DES: 16, PrivProtocol.AES128: 16, PrivProtocol.AES192: 24, PrivProtocol.AES256: 32}
MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class User:
    """A user of an engine; passwords as text. Privacy needs authentication, else ValueError."""

    name: str
    auth: AuthProtocol | None = None
    auth_password: str = field(default="", repr=False)
    priv: PrivProtocol | None = None
    priv_password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.priv and not self.auth:
            raise ValueError("Privacy needs authentication.")

    @property
    def level(self) -> int:
        """0 noAuthNoPriv, 1 authNoPriv, 3 authPriv: the flags of a message at this user's level."""
        return 3 if self.priv else 1 if self.auth else 0


class DecryptionFailed(Exception):
    """Ciphertext or salt of a wrong length."""


@lru_cache(maxsize=4096)
def master_key(protocol: AuthProtocol, password: str) -> bytes:
    """RFC 3414 A.2: the digest of a megabyte of the password. Takes milliseconds, so it is remembered."""
    octets = password.encode()
    if not octets:
        raise ValueError("A password is empty.")
    return hashlib.new(protocol.value, (octets * (MEGABYTE // len(octets) + 1))[:MEGABYTE]).digest()


def localised(protocol: AuthProtocol, password: str, engine_id: bytes) -> bytes:
    """A key that only one engine knows (RFC 3414 section 2.6)."""
    master = master_key(protocol, password)
    return hashlib.new(protocol.value, master + engine_id + master).digest()


@dataclass(frozen=True, slots=True)
class Keys:
    """One user's keys with one engine."""

    user: User
    auth: bytes = field(repr=False)
    priv: bytes = field(repr=False)

    @classmethod
    def of(cls, user: User, engine_id: bytes) -> Keys:
        auth = localised(user.auth, user.auth_password, engine_id) if user.auth else b""
        if not (user.auth and user.priv):
            return cls(user, auth, b"")
        priv = localised(user.auth, user.priv_password, engine_id)
        while len(priv) < KEY_SIZES[user.priv]:
            priv += hashlib.new(user.auth.value, priv).digest()
        return cls(user, auth, priv[: KEY_SIZES[user.priv]])

    def signed(self, framed: Framed) -> bytes:
        """The whole message with its digest in place."""
        protocol = self.user.auth
        if protocol is None:
            return encode_framed(framed)[0]
        size = DIGEST_SIZES[protocol]
        whole, at = encode_framed(with_digest(framed, bytes(size)))
        return whole[:at] + self._digest(protocol, whole) + whole[at + size :]

    def is_signed(self, whole: bytes, framed: Framed) -> bool:
        """Whether the digest of a message that came is right."""
        protocol, security = self.user.auth, framed.security
        if protocol is None or len(security.digest) != DIGEST_SIZES[protocol]:
            return False
        at, size = security.digest_at, len(security.digest)
        blank = whole[:at] + bytes(size) + whole[at + size :]
        return hmac.compare_digest(security.digest, self._digest(protocol, blank))

    def _digest(self, protocol: AuthProtocol, whole: bytes) -> bytes:
        return hmac.digest(self.auth, whole, protocol.value)[: DIGEST_SIZES[protocol]]

    def encrypted(self, plain: bytes, boots: int, seconds: int, counter: int) -> tuple[bytes, bytes]:
        """Ciphertext and salt. No two messages of an engine may have the same `counter` (64 bits)."""
        if self.user.priv is PrivProtocol.DES:
            salt = boots.to_bytes(4, "big") + (counter & 0xFFFFFFFF).to_bytes(4, "big")
            plain += bytes(-len(plain) % 8)
        else:
            salt = (counter & (1 << 64) - 1).to_bytes(8, "big")
        return _run(self._cipher(salt, boots, seconds).encryptor(), plain), salt

    def decrypted(self, data: bytes, salt: bytes, boots: int, seconds: int) -> bytes:
        """What a message holds, with DES's padding. DecryptionFailed for wrong lengths only: a wrong key
        gives noise.
        """
        if len(salt) != 8 or (self.user.priv is PrivProtocol.DES and len(data) % 8):
            raise DecryptionFailed
        return _run(self._cipher(salt, boots, seconds).decryptor(), data)

    def _cipher(self, salt: bytes, boots: int, seconds: int) -> Cipher[CBC] | Cipher[CFB]:
        if self.user.priv is PrivProtocol.DES:
            vector = bytes(a ^ b for a, b in zip(self.priv[8:16], salt, strict=True))
            return Cipher(TripleDES(self.priv[:8] * 3), CBC(vector))
        return Cipher(AES(self.priv), CFB(boots.to_bytes(4, "big") + seconds.to_bytes(4, "big") + salt))


def _run(context: CipherContext, data: bytes) -> bytes:
    return context.update(data) + context.finalize()
