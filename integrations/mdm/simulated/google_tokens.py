"""The key file that the simulated Google knows, and what it holds against an assertion (RFC 7523)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ADMIN = "it@harbour.example"
ACCOUNT = "desk@firstbell-harbour.iam.gserviceaccount.com"
KEY_ID = "5b1c9f0e7d"
AUDIENCE = "https://oauth2.googleapis.com/token"
SKEW = 300
"""Seconds that a clock may be ahead."""


def service_account(key: rsa.RSAPrivateKey) -> str:
    """The JSON key file of the account that the simulator knows; the key is the asker's own invention."""
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return orjson.dumps(
        {
            "type": "service_account",
            "project_id": "firstbell-harbour",
            "private_key_id": KEY_ID,
            "private_key": pem.decode(),
            "client_email": ACCOUNT,
            "client_id": "100000000000000000001",
            "token_uri": "https://oauth2.googleapis.com/token",
        }
    ).decode()


def signed_claims(assertion: str, key: rsa.RSAPublicKey) -> Mapping[str, Any] | None:
    """What a JWT says, where its signature, key and algorithm are right."""
    try:
        head, said, signature = assertion.split(".")
        header, claims = orjson.loads(_decoded(head)), orjson.loads(_decoded(said))
        key.verify(_decoded(signature), f"{head}.{said}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature):
        return None
    known = header == {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
    return claims if known and isinstance(claims, dict) else None


def acceptable(claims: Mapping[str, Any], now: float) -> bool:
    """From the account, for the administrator and for here; of now (Unix seconds), for an hour at most."""
    begins, ends = claims.get("iat"), claims.get("exp")
    if not isinstance(begins, int) or not isinstance(ends, int):
        return False
    timely = begins - SKEW <= now < ends and ends - begins <= 3600
    people = (claims.get("iss"), claims.get("sub"), claims.get("aud"))
    return timely and people == (ACCOUNT, ADMIN, AUDIENCE)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
