"""Connections and mappings through both doors, and tests of connections against every vendor's simulator."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import rsa
from procrastinate import PsycopgConnector
from sqlalchemy import delete, text

import service.mdm.connection_jobs  # noqa: F401
from integrations.mdm.asking import Pace
from integrations.mdm.google import READ, WRITE
from integrations.mdm.port import ManagedDevice
from integrations.mdm.simulated import fleet, google_tokens, intune, jamf_pro, jamf_school, mosyle
from integrations.mdm.simulated.google import SimulatedGoogle
from integrations.mdm.simulated.server import Clock, Fault, Simulator, status
from service.core.actor import SYSTEM, Role
from service.core.outbox import jobs
from service.core.vault import Vault, new_key, open_vault
from service.core.work import Resources
from service.mdm.checking import check_connection
from service.mdm.models import MdmConnection, MdmMapping
from service.mdm.vendors import Managements
from tests import makers
from tests.integrations.mdm.standing import Place, one_place

PACE = Pace(connect=2, silence=2, total=4, tries=2, first_wait=0.002, longest_wait=0.01)
IMPATIENT = Pace(connect=0.2, silence=0.15, total=0.2, tries=1, first_wait=0.002, longest_wait=0.01)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
FIELDS = """connectionId version name vendor settings hasSecrets enabled failure
    checked { works detail granted missing { right purpose } }"""
ADD = f"""mutation($input: AddMdmConnectionInput!) {{ addMdmConnection(input: $input)
    {{ connection {{ id {FIELDS} }} userErrors {{ field }} }} }}"""
EDIT = f"""mutation($input: EditMdmConnectionInput!) {{ editMdmConnection(input: $input)
    {{ connection {{ {FIELDS} }} userErrors {{ code }} }} }}"""


@dataclass(frozen=True)
class Vendor:
    """How one is connected; `secret` names what is wrong with it in `wrong`."""

    make: Callable[[], Simulator]
    settings: dict[str, str]
    wrong: dict[str, str]


def google(**given: Any) -> SimulatedGoogle:
    """With the clock of this machine, which the adapter signs by."""
    return SimulatedGoogle(KEY.public_key(), Clock(datetime.now(UTC)), **given)


VENDORS = {
    "google": Vendor(
        google,
        {"admin": google_tokens.ADMIN, "service_account": google_tokens.service_account(KEY)},
        {"service_account": google_tokens.service_account(OTHER_KEY)},
    ),
    "intune": Vendor(
        intune.SimulatedIntune,
        {"tenant": intune.TENANT, "client_id": intune.CLIENT, "client_secret": intune.SECRET},
        {"client_secret": "no-such-secret"},
    ),
    "jamf_pro": Vendor(
        jamf_pro.SimulatedJamfPro,
        {"client_id": jamf_pro.CLIENT, "client_secret": jamf_pro.SECRET},
        {"client_secret": "no-such-secret"},
    ),
    "jamf_school": Vendor(
        jamf_school.SimulatedJamfSchool,
        {"network_id": jamf_school.NETWORK, "api_key": jamf_school.KEY},
        {"api_key": "no-such-secret"},
    ),
    "mosyle": Vendor(
        mosyle.SimulatedMosyle,
        {"access_token": mosyle.ACCESS, "email": mosyle.EMAIL, "password": mosyle.PASSWORD},
        {"password": "no-such-secret"},
    ),
    "fleet": Vendor(fleet.SimulatedFleet, {"token": fleet.TOKEN}, {"token": "no-such-secret"}),
}


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    async with one_place() as made:
        yield made


@dataclass
class Desk:
    client: httpx.AsyncClient
    resources: Resources
    managements: Managements
    database_url: str
    headers: dict[str, str]

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, f"/api/v1/mdm{path}", json=body, headers=sent)

    async def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer = await self.client.post("/graphql", json=body, headers=self.headers)
        told: dict[str, Any] = answer.json()
        return told

    async def connect(self, url: str, vendor: str = "fleet", **columns: Any) -> dict[str, Any]:
        settings = {"base_url": url, **VENDORS[vendor].settings, **columns.pop("settings", {})}
        body = {"name": makers.unique("door"), "vendor": vendor, "settings": settings, "enabled": False}
        answer = await self.ask("POST", "/connections", body | columns)
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def checked(self, connection_id: int) -> dict[str, Any]:
        """Asked for at the door, done by a worker, read at the door."""
        answer = await self.ask("POST", f"/connections/{connection_id}/check")
        assert answer.status_code == 202, answer.text
        await self.work_off()
        told: dict[str, Any] = (await self.ask("GET", f"/connections/{connection_id}")).json()
        return told

    async def work_off(self) -> None:
        conninfo = self.database_url.replace("+psycopg", "", 1)
        connector = PsycopgConnector(conninfo=conninfo, min_size=1, max_size=3)
        held = {"resources": self.resources, "managements": self.managements}
        with jobs.replace_connector(connector) as app:
            async with app.open_async():
                await app.run_worker_async(
                    queues=["mdm"], wait=False, delete_jobs="successful", install_signal_handlers=False,
                    listen_notify=False, additional_context=held,
                )  # fmt: skip


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as made:
        yield made


@pytest.fixture
async def desk(
    app: Any, client: httpx.AsyncClient, database_url: str, http: httpx.AsyncClient
) -> AsyncIterator[Desk]:
    resources = app.state.resources
    async with resources.begin(SYSTEM) as work:
        admin = await makers.make_person(work, Role.ADMIN)
        token = await makers.token_for(work, admin)
    yield Desk(client, resources, Managements(open_vault(), http, PACE), database_url, makers.bearer(token))
    async with resources.begin(SYSTEM) as work:
        await work.session.execute(delete(MdmMapping))
        await work.session.execute(delete(MdmConnection))
        left = text("DELETE FROM procrastinate_jobs WHERE task_name IN ('mdm.check_connection', 'mdm.remap')")
        await work.session.execute(left)


# Tests of connections


def telling(secret: str) -> list[str]:
    """What must be nowhere: the secret, or of a key file the lines of its key."""
    return re.findall(r"[A-Za-z0-9+/]{50,}", secret) or [secret]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_test_tells_that_it_works_and_of_wrong_credentials_that_it_does_not(
    desk: Desk, place: Place, vendor: str, caplog: pytest.LogCaptureFixture
) -> None:
    known = VENDORS[vendor]
    url = place.stands(known.make())
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logged:
        made = await desk.connect(url, vendor)
        assert (made["checked"], made["checked_at"], made["version"]) == (None, None, 1)
        good = await desk.checked(made["id"])
        path = f"/connections/{made['id']}"
        edited = await desk.ask("PATCH", path, {"settings": known.wrong})
        assert edited.status_code == 200, edited.text
        assert edited.json()["checked"] is None
        bad = await desk.checked(made["id"])
        await desk.ask("PATCH", path, {"settings": known.settings})
        again = await desk.checked(made["id"])
    assert (good["checked"]["works"], good["failure"]) == (True, None)
    assert good["checked"]["granted"]
    assert (bad["checked"]["works"], bad["failure"]) == (False, "auth_failed")
    assert bad["failure_detail"] == bad["checked"]["detail"]
    assert bad["failing_since"]
    assert (again["checked"]["works"], again["failure"], again["failing_since"]) == (True, None, None)
    said = str([made, good, bad, again]) + str(logged) + caplog.text
    secrets = [known.settings[key] for key in known.wrong] + list(known.wrong.values())
    assert not [part for secret in secrets for part in telling(secret) if part in said]


async def test_a_test_names_the_rights_that_are_missing_through_both_doors(desk: Desk, place: Place) -> None:
    url = place.stands(google(privileges=frozenset({READ})))
    made = await desk.connect(url, "google")
    told = await desk.checked(made["id"])
    assert (told["checked"]["works"], told["failure"]) == (True, None)
    missing = {one["right"]: one["purpose"] for one in told["checked"]["missing"]}
    assert missing[WRITE] == "sending commands"
    query = f"query($id: ID!) {{ mdmConnection(id: $id) {{ {FIELDS} }} }}"
    seen = (await desk.graphql(query, id=str(made["id"])))["data"]["mdmConnection"]
    assert seen["checked"] == told["checked"]
    place.stands(google(privileges=frozenset()))
    refused = await desk.checked(made["id"])
    assert (refused["checked"]["works"], refused["failure"]) == (False, "forbidden")


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Fault("silence"), "transient"), (Fault("cut"), "transient"), (status(503), "transient"),
        (status(403), "forbidden"), (status(429, retry_after="300"), "rate_limited"),
        (Fault("truncated"), "protocol_error"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
async def test_whatever_goes_wrong_is_told_and_nothing_breaks(
    desk: Desk, place: Place, http: httpx.AsyncClient, fault: Fault, failure: str
) -> None:
    simulator = fleet.SimulatedFleet()
    simulator.inject(fault, times=9)
    made = await desk.connect(place.stands(simulator))
    desk.managements = Managements(open_vault(), http, IMPATIENT)
    told = await desk.checked(made["id"])
    assert (told["checked"]["works"], told["failure"]) == (False, failure), told
    assert fleet.TOKEN not in str(told)


async def test_a_test_ends_when_its_patience_does_and_one_whose_key_is_gone_says_so(
    desk: Desk, place: Place, http: httpx.AsyncClient
) -> None:
    simulator = fleet.SimulatedFleet()
    simulator.inject(Fault("silence"), times=9)
    made = await desk.connect(place.stands(simulator))
    found = await check_connection(desk.resources, desk.managements, made["id"], patience=0.1)
    assert found is not None
    assert (found.works, found.reason) == (False, "timed_out")
    lost = Managements(Vault([new_key()]), http, PACE)
    found = await check_connection(desk.resources, lost, made["id"])
    assert found is not None
    assert (found.works, found.reason) == (False, "key_missing")
    assert await check_connection(desk.resources, desk.managements, made["id"] + 10_000) is None


async def test_what_was_found_of_settings_that_were_changed_meanwhile_is_not_kept(
    desk: Desk, place: Place
) -> None:
    made = await desk.connect("https://fleet.invalid")
    simulator = Changing(desk, made["id"])
    await desk.ask(
        "PATCH",
        f"/connections/{made['id']}",
        {"settings": {"base_url": place.stands(simulator), "token": "x"}},
    )
    assert await check_connection(desk.resources, desk.managements, made["id"]) is None
    told = (await desk.ask("GET", f"/connections/{made['id']}")).json()
    assert (told["checked"], told["failure"], told["guard_percent"]) == (None, None, 77)


class Changing(Simulator):
    """While it is asked, somebody changes the connection."""

    def __init__(self, desk: Desk, connection_id: int) -> None:
        super().__init__()
        self.desk, self.path = desk, f"/connections/{connection_id}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.desk.ask("PATCH", self.path, {"guard_percent": 77})
        await super().__call__(scope, receive, send)


# The doors


async def test_a_connection_lives_at_the_rest_door(desk: Desk) -> None:
    body = {
        "name": makers.unique("Jamf"), "vendor": "jamf_pro", "enabled": False,
        "settings": {"base_url": "http://School.Jamf.example/x", "client_id": "a", "client_secret": "sesame"},
    }  # fmt: skip
    key = makers.unique("key")
    made = await desk.ask("POST", "/connections", body, Idempotency_Key=key)
    again = await desk.ask("POST", "/connections", body, Idempotency_Key=key)
    assert (made.status_code, again.json(), made.headers["etag"]) == (201, made.json(), '"v1"')
    told = made.json()
    assert told["settings"]["base_url"] == "https://school.jamf.example"
    assert (told["has_secrets"], "sesame" in made.text) == (["client_secret"], False)
    path = f"/connections/{told['id']}"
    edited = await desk.ask("PATCH", path, {"sync_minutes": 15}, If_Match='"v1"')
    assert (edited.json()["sync_minutes"], edited.headers["etag"]) == (15, '"v2"')
    stale = await desk.ask("PATCH", path, {"sync_minutes": 20}, If_Match='"v1"')
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    taken = await desk.ask("POST", "/connections", body)
    assert taken.status_code == 409
    listed = (await desk.ask("GET", "/connections?vendor=jamf_pro")).json()["items"]
    assert [one["id"] for one in listed] == [told["id"]]
    assert (await desk.ask("DELETE", path)).status_code == 204
    assert (await desk.ask("GET", path)).status_code == 404


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"client_secret": "sesame"}, "settings.client_id"),
        ({"client_id": "a", "client_secret": "sesame", "teapot": "sesame"}, "settings.teapot"),
        ({"client_id": "a", "client_secret": "sesame" * 100}, "settings.client_secret"),
        ({"client_id": "a", "client_secret": ["sesame"]}, "settings.client_secret"),
        ({"client_id": "a", "client_secret": "sesame\x00"}, "settings.client_secret"),
    ],
)
async def test_what_does_not_fit_is_named_at_both_doors_without_the_secret(
    desk: Desk, settings: dict[str, Any], field: str
) -> None:
    whole = {"name": "J", "vendor": "jamf_pro", "settings": {"base_url": "https://a.example"} | settings}
    answer = await desk.ask("POST", "/connections", whole)
    assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (422, [field])
    told = await desk.graphql(ADD, input=whole | {"vendor": "JAMF_PRO"})
    assert told["data"]["addMdmConnection"]["userErrors"] == [{"field": field}]
    assert "sesame" not in answer.text + str(told)


async def test_variables_that_do_not_fit_are_refused_without_the_secret(desk: Desk) -> None:
    told = await desk.graphql(ADD, input={"name": {"x": "sesame"}, "settings": {"token": "sesame"}})
    assert told["errors"]
    assert "sesame" not in str(told)


async def test_a_connection_lives_at_the_graphql_door(desk: Desk) -> None:
    given = {
        "name": makers.unique("Fleet"), "vendor": "FLEET", "enabled": False,
        "settings": {"base_url": "fleet.example", "token": "sesame"},
    }  # fmt: skip
    made = (await desk.graphql(ADD, input=given))["data"]["addMdmConnection"]["connection"]
    assert (made["settings"], made["hasSecrets"]) == ({"base_url": "https://fleet.example"}, ["token"])
    sent = {"id": made["id"], "name": "Renamed", "expectedVersion": 1}
    edited = (await desk.graphql(EDIT, input=sent))["data"]["editMdmConnection"]
    assert (edited["connection"]["name"], edited["connection"]["version"]) == ("Renamed", 2)
    stale = (await desk.graphql(EDIT, input=sent))["data"]["editMdmConnection"]
    assert stale == {"connection": None, "userErrors": [{"code": "stale"}]}
    node = f"query($id: ID!) {{ node(id: $id) {{ ... on MdmConnection {{ {FIELDS} }} }} }}"
    assert (await desk.graphql(node, id=made["id"]))["data"]["node"]["name"] == "Renamed"
    delete = (
        "mutation($input: DeleteMdmConnectionInput!) { deleteMdmConnection(input: $input) { deletedId } }"
    )
    gone = (await desk.graphql(delete, input={"id": made["id"]}))["data"]["deleteMdmConnection"]
    assert gone == {"deletedId": made["connectionId"]}


async def test_every_vendors_form_and_verbs_are_told_at_both_doors(desk: Desk) -> None:
    told = (await desk.ask("GET", "/vendors")).json()["items"]
    query = """{ mdmVendors { label verbs { platforms }
        settings { key label secret required kind choices default } } }"""
    seen = (await desk.graphql(query))["data"]["mdmVendors"]
    assert [one["label"] for one in seen] == [one["label"] for one in told]
    assert [one["settings"] for one in seen] == [one["settings"] for one in told]
    assert [len(one["verbs"]) for one in seen] == [len(one["verbs"]) for one in told]
    jamf = next(one for one in told if one["vendor"] == "jamf_pro")
    assert {"key": "sign_in", "label": "Sign in as", "secret": False, "required": False, "kind": "choice",
            "choices": ["api_client", "account"], "default": "api_client"} in jamf["settings"]  # fmt: skip


async def test_words_are_mapped_and_devices_follow_through_both_doors(desk: Desk) -> None:
    async with desk.resources.begin(SYSTEM) as work:
        connection = await makers.make_mdm_connection(work, enabled=False)
        school, asset = await makers.make_school(work), await makers.make_asset(work)
        for n, word in enumerate(("/Unit/A", "/Unit/B", "/Unit/B")):
            tied = {"asset_id": asset.id, "matched": "serial"} if n == 0 else {}
            device = ManagedDevice(makers.unique("d"), site=word, last_check_in=work.now)
            await makers.make_mdm_record(work, connection, device, **tied)
        tag = asset.tag
    where = f"/unmapped?kind=site&connection_id={connection.id}&limit=1"
    first = (await desk.ask("GET", where)).json()
    rest = (await desk.ask("GET", f"{where}&cursor={first['next_cursor']}")).json()
    told = [(one["word"], one["records"], one["why"]) for one in (*first["items"], *rest["items"])]
    assert told == [("/Unit/A", 1, "unknown_word"), ("/Unit/B", 2, "unknown_word")]
    query = """query($of: ID, $after: String) {
        mdmUnmapped(kind: SITE, connectionId: $of, first: 1, after: $after)
        { nodes { word records why } pageInfo { endCursor hasNextPage } } }"""
    seen = (await desk.graphql(query, of=str(connection.id)))["data"]["mdmUnmapped"]
    assert seen["nodes"] == [{"word": "/Unit/A", "records": 1, "why": "UNKNOWN_WORD"}]
    after = seen["pageInfo"]["endCursor"]
    more = (await desk.graphql(query, of=str(connection.id), after=after))["data"]["mdmUnmapped"]
    assert [one["word"] for one in more["nodes"]] == ["/Unit/B"]
    assert not more["pageInfo"]["hasNextPage"]
    mapped = await desk.ask("PUT", "/mappings", {"kind": "site", "word": "/unit", "place_id": school.id})
    assert (mapped.status_code, mapped.json()["place_name"]) == (200, school.name), mapped.text
    await desk.work_off()
    assert (await desk.ask("GET", where)).json()["items"] == []
    query = "query($tag: String!) { asset(tag: $tag) { place { placeId } } }"
    assert (await desk.graphql(query, tag=tag))["data"]["asset"]["place"] == {"placeId": school.id}
    path = f"/mappings/{mapped.json()['id']}"
    assert (await desk.ask("GET", path)).json() == mapped.json()
    assert (await desk.ask("DELETE", path)).status_code == 204
    assert (await desk.ask("DELETE", path)).status_code == 404


async def test_a_mapping_is_set_and_taken_away_at_the_graphql_door(desk: Desk) -> None:
    query = """mutation($input: SetMdmMappingInput!) { setMdmMapping(input: $input)
        { mapping { id mappingId word assetKind connectionId } userErrors { field code } } }"""
    connection = await desk.connect("https://fleet.invalid")
    given = {"kind": "MODEL", "word": "Gizmo", "assetKind": "DISPLAY", "connectionId": str(connection["id"])}
    made = (await desk.graphql(query, input=given))["data"]["setMdmMapping"]["mapping"]
    assert (made["assetKind"], made["connectionId"]) == ("DISPLAY", str(connection["id"]))
    wrong = (await desk.graphql(query, input=given | {"placeId": "x"}))["data"]["setMdmMapping"]
    assert wrong["userErrors"] == [{"field": "placeId", "code": "not_of_model"}]
    bad = (await desk.graphql(query, input=given | {"connectionId": "teapot"}))["data"]["setMdmMapping"]
    assert bad["userErrors"] == [{"field": "connectionId", "code": "bad_id"}]
    listed = "{ mdmMappings(kind: MODEL) { nodes { word connectionName } } }"
    nodes = (await desk.graphql(listed))["data"]["mdmMappings"]["nodes"]
    assert nodes == [{"word": "Gizmo", "connectionName": connection["name"]}]
    gone = "mutation($input: DeleteMdmMappingInput!) { deleteMdmMapping(input: $input) { deletedId } }"
    told = (await desk.graphql(gone, input={"id": made["id"]}))["data"]["deleteMdmMapping"]
    assert told == {"deletedId": made["mappingId"]}
