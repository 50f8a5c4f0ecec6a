"""A small desk behind the GraphQL door, and how its people speak to it."""

from __future__ import annotations

from typing import Any

import httpx

from schema.door import PATH, graphql_door
from service.core.actor import SYSTEM, Role
from service.core.settings import Settings
from tests import makers

TICKET = "ticket { number status version subject }"
PAYLOAD = f"{{ {TICKET} userErrors {{ field code message }} }}"


class Desk:
    """A school with a teacher and a technician, another school's teacher, an admin, and two queues."""

    def __init__(self, app: Any, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client
        self.tokens: dict[str, str] = {}
        self.people: dict[str, Any] = {}
        self.queue: Any = None
        self.other_queue: Any = None
        self.school: Any = None
        self.tag = ""

    async def ask(self, query: str, who: str = "technician", **variables: Any) -> dict[str, Any]:
        """The whole answer to a document."""
        body = {"query": query, "variables": variables}
        response = await self.client.post(PATH, json=body, headers=makers.bearer(self.tokens[who]))
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def data(self, query: str, who: str = "technician", **variables: Any) -> Any:
        answer = await self.ask(query, who, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    async def code(self, query: str, who: str = "technician", **variables: Any) -> str:
        """The code of the only error."""
        (error,) = (await self.ask(query, who, **variables))["errors"]
        return str(error["extensions"]["code"])

    async def change(self, verb: str, who: str = "technician", **given: Any) -> dict[str, Any]:
        """The payload of a mutation on tickets."""
        kind = {"waitOnRequester": "WaitOnRequesterInput"}.get(verb) or f"{verb[0].upper()}{verb[1:]}Input"
        document = f"mutation($input: {kind}!) {{ {verb}(input: $input) {PAYLOAD} }}"
        payload: dict[str, Any] = (await self.data(document, who, input=given))[verb]
        return payload

    async def open(self, who: str = "teacher", **given: Any) -> int:
        payload = await self.change("openTicket", who, **{"subject": "Projector shows no picture"} | given)
        assert payload["userErrors"] == [], payload
        return int(payload["ticket"]["number"])

    async def fresh_queue(self, tickets: int = 0) -> tuple[str, list[int]]:
        """A queue that only the admin sees whole, with so many tickets of the teacher's in it."""
        async with self.app.state.resources.begin(SYSTEM) as work:
            key = (await makers.make_queue(work)).key
        numbers = [await self.open() for _ in range(tickets)]
        for number in numbers:
            await self.change("transferTicket", number=number, queue=key)
        return key, numbers

    async def refused(self, verb: str, who: str = "technician", **given: Any) -> str:
        """The code of the refusal of a mutation."""
        payload = await self.change(verb, who, **given)
        assert payload["ticket"] is None
        (error,) = payload["userErrors"]
        return str(error["code"])


async def make_desk(app: Any) -> Desk:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://desk")
    if not any(getattr(route, "path", "") == PATH for route in app.routes):
        app.include_router(graphql_door(Settings()))
    desk = Desk(app, client)
    async with app.state.resources.begin(SYSTEM) as work:
        await makers.default_queue(work)
        desk.queue, desk.other_queue = await makers.make_queue(work), await makers.make_queue(work)
        desk.school = await makers.make_school(work)
        await makers.make_policy(work, matches={"school": [desk.school.id]})
        await makers.make_category(work, "av.projector")
        serves = {"queues": [desk.queue, desk.other_queue], "schools": [desk.school]}
        people = {
            "teacher": await makers.make_person(work, school_id=desk.school.id, name="Rosa Delgado"),
            "stranger": await makers.make_person(work),
            "vendor": await makers.make_person(work, Role.VENDOR),
            "technician": await makers.make_person(
                work,
                Role.TECHNICIAN,
                name="Amir Haddad",
                email=f"{makers.unique('amir')}@example.org",
                **serves,
            ),
            "admin": await makers.make_person(work, Role.ADMIN),
        }
        desk.people = people
        desk.tokens = {who: await makers.token_for(work, person) for who, person in people.items()}
        asset = await makers.make_asset(work, holder_id=people["teacher"].id, place_id=desk.school.id)
        desk.tag = asset.tag
    return desk
