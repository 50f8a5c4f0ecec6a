"""What commands take, as their doors are given it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, StringConstraints

from integrations.mdm.port import Verb
from service.core.fields import Clean, Id, Input, Line

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=5, max_length=500), Clean]
Message = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), Clean]
Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), Clean]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254), Clean]
Site = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), Clean]


class Leaves(StrEnum):
    """Why a device leaves its management; licences hang on it."""

    RETIRING = "retiring"
    SAME_MODEL = "same_model"
    DIFFERENT_MODEL = "different_model"
    TRANSFER = "transfer"
    REPAIR = "repair"
    OTHER = "other"


def _fits(pin: SecretStr) -> SecretStr:
    value = pin.get_secret_value()
    if not (len(value) == 6 and value.isascii() and value.isdigit()):
        raise ValueError("is not six digits")
    return pin


# Left out of what a repeated request is compared by: six digits could be found again from a digest of them.
Pin = Annotated[
    SecretStr, AfterValidator(_fits), PlainSerializer(lambda _: "", return_type=str, when_used="json")
]


class CommandArguments(Input):
    """What the command takes, if anything; each verb takes its own."""

    message: Message | None = Field(None, description="Shown on the device: of lock, lost_mode_on, message.")
    phone: Short | None = Field(None, description="Shown beside it: of lock, lost_mode_on.")
    pin: Pin | None = Field(
        None,
        description="Six digits that unlock a Mac: of lock, wipe. Without it one is made, to be read once.",
    )
    name: Short | None = Field(None, description="The new name: of rename.")
    user: Name | None = Field(None, description="Whose it is, by address: of set_user. Empty: nobody's.")
    tag: Name | None = Field(None, description="The new tag: of set_asset_tag. Empty: none.")
    site: Site | None = Field(None, description="Where to, as the vendor names or numbers it: of move.")
    delay: Annotated[int, Field(ge=0, le=300)] | None = Field(
        None, description="Seconds of warning: of restart, by Google alone."
    )
    leaves: Leaves | None = Field(None, description="Why it leaves: of unenrol, by Google alone.")

    def plain(self) -> dict[str, str]:
        """Those that were given, as text, without the PIN."""
        given = self.model_dump(exclude={"pin"}, exclude_none=True)
        return {name: str(value) for name, value in given.items()}


class AskCommand(Input):
    """A command for one device, with the reason that is kept with it."""

    verb: Verb = Field(examples=["restart"])
    arguments: CommandArguments = Field(default_factory=CommandArguments)
    reason: Reason = Field(examples=["Hangs since the update; the teacher saved everything"])
    ticket: Id | None = Field(None, description="The ticket on which the outcome is noted.", examples=[1001])
    connection_id: Id | None = Field(None, description="By which connection, where several know the device.")
    during_testing: bool = Field(
        False, description="Leads and administrators: even while a test is being taken."
    )


class ApproveCommand(Input):
    """The second person's word."""

    comment: Line | None = Field(None, examples=["Checked the serial number with the library"])


class RefuseCommand(Input):
    reason: Reason = Field(examples=["It is the wrong cart"])
