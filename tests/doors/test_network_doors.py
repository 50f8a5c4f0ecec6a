"""The network through both doors, as a technician, a lead and an administrator use it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from integrations.snmp.reading import LinkState, Port, Reading
from schema.hub import Hub
from service.core.actor import SYSTEM, Role
from service.core.models import IdempotencyKey
from service.core.outbox import announce
from service.core.vault import open_vault
from service.monitoring.models import SnmpCredential
from tests import makers
from tests.doors.graphql_client import Desk, make_desk
from tests.doors.test_graphql_subscriptions import Served, served

__all__ = ["served"]

SECRET = "hush-hush-of-the-switches"
V3 = {
    "version": "v3", "user": "desk", "auth": "md5", "auth_password": SECRET,
    "priv": "des", "priv_password": SECRET + "-2",
}  # fmt: skip
READING = Reading(
    profile="generic",
    ports=[Port(key=f"1/{n}", index=n, admin=LinkState.UP, oper=LinkState.UP) for n in (1, 2, 3)],
)
FAULT_CHANGED = """subscription($school: ID) { networkFaultChanged(schoolId: $school) {
    missed fault { faultId check state deviceName } } }"""


class Rest:
    """REST as somebody."""

    def __init__(self, desk: Desk, who: str) -> None:
        self.client = desk.client
        self.headers = makers.bearer(desk.tokens[who])

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.client.request(
            method, f"/api/v1/network{path}", json=body, headers=self.headers | headers
        )


async def let_in(desk: Desk) -> None:
    """A lead comes to the desk."""
    async with desk.app.state.resources.begin(SYSTEM) as work:
        desk.people["lead"] = await makers.make_person(work, Role.LEAD)
        desk.tokens["lead"] = await makers.token_for(work, desk.people["lead"])


@pytest.fixture(scope="module")
async def desk(app: Any) -> AsyncIterator[Desk]:
    made = await make_desk(app)
    await let_in(made)
    yield made
    await made.client.aclose()


async def make_switch(desk: Desk, **given: Any) -> int:
    async with desk.app.state.resources.begin(SYSTEM) as work:
        return (await makers.make_network_device(work, READING, school_id=desk.school.id, **given)).id


async def changed(desk: Desk, verb: str, shows: str, who: str = "lead", **given: Any) -> Any:
    name = f"{verb[0].upper()}{verb[1:]}Input"
    document = (
        f"mutation($input: {name}!) {{ {verb}(input: $input) {{ {shows} userErrors {{ field code }} }} }}"
    )
    return (await desk.data(document, who, input=given))[verb]


def failing(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(error["field"], error["code"]) for error in answer.json()["errors"]]


async def test_a_secret_goes_in_and_comes_out_nowhere(desk: Desk) -> None:
    admin = Rest(desk, "admin")
    key = {"Idempotency-Key": makers.unique("credential")}
    body = V3 | {"name": makers.unique("v3")}
    made = await admin("POST", "/credentials", body, **key)
    again = await admin("POST", "/credentials", body, **key)
    assert made.status_code == again.status_code == 201
    assert again.headers["idempotency-replayed"] == "true"
    row = made.json()
    assert again.json() == row
    edited = await admin("PUT", f"/credentials/{row['id']}", V3 | {"name": row["name"]})
    shown = await admin("GET", f"/credentials/{row['id']}")
    listed = await admin("GET", "/credentials?limit=100")
    for answer in (made, again, edited, shown, listed):
        assert answer.is_success
        assert SECRET not in answer.text
        assert "password" not in answer.text
    assert "MD5" in row["warning"]
    assert "DES" in row["warning"]
    async with desk.app.state.resources.read(SYSTEM) as read:
        sealed = (
            await read.db.execute(select(SnmpCredential.sealed).where(SnmpCredential.id == row["id"]))
        ).scalar_one()
        kept = (await read.db.execute(select(IdempotencyKey.answer, IdempotencyKey.fingerprint))).all()
        said = (await read.db.execute(text("SELECT args::text FROM procrastinate_jobs"))).scalars().all()
    assert open_vault().open(sealed)["auth_password"] == SECRET
    assert all(SECRET.encode() not in (answer or b"") + mark for answer, mark in kept)
    assert all(SECRET not in line for line in said)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"version": "v2c"}, [("community", "required")]),
        (V3 | {"priv": None}, [("priv", "required")]),
        (V3 | {"auth_password": SECRET[:7]}, [("auth_password", "too_short")]),
        (V3 | {"auth_password": [SECRET]}, [("auth_password", "string_type")]),
        (V3 | {"auth": "rot13"}, [("auth", "enum")]),
        (V3 | {"sealed": SECRET}, [("sealed", "extra_forbidden")]),
    ],
)
async def test_a_credential_that_does_not_fit_is_refused_without_its_secrets(
    desk: Desk, body: dict[str, Any], fields: list[tuple[str, str]]
) -> None:
    refused = await Rest(desk, "admin")("POST", "/credentials", {"name": "Bad", **body})
    assert failing(refused) == fields
    assert SECRET[:7] not in refused.text


async def test_credentials_by_graphql(desk: Desk) -> None:
    shows = "credential { credentialId name user auth warning devices }"
    given = {
        "name": makers.unique("g"),
        "version": "V3",
        "user": "desk",
        "auth": "SHA256",
        "authPassword": SECRET,
    }
    made = await changed(desk, "addSnmpCredential", shows, "admin", **given)
    assert made["userErrors"] == []
    credential = made["credential"]
    assert (credential["user"], credential["auth"], credential["warning"]) == ("desk", "SHA256", None)
    short = await changed(desk, "addSnmpCredential", shows, "admin", **given | {"authPassword": "short"})
    assert short == {"credential": None, "userErrors": [{"field": "authPassword", "code": "too_short"}]}
    key = credential["credentialId"]
    edited = await changed(
        desk, "editSnmpCredential", shows, "admin", id=key, name="G", version="V3", user="x", auth="SHA512"
    )
    assert (edited["credential"]["user"], edited["credential"]["auth"]) == ("x", "SHA512")
    nodes = (await desk.data("{ snmpCredentials(first: 100) { nodes { credentialId } } }", "lead"))[
        "snmpCredentials"
    ]["nodes"]
    turned = [row["credentialId"] for row in nodes][::-1]
    shows_all = "credentials { credentialId position }"
    ordered = await changed(desk, "orderSnmpCredentials", shows_all, "admin", ids=turned)
    assert [row["credentialId"] for row in ordered["credentials"]] == turned
    gone = await changed(desk, "deleteSnmpCredential", "deletedId", "admin", id=key)
    assert gone == {"deletedId": key, "userErrors": []}
    again = await changed(desk, "deleteSnmpCredential", "deletedId", "admin", id=key)
    assert again == {"deletedId": None, "userErrors": [{"field": None, "code": "not_found"}]}


@pytest.mark.parametrize(
    "given",
    [
        {"name": "x", "authPassword": SECRET},
        {"name": "x", "version": "V3", "authPassword": [SECRET]},
        {"name": "x", "version": "V9", "authPassword": SECRET},
        {"name": "x", "version": "V3", "authPassword": SECRET, "sealed": SECRET},
    ],
)
@pytest.mark.parametrize("verb", ["addSnmpCredential", "editSnmpCredential"])
async def test_variables_that_do_not_fit_are_refused_without_their_secrets(
    desk: Desk, verb: str, given: dict[str, Any]
) -> None:
    name = f"{verb[0].upper()}{verb[1:]}Input"
    document = f"mutation($input: {name}!) {{ {verb}(input: $input) {{ userErrors {{ code }} }} }}"
    answer = await desk.ask(document, "admin", input=given)
    assert answer["errors"][0]["extensions"]["code"] == "bad_query"
    assert SECRET not in str(answer)


async def test_a_credential_in_use_stays(desk: Desk) -> None:
    admin = Rest(desk, "admin")
    body = {"name": makers.unique("used"), "version": "v2c", "community": SECRET}
    key = (await admin("POST", "/credentials", body)).json()["id"]
    device = await make_switch(desk, credential_id=key)
    refused = await admin("DELETE", f"/credentials/{key}")
    assert (refused.status_code, refused.json()["code"]) == (409, "credential_in_use")
    assert (await admin("GET", f"/credentials/{key}")).json()["devices"] == 1
    assert (await admin("DELETE", f"/devices/{device}")).status_code == 204
    assert (await admin("DELETE", f"/credentials/{key}")).status_code == 204
    assert (await admin("GET", f"/credentials/{key}")).status_code == 404


async def test_a_device_is_added_edited_and_deleted(desk: Desk) -> None:
    lead, technician = Rest(desk, "lead"), Rest(desk, "technician")
    address = makers.unique_address()
    made = await lead("POST", "/devices", {"address": address, "school_id": desk.school.id})
    device = made.json()
    assert (made.status_code, device["name"], device["profile"], device["reach"]) == (
        201, address, None, "unknown",
    )  # fmt: skip
    path, etag = f"/devices/{device['id']}", made.headers["etag"]
    edited = await lead("PATCH", path, {"name": "Core"}, **{"If-Match": etag})
    assert (edited.json()["name"], edited.json()["school_id"]) == ("Core", desk.school.id)
    stale = await lead("PATCH", path, {"name": "Other"}, **{"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    assert (await technician("GET", path)).headers["etag"] == edited.headers["etag"]
    assert (await technician("POST", f"{path}/poll")).status_code == 202
    assert (await technician("POST", f"{path}/rediscover")).status_code == 202
    assert (await technician("PATCH", path, {"name": "Mine"})).status_code == 403
    twice = await lead("POST", "/devices", {"address": address})
    assert (twice.status_code, twice.json()["code"]) == (409, "conflict")
    assert failing(await lead("POST", "/devices", {"address": "closet-b"})) == [("address", "value_error")]
    assert failing(await lead("PATCH", path, {"port": None})) == [("port", "required")]
    assert (await lead("DELETE", path, **{"If-Match": etag})).status_code == 412
    assert (await lead("DELETE", path)).status_code == 204
    assert (await technician("GET", path)).status_code == 404


async def test_devices_by_graphql_take_global_ids(desk: Desk) -> None:
    shows = (
        "device { id deviceId name version asset { tag } place { placeId } parents { deviceId port byHand } }"
    )
    core = await make_switch(desk)
    async with desk.app.state.resources.begin(SYSTEM) as work:
        asset = await makers.make_asset(work, place_id=desk.school.id, school_id=desk.school.id)
        credential = await makers.make_credential(work)
    made = await changed(
        desk, "addNetworkDevice", shows, address=makers.unique_address(), assetTag=asset.tag,
        credentialId=base64.b64encode(f"SnmpCredential:{credential.id}".encode()).decode(),
    )  # fmt: skip
    device = made["device"]
    assert (device["asset"]["tag"], device["place"]["placeId"]) == (asset.tag, desk.school.id)
    global_core = base64.b64encode(f"NetworkDevice:{core}".encode()).decode()
    hung = await changed(
        desk, "setNetworkParents", shows, id=device["id"], parents=[{"deviceId": global_core, "port": "9"}]
    )
    assert hung["device"]["parents"] == [{"deviceId": str(core), "port": "9", "byHand": True}]
    edited = await changed(
        desk, "editNetworkDevice", shows, id=device["id"], name="Switch", assetTag=None, expectedVersion=2
    )
    assert (edited["device"]["name"], edited["device"]["asset"]) == ("Switch", None)
    stale = await changed(desk, "editNetworkDevice", shows, id=device["id"], name="X", expectedVersion=2)
    assert stale["userErrors"] == [{"field": None, "code": "stale"}]
    wrong = await changed(desk, "editNetworkDevice", shows, id=device["id"], credentialId=global_core)
    assert wrong["userErrors"] == [{"field": "credentialId", "code": "bad_id"}]
    node = await desk.data(
        "query($id: ID!) { node(id: $id) { id ... on NetworkDevice { name } } }", id=device["id"]
    )
    assert node["node"] == {"id": device["id"], "name": "Switch"}
    gone = await changed(desk, "deleteNetworkDevice", "deletedId", id=device["id"])
    assert gone["deletedId"] == device["deviceId"]


async def test_both_doors_tell_the_same_of_one_device(desk: Desk) -> None:
    device = await make_switch(desk, name="Same", important_ports=["1/2"])
    technician = Rest(desk, "technician")
    rest = (await technician("GET", f"/devices/{device}")).json()
    ports = (await technician("GET", f"/devices/{device}/ports?limit=2")).json()
    more = (await technician("GET", f"/devices/{device}/ports?cursor={ports['next_cursor']}")).json()
    assert [row["key"] for row in (*ports["items"], *more["items"])] == ["1/1", "1/2", "1/3"]
    graph = await desk.data(
        """query($id: ID!) { networkDevice(id: $id) { name kind reach openFaults importantPorts
            summary { ports portsUp } inventory { vlans } accessPoints { nodes { key } }
            ports(first: 2) { nodes { key important oper } pageInfo { hasNextPage endCursor } } } }""",
        id=str(device),
    )
    told = graph["networkDevice"]
    assert (told["name"], told["importantPorts"]) == (rest["name"], rest["important_ports"])
    assert (told["kind"].lower(), told["reach"].lower()) == (rest["kind"], rest["reach"])
    assert told["summary"] == {"ports": 3, "portsUp": 3}
    assert rest["summary"]["ports_up"] == 3
    assert [(row["key"], row["important"], row["oper"]) for row in told["ports"]["nodes"]] == [
        (row["key"], row["important"], row["oper"]) for row in ports["items"]
    ]
    assert told["ports"]["pageInfo"] == {"hasNextPage": True, "endCursor": ports["next_cursor"]}


async def test_lists_are_narrowed_alike(desk: Desk) -> None:
    name = makers.unique("Findable")
    device = await make_switch(desk, name=name)
    async with desk.app.state.resources.begin(SYSTEM) as work:
        made = await makers.make_network_device(work)
        fault = await makers.make_fault(work, made, "ups.battery_low", school_id=desk.school.id)
    technician = Rest(desk, "technician")
    rest = (await technician("GET", f"/devices?q={name}&school_id={desk.school.id}&watched=true")).json()
    assert [row["id"] for row in rest["items"]] == [device]
    asked = """query($w: String, $s: ID) { networkDevices(words: $w, filter: {schoolId: $s, watched: true})
        { nodes { deviceId } } }"""
    graph = await desk.data(asked, w=name, s=desk.school.id)
    assert graph["networkDevices"]["nodes"] == [{"deviceId": str(device)}]
    faults = (await technician("GET", f"/faults?check=ups.battery_low&open=true&device_id={made.id}")).json()
    assert [row["id"] for row in faults["items"]] == [fault.id]
    asked = """query($d: ID) { networkFaults(filter: {deviceId: $d, state: OPEN, open: true})
        { nodes { faultId check } } }"""
    graph = await desk.data(asked, d=str(made.id))
    assert graph["networkFaults"]["nodes"] == [{"faultId": str(fault.id), "check": "ups.battery_low"}]
    for query in ("kind=toaster", "reach=maybe", "q=", "limit=0", "limit=101", "school_id=%00", "nonsense=1"):
        assert (await technician("GET", f"/devices?{query}")).status_code == 422, query
    for path in (
        "/devices?cursor=abc",
        "/faults?cursor=W10",
        "/traps?cursor=WzEsMl0",
        "/credentials?cursor=WzFd",
    ):
        assert (await Rest(desk, "lead")("GET", path)).json()["code"] == "invalid", path


async def test_maintenance_is_planned_and_ended_through_both_doors(desk: Desk) -> None:
    technician = Rest(desk, "technician")
    body = {
        "school_id": desk.school.id,
        "ends_at": (datetime.now(UTC) + timedelta(hours=2)).isoformat(),
        "reason": "New core switch",
    }
    planned = await technician("POST", "/maintenances", body)
    assert (planned.status_code, planned.json()["state"]) == (201, "current")
    key = planned.json()["id"]
    assert failing(await technician("POST", "/maintenances", body | {"everything": True})) == [
        ("everything", "one_scope")
    ]
    shows = "maintenance { maintenanceId state schoolId }"
    ended = await changed(desk, "cancelNetworkMaintenance", shows, "technician", id=str(key))
    assert ended["maintenance"] == {"maintenanceId": str(key), "state": "OVER", "schoolId": desk.school.id}
    late = await technician("POST", f"/maintenances/{key}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    given = {"deviceId": str(await make_switch(desk)), "endsAt": body["ends_at"], "reason": "Moves"}
    made = await changed(desk, "planNetworkMaintenance", shows, "technician", **given)
    assert made["maintenance"]["state"] == "CURRENT"


async def test_a_scan_and_a_probe_are_put_on_the_queue(desk: Desk) -> None:
    lead = Rest(desk, "lead")
    scan = await lead("POST", "/scans", {"targets": ["127.0.0.0/30"], "adopts": False})
    assert (scan.status_code, scan.json()["state"], scan.json()["found"]) == (202, "waiting", [])
    probe = await changed(
        desk, "probeNetwork", "probe { probeId address found { why } }", address="127.0.0.1"
    )
    assert (probe["probe"]["address"], probe["probe"]["found"]) == ("127.0.0.1", None)
    shown = await lead("GET", f"/probes/{probe['probe']['probeId']}")
    assert (shown.json()["address"], shown.json()["state"]) == ("127.0.0.1", "waiting")
    assert (await lead("GET", f"/probes/{scan.json()['id']}")).status_code == 404
    assert failing(await lead("POST", "/scans", {"targets": ["10.0.0.0/8"]})) == [("targets", "value_error")]
    async with desk.app.state.resources.read(SYSTEM) as read:
        query = text("SELECT args FROM procrastinate_jobs WHERE task_name = 'monitoring.scan'")
        asked = {job["scan_id"] for job in (await read.db.execute(query)).scalars()}
    assert {scan.json()["id"], int(probe["probe"]["probeId"])} <= asked


async def test_a_mac_that_is_none_is_refused_and_one_that_is_nowhere_not_found(desk: Desk) -> None:
    technician = Rest(desk, "technician")
    assert failing(await technician("GET", "/macs/not-a-mac-addr")) == [("mac", "bad_mac")]
    assert (await technician("GET", "/macs/00:00:5e:00:53:01")).status_code == 404
    assert await desk.code('{ networkMac(mac: "00:00:5e:00:53:01") { port } }') == "not_found"


async def test_whoever_is_not_of_the_desk_learns_nothing(desk: Desk) -> None:
    device = await make_switch(desk)
    teacher = Rest(desk, "teacher")
    for path in ("/devices", f"/devices/{device}", f"/devices/{10**9}", "/faults", "/topology", "/traps"):
        assert (await teacher("GET", path)).status_code == 403, path
    key = base64.b64encode(f"NetworkDevice:{device}".encode()).decode()
    assert await desk.code(f'{{ node(id: "{key}") {{ id }} }}', "teacher") == "forbidden"


async def announced(desk: Desk, fault: int, school: str | None) -> None:
    async with desk.app.state.resources.begin(SYSTEM) as work:
        announce(work, network_fault=fault, school_id=school)


async def test_a_subscriber_hears_of_faults_at_its_school(served: Served) -> None:
    async with served.app.state.resources.begin(SYSTEM) as work:
        device = await makers.make_network_device(work, name="Core", school_id=served.school.id)
        fault = await makers.make_fault(work, device)
        elsewhere = await makers.make_fault(work, await makers.make_network_device(work))
    client, all_schools = await served.connected(), await served.connected()
    await served.hears(client, FAULT_CHANGED, school=served.school.id)
    await served.hears(all_schools, FAULT_CHANGED)
    await announced(served, elsewhere.id, None)
    await announced(served, fault.id, served.school.id)
    told = {"faultId": str(fault.id), "check": "port.down", "state": "OPEN", "deviceName": "Core"}
    assert await client.change() == {"missed": False, "fault": told}
    assert (await all_schools.change())["fault"]["faultId"] == str(elsewhere.id)
    assert (await all_schools.change())["fault"] == told
    hub: Hub = served.app.state.hub
    hub._catch_up()  # as after a connection that was lost
    await announced(served, fault.id, served.school.id)
    assert (await client.change())["missed"] is True
    for each in (client, all_schools):
        await each.socket.close()


async def test_nobody_but_the_desk_may_listen(served: Served) -> None:
    client = await served.connected("teacher")
    await client.subscribe(FAULT_CHANGED)
    refused = await client.next()
    assert refused["payload"]["errors"][0]["extensions"]["code"] == "forbidden"
    await client.socket.close()
