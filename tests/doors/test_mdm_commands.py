"""Commands to devices through both doors."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from integrations.mdm.port import Enrolment, ManagedDevice, Platform
from service.core.actor import SYSTEM, Role, Scope
from service.core.vault import open_vault
from service.mdm.models import MdmCommand, MdmConnection
from service.people.tokens import MadeToken, NewToken, create_token
from tests import makers

JAMF = {"base_url": "https://jamf.invalid", "client_id": "desk", "client_secret": "hidden"}
FIELDS = "commandId version verb risk state assetTag reason detail hasSecrets arguments"
ASK = f"""mutation($input: AskMdmCommandInput!) {{ askMdmCommand(input: $input) {{
    command {{ {FIELDS} }} userErrors {{ field code message }} }} }}"""
VERB = """mutation($input: %(kind)sInput!) { %(verb)s(input: $input) {
    command { state detail } userErrors { code message } } }"""
SECRETS = """mutation($input: ReadMdmCommandSecretsInput!) { readMdmCommandSecrets(input: $input) {
    commandId secrets { name value } userErrors { code message } } }"""
BULK = """mutation($input: ProposeMdmBulkInput!) { proposeMdmBulk(input: $input) {
    bulk { bulkId count digest devices { assetTag serial platform connectionName } leftOut { tag why } }
    userErrors { field code message } } }"""
CONFIRM = """mutation($input: ConfirmMdmBulkInput!) { confirmMdmBulk(input: $input) {
    bulk { bulkId confirmedById confirmedAt refused } userErrors { code message } } }"""
REASON = "It hangs since the update"


class Desk:
    """A MacBook that is managed, and tokens of the desk's people."""

    client: httpx.AsyncClient

    def __init__(self, app: Any) -> None:
        self.app = app
        self.connection = 0
        self.tag = ""
        self.people: dict[str, Any] = {}
        self.tokens: dict[str, str] = {}

    async def begin(self) -> None:
        async with self.app.state.resources.begin(SYSTEM) as work:
            made = await makers.make_mdm_connection(
                work, vendor="jamf_pro", settings=JAMF, allows_commands=True
            )
            self.connection = made.id
            for name, role in (
                ("technician", Role.TECHNICIAN),
                ("lead", Role.LEAD),
                ("admin", Role.ADMIN),
                ("teacher", Role.STAFF),
            ):
                self.people[name] = await makers.make_person(work, role)
                self.tokens[name] = await makers.token_for(work, self.people[name], everything=True)

    async def device(self) -> str:
        """Another one, by its tag."""
        async with self.app.state.resources.begin(SYSTEM) as work:
            connection = await work.session.get_one(MdmConnection, self.connection)
            asset = await makers.make_asset(work)
            device = ManagedDevice(
                makers.unique("computer:"), platform=Platform.MACOS, enrolment=Enrolment.ENROLLED
            )
            await makers.make_mdm_record(work, connection, device, asset_id=asset.id)
            return str(asset.tag)

    async def post(
        self, path: str, body: Any = None, who: str = "technician", **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = makers.bearer(self.tokens[who]) | named
        return await self.client.post(f"/api/v1/mdm{path}", json=body, headers=sent)

    async def ask(self, verb: str = "restart", who: str = "technician", **given: Any) -> httpx.Response:
        tag, headers = given.pop("tag", self.tag), given.pop("headers", {})
        body = {"verb": verb, "reason": REASON, **given}
        return await self.post(f"/assets/{tag}/commands", body, who, **headers)

    async def get(self, path: str, who: str = "technician") -> httpx.Response:
        return await self.client.get(f"/api/v1/mdm{path}", headers=makers.bearer(self.tokens[who]))

    async def mutate(self, document: str, who: str = "technician", **given: Any) -> dict[str, Any]:
        body = {"query": document, "variables": {"input": given}}
        answer = await self.client.post("/graphql", json=body, headers=makers.bearer(self.tokens[who]))
        assert "errors" not in answer.json(), answer.text
        (payload,) = answer.json()["data"].values()
        return dict(payload)

    async def query(self, document: str, who: str = "technician") -> Any:
        answer = await self.client.post(
            "/graphql", json={"query": document}, headers=makers.bearer(self.tokens[who])
        )
        assert "errors" not in answer.json(), answer.text
        return answer.json()["data"]


@pytest.fixture(scope="module")
async def people(app: Any) -> Desk:
    made = Desk(app)
    await made.begin()
    return made


@pytest.fixture
async def desk(people: Desk, client: httpx.AsyncClient) -> Desk:
    people.client = client
    people.tag = await people.device()
    return people


async def test_a_command_is_asked_for_and_can_be_followed(desk: Desk) -> None:
    asked = await desk.ask("lock", arguments={"pin": "481516", "message": "Bring it back"})
    assert asked.status_code == 202, asked.text
    command = asked.json()
    assert (command["verb"], command["risk"], command["state"], command["asset_tag"]) == (
        "lock",
        "locking",
        "queued",
        desk.tag,
    )
    assert command["arguments"] == {"message": "Bring it back"}
    assert "481516" not in asked.text
    got = await desk.get(f"/commands/{command['id']}")
    assert got.json() == command
    assert got.headers["etag"] == asked.headers["etag"] == f'"v{command["version"]}"'
    listed = (await desk.get(f"/commands?asset_tag={desk.tag}&state=queued")).json()
    assert listed == {"items": [command], "next_cursor": None}


async def test_a_command_with_a_key_is_asked_for_once(desk: Desk) -> None:
    key = {"Idempotency_Key": makers.unique("command")}
    first, again = await desk.ask(headers=key), await desk.ask(headers=key)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = await desk.ask("sync", headers=key)
    assert other.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("verb", "given", "status", "code", "field"),
    [
        ("restart", {"tag": "no-such"}, 404, "not_found", None),
        ("disable", {}, 409, "command_unsupported", None),
        ("explode", {}, 422, "invalid", "verb"),
        ("restart", {"reason": "x"}, 422, "invalid", "reason"),
        ("rename", {}, 422, "invalid", "arguments.name"),
        ("lock", {"arguments": {"pin": "12345"}}, 422, "invalid", "arguments.pin"),
        ("lock", {"arguments": {"colour": "red"}}, 422, "invalid", "arguments.colour"),
        ("restart", {"ticket": 2**50}, 422, "invalid", "ticket"),
    ],
)
async def test_what_cannot_be_commanded_is_refused(
    desk: Desk, verb: str, given: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    answer = await desk.ask(verb, **given)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert [one["field"] for one in answer.json()["errors"]] == ([field] if field else [])
    assert "12345" not in answer.text


async def test_a_wipe_takes_two_people_and_the_version_that_was_read(desk: Desk) -> None:
    asked = await desk.ask("wipe", who="lead")
    command = asked.json()
    assert command["state"] == "waiting"
    path = f"/commands/{command['id']}/approve"
    own = await desk.post(path, {}, "lead")
    assert (own.status_code, own.json()["code"]) == (403, "forbidden")
    stale = await desk.post(path, {}, "admin", If_Match='"v99"')
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    good = await desk.post(path, {"comment": "Seen"}, "admin", If_Match=asked.headers["etag"])
    assert (good.status_code, good.json()["state"]) == (200, "queued")
    assert good.json()["decided_by_name"] == desk.people["admin"].name
    assert (good.json()["decision"], good.json()["detail"]) == ("Seen", None)
    again = await desk.post(path, {}, "admin")
    assert (again.status_code, again.json()["code"]) == (409, "not_waiting")


async def test_a_wipe_is_refused_or_taken_back(desk: Desk) -> None:
    first = (await desk.ask("wipe")).json()["id"]
    refused = await desk.post(f"/commands/{first}/refuse", {"reason": "Another one was meant"}, "lead")
    assert (refused.json()["state"], refused.json()["detail"]) == ("refused", "Another one was meant")
    assert refused.json()["decision"] == "Another one was meant"
    second = (await desk.ask("wipe")).json()["id"]
    assert (await desk.post(f"/commands/{second}/cancel")).json()["state"] == "cancelled"


async def test_a_secret_is_shown_once_and_kept_nowhere(desk: Desk) -> None:
    command = (await desk.ask("lock")).json()["id"]
    path, key = f"/commands/{command}/secrets", makers.unique("secret")
    assert (await desk.post(path)).json()["code"] == "not_found"
    async with desk.app.state.resources.begin(SYSTEM) as work:
        row = await work.session.get_one(MdmCommand, command)
        row.told = open_vault().seal({"pin": "271828"})
    assert (await desk.get(f"/commands/{command}")).json()["has_secrets"] is True
    assert (await desk.post(path, who="admin")).status_code == 403
    shown = await desk.post(path, Idempotency_Key=key)
    assert shown.json() == {"command_id": command, "secrets": [{"name": "pin", "value": "271828"}]}
    assert shown.headers["cache-control"] == "no-store"
    again = await desk.post(path, Idempotency_Key=key)
    assert (again.status_code, again.json()["code"]) == (409, "secrets_gone")
    told = (await desk.get(f"/commands/{command}")).json()
    assert (told["has_secrets"], told["told_to_id"]) == (False, desk.people["technician"].id)


async def test_both_doors_ask_and_refuse_alike(desk: Desk) -> None:
    given = {"assetTag": desk.tag, "verb": "LOCK", "reason": REASON, "arguments": {"message": "Hello"}}
    made = await desk.mutate(ASK, **given)
    assert made["userErrors"] == []
    assert made["command"]["state"] == "QUEUED"
    assert made["command"]["arguments"] == {"message": "Hello"}
    for problem, refused in (
        (await desk.ask("lock"), await desk.mutate(ASK, **given)),
        (await desk.ask("disable"), await desk.mutate(ASK, **given | {"verb": "DISABLE", "arguments": {}})),
        (
            await desk.ask("rename"),
            await desk.mutate(ASK, **given | {"verb": "RENAME", "arguments": {}}),
        ),
    ):
        assert refused["command"] is None
        (error,) = refused["userErrors"]
        assert (error["code"], error["message"]) in [
            (problem.json()["code"], problem.json()["detail"]),
            *((one["code"], one["message"]) for one in problem.json()["errors"]),
        ]


async def test_graphql_decides_reads_and_lists(desk: Desk) -> None:
    command = (await desk.ask("wipe")).json()["id"]
    for verb, who, given, state in (
        ("approveMdmCommand", "lead", {"comment": "Seen"}, "QUEUED"),
        ("cancelMdmCommand", "technician", {}, "CANCELLED"),
    ):
        document = VERB % {"kind": verb[0].upper() + verb[1:], "verb": verb}
        assert (await desk.mutate(document, who, id=str(command), **given))["command"]["state"] == state
    assert (await desk.query(f'{{ mdmCommand(id: "{command}") {{ decision }} }}')) == {
        "mdmCommand": {"decision": "Seen"}
    }
    second = (await desk.ask("wipe")).json()["id"]
    refuse = VERB % {"kind": "RefuseMdmCommand", "verb": "refuseMdmCommand"}
    refused = await desk.mutate(refuse, "lead", id=str(second), reason="It is not sold")
    assert refused["command"] == {"state": "REFUSED", "detail": "It is not sold"}
    async with desk.app.state.resources.begin(SYSTEM) as work:
        row = await work.session.get_one(MdmCommand, second)
        row.told = open_vault().seal({"pin": "271828"})
    shown = await desk.mutate(SECRETS, "technician", id=str(second))
    assert shown == {
        "commandId": str(second),
        "secrets": [{"name": "pin", "value": "271828"}],
        "userErrors": [],
    }
    gone = await desk.mutate(SECRETS, "technician", id=str(second))
    assert (gone["secrets"], gone["userErrors"][0]["code"]) == ([], "secrets_gone")
    listed = await desk.query(
        f'{{ mdmCommands(filter: {{assetTag: "{desk.tag}"}}, first: 1) '
        "{ nodes { commandId state } pageInfo { hasNextPage } } "
        f'mdmCommand(id: "{command}") {{ {FIELDS} }} }}'
    )
    assert listed["mdmCommands"] == {
        "nodes": [{"commandId": str(second), "state": "REFUSED"}],
        "pageInfo": {"hasNextPage": True},
    }
    assert listed["mdmCommand"]["state"] == "CANCELLED"


async def test_a_bulk_is_proposed_and_confirmed_through_both_doors(desk: Desk) -> None:
    tags = sorted([desk.tag, await desk.device()])
    body = {"verb": "sync", "reason": REASON, "tags": tags}
    made = await desk.post("/bulk-commands", body, "lead")
    assert made.status_code == 201, made.text
    bulk = made.json()
    assert [one["asset_tag"] for one in bulk["devices"]] == tags
    assert (await desk.get(f"/bulk-commands/{bulk['id']}")).json() == bulk
    listed = (await desk.get("/bulk-commands?limit=1")).json()["items"]
    assert listed == [{name: value for name, value in bulk.items() if name not in ("devices", "left_out")}]
    wrong = await desk.post(f"/bulk-commands/{bulk['id']}/confirm", {"digest": "0" * 64}, "lead")
    assert (wrong.status_code, wrong.json()["code"]) == (412, "stale")
    confirmed = await desk.post(f"/bulk-commands/{bulk['id']}/confirm", {"digest": bulk["digest"]}, "lead")
    assert (confirmed.status_code, confirmed.json()["confirmed_by_id"]) == (202, desk.people["lead"].id)
    given = {"verb": "LOCK", "reason": REASON, "tags": tags, "arguments": {"message": "Bring it back"}}
    payload = await desk.mutate(BULK, "lead", **given)
    assert (payload["userErrors"], payload["bulk"]["count"]) == ([], 2)
    of = {"id": payload["bulk"]["bulkId"], "digest": payload["bulk"]["digest"]}
    document = {"query": CONFIRM, "variables": {"input": of}}
    own = await desk.client.post("/graphql", json=document, headers=makers.bearer(desk.tokens["lead"]))
    assert "forbidden" in own.text
    good = await desk.mutate(CONFIRM, "admin", **of)
    assert (good["userErrors"], good["bulk"]["confirmedById"]) == ([], str(desk.people["admin"].id))
    unknown = await desk.mutate(BULK, "lead", **given | {"tags": ["no-such"]})
    assert [one["code"] for one in unknown["userErrors"]] == ["unknown_tag"]


async def test_a_teacher_sees_and_asks_nothing(desk: Desk) -> None:
    for path in ("/commands", "/commands/1", "/bulk-commands", "/bulk-commands/1"):
        assert (await desk.get(path, "teacher")).status_code == 403
    assert (await desk.ask(who="teacher")).status_code == 403


QUERIES = (
    "mdmVendors { label }",
    "mdmConnections { nodes { name } }",
    'mdmConnection(id: "%(connection)s") { name }',
    "mdmMappings { nodes { word } }",
    "mdmUnmapped(kind: SITE) { nodes { word } }",
    "mdmRuns { nodes { runId lines { nodes { why } } } }",
    "mdmRecords { nodes { serial device } }",
    'mdmAssetRecords(tag: "%(tag)s") { serial device }',
    "mdmReviews { nodes { reviewId } }",
    "mdmCommands { nodes { commandId } }",
    'mdmCommand(id: "%(command)s") { commandId }',
    "mdmBulks { nodes { bulkId } }",
    *(
        f'node(id: "{base64.b64encode(f"{name}:1".encode()).decode()}") {{ id }}'
        for name in ("MdmConnection", "MdmMapping", "MdmRun", "MdmRecord", "MdmReview")
    ),
)


@pytest.mark.parametrize("who", ["technician", "admin", "teacher"])
async def test_without_the_scope_to_read_no_field_and_no_id_tells_anything(desk: Desk, who: str) -> None:
    known = {"connection": desk.connection, "tag": desk.tag, "command": (await desk.ask("wipe")).json()["id"]}
    others = sorted(set(Scope) - {Scope.MDM_READ, Scope.MDM_WRITE})
    async with desk.app.state.resources.begin(SYSTEM) as work:
        made = await create_token(
            work, NewToken(person_id=desk.people[who].id, label="no devices", scopes=others)
        )
        assert isinstance(made, MadeToken)
        name = (await work.session.get_one(MdmConnection, desk.connection)).name
    for query in QUERIES:
        body = {"query": "{ %s }" % (query % known)}
        answer = await desk.client.post("/graphql", json=body, headers=makers.bearer(made.secret))
        told = answer.json()
        assert [one["extensions"]["code"] for one in told["errors"]] == ["forbidden"], query
        assert set(told["data"].values()) == {None}, query
        assert name not in answer.text
