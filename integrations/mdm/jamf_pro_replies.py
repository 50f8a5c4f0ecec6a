"""What Jamf Pro's answers mean, and how its filters are written. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.mdm import jamf_pro_commands as commands
from integrations.mdm import reading
from integrations.mdm.asking import Judge, Reply, Token, by_status
from integrations.mdm.jamf_pro_records import COMPUTER, MOBILE
from integrations.mdm.port import (
    AuthFailed,
    BadRequest,
    Command,
    Forbidden,
    MdmError,
    Outcome,
    Platform,
    ProtocolError,
    Receipt,
    State,
    Verb,
)

OVERLAP = timedelta(minutes=10)
CHANGED = {
    COMPUTER: ("general.lastContact", "general.lastCheckIn", "general.reportDate"),
    MOBILE: ("lastContactDate", "lastInventoryUpdateDate"),
}
CHANGED_ON_OLDER = ("lastInventoryUpdateDate",)
"""What servers without the last contact let mobile devices be filtered by."""
SERIAL = {COMPUTER: "hardware.serialNumber", MOBILE: "serialNumber"}
STATES = {
    "PENDING": State.SENT,
    "NOT_NOW": State.SENT,
    "ACKNOWLEDGED": State.SUCCEEDED,
    "ERROR": State.FAILED,
    "COMMAND_FORMAT_ERROR": State.FAILED,
}
IN_FLIGHT = ("PENDING", "NOT_NOW")
BY_NAME = "name"
"""The handle of a rename of a mobile device: its outcome is the name that it reports."""

BEFORE = "Something before Jamf Pro refused: an allow-list of addresses or a proxy."


class InvalidField(BadRequest):
    """A filter names a field that this server does not know."""


class Unauthorised(AuthFailed):
    """Not let in, and not for the token's sake."""


def token(value: object, seconds: float | None) -> Token:
    if not isinstance(value, str) or not value or seconds is None:
        raise ProtocolError("Signing in was answered without a token or its end.")
    return Token(value, seconds)


def judge_sign_in(reply: Reply) -> MdmError | None:
    code = reading.text(reading.dig(reply.maybe(), "error"))
    if reply.status == 401 or (reply.status in (400, 403) and code):
        return AuthFailed(f"Jamf Pro does not accept the client or its secret ({code or reply.status}).")
    return Forbidden(BEFORE) if reply.status == 403 else by_status(reply)


def judge_by(right: str) -> Judge:
    """By Jamf Pro's error codes; a 403 that is not Jamf Pro's own comes from something before it."""

    def judge(reply: Reply) -> MdmError | None:
        if reply.ok:
            return None
        causes = reading.dig(reply.maybe(), "errors")
        codes = [reading.text(reading.dig(cause, "code")) for cause in reading.rows(causes)]
        words = [reading.text(reading.dig(cause, "description")) for cause in reading.rows(causes)]
        said = "; ".join(word for word in words if word) or None
        if reply.status == 401 and "INVALID_TOKEN" not in codes:
            return Unauthorised(said or "Jamf Pro does not let this client do that.")
        if reply.status == 403 and causes is None:
            return Forbidden(BEFORE)
        if reply.status == 400 and "INVALID_FIELD" in codes:
            return InvalidField(f"{said or 'A field is not known.'} (status 400)")
        return by_status(reply, said, right or None)

    return judge


def receipt(command: Command, reply: Reply, pin: str | None) -> Receipt:
    """ProtocolError for what is not Jamf Pro's answer, such as a sign-in page that something puts in its
    place. Edited computers are answered with nothing, mobile devices with the record.
    """
    kept = {} if pin is None else {"pin": pin}
    mac = command.device.platform is Platform.MACOS
    if command.verb in commands.RECORD_EDITS:
        if reply.body or not mac:
            reply.object()
        return Receipt(State.SUCCEEDED)
    if command.verb is Verb.RENAME and not mac:
        reply.object()
        return Receipt(State.SENT, BY_NAME)
    handle = _handle(reply)
    if handle is None:
        raise ProtocolError("no command is named in it.")
    return Receipt(State.SENT, handle, secrets=kept)


def _handle(reply: Reply) -> str | None:
    """The command's id from [{id}], {commandUuid} or, of the Classic API, XML."""
    said = reply.maybe()
    if said is None:
        found = re.search(rb"<command_uuid>\s*([0-9A-Za-z-]{1,64})\s*</command_uuid>", reply.body)
        return found.group(1).decode() if found else None
    return reading.text(reading.dig(said, 0, "id") or reading.dig(said, "commandUuid"))


def outcome(row: Mapping[str, Any]) -> Outcome:
    said = reading.text(row.get("commandState"))
    state = STATES.get(said or "")
    if state is None:
        raise ProtocolError("Jamf Pro gives the command a state that is not known.")
    detail = None
    if state is State.FAILED:
        error = row.get("commandError")
        words = ("errorEnglishDescription", "errorLocalizedDescription")
        detail = next((text for word in words if (text := reading.text(reading.dig(error, word)))), said)
    elif said == "NOT_NOW":
        detail = "The device was not ready and asks again by itself."
    return Outcome(state, detail, reading.instant(row.get("dateCompleted")))


def sent_at(row: Mapping[str, Any]) -> datetime:
    return reading.instant(row.get("dateSent")) or datetime.min.replace(tzinfo=UTC)


def quoted(value: str) -> str:
    """For an RSQL filter."""
    plain = value.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*")
    return f'"{plain}"'


def changed(fields: Sequence[str], since: datetime) -> str:
    return ",".join(f'{each}=ge="{moment(since - OVERLAP)}"' for each in fields)


def changed_on_older(since: datetime) -> str:
    return changed(CHANGED_ON_OLDER, since)


def moment(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
