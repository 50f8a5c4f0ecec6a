"""The input of each verb on tickets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.core.fields import Body, Code, Id, Input, Instant, Key, Language, Line, OptionalBody, Tags
from service.tickets.models import Channel, Kind, LinkKind
from service.tickets.priority import Impact, Priority, Urgency
from service.tickets.resolution import Cause, Fix, Outcome

Number = Annotated[int, Field(ge=1, le=2**53)]


class OpenTicket(Input):
    subject: Line = Field(description="One line: what is wrong.", examples=["Projector shows no picture"])
    description: OptionalBody = Field("", examples=["Blue screen since second period, cable checked."])
    kind: Kind = Kind.INCIDENT
    requester_id: Id | None = Field(None, description="Who asks; you, unless the desk files it for somebody.")
    place_id: Key | None = Field(None, description="School, building or room.", examples=["0421-204"])
    asset_tag: Line | None = Field(None, description="The tag on the device.", examples=["CB-00017"])
    asset_serial: Line | None = Field(
        None,
        description="Or the serial number that is printed on it, in capitals or not.",
        examples=["5CD1234XYZ"],
    )
    category: Code | None = Field(None, examples=["av.projector"])
    impact: Impact = Impact.INDIVIDUAL
    urgency: Urgency = Urgency.WORKAROUND
    priority: Priority | None = Field(None, description="Desk only: instead of impact x urgency.")
    queue: Key | None = Field(None, description="Desk only: instead of the routing rules.")
    channel: Channel = Channel.API
    language: Language | None = None
    reported_at: Instant | None = Field(None, description="Desk only: when the requester first made contact.")
    tags: Tags = Field(default_factory=list)
    external_id: Line | None = Field(None, description="Desk only: its id in another system.")
    source_key: Line | None = Field(None, description="Desk only: one open ticket a key.")


class Reply(Input):
    body: Body = Field(examples=["I swapped the cable; please try again."])


class Note(Input):
    body: Body = Field(examples=["Lamp hours at 4,100; order a spare."])


class Triage(Input):
    """What triage changes; a field that is not sent stays as it is, null clears it."""

    subject: Line | None = None
    kind: Kind | None = None
    category: Code | None = None
    impact: Impact | None = None
    urgency: Urgency | None = None
    priority: Priority | None = Field(None, description="Null: computed from impact x urgency again.")
    place_id: Key | None = None
    asset_tag: Line | None = None
    language: Language | None = None


class Assign(Input):
    assignee_id: Id = Field(description="A technician or lead.")


class Transfer(Input):
    queue: Key = Field(examples=["network"])
    reason: Line | None = None


class WaitOnRequester(Input):
    question: Body | None = Field(None, description="Sent to the requester as a public reply.")


class Hold(Input):
    reason: Line = Field(examples=["Waiting for the spare lamp"])
    until: Instant | None = Field(None, description="It comes back to work by itself then.")
    vendor_id: Id | None = Field(None, description="The vendor it waits for; their contract's time runs.")


class Resolve(Input):
    resolution: Body = Field(examples=["Replaced the HDMI cable; picture is back."])
    cause: Cause = Field(examples=["av.cable"])
    fix: Fix = Field(examples=["onsite.replace_part"])
    outcome: Outcome = Field(Outcome.SOLVED_ASSUMED)


class Close(Input):
    comment: Body | None = None


class Reopen(Input):
    reason: Body = Field(examples=["The picture is gone again."])


class Cancel(Input):
    reason: Line = Field(examples=["Found the cable myself"])


class Tag(Input):
    add: Tags = Field(default_factory=list, examples=[["spare-lamp"]])
    remove: Tags = Field(default_factory=list)


class Link(Input):
    kind: LinkKind = Field(description="`duplicate_of` cancels this ticket in favour of the other.")
    other: Number = Field(examples=[1001])


class Share(Input):
    person_id: Id = Field(description="A vendor, or anybody who should follow the ticket.")


class Unshare(Input):
    person_id: Id
