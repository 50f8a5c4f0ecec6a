"""The verbs on places, people, devices, tokens and the desk's own rules, as mutations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import strawberry
from pydantic import BaseModel

from schema import desk_inputs as given
from schema.assets import Asset
from schema.changes import changed
from schema.context import Info
from schema.desk import PriorityCell, RoutingRule, Token
from schema.errors import UserError
from schema.nodes import key_in, mutation, number_in
from schema.people import Person
from schema.places import Place
from schema.sla import SchoolCalendar, SlaPolicy
from schema.ticket_inputs import wanted
from schema.tickets import Category, Queue
from service.assets import actions as assets
from service.assets import facts as asset_facts
from service.core.work import Work
from service.people import actions as people
from service.people import tokens
from service.places import actions as places
from service.sla import calendars, policies
from service.tickets import desk
from service.tickets.recalculation import edit_calendar

P = TypeVar("P")
Verb = Callable[..., Awaitable[Any]]


@strawberry.type
class QueuePayload:
    queue: Queue | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class CategoryPayload:
    category: Category | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class RoutingPayload:
    routing: list[RoutingRule] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class MatrixPayload:
    matrix: list[PriorityCell] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class CalendarPayload:
    calendar: SchoolCalendar | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class PolicyPayload:
    policy: SlaPolicy | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class PlacePayload:
    place: Place | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class PersonPayload:
    person: Person | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type(description="`secret` is shown this once; null when a key is repeated.")
class TokenPayload:
    token: Token | None = None
    secret: str | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class AssetPayload:
    asset: Asset | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


async def _told(
    info: Info,
    asked: Any,
    payload: type[P],
    name: str,
    verb: Verb,
    model: type[BaseModel] | None = None,
    subject: Callable[[], int | str] | None = None,
) -> P:
    """The row that the verb gives, under `name`; `subject` is what it is done to, `model` its input."""

    def arguments() -> list[Any]:
        what: list[Any] = [subject()] if subject else []
        return what + ([wanted(asked, model)] if model else [])

    made, errors = await changed(info, asked, verb, arguments)
    answer: Any = payload()
    answer.user_errors = errors
    if isinstance(made, tokens.MadeToken):
        answer.token, answer.secret = made.token, made.secret
    else:
        setattr(answer, name, made)
    return cast("P", answer)


async def _routed(work: Work, wanted: desk.Routing) -> list[dict[str, Any]]:
    await desk.set_routing(work, wanted)
    return await desk.routing(work)


async def _weighed(work: Work, wanted: desk.MatrixIn) -> list[dict[str, Any]]:
    await desk.set_matrix(work, wanted)
    return await desk.matrix(work)


@strawberry.type
class Mutation:
    @mutation(description="Make a queue.")
    async def add_queue(self, info: Info, input: given.AddQueue) -> QueuePayload:
        return await _told(info, input, QueuePayload, "queue", desk.add_queue, desk.NewQueue)

    @mutation(description="Rename a queue, make it confidential or the default.")
    async def edit_queue(self, info: Info, input: given.EditQueue) -> QueuePayload:
        return await _told(
            info, input, QueuePayload, "queue", desk.edit_queue, desk.EditQueue, lambda: input.key
        )

    @mutation(description="Make a category.")
    async def add_category(self, info: Info, input: given.AddCategory) -> CategoryPayload:
        return await _told(info, input, CategoryPayload, "category", desk.add_category, desk.NewCategory)

    @mutation(description="Replace the routing rules.")
    async def set_routing(self, info: Info, input: given.SetRouting) -> RoutingPayload:
        return await _told(info, input, RoutingPayload, "routing", _routed, desk.Routing)

    @mutation(description="Replace the cells that differ from the default matrix.")
    async def set_matrix(self, info: Info, input: given.SetMatrix) -> MatrixPayload:
        return await _told(info, input, MatrixPayload, "matrix", _weighed, desk.MatrixIn)

    @mutation(description="Make a calendar.")
    async def create_calendar(self, info: Info, input: given.CreateCalendar) -> CalendarPayload:
        return await _told(
            info, input, CalendarPayload, "calendar", calendars.create_calendar, calendars.NewCalendar
        )

    @mutation(description="Change a calendar (a snow day); running timers move with it.")
    async def edit_calendar(self, info: Info, input: given.EditCalendar) -> CalendarPayload:
        return await _told(
            info,
            input,
            CalendarPayload,
            "calendar",
            edit_calendar,
            calendars.EditCalendar,
            lambda: number_in(input.id, "SchoolCalendar"),
        )

    @mutation(description="Make an SLA policy.")
    async def create_policy(self, info: Info, input: given.CreatePolicy) -> PolicyPayload:
        return await _told(info, input, PolicyPayload, "policy", policies.create_policy, policies.NewPolicy)

    @mutation(description="Change an SLA policy, whole.")
    async def edit_policy(self, info: Info, input: given.EditPolicy) -> PolicyPayload:
        return await _told(
            info,
            input,
            PolicyPayload,
            "policy",
            policies.edit_policy,
            policies.EditPolicy,
            lambda: number_in(input.id, "SlaPolicy"),
        )

    @mutation(description="Add a school, building or room.")
    async def add_place(self, info: Info, input: given.AddPlace) -> PlacePayload:
        return await _told(info, input, PlacePayload, "place", places.add_place, places.NewPlace)

    @mutation(description="Change a place's name and calendar.")
    async def edit_place(self, info: Info, input: given.EditPlace) -> PlacePayload:
        return await _told(
            info,
            input,
            PlacePayload,
            "place",
            places.edit_place,
            places.EditPlace,
            lambda: key_in(input.id, "Place"),
        )

    @mutation(description="Add a person.")
    async def add_person(self, info: Info, input: given.AddPerson) -> PersonPayload:
        return await _told(info, input, PersonPayload, "person", people.add_person, people.NewPerson)

    @mutation(description="Change a person, whole.")
    async def edit_person(self, info: Info, input: given.EditPerson) -> PersonPayload:
        return await _told(
            info,
            input,
            PersonPayload,
            "person",
            people.edit_person,
            people.EditPerson,
            lambda: number_in(input.id, "Person"),
        )

    @mutation(description="Say that a person is guardian of, or teaches, another.")
    async def relate_person(self, info: Info, input: given.Relate) -> PersonPayload:
        return await _told(
            info,
            input,
            PersonPayload,
            "person",
            people.relate,
            people.Relate,
            lambda: number_in(input.id, "Person"),
        )

    @mutation(description="Say that it is so no longer.")
    async def unrelate_person(self, info: Info, input: given.Relate) -> PersonPayload:
        return await _told(
            info,
            input,
            PersonPayload,
            "person",
            people.unrelate,
            people.Relate,
            lambda: number_in(input.id, "Person"),
        )

    @mutation(description="Say which queues and schools somebody of the desk serves, whole.")
    async def serve(self, info: Info, input: given.Serve) -> PersonPayload:
        return await _told(
            info,
            input,
            PersonPayload,
            "person",
            people.serve,
            people.Serve,
            lambda: number_in(input.id, "Person"),
        )

    @mutation(description="Make a token; its secret is shown this once.")
    async def create_token(self, info: Info, input: given.CreateToken) -> TokenPayload:
        return await _told(info, input, TokenPayload, "token", tokens.create_token, tokens.NewToken)

    @mutation(description="Refuse a token from now on.")
    async def revoke_token(self, info: Info, input: given.RevokeToken) -> TokenPayload:
        return await _told(
            info,
            input,
            TokenPayload,
            "token",
            tokens.revoke_token,
            subject=lambda: number_in(input.id, "Token"),
        )

    @mutation(description="Add a device.")
    async def add_asset(self, info: Info, input: given.AddAsset) -> AssetPayload:
        return await _told(info, input, AssetPayload, "asset", assets.add_asset, assets.NewAsset)

    @mutation(description="Change a device, whole.")
    async def edit_asset(self, info: Info, input: given.EditAsset) -> AssetPayload:
        return await _told(
            info, input, AssetPayload, "asset", assets.edit_asset, assets.EditAsset, lambda: input.tag
        )

    @mutation(description="Say what is known of a device.")
    async def record_asset_facts(self, info: Info, input: given.RecordFacts) -> AssetPayload:
        return await _told(
            info,
            input,
            AssetPayload,
            "asset",
            asset_facts.record_facts,
            asset_facts.RecordFacts,
            lambda: input.tag,
        )
