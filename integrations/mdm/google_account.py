"""A Google service account and the assertions it signs (RFC 7523, by JWT of RFC 7519 with RS256)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from functools import lru_cache

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from integrations.mdm.port import BadRequest

TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105
"""Where assertions go and whom they are for, whatever a key file says."""
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LONGEST_ASSERTION = 3600
"""Seconds that Google lets an assertion live."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What is needed of a service account's key file."""

    email: str
    key_id: str
    key: rsa.RSAPrivateKey = field(repr=False)

    def assertion(self, subject: str, scope: str, now: float) -> str:
        """A signed JWT (RS256) that asks for `scope` as `subject`, from `now` (Unix seconds) for an hour."""
        header = {"alg": "RS256", "typ": "JWT", "kid": self.key_id}
        claims = {
            "iss": self.email,
            "sub": subject,
            "scope": scope,
            "aud": TOKEN_URL,
            "iat": int(now),
            "exp": int(now) + LONGEST_ASSERTION,
        }
        signed = f"{_base64url(orjson.dumps(header))}.{_base64url(orjson.dumps(claims))}"
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64url(signature)}"


@lru_cache(maxsize=8)
def service_account(text: str) -> ServiceAccount:
    """What a JSON key file says; BadRequest where it is none. Kept, since checking a key takes 50 ms."""
    try:
        raw = orjson.loads(text)
        key = serialization.load_pem_private_key(str(raw["private_key"]).encode(), password=None)
        email, key_id = str(raw["client_email"]), str(raw["private_key_id"])
    except (ValueError, KeyError, TypeError, UnsupportedAlgorithm):
        raise BadRequest("That is not the JSON key of a service account.") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise BadRequest("The key of the service account is not an RSA key.")
    return ServiceAccount(email, key_id, key)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
