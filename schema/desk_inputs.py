"""The inputs of the verbs on places, people, devices, tokens and the desk's own rules."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from schema.ticket_inputs import Once, mirrors
from service.assets import actions as assets
from service.assets import facts as asset_facts
from service.assets.models import AssetKind
from service.core.actor import Role, Scope
from service.people import actions as people
from service.people import tokens
from service.people.models import RelationKind
from service.places import actions as places
from service.places.models import PlaceKind
from service.sla import calendars, policies
from service.sla.policy import Agreement
from service.tickets import desk
from service.tickets.priority import Impact, Priority, Urgency


@strawberry.input
class Versioned(Once):
    expected_version: int | None = strawberry.field(
        default=UNSET, description="The `version` you read: refused if somebody changed it since."
    )


@mirrors(desk.NewQueue, "AddQueueInput")
class AddQueue(Once):
    key: str
    name: str
    confidential: bool | None = UNSET
    is_default: bool | None = UNSET


@mirrors(desk.EditQueue, "EditQueueInput")
class EditQueue(Once):
    key: str
    name: str
    confidential: bool | None = UNSET
    is_default: bool | None = UNSET


@mirrors(desk.NewCategory, "AddCategoryInput")
class AddCategory(Once):
    id: str
    name: str


@mirrors(desk.RuleIn, "RoutingRuleInput")
class Rule:
    conditions: JSON
    queue: str


@mirrors(desk.Routing, "SetRoutingInput")
class SetRouting(Once):
    rules: list[Rule]


@mirrors(desk.Cell, "PriorityCellInput")
class Cell:
    impact: Impact
    urgency: Urgency
    priority: Priority


@mirrors(desk.MatrixIn, "SetMatrixInput")
class SetMatrix(Once):
    cells: list[Cell]


@mirrors(calendars.NewCalendar, "CreateCalendarInput")
class CreateCalendar(Once):
    name: str
    definition: JSON


@mirrors(calendars.EditCalendar, "EditCalendarInput")
class EditCalendar(Versioned):
    id: strawberry.ID
    definition: JSON


@mirrors(policies.NewPolicy, "CreatePolicyInput")
class CreatePolicy(Once):
    name: str
    targets: JSON
    kind: Agreement | None = UNSET
    position: int | None = UNSET
    active: bool | None = UNSET
    calendar_id: strawberry.ID | None = UNSET
    matches: JSON | None = UNSET
    rules: JSON | None = UNSET


@mirrors(policies.EditPolicy, "EditPolicyInput")
class EditPolicy(Versioned):
    id: strawberry.ID
    name: str
    targets: JSON
    kind: Agreement | None = UNSET
    position: int | None = UNSET
    active: bool | None = UNSET
    calendar_id: strawberry.ID | None = UNSET
    matches: JSON | None = UNSET
    rules: JSON | None = UNSET


@mirrors(places.NewPlace, "AddPlaceInput")
class AddPlace(Once):
    id: str
    kind: PlaceKind
    name: str
    parent_id: strawberry.ID | None = UNSET
    calendar_id: strawberry.ID | None = UNSET


@mirrors(places.EditPlace, "EditPlaceInput")
class EditPlace(Once):
    id: strawberry.ID
    name: str
    calendar_id: strawberry.ID | None = UNSET


@mirrors(people.NewPerson, "AddPersonInput")
class AddPerson(Once):
    name: str
    role: Role
    email: str | None = UNSET
    external_id: str | None = UNSET
    language: str | None = UNSET
    school_id: strawberry.ID | None = UNSET


@mirrors(people.EditPerson, "EditPersonInput")
class EditPerson(Once):
    id: strawberry.ID
    name: str
    role: Role
    email: str | None = UNSET
    external_id: str | None = UNSET
    language: str | None = UNSET
    school_id: strawberry.ID | None = UNSET
    active: bool | None = UNSET


@mirrors(people.Relate, "RelatePersonInput")
class Relate(Once):
    id: strawberry.ID
    kind: RelationKind
    other_id: strawberry.ID


@mirrors(people.Serve, "ServeInput")
class Serve(Once):
    id: strawberry.ID
    queue_ids: list[strawberry.ID] | None = UNSET
    school_ids: list[strawberry.ID] | None = UNSET


@mirrors(tokens.NewToken, "CreateTokenInput")
class CreateToken(Once):
    person_id: strawberry.ID
    label: str
    scopes: list[Scope] | None = UNSET
    expires_at: datetime | None = UNSET


@strawberry.input(name="RevokeTokenInput")
class RevokeToken(Once):
    id: strawberry.ID


@mirrors(assets.NewAsset, "AddAssetInput")
class AddAsset(Once):
    tag: str
    kind: AssetKind
    model: str | None = UNSET
    serial: str | None = UNSET
    holder_id: strawberry.ID | None = UNSET
    place_id: strawberry.ID | None = UNSET
    is_loaner: bool | None = UNSET


@mirrors(assets.EditAsset, "EditAssetInput")
class EditAsset(Once):
    tag: str
    kind: AssetKind
    model: str | None = UNSET
    serial: str | None = UNSET
    holder_id: strawberry.ID | None = UNSET
    place_id: strawberry.ID | None = UNSET
    is_loaner: bool | None = UNSET


@mirrors(asset_facts.FactIn, "FactInput")
class Fact:
    name: str
    value: JSON
    as_of: datetime | None = UNSET


@mirrors(asset_facts.RecordFacts, "RecordAssetFactsInput")
class RecordFacts(Once):
    tag: str
    source: str
    facts: list[Fact]
