"""The two doors offer the same verbs on the same fields, and tell the same truth."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from enum import Enum
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLObjectType, get_named_type
from pydantic import BaseModel
from strawberry.utils.str_converters import to_camel_case

from schema import SNAPSHOT, schema, sdl
from schema.enums import ENUMS
from service.assets.rest import AssetOut, FactOut, LoanOut
from service.assets.rest import lent as loans
from service.assets.rest import router as assets
from service.mdm import (
    bulks,
    command_inputs,
    command_listing,
    connections,
    mappings,
    record_listing,
    reviewing,
    syncing,
)
from service.mdm import command_rest as device_commands
from service.mdm import command_wire as commanded
from service.mdm import rest as managements
from service.mdm import sync_rest as syncs
from service.mdm import sync_wire as synced
from service.mdm import wire as managed
from service.monitoring import (
    command_rest,
    commanding,
    credentials,
    devices,
    maintenance,
    parts_wire,
    probing,
    scanning,
)
from service.monitoring import discovery_rest as discovery
from service.monitoring import history_rest as measured
from service.monitoring import rest as network
from service.monitoring import wire as watched
from service.monitoring.fault_listing import FaultFilter
from service.monitoring.listing import DeviceFilter
from service.people.rest import Me, PersonOut
from service.people.rest import router as people
from service.places.rest import PlaceOut
from service.places.rest import router as places
from service.playbooks import authoring_rest, opening
from service.playbooks import rest as guided
from service.playbooks import wire as runs
from service.sla.rest import CalendarOut, PolicyOut
from service.sla.rest import router as sla
from service.tickets import inputs, listing, wire
from service.tickets.desk_rest import CategoryOut, QueueOut
from service.tickets.desk_rest import router as desk_rules
from service.tickets.rest import router as tickets
from tests import makers
from tests.doors.graphql_client import Desk, make_desk

# REST field -> GraphQL field, where it is not simply the same word in camelCase
RENAMED: dict[type[BaseModel], dict[str, str]] = {
    wire.Named: {"id": "personId"},
    wire.PlaceRef: {"id": "placeId"},
    wire.EventOut: {"id": "eventId"},
    PersonOut: {"id": "personId"},
    PlaceOut: {"id": "placeId", "parent_id": "parent"},
    AssetOut: {"id": "id", "holder_id": "holder", "place_id": "place"},
    QueueOut: {"id": "queueId"},
    CategoryOut: {"id": "key"},
    CalendarOut: {"id": "calendarId"},
    PolicyOut: {"id": "policyId"},
    measured.HistoryOut: {"since": "from"},
    LoanOut: {"id": "loanId", "person_id": "person", "ticket_id": "ticketNumber"},
    runs.RunListed: {"id": "runId", "ticket": "ticketNumber"},
    runs.RunOut: {"id": "runId", "ticket": "ticketNumber"},
    runs.RunEventOut: {"id": "eventId"},
    runs.VersionText: {"id": "versionId"},
    runs.DistrictFactOut: {"id": "factId"},
    watched.CredentialOut: {"id": "credentialId"},
    watched.NetworkDeviceListed: {"id": "deviceId"},
    watched.NetworkDeviceOut: {"id": "deviceId"},
    watched.FaultOut: {"id": "faultId", "ticket": "ticketNumber"},
    watched.NodeOut: {"id": "deviceId"},
    watched.MaintenanceOut: {"id": "maintenanceId"},
    watched.ScanListed: {"id": "scanId"},
    watched.ScanOut: {"id": "scanId"},
    watched.ProbeOut: {"id": "probeId"},
    command_rest.NetworkCommandOut: {"id": "commandId"},
    managed.MdmConnectionOut: {"id": "connectionId"},
    managed.MdmMappingOut: {"id": "mappingId"},
    commanded.MdmCommandOut: {"id": "commandId", "ticket": "ticketNumber"},
    commanded.MdmBulkListed: {"id": "bulkId"},
    commanded.MdmBulkOut: {"id": "bulkId"},
    synced.MdmRunOut: {"id": "runId"},
    synced.MdmRunLineOut: {"id": "lineId"},
    synced.MdmRecordListed: {"id": "recordId"},
    synced.MdmRecordOut: {"id": "recordId"},
    synced.MdmCandidateOut: {"id": "assetId"},
    synced.MdmReviewOut: {"id": "reviewId"},
}
SHAPES: dict[type[BaseModel], str] = {
    wire.TicketListed: "Ticket",
    wire.TicketOut: "Ticket",
    wire.TicketCount: "TicketCount",
    wire.Named: "Person",
    wire.QueueRef: "Queue",
    wire.PlaceRef: "Place",
    wire.AssetRef: "Asset",
    wire.TimerOut: "SlaTimer",
    wire.EventOut: "TicketEvent",
    wire.LinkOut: "TicketLink",
    wire.DeviceOut: "TicketDevice",
    wire.DeviceFactOut: "TicketDeviceFact",
    wire.FreshLookOut: "TicketDeviceLook",
    PersonOut: "Person",
    PlaceOut: "Place",
    AssetOut: "Asset",
    QueueOut: "Queue",
    CategoryOut: "Category",
    CalendarOut: "SchoolCalendar",
    PolicyOut: "SlaPolicy",
    FactOut: "AssetFact",
    LoanOut: "Loan",
    measured.MetricOut: "NetworkMetric",
    measured.DrawnOut: "NetworkGraphLine",
    measured.HistoryOut: "NetworkGraph",
    runs.RunListed: "PlaybookRun",
    runs.RunOut: "PlaybookRun",
    runs.StepOut: "RunStep",
    runs.ChoiceOut: "StepChoice",
    runs.RunEventOut: "RunEvent",
    runs.SummaryOut: "RunSummary",
    runs.LineOut: "SummaryLine",
    runs.SuggestionOut: "PlaybookSuggestion",
    runs.PlaybookListed: "Playbook",
    runs.VersionText: "PlaybookVersion",
    runs.KnownFactOut: "KnownFact",
    runs.DistrictFactOut: "DistrictFact",
    runs.PhotoOut: "RunPhoto",
    watched.CredentialOut: "SnmpCredential",
    watched.NetworkDeviceListed: "NetworkDevice",
    watched.NetworkDeviceOut: "NetworkDevice",
    watched.ParentOut: "NetworkParent",
    watched.FaultOut: "NetworkFault",
    watched.TopologyOut: "NetworkTopology",
    watched.NodeOut: "NetworkNode",
    watched.NetworkLinkOut: "NetworkLink",
    watched.HangsOnOut: "NetworkHangsOn",
    watched.MacOut: "NetworkMac",
    watched.MaintenanceOut: "NetworkMaintenance",
    watched.ScanListed: "NetworkScan",
    watched.ScanOut: "NetworkScan",
    watched.FoundOut: "NetworkFound",
    watched.ProbeOut: "NetworkProbe",
    command_rest.NetworkCommandOut: "NetworkCommand",
    watched.TrapCountOut: "NetworkTrapCount",
    parts_wire.NetworkSummaryOut: "NetworkSummary",
    parts_wire.BehindOut: "NetworkNeighbour",
    parts_wire.PortOut: "NetworkPort",
    parts_wire.AccessPointOut: "NetworkAccessPoint",
    parts_wire.InventoryOut: "NetworkInventory",
    parts_wire.PrinterOut: "PrinterState",
    parts_wire.SupplyOut: "PrinterSupply",
    parts_wire.TrayOut: "PrinterTray",
    parts_wire.UpsOut: "UpsState",
    parts_wire.ProjectorOut: "ProjectorState",
    parts_wire.SensorOut: "NetworkSensor",
    parts_wire.LoadOut: "NetworkLoad",
    managed.MdmSettingOut: "MdmSetting",
    managed.MdmSupportedOut: "MdmSupported",
    managed.MdmVendorOut: "MdmVendor",
    managed.MissingRightOut: "MdmMissingRight",
    managed.MdmCheckedOut: "MdmChecked",
    managed.MdmConnectionOut: "MdmConnection",
    managed.MdmMappingOut: "MdmMapping",
    commanded.MdmCommandOut: "MdmCommand",
    commanded.MdmSecretOut: "MdmSecret",
    commanded.MdmSecretsOut: "MdmSecretsPayload",
    commanded.MdmBulkListed: "MdmBulk",
    commanded.MdmBulkOut: "MdmBulk",
    commanded.BulkDeviceOut: "MdmBulkDevice",
    commanded.LeftOutOut: "MdmBulkLeftOut",
    commanded.StateCountOut: "MdmStateCount",
    managed.UnmappedOut: "MdmUnmapped",
    synced.MdmCountsOut: "MdmCounts",
    synced.MdmRunOut: "MdmRun",
    synced.MdmRunLineOut: "MdmRunLine",
    synced.MdmRecordListed: "MdmRecord",
    synced.MdmRecordOut: "MdmRecord",
    synced.MdmCandidateOut: "MdmCandidate",
    synced.MdmReviewOut: "MdmReview",
}
GUIDED = (
    guided.router,
    guided.suggested,
    authoring_rest.router,
    authoring_rest.drafts,
    authoring_rest.facts,
    authoring_rest.decided,
    authoring_rest.reports,
)
MANAGED = (managements.router, syncs.router, device_commands.router)
NETWORK = (network.router, discovery.router, measured.router, command_rest.router)
ROUTERS = (
    tickets,
    guided.opened,
    desk_rules,
    places,
    people,
    assets,
    loans,
    sla,
    *NETWORK,
    *MANAGED,
    *GUIDED,
)
READS = {
    "listTickets": "Query.tickets", "countTickets": "Query.ticketCount", "getTicket": "Query.ticket",
    "getTimeline": "Ticket.timeline", "getTicketSla": "Ticket.sla", "getLinks": "Ticket.links",
    "listQueues": "Query.queues", "listCategories": "Query.categories", "listPlaces": "Query.places",
    "getPlace": "Query.place", "getMe": "Query.me", "listPeople": "Query.people", "getPerson": "Query.person",
    "listAssets": "Query.assets", "getAsset": "Query.asset", "listCalendars": "Query.calendars",
    "listNotices": "Query.notices", "getRouting": "Query.routing", "getMatrix": "Query.priorityMatrix",
    "listTokens": "Query.tokens", "getCalendar": "Query.calendar", "listPolicies": "Query.slaPolicies",
    "listAssetFacts": "Asset.facts", "listLoans": "Query.loans", "suggestPlaybooks": "Query.suggestPlaybooks",
    "listRuns": "Query.playbookRuns", "getRun": "Query.playbookRun", "getRunLog": "PlaybookRun.log",
    "getRunSummary": "PlaybookRun.summary", "getPhoto": "PlaybookRun.photo",
    "listNetworkMetrics": "Query.networkMetrics", "getNetworkHistory": "Query.networkHistory",
    "exposeNetworkMetrics": "Query.networkExposition",
    "listNetworkDevices": "Query.networkDevices", "getNetworkDevice": "Query.networkDevice",
    "getNetworkInventory": "NetworkDevice.inventory", "listNetworkPorts": "NetworkDevice.ports",
    "listNetworkAccessPoints": "NetworkDevice.accessPoints", "listNetworkFaults": "Query.networkFaults",
    "getNetworkFault": "Query.networkFault", "getNetworkTopology": "Query.networkTopology",
    "getNetworkMac": "Query.networkMac", "listNetworkMaintenances": "Query.networkMaintenances",
    "getNetworkMaintenance": "Query.networkMaintenance", "listNetworkTraps": "Query.networkTraps",
    "listSnmpCredentials": "Query.snmpCredentials", "getSnmpCredential": "Query.snmpCredential",
    "listNetworkScans": "Query.networkScans", "getNetworkScan": "Query.networkScan",
    "getNetworkProbe": "Query.networkProbe", "listPortCommands": "Query.networkCommands",
    "getPortCommand": "Query.networkCommand",
    "listMdmVendors": "Query.mdmVendors", "listMdmConnections": "Query.mdmConnections",
    "getMdmConnection": "Query.mdmConnection", "listMdmMappings": "Query.mdmMappings",
    "getMdmMapping": "Query.mdmMapping", "listMdmUnmapped": "Query.mdmUnmapped",
    "listMdmRuns": "Query.mdmRuns", "getMdmRun": "Query.mdmRun", "listMdmRunLines": "MdmRun.lines",
    "listMdmRecords": "Query.mdmRecords", "getMdmRecord": "Query.mdmRecord",
    "listMdmAssetRecords": "Query.mdmAssetRecords", "listMdmReviews": "Query.mdmReviews",
    "getMdmReview": "Query.mdmReview", "listMdmCommands": "Query.mdmCommands",
    "getMdmCommand": "Query.mdmCommand", "listMdmBulks": "Query.mdmBulks", "getMdmBulk": "Query.mdmBulk",
    "listPlaybooks": "Query.playbooks", "getPlaybook": "Query.playbook", "getPlaybookGraph": "Playbook.graph",
    "listPlaybookVersions": "Playbook.versions", "getPlaybookAnalytics": "Playbook.analytics",
    "getPlaybookVersion": "Query.playbookVersion", "listKnownFacts": "Query.knownFacts",
    "listDistrictFacts": "Query.districtFacts", "reportDeflection": "Query.reportDeflection",
}  # fmt: skip
INPUTS: dict[str, type[BaseModel] | None] = {
    "openTicket": opening.OpenWithHelp, "replyToTicket": inputs.Reply, "noteOnTicket": inputs.Note,
    "triageTicket": inputs.Triage, "assignTicket": inputs.Assign, "unassignTicket": None,
    "transferTicket": inputs.Transfer, "startTicket": None, "waitOnRequester": inputs.WaitOnRequester,
    "holdTicket": inputs.Hold, "resolveTicket": inputs.Resolve, "closeTicket": inputs.Close,
    "reopenTicket": inputs.Reopen, "cancelTicket": inputs.Cancel, "tagTicket": inputs.Tag,
    "linkTicket": inputs.Link, "shareTicket": inputs.Share, "unshareTicket": inputs.Unshare,
}  # fmt: skip


def spelled(model: type[BaseModel], field: str) -> str:
    """A REST field as GraphQL spells it."""
    return RENAMED.get(model, {}).get(field) or to_camel_case(field)


def fields_of(name: str) -> set[str]:
    graphql_type = schema.core.type_map[name]
    assert isinstance(graphql_type, GraphQLObjectType | GraphQLInputObjectType)
    return set(graphql_type.fields)


def operations(router: Any, *methods: str) -> Iterator[str]:
    for route in router.routes:
        if route.methods & set(methods):
            yield route.operation_id


@pytest.fixture(scope="module")
async def desk(app: Any) -> AsyncIterator[Desk]:
    made = await make_desk(app)
    yield made
    await made.client.aclose()


def test_the_snapshot_is_the_schema() -> None:
    assert SNAPSHOT.read_text() == sdl(), "write it anew: python -m schema"


def test_every_verb_on_tickets_has_a_mutation_and_no_mutation_is_without_one() -> None:
    verbs = {
        name
        for router in (tickets, guided.opened)
        for name in operations(router, "POST", "PUT", "PATCH", "DELETE")
    }
    assert verbs == set(INPUTS) <= fields_of("Mutation")


def test_every_change_of_rest_can_be_made_by_graphql() -> None:
    changes = {name for router in ROUTERS for name in operations(router, "POST", "PUT", "PATCH", "DELETE")}
    assert changes <= fields_of("Mutation") | fields_of("Query"), changes - fields_of("Mutation")


@pytest.mark.parametrize("verb", INPUTS)
def test_a_verb_takes_the_same_fields_through_both_doors(verb: str) -> None:
    mutation = schema.core.mutation_type
    assert mutation is not None
    given = get_named_type(mutation.fields[verb].args["input"].type)
    model = INPUTS[verb]
    own = {"idempotencyKey"} | ({"number", "expectedVersion"} if verb != "openTicket" else set())
    assert fields_of(given.name) - own == {
        to_camel_case(name) for name in (model.model_fields if model else ())
    }
    for name, field in model.model_fields.items() if model else ():
        required = str(given.fields[to_camel_case(name)].type).endswith("!")
        assert required == field.is_required(), name


def test_lists_are_narrowed_by_the_same_fields() -> None:
    assert fields_of("TicketFilter") == {to_camel_case(name) for name in listing.TicketFilter.model_fields}


NETWORK_INPUTS: dict[str, type[BaseModel]] = {
    "addSnmpCredential": credentials.NewCredential, "editSnmpCredential": credentials.EditCredential,
    "orderSnmpCredentials": credentials.OrderCredentials, "addNetworkDevice": devices.AddDevice,
    "editNetworkDevice": devices.EditDevice, "setNetworkParents": devices.SetParents,
    "planNetworkMaintenance": maintenance.PlanMaintenance, "scanNetwork": scanning.AskForScan,
    "probeNetwork": probing.AskForProbe, "askForPortCommand": commanding.AskForPortCommand,
}  # fmt: skip


MDM_INPUTS: dict[str, type[BaseModel]] = {
    "addMdmConnection": connections.NewConnection, "editMdmConnection": connections.EditConnection,
    "setMdmMapping": mappings.SetMapping, "askMdmSync": syncing.AskSync, "decideMdmRun": syncing.DecideRun,
    "settleMdmReview": reviewing.SettleReview, "askMdmCommand": command_inputs.AskCommand,
    "approveMdmCommand": command_inputs.ApproveCommand, "refuseMdmCommand": command_inputs.RefuseCommand,
    "proposeMdmBulk": bulks.ProposeBulk, "confirmMdmBulk": bulks.ConfirmBulk,
}  # fmt: skip


@pytest.mark.parametrize("verb", NETWORK_INPUTS | MDM_INPUTS)
def test_a_verb_on_the_network_takes_the_same_fields_through_both_doors(verb: str) -> None:
    mutation = schema.core.mutation_type
    assert mutation is not None
    given = get_named_type(mutation.fields[verb].args["input"].type)
    model = (NETWORK_INPUTS | MDM_INPUTS)[verb]
    own = {"idempotencyKey", "expectedVersion", "id"} | ({"assetTag"} if verb == "askMdmCommand" else set())
    assert fields_of(given.name) - own == {to_camel_case(name) for name in model.model_fields}
    for name, field in model.model_fields.items():
        required = str(given.fields[to_camel_case(name)].type).endswith("!")
        assert required == field.is_required(), name


def test_lists_of_the_network_are_narrowed_by_the_same_fields() -> None:
    devices_told = {to_camel_case(name) for name in DeviceFilter.model_fields}
    assert (
        fields_of("NetworkDeviceFilter") | {"q"} == devices_told
    )  # `words` beside the filter, as for tickets
    assert fields_of("NetworkFaultFilter") == {to_camel_case(name) for name in FaultFilter.model_fields}


def test_commands_are_narrowed_and_take_arguments_by_the_same_fields() -> None:
    for name, model in (
        ("MdmCommandFilter", command_listing.CommandFilter),
        ("MdmCommandArguments", command_inputs.CommandArguments),
    ):
        assert fields_of(name) == {to_camel_case(field) for field in model.model_fields}


def test_records_of_devices_are_narrowed_by_the_same_fields() -> None:
    told = {to_camel_case(name) for name in record_listing.RecordFilter.model_fields}
    assert fields_of("MdmRecordFilter") == told


@pytest.mark.parametrize("model", SHAPES, ids=lambda model: model.__name__)
def test_every_field_of_rest_can_be_reached(model: type[BaseModel]) -> None:
    assert {spelled(model, name) for name in model.model_fields} <= fields_of(SHAPES[model])


def test_everything_rest_says_about_you_can_be_reached() -> None:
    theirs = {to_camel_case(name) for name in set(Me.model_fields) - set(PersonOut.model_fields)}
    assert theirs | {"schoolIds", "person"} == fields_of("Me")


def test_every_read_of_rest_has_a_field() -> None:
    reads = {name for router in ROUTERS for name in operations(router, "GET")}
    assert reads == set(READS)
    for target in READS.values():
        owner, _, field = target.partition(".")
        assert field in fields_of(owner), target


def test_every_word_of_the_service_is_an_enum_value() -> None:
    for name, enum in ENUMS.items():
        graphql_type = schema.core.type_map[name]
        assert isinstance(graphql_type, GraphQLEnumType)
        assert {key: value.value for key, value in graphql_type.values.items()} == {
            member.name: member.value for member in enum
        }


WHOLE = """query($n: Int!) { ticket(number: $n) {
    number kind subject status priority impact urgency queue { key name } category { key }
    requester { personId name } openedBy { personId name } assignee { personId name }
    place { placeId name } schoolId asset { tag kind model } channel language tags externalId sourceKey
    openedAt reportedAt updatedAt nextDueAt firstResponseAt lastReplyAt resolvedAt closedAt
    holdReason holdUntil cause fix outcome reopens version description resolution sharedWith
    vendor { personId name } timers { agreement policy target cycle state startedAt dueAt stoppedAt breachedAt
    targetMinutes }
    device { tag kind model serial withheld note takenAt duplicates facts { name } fresh { asOf } } } }"""


def as_rest(value: Any) -> Any:
    """What GraphQL said, in the words of REST."""
    words = {member.name: member.value for enum in ENUMS.values() for member in enum}
    if isinstance(value, dict):
        return {name: as_rest(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_rest(inner) for inner in value]
    return words.get(value, value) if isinstance(value, str) else value


async def test_both_doors_tell_the_same_of_one_ticket(desk: Desk) -> None:
    number = await desk.open(
        category="av.projector", assetTag=desk.tag, impact="CLASSROOM", urgency="CANNOT_WORK"
    )
    await desk.change("shareTicket", number=number, personId=str(desk.people["vendor"].id))
    await desk.change("startTicket", number=number)
    await desk.change("tagTicket", number=number, add=["lamp"])
    done = {"resolution": "Swapped it", "cause": "AV_CABLE", "fix": "ONSITE_REPLACE_PART"}
    await desk.change("resolveTicket", number=number, **done)
    headers = makers.bearer(desk.tokens["technician"])
    rest = (await desk.client.get(f"/api/v1/tickets/{number}", headers=headers)).json()
    graph = as_rest((await desk.data(WHOLE, n=number))["ticket"])
    for name in ("requester", "opened_by", "assignee"):
        rest[name]["id"] = str(rest[name]["id"])
        graph[to_camel_case(name)]["id"] = graph[to_camel_case(name)].pop("personId")
    graph["place"]["id"] = graph["place"].pop("placeId")
    graph["category"] = graph["category"]["key"]
    graph["sharedWith"] = [int(person) for person in graph["sharedWith"]]
    for timer in rest["timers"]:
        for key in list(timer):
            timer[to_camel_case(key)] = timer.pop(key)
    rest["device"] = {to_camel_case(name): value for name, value in rest["device"].items()}
    same_instants(rest["timers"])
    same_instants(graph["timers"])
    assert {to_camel_case(name): value for name, value in rest.items()} == graph


def same_instants(timers: list[dict[str, Any]]) -> None:
    """REST's timers come out of the database as text; an instant is the same with and without zeros."""
    from datetime import datetime

    for timer in timers:
        for name, value in timer.items():
            if name.endswith("At") and value is not None:
                timer[name] = datetime.fromisoformat(value)


