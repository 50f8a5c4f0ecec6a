"""What a database error means to a caller."""

from __future__ import annotations

import time

import structlog
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.core.errors import Conflict, Invalid, Refusal, Unavailable

log = structlog.get_logger()
OUTAGE_EVERY = 30.0


class Fault(Refusal):
    """Ours, not the caller's: logged with its trace, told as one sentence."""

    code = "internal_error"
    status = 500
    title = "Internal error. Nothing was saved. The request id helps your administrator find it."


class Busy(Conflict):
    code = "busy"
    title = "Somebody else is changing this right now. Try again."


class Duplicate(Conflict):
    code = "duplicate"
    title = "There is one like this already."


def refusal_for(error: Exception) -> Refusal:
    """The refusal a database error stands for; unknown ones are faults, and logged."""
    cause = getattr(error, "orig", None)
    if isinstance(cause, (pg.UniqueViolation, pg.ExclusionViolation)):
        return Duplicate()
    if isinstance(cause, pg.ForeignKeyViolation):
        return Invalid("Something this refers to is not there, or something still refers to it.")
    if isinstance(cause, (pg.UntranslatableCharacter, pg.DataError)):
        return Invalid("The input holds a character or number that the database cannot keep.")
    if isinstance(cause, (pg.LockNotAvailable, pg.DeadlockDetected, pg.SerializationFailure)):
        return Busy()
    if is_outage(error):
        _note_outage(type(cause or error).__name__)
        return Unavailable()
    log.error("fault", exc_info=error)
    return Fault()


_noted = {"at": -OUTAGE_EVERY}


def _note_outage(error: str) -> None:
    """An outage is logged at its beginning and every half minute, not once a request."""
    now = time.monotonic()
    if now - _noted["at"] >= OUTAGE_EVERY:
        _noted["at"] = now
        log.warning("database_unavailable", error=error)


def is_outage(error: Exception) -> bool:
    """The database is away, or too busy to answer: the same may work in a moment."""
    cause = getattr(error, "orig", None)
    if isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return True
    if isinstance(cause, (pg.QueryCanceled, pg.AdminShutdown, pg.CannotConnectNow, pg.TooManyConnections)):
        return True
    return isinstance(error, (OperationalError, InterfaceError)) and getattr(cause, "sqlstate", None) is None
