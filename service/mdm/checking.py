"""A connection is tried: what it may do is asked of the vendor, outside any transaction, and kept."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from integrations.mdm.port import AuthFailed, BadRequest, Checked, Forbidden, MdmError, RateLimited, Transient
from service.core.actor import SYSTEM
from service.core.errors import NotFound
from service.core.vault import KeyMissing
from service.core.work import Resources, Work
from service.mdm.models import MdmConnection
from service.mdm.queries import connection_row
from service.mdm.vendors import Managements

PATIENCE: Final = 120.0
"""Seconds for the whole test."""
LONGEST_DETAIL: Final = 500
MOST_RIGHTS: Final = 200
KEY_MISSING: Final = "key_missing"
TIMED_OUT: Final = "timed_out"
CHECK_FAILED: Final = "check_failed"
INTERNAL_ERROR: Final = "internal_error"
FORBIDDEN: Final = Forbidden.reason
PASSING: Final = frozenset({TIMED_OUT, Transient.reason, RateLimited.reason})
log = structlog.get_logger()


async def check_connection(
    resources: Resources, managements: Managements, connection_id: int, *, patience: float = PATIENCE
) -> Checked | None:
    """Try it and keep what was found. None where it is gone or was changed meanwhile."""
    async with resources.read(SYSTEM) as read:
        row = await connection_row(read, connection_id)
    if row is None:
        return None
    found = await tried(managements, row, patience=patience)
    async with resources.begin(SYSTEM) as work:
        try:
            return found if await keep_check(work, row.id, row.version, found) else None
        except NotFound:
            return None


async def tried(managements: Managements, row: Any, *, patience: float = PATIENCE) -> Checked:
    """What the vendor says of a connection (a row with its columns). Whatever goes wrong is told, in words
    that hold no secret.
    """
    try:
        vendor = managements.vendor(row)
        async with asyncio.timeout(patience):
            return await vendor.check()
    except KeyMissing:
        return Checked(False, "No key opens its secrets. Enter them again.", reason=KEY_MISSING)
    except MdmError as error:
        return Checked(False, str(error), reason=error.reason)
    except TimeoutError:
        return Checked(False, f"It did not answer within {patience:.0f} seconds.", reason=TIMED_OUT)
    except (ValueError, KeyError):
        return Checked(False, "Its settings do not fit. Look through them.", reason=BadRequest.reason)
    except Exception as error:  # noqa: BLE001  (an adapter's own fault is told too, without its words)
        log.error("mdm_check_fault", connection_id=row.id, error=type(error).__name__)
        return Checked(False, "The test could not be made: an internal error.", reason=INTERNAL_ERROR)


async def keep_check(work: Work, connection_id: int, version: int, found: Checked) -> bool:
    """Keep what was found of that version of a connection; False where it was changed since. A test that
    works clears the failure and lets syncs go on. NotFound.
    """
    row = await work.session.get(MdmConnection, connection_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such connection.")
    if row.version != version:
        return False
    row.checked = as_json(found)
    row.checked_at = work.now
    if found.works:
        _recovered(work, row)
    else:
        _failed(work, row, found)
    await work.session.flush()
    return True


def as_json(found: Checked) -> dict[str, Any]:
    missing = [{"right": right, "purpose": purpose} for right, purpose in found.missing.items()]
    return {
        "works": found.works,
        "detail": found.detail[:LONGEST_DETAIL],
        "granted": list(found.granted[:MOST_RIGHTS]),
        "missing": missing[:MOST_RIGHTS],
    }


def _recovered(work: Work, row: MdmConnection) -> None:
    if row.failure is not None and row.enabled:
        row.next_sync_at = work.now
    row.failure = row.failure_detail = row.failing_since = None


def _failed(work: Work, row: MdmConnection, found: Checked) -> None:
    """A vendor that cannot be reached does not make refused credentials good."""
    reason = found.reason or (FORBIDDEN if found.missing else CHECK_FAILED)
    if row.failure == AuthFailed.reason and reason in PASSING:
        return
    row.failure = reason
    row.failure_detail = found.detail[:LONGEST_DETAIL]
    row.failing_since = row.failing_since or work.now
