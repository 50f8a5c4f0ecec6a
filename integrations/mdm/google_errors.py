"""What Google's error replies mean: by their reasons, since a 403 is "you may not" as well as "not so fast".

Reasons are those of the Directory API's limits page, of google.rpc.Code and of the OAuth token endpoint
(RFC 6749, RFC 7523).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from integrations.mdm import reading
from integrations.mdm.asking import Judge, Reply, by_status, retry_after
from integrations.mdm.port import (
    AuthFailed,
    BadRequest,
    Forbidden,
    MdmError,
    NotFound,
    RateLimited,
    Transient,
)

SLOW_DOWN = frozenset(
    {
        "quotaExceeded",
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "dailyLimitExceeded",
        "RESOURCE_EXHAUSTED",
        "RATE_LIMIT_EXCEEDED",
    }
)
PASSING = frozenset(
    {
        "backendError",
        "badGateway",
        "gatewayTimeout",
        "internalError",
        "transientError",
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "INTERNAL",
        "ABORTED",
    }
)
NOT_DELEGATED = frozenset({"unauthorized_client", "access_denied", "invalid_scope"})
_CODES: dict[int, type[MdmError]] = {
    4: Transient,
    5: NotFound,
    7: Forbidden,
    8: RateLimited,
    10: Transient,
    13: Transient,
    14: Transient,
    16: AuthFailed,
}
"""google.rpc.Code, as given for one device of a batch."""


def judge_for(permission: str) -> Judge:
    """Judges replies of both APIs; a plain refusal is for want of `permission`."""

    def judge(reply: Reply) -> MdmError | None:
        if reply.ok:
            return None
        error = reading.dig(reply.maybe(), "error")
        said, reasons = reading.text(reading.dig(error, "message")), set(_reasons(error))
        if reasons & SLOW_DOWN:
            return RateLimited(f"Google asks to go slower: {said}", retry_after(reply.headers))
        if reasons & PASSING:
            return Transient(f"Google has trouble of its own: {said}")
        return by_status(reply, said, permission)

    return judge


def judge_token(permission: str) -> Judge:
    """Judges replies of the token endpoint, asked for the scope `permission`."""

    def judge(reply: Reply) -> MdmError | None:
        if reply.ok:
            return None
        raw = reading.dig(reply.maybe(), "error")
        if isinstance(raw, dict):
            return judge_for(permission)(reply)
        error = reading.text(raw)
        if error in NOT_DELEGATED:
            return Forbidden(
                f"The service account may not use {permission}: allow it under domain-wide delegation.",
                permission,
            )
        if error in ("invalid_grant", "invalid_client"):
            said = reading.text(reading.dig(reply.maybe(), "error_description")) or error
            return AuthFailed(f"Google does not accept the key or the administrator: {said}")
        return by_status(reply, error, permission)

    return judge


def of_one_device(error: object, permission: str) -> MdmError:
    """The `error` (google.rpc.Status) of one device within a batch that was answered 200."""
    code, said = reading.whole(reading.dig(error, "code")), reading.text(reading.dig(error, "message"))
    kind = _CODES.get(code or 0, BadRequest)
    words = f"Google refuses it for this device: {said or f'code {code}'}"
    return Forbidden(words, permission) if kind is Forbidden else kind(words)


def _reasons(error: Any) -> Iterator[str]:
    if status := reading.text(reading.dig(error, "status")):
        yield status
    for listed in ("errors", "details"):
        for each in reading.rows(reading.dig(error, listed)):
            if reason := reading.text(reading.dig(each, "reason")):
                yield reason