REFUSALS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("note", "noteOnTicket", "teacher", {"body": "Hello"}),
    ("reply", "replyToTicket", "stranger", {"body": "Hello"}),
    ("close", "closeTicket", "technician", {}),
    ("transfer", "transferTicket", "technician", {"queue": "no-such-queue"}),
    ("reply", "replyToTicket", "technician", {"body": "  "}),
    ("triage", "triageTicket", "technician", {"category": "Not A Code"}),
]


@pytest.mark.parametrize(("path", "verb", "who", "body"), REFUSALS)
async def test_both_doors_refuse_alike(
    desk: Desk, path: str, verb: str, who: str, body: dict[str, Any]
) -> None:
    number = await desk.open()
    response = await desk.client.post(
        f"/api/v1/tickets/{number}/{path}", json=body, headers=makers.bearer(desk.tokens[who])
    )
    problem = response.json()
    rest = {(error["code"], error["message"]) for error in problem["errors"]} or {
        (problem["code"], problem["detail"])
    }
    payload = await desk.change(verb, who, number=number, **body)
    assert {(error["code"], error["message"]) for error in payload["userErrors"]} == rest


async def test_a_key_used_at_one_door_counts_at_the_other(desk: Desk) -> None:
    headers = makers.bearer(desk.tokens["teacher"]) | {"Idempotency-Key": makers.unique("both")}
    body = {"subject": "Once, through both doors"}
    first = await desk.client.post("/api/v1/tickets", json=body, headers=headers)
    again = await desk.open(**body, idempotencyKey=headers["Idempotency-Key"])
    assert again == first.json()["number"]


def test_enum_members_do_not_share_a_name_with_different_meaning() -> None:
    seen: dict[str, set[str]] = {}
    for enum in ENUMS.values():
        assert issubclass(enum, Enum)
        for member in enum:
            seen.setdefault(member.name, set()).add(member.value)
    assert {name for name, values in seen.items() if len(values) > 1} == set()
