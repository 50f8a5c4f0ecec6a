"""Every operation of both doors against every role: a new one must be named here first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from strawberry.utils.str_converters import to_camel_case

from integrations.snmp.reading import DeviceKind
from schema import schema
from service.core.actor import SYSTEM, Role
from service.core.settings import settings
from service.core.work import Work
from service.monitoring.history import ensure_series
from service.monitoring.models import NetworkDevice, ReachBy
from service.playbooks.models import VersionStatus
from service.tickets.models import Notice
from tests import makers
from tests.contract.world import MAC, WHO, World, in_an_hour, make_world
from tests.playbook_texts import PIXEL, small

EVERYBODY = frozenset(WHO) - {"nobody"}
SEES = frozenset({"requester", "guardian", "vendor", "technician", "lead", "integration", "admin"})
WORKS = frozenset({"technician", "lead", "integration", "admin"})
FINISHES = WORKS | {"requester"}
DESK = frozenset({"technician", "elsewhere", "lead", "integration", "admin"})
CONFIGURES = frozenset({"lead", "admin"})
EDITS_DIRECTORY = frozenset({"integration", "admin"})
ADMIN = frozenset({"admin"})
RUNS_NETWORK = frozenset({"technician", "elsewhere", "lead", "admin"})
ANSWERS = frozenset({"requester", "technician", "admin"})
HELPS = frozenset({"technician", "admin"})

NEW_CALENDAR = {"name": None, "definition": makers.CALENDAR}
OUTCOME = {"resolution": "Done", "cause": "other", "fix": "none"}


@dataclass(frozen=True)
class Try:
    """How an operation is tried: who may, on what, with what; `state` is what its ticket must be in."""

    who: frozenset[str]
    method: str
    path: str
    body: Callable[[World], Any] | None = None
    state: str | None = None
    run: str | None = None
    version: VersionStatus | None = None


def on_run(method: str, name: str, who: frozenset[str], body: Any = None, run: str = "first") -> Try:
    made = body if callable(body) or body is None else lambda _: body
    return Try(who, method, f"/playbook-runs/{{run}}/{name}".rstrip("/"), made, run=run)


def on_version(name: str, version: VersionStatus, body: Any = None) -> Try:
    made = body if callable(body) or body is None else lambda _: body
    method = "POST" if name else "PUT"
    path = f"/playbook-versions/{{version}}/{name}".rstrip("/")
    return Try(CONFIGURES, method, path, made, version=version)


def verb(name: str, who: frozenset[str], body: Any = None, state: str = "new") -> Try:
    made = body if callable(body) or body is None else lambda _: body
    return Try(who, "POST", f"/tickets/{{number}}/{name}", made, state)


OPERATIONS: dict[str, Try] = {
    "openTicket": Try(EVERYBODY, "POST", "/tickets", lambda _: {"subject": "No sound"}),
    "listTickets": Try(EVERYBODY, "GET", "/tickets"),
    "countTickets": Try(EVERYBODY, "GET", "/tickets/count"),
    "getTicket": Try(SEES, "GET", "/tickets/{number}", state="new"),
    "getTimeline": Try(SEES, "GET", "/tickets/{number}/timeline", state="new"),
    "getTicketSla": Try(SEES, "GET", "/tickets/{number}/sla", state="new"),
    "getLinks": Try(SEES, "GET", "/tickets/{number}/links", state="new"),
    "replyToTicket": verb("reply", SEES, {"body": "Hello"}),
    "noteOnTicket": verb("note", WORKS, {"body": "Hello"}),
    "triageTicket": verb("triage", WORKS, {"impact": "school"}),
    "assignTicket": verb("assign", WORKS, lambda w: {"assignee_id": w.people["technician"].id}),
    "unassignTicket": verb("unassign", WORKS),
    "transferTicket": verb("transfer", WORKS, lambda w: {"queue": w.ids["other_queue"]}),
    "startTicket": verb("start", WORKS),
    "waitOnRequester": verb("wait", WORKS, {}),
    "holdTicket": verb("hold", WORKS, {"reason": "Parts"}),
    "resolveTicket": verb("resolve", WORKS, OUTCOME),
    "closeTicket": verb("close", FINISHES, {}, "resolved"),
    "reopenTicket": verb("reopen", FINISHES, {"reason": "Again"}, "closed"),
    "cancelTicket": verb("cancel", FINISHES, {"reason": "Found it"}),
    "tagTicket": verb("tag", WORKS, {"add": ["loud"]}),
    "linkTicket": verb("link", WORKS, lambda w: {"kind": "relates_to", "other": w.ids["other_ticket"]}),
    "shareTicket": verb("share", WORKS, lambda w: {"person_id": w.people["other_staff"].id}),
    "unshareTicket": verb("unshare", WORKS, lambda w: {"person_id": w.people["other_staff"].id}),
    "listQueues": Try(EVERYBODY, "GET", "/queues"),
    "addQueue": Try(CONFIGURES, "POST", "/queues", lambda _: {"key": makers.unique("q"), "name": "Q"}),
    "editQueue": Try(CONFIGURES, "PUT", "/queues/{other_queue}", lambda _: {"name": "Renamed"}),
    "listCategories": Try(EVERYBODY, "GET", "/categories"),
    "addCategory": Try(
        CONFIGURES, "POST", "/categories", lambda _: {"id": makers.unique("c").replace("-", "_"), "name": "C"}
    ),
    "getRouting": Try(DESK, "GET", "/routing"),
    "setRouting": Try(CONFIGURES, "PUT", "/routing", lambda _: {"rules": []}),
    "getMatrix": Try(EVERYBODY, "GET", "/priority-matrix"),
    "setMatrix": Try(CONFIGURES, "PUT", "/priority-matrix", lambda _: {"cells": []}),
    "explainSla": Try(
        EVERYBODY,
        "POST",
        "/sla/explain",
        lambda _: {
            "calendar": makers.CALENDAR,
            "policy": {"targets": {"resolution": 60}},
            "events": [{"at": "2026-11-23T09:00:00-06:00", "kind": "opened", "by": "requester"}],
        },
    ),
    "listCalendars": Try(EVERYBODY, "GET", "/calendars"),
    "getCalendar": Try(EVERYBODY, "GET", "/calendars/{calendar}"),
    "createCalendar": Try(
        CONFIGURES, "POST", "/calendars", lambda _: NEW_CALENDAR | {"name": makers.unique("Cal")}
    ),
    "previewCalendar": Try(
        CONFIGURES, "POST", "/calendars/{calendar}/preview", lambda _: {"definition": makers.CALENDAR}
    ),
    "editCalendar": Try(
        CONFIGURES, "PUT", "/calendars/{calendar}", lambda _: {"definition": makers.CALENDAR}
    ),
    "listPolicies": Try(DESK, "GET", "/sla/policies"),
    "createPolicy": Try(
        CONFIGURES,
        "POST",
        "/sla/policies",
        lambda _: {"name": makers.unique("Policy"), "active": False, "targets": makers.TARGETS},
    ),
    "editPolicy": Try(
        CONFIGURES,
        "PUT",
        "/sla/policies/{policy}",
        lambda _: {"name": makers.unique("Policy"), "active": False, "targets": makers.TARGETS},
    ),
    "listPlaces": Try(EVERYBODY, "GET", "/places"),
    "getPlace": Try(EVERYBODY, "GET", "/places/{school}"),
    "addPlace": Try(
        EDITS_DIRECTORY,
        "POST",
        "/places",
        lambda _: {"id": makers.unique("9"), "kind": "school", "name": "S"},
    ),
    "editPlace": Try(EDITS_DIRECTORY, "PUT", "/places/{school}", lambda _: {"name": "Renamed"}),
    "getMe": Try(EVERYBODY, "GET", "/me"),
    "listPeople": Try(DESK, "GET", "/people"),
    "getPerson": Try(DESK | {"pupil", "guardian"}, "GET", "/people/{pupil}"),
    "addPerson": Try(EDITS_DIRECTORY, "POST", "/people", lambda _: {"name": "New", "role": "staff"}),
    "editPerson": Try(
        EDITS_DIRECTORY, "PUT", "/people/{other_staff}", lambda _: {"name": "Edited", "role": "staff"}
    ),
    "relatePerson": Try(
        EDITS_DIRECTORY,
        "POST",
        "/people/{requester}/relate",
        lambda w: {"kind": "teaches", "other_id": w.people["pupil"].id},
    ),
    "unrelatePerson": Try(
        EDITS_DIRECTORY,
        "POST",
        "/people/{requester}/unrelate",
        lambda w: {"kind": "teaches", "other_id": w.people["pupil"].id},
    ),
    "serve": Try(
        ADMIN,
        "POST",
        "/people/{spare}/serve",
        lambda w: {"school_ids": [w.ids["school"]]},
    ),
    "listTokens": Try(ADMIN, "GET", "/tokens"),
    "createToken": Try(
        ADMIN, "POST", "/tokens", lambda w: {"person_id": w.people["other_staff"].id, "label": "x"}
    ),
    "revokeToken": Try(ADMIN, "POST", "/tokens/{spare_token}/revoke"),
    "listAssets": Try(EVERYBODY, "GET", "/assets"),
    "getAsset": Try(DESK | {"pupil", "guardian"}, "GET", "/assets/{tag}"),
    "addAsset": Try(
        EDITS_DIRECTORY, "POST", "/assets", lambda _: {"tag": makers.unique("T"), "kind": "laptop"}
    ),
    "editAsset": Try(EDITS_DIRECTORY, "PUT", "/assets/{spare_tag}", lambda _: {"kind": "laptop"}),
    "listNotices": Try(EVERYBODY, "GET", "/notices"),
    "seeNotice": Try(frozenset({"technician"}), "POST", "/notices/{notice}/seen"),
    "reportResolution": Try(DESK, "GET", "/reports/resolution"),
    "reportDeflection": Try(DESK, "GET", "/reports/deflection"),
    "listNetworkMetrics": Try(DESK, "GET", "/network/devices/{measured}/metrics"),
    "getNetworkHistory": Try(DESK, "GET", "/network/devices/{measured}/history?metric=cpu.percent"),
    "exposeNetworkMetrics": Try(DESK, "GET", "/network/metrics"),
    "listNetworkDevices": Try(DESK, "GET", "/network/devices"),
    "addNetworkDevice": Try(
        CONFIGURES, "POST", "/network/devices", lambda _: {"address": makers.unique_address()}
    ),
    "getNetworkDevice": Try(DESK, "GET", "/network/devices/{network_device}"),
    "editNetworkDevice": Try(
        CONFIGURES, "PATCH", "/network/devices/{network_device}", lambda _: {"name": "Renamed"}
    ),
    "deleteNetworkDevice": Try(CONFIGURES, "DELETE", "/network/devices/{network_device}"),
    "pollNetworkDevice": Try(RUNS_NETWORK, "POST", "/network/devices/{network_device}/poll"),
    "rediscoverNetworkDevice": Try(RUNS_NETWORK, "POST", "/network/devices/{network_device}/rediscover"),
    "setNetworkParents": Try(
        CONFIGURES, "PUT", "/network/devices/{network_device}/parents", lambda _: {"parents": []}
    ),
    "getNetworkInventory": Try(DESK, "GET", "/network/devices/{network_device}/inventory"),
    "listNetworkPorts": Try(DESK, "GET", "/network/devices/{network_device}/ports"),
    "listNetworkAccessPoints": Try(DESK, "GET", "/network/devices/{network_device}/access-points"),
    "listNetworkFaults": Try(DESK, "GET", "/network/faults"),
    "getNetworkFault": Try(DESK, "GET", "/network/faults/{network_fault}"),
    "getNetworkTopology": Try(DESK, "GET", "/network/topology?school_id={school}"),
    "getNetworkMac": Try(DESK, "GET", "/network/macs/{mac}"),
    "listNetworkMaintenances": Try(DESK, "GET", "/network/maintenances"),
    "getNetworkMaintenance": Try(DESK, "GET", "/network/maintenances/{maintenance}"),
    "planNetworkMaintenance": Try(
        RUNS_NETWORK,
        "POST",
        "/network/maintenances",
        lambda w: {"school_id": w.ids["school"], "ends_at": in_an_hour(), "reason": "New switch"},
    ),
    "cancelNetworkMaintenance": Try(RUNS_NETWORK, "POST", "/network/maintenances/{maintenance}/cancel"),
    "listNetworkTraps": Try(DESK, "GET", "/network/traps"),
    "listSnmpCredentials": Try(CONFIGURES, "GET", "/network/credentials"),
    "addSnmpCredential": Try(
        ADMIN,
        "POST",
        "/network/credentials",
        lambda _: {"name": makers.unique("c"), "version": "v2c", "community": "x"},
    ),
    "getSnmpCredential": Try(CONFIGURES, "GET", "/network/credentials/{credential}"),
    "editSnmpCredential": Try(
        ADMIN,
        "PUT",
        "/network/credentials/{credential}",
        lambda _: {"name": makers.unique("c"), "version": "v2c"},
    ),
    "deleteSnmpCredential": Try(ADMIN, "DELETE", "/network/credentials/{credential}"),
    "orderSnmpCredentials": Try(
        ADMIN, "PUT", "/network/credentials/order", lambda w: {"ids": w.ids["credentials"]}
    ),
    "listNetworkScans": Try(DESK, "GET", "/network/scans"),
    "scanNetwork": Try(
        CONFIGURES, "POST", "/network/scans", lambda _: {"targets": ["127.0.0.1"], "adopts": False}
    ),
    "getNetworkScan": Try(DESK, "GET", "/network/scans/{probe}"),
    "probeNetwork": Try(CONFIGURES, "POST", "/network/probes", lambda _: {"address": "127.0.0.1"}),
    "getNetworkProbe": Try(DESK, "GET", "/network/probes/{probe}"),
    "askForPortCommand": Try(
        RUNS_NETWORK,
        "POST",
        "/network/devices/{powered}/commands",
        lambda _: {"verb": "enable", "port_key": "1/1", "reason": "The phone is dead"},
    ),
    "listPortCommands": Try(DESK, "GET", "/network/commands"),
    "getPortCommand": Try(DESK, "GET", "/network/commands/{command}"),
    "listMdmVendors": Try(DESK, "GET", "/mdm/vendors"),
    "listMdmConnections": Try(DESK, "GET", "/mdm/connections"),
    "addMdmConnection": Try(
        ADMIN,
        "POST",
        "/mdm/connections",
        lambda _: {
            "name": makers.unique("mdm"),
            "vendor": "fleet",
            "settings": {"base_url": "https://fleet.invalid", "token": "x"},
            "enabled": False,
        },
    ),
    "getMdmConnection": Try(DESK, "GET", "/mdm/connections/{mdm_connection}"),
    "editMdmConnection": Try(
        ADMIN, "PATCH", "/mdm/connections/{mdm_connection}", lambda _: {"guard_percent": 10}
    ),
    "deleteMdmConnection": Try(ADMIN, "DELETE", "/mdm/connections/{mdm_connection}"),
    "checkMdmConnection": Try(ADMIN, "POST", "/mdm/connections/{mdm_connection}/check"),
    "listMdmMappings": Try(DESK, "GET", "/mdm/mappings"),
    "setMdmMapping": Try(
        CONFIGURES,
        "PUT",
        "/mdm/mappings",
        lambda w: {"kind": "site", "word": "/A", "place_id": w.ids["school"]},
    ),
    "getMdmMapping": Try(DESK, "GET", "/mdm/mappings/{mdm_mapping}"),
    "deleteMdmMapping": Try(CONFIGURES, "DELETE", "/mdm/mappings/{mdm_mapping}"),
    "listMdmUnmapped": Try(DESK, "GET", "/mdm/unmapped?kind=site"),
    "askMdmSync": Try(RUNS_NETWORK, "POST", "/mdm/connections/{mdm_enabled}/sync", lambda _: {}),
    "askMdmCommand": Try(
        RUNS_NETWORK,
        "POST",
        "/mdm/assets/{commanded}/commands",
        lambda _: {"verb": "wipe", "reason": "It is sold"},
    ),
    "listMdmCommands": Try(DESK, "GET", "/mdm/commands"),
    "getMdmCommand": Try(DESK, "GET", "/mdm/commands/{mdm_command}"),
    "approveMdmCommand": Try(CONFIGURES, "POST", "/mdm/commands/{mdm_command}/approve", lambda _: {}),
    "refuseMdmCommand": Try(
        CONFIGURES, "POST", "/mdm/commands/{mdm_command}/refuse", lambda _: {"reason": "Not this one"}
    ),
    "cancelMdmCommand": Try(CONFIGURES, "POST", "/mdm/commands/{mdm_command}/cancel"),
    "readMdmCommandSecrets": Try(CONFIGURES, "POST", "/mdm/commands/{mdm_command}/secrets"),
    "proposeMdmBulk": Try(
        CONFIGURES,
        "POST",
        "/mdm/bulk-commands",
        lambda w: {"verb": "sync", "reason": "Before the holidays", "tags": [w.ids["commanded"]]},
    ),
    "listMdmBulks": Try(DESK, "GET", "/mdm/bulk-commands"),
    "getMdmBulk": Try(DESK, "GET", "/mdm/bulk-commands/{mdm_bulk}"),
    "confirmMdmBulk": Try(
        CONFIGURES,
        "POST",
        "/mdm/bulk-commands/{mdm_bulk}/confirm",
        lambda w: {"digest": w.ids["bulk_digest"]},
    ),
    "listMdmRuns": Try(DESK, "GET", "/mdm/runs"),
    "getMdmRun": Try(DESK, "GET", "/mdm/runs/{mdm_held}"),
    "listMdmRunLines": Try(DESK, "GET", "/mdm/runs/{mdm_held}/lines"),
    "decideMdmRun": Try(CONFIGURES, "POST", "/mdm/runs/{mdm_held}/decide", lambda _: {"go": False}),
    "cancelMdmRun": Try(RUNS_NETWORK, "POST", "/mdm/runs/{mdm_asked}/cancel"),
    "listMdmRecords": Try(DESK, "GET", "/mdm/records"),
    "getMdmRecord": Try(DESK, "GET", "/mdm/records/{mdm_record}"),
    "listMdmAssetRecords": Try(DESK, "GET", "/mdm/assets/{tag}/records"),
    "listMdmReviews": Try(DESK, "GET", "/mdm/reviews"),
    "getMdmReview": Try(DESK, "GET", "/mdm/reviews/{mdm_review}"),
    "settleMdmReview": Try(
        RUNS_NETWORK, "POST", "/mdm/reviews/{mdm_review}/settle", lambda _: {"how": "none"}
    ),
    "suggestPlaybooks": Try(EVERYBODY, "GET", "/playbook-suggestions?words=frobnicator"),
    "startRun": Try(EVERYBODY - {"vendor"}, "POST", "/playbook-runs", lambda _: {"playbook": "matrix"}),
    "listRuns": Try(EVERYBODY, "GET", "/playbook-runs"),
    "getRun": on_run("GET", "", ANSWERS),
    "answerStep": on_run("POST", "answer", ANSWERS, {"step": "first", "value": "yes"}),
    "skipStep": on_run("POST", "skip", ANSWERS, {"step": "first", "reason": "No"}),
    "goBack": on_run("POST", "back", ANSWERS, run="second"),
    "handOverRun": on_run("POST", "hand-over", ANSWERS, {"reason": "No time"}),
    "takeOverRun": on_run("POST", "take-over", HELPS),
    "approveRun": on_run("POST", "approve", HELPS, {"reason": "Checked"}, "approval"),
    "refuseRun": on_run("POST", "refuse", HELPS, {"reason": "Checked"}, "approval"),
    "cancelRun": on_run("POST", "cancel", ANSWERS, {"reason": "Never mind"}),
    "getRunLog": on_run("GET", "log", HELPS),
    "getRunSummary": on_run("GET", "summary", HELPS),
    "addPhoto": on_run("POST", "photos", ANSWERS, {"content": PIXEL}),
    "getPhoto": on_run("GET", "photos/{photo}", ANSWERS),
    "listPlaybooks": Try(EVERYBODY, "GET", "/playbooks"),
    "getPlaybook": Try(EVERYBODY, "GET", "/playbooks/matrix"),
    "getPlaybookGraph": Try(EVERYBODY, "GET", "/playbooks/matrix/graph"),
    "listPlaybookVersions": Try(DESK, "GET", "/playbooks/matrix/versions"),
    "getPlaybookAnalytics": Try(DESK, "GET", "/playbooks/matrix/analytics"),
    "checkPlaybook": Try(CONFIGURES, "POST", "/playbooks/check", lambda _: {"source": small()}),
    "writePlaybook": Try(
        CONFIGURES,
        "POST",
        "/playbooks",
        lambda _: {"source": small(makers.unique("new").replace("_", "-"))},
    ),
    "getPlaybookVersion": Try(DESK, "GET", "/playbook-versions/{version}", version=VersionStatus.DRAFT),
    "rewritePlaybook": on_version("", VersionStatus.DRAFT, lambda w: {"source": small(w.ids["version_of"])}),
    "submitPlaybook": on_version("submit", VersionStatus.DRAFT),
    "publishPlaybook": on_version("publish", VersionStatus.REVIEW),
    "withdrawPlaybook": on_version("withdraw", VersionStatus.PUBLISHED, {"reason": "Wrong"}),
    "listKnownFacts": Try(EVERYBODY, "GET", "/playbook-facts"),
    "listDistrictFacts": Try(DESK, "GET", "/district-facts"),
    "setDistrictFact": Try(
        CONFIGURES, "POST", "/district-facts", lambda _: {"name": "policy.damage_words", "value": "Ask"}
    ),
    "endDistrictFact": Try(CONFIGURES, "POST", "/district-facts/{fact}/end"),
    "listAssetFacts": Try(DESK, "GET", "/assets/{tag}/facts"),
    "recordAssetFacts": Try(
        EDITS_DIRECTORY,
        "POST",
        "/assets/{spare_tag}/facts",
        lambda _: {"source": "google", "facts": [{"name": "device.status", "value": "active"}]},
    ),
    "listLoans": Try(EVERYBODY, "GET", "/loans"),
    "askForLoaner": Try(
        DESK,
        "POST",
        "/loans",
        lambda w: {"kind": "laptop", "person_id": w.people["requester"].id, "order": True},
    ),
    "moveLoan": Try(DESK, "POST", "/loans/{loan}/move", lambda _: {"state": "cancelled"}),
}
QUERIES: dict[str, str] = {
    "listTickets": "{ tickets(first: 1) { nodes { number } } }",
    "countTickets": "{ ticketCount { count } }",
    "getTicket": "{ ticket(number: %(number)s) { subject } }",
    "getTimeline": "{ ticket(number: %(number)s) { timeline { nodes { kind } } } }",
    "getTicketSla": "{ ticket(number: %(number)s) { sla } }",
    "getLinks": "{ ticket(number: %(number)s) { links { number } } }",
    "listQueues": "{ queues { key } }",
    "listCategories": "{ categories { key } }",
    "getRouting": "{ routing { queue } }",
    "getMatrix": "{ priorityMatrix { priority } }",
    "explainSla": "query($body: JSON!) { explainSla(scenario: $body) }",
    "listCalendars": "{ calendars { name } }",
    "getCalendar": '{ calendar(id: "%(calendar)s") { name } }',
    "previewCalendar": "query($definition: JSON!) "
    '{ previewCalendar(id: "%(calendar)s", definition: $definition) { cycle } }',
    "listPolicies": "{ slaPolicies { name } }",
    "listPlaces": "{ places(first: 1) { nodes { name } } }",
    "getPlace": '{ place(id: "%(school)s") { name } }',
    "getMe": "{ me { person { name } } }",
    "listPeople": "{ people(first: 1) { nodes { name } } }",
    "getPerson": '{ person(id: "%(pupil)s") { name } }',
    "listTokens": "{ tokens(first: 1) { nodes { label } } }",
    "listAssets": "{ assets(first: 1) { nodes { tag } } }",
    "getAsset": '{ asset(tag: "%(tag)s") { tag } }',
    "listNotices": "{ notices(first: 1) { nodes { text } } }",
    "reportResolution": "{ reportResolution }",
    "reportDeflection": "{ reportDeflection }",
    "listNetworkMetrics": '{ networkMetrics(deviceId: "%(measured)s") { metric } }',
    "getNetworkHistory": '{ networkHistory(deviceId: "%(measured)s", metric: "cpu.percent") { step } }',
    "exposeNetworkMetrics": "{ networkExposition }",
    "listNetworkDevices": "{ networkDevices(first: 1) { nodes { name } } }",
    "getNetworkDevice": '{ networkDevice(id: "%(network_device)s") { summary { ports } } }',
    "getNetworkInventory": '{ networkDevice(id: "%(network_device)s") { inventory { vlans } } }',
    "listNetworkPorts": '{ networkDevice(id: "%(network_device)s") { ports { nodes { key } } } }',
    "listNetworkAccessPoints": '{ networkDevice(id: "%(network_device)s") { accessPoints { nodes { up } } } }',  # noqa: E501
    "listNetworkFaults": "{ networkFaults(first: 1) { nodes { check } } }",
    "getNetworkFault": '{ networkFault(id: "%(network_fault)s") { check } }',
    "getNetworkTopology": '{ networkTopology(schoolId: "%(school)s") { complete } }',
    "getNetworkMac": '{ networkMac(mac: "%(mac)s") { port } }',
    "listNetworkMaintenances": "{ networkMaintenances(first: 1) { nodes { reason } } }",
    "getNetworkMaintenance": '{ networkMaintenance(id: "%(maintenance)s") { reason } }',
    "listNetworkTraps": "{ networkTraps(first: 1) { nodes { count } } }",
    "listSnmpCredentials": "{ snmpCredentials(first: 1) { nodes { name } } }",
    "getSnmpCredential": '{ snmpCredential(id: "%(credential)s") { name } }',
    "listNetworkScans": "{ networkScans(first: 1) { nodes { state } } }",
    "getNetworkScan": '{ networkScan(id: "%(probe)s") { state found { address } } }',
    "getNetworkProbe": '{ networkProbe(id: "%(probe)s") { state } }',
    "listPortCommands": "{ networkCommands(first: 1) { nodes { state } } }",
    "getPortCommand": '{ networkCommand(id: "%(command)s") { verb state } }',
    "listMdmVendors": "{ mdmVendors { label } }",
    "listMdmConnections": "{ mdmConnections(first: 1) { nodes { name } } }",
    "getMdmConnection": '{ mdmConnection(id: "%(mdm_connection)s") { hasSecrets } }',
    "listMdmMappings": "{ mdmMappings(first: 1) { nodes { word } } }",
    "getMdmMapping": '{ mdmMapping(id: "%(mdm_mapping)s") { word } }',
    "listMdmUnmapped": "{ mdmUnmapped(kind: SITE, first: 1) { nodes { word } } }",
    "listMdmCommands": "{ mdmCommands(first: 1) { nodes { verb state } } }",
    "getMdmCommand": '{ mdmCommand(id: "%(mdm_command)s") { hasSecrets } }',
    "listMdmBulks": "{ mdmBulks(first: 1) { nodes { count counts { state count } } } }",
    "getMdmBulk": '{ mdmBulk(id: "%(mdm_bulk)s") { devices { assetTag } leftOut { why } } }',
    "listMdmRuns": "{ mdmRuns(first: 1) { nodes { state counts { listed } } } }",
    "getMdmRun": '{ mdmRun(id: "%(mdm_held)s") { state } }',
    "listMdmRunLines": '{ mdmRun(id: "%(mdm_held)s") { lines(first: 1) { nodes { why } } } }',
    "listMdmRecords": "{ mdmRecords(first: 1) { nodes { externalId } } }",
    "getMdmRecord": '{ mdmRecord(id: "%(mdm_record)s") { device } }',
    "listMdmAssetRecords": '{ mdmAssetRecords(tag: "%(tag)s") { device } }',
    "listMdmReviews": "{ mdmReviews(first: 1) { nodes { why candidates { tag } } } }",
    "getMdmReview": '{ mdmReview(id: "%(mdm_review)s") { why } }',
    "suggestPlaybooks": '{ suggestPlaybooks(words: "frobnicator") { playbook } }',
    "listRuns": "{ playbookRuns(first: 1) { nodes { path } } }",
    "getRun": '{ playbookRun(id: "%(run)s") { title step { text } } }',
    "getRunLog": '{ playbookRun(id: "%(run)s") { log { nodes { kind } } } }',
    "getRunSummary": '{ playbookRun(id: "%(run)s") { summary { title } } }',
    "getPhoto": '{ playbookRun(id: "%(run)s") { photo(key: "%(photo)s") } }',
    "listPlaybooks": "{ playbooks { title } }",
    "getPlaybook": '{ playbook(id: "matrix") { title } }',
    "getPlaybookGraph": '{ playbook(id: "matrix") { graph } }',
    "listPlaybookVersions": '{ playbook(id: "matrix") { versions { status } } }',
    "getPlaybookAnalytics": '{ playbook(id: "matrix") { analytics } }',
    "checkPlaybook": "query($source: String!) { checkPlaybook(source: $source) }",
    "getPlaybookVersion": '{ playbookVersion(id: "%(version)s") { source } }',
    "listKnownFacts": "{ knownFacts { name } }",
    "listDistrictFacts": "{ districtFacts { name } }",
    "listAssetFacts": '{ asset(tag: "%(tag)s") { facts { name } } }',
    "listLoans": "{ loans(first: 1) { nodes { state } } }",
}
# a mutation's subject: the name of its input field, from the last name in the REST path
SUBJECTS = {
    "number": "number", "other_queue": "key", "calendar": "id", "policy": "id", "school": "id",
    "other_staff": "id", "requester": "id", "spare": "id", "spare_token": "id", "spare_tag": "tag",
    "notice": "noticeId", "run": "run", "version": "id", "fact": "factId", "loan": "loanId",
    "network_device": "id", "credential": "id", "maintenance": "id", "powered": "id",
    "mdm_connection": "id", "mdm_mapping": "id", "mdm_enabled": "id", "mdm_held": "id",
    "mdm_asked": "id", "mdm_review": "id", "commanded": "assetTag", "mdm_command": "id", "mdm_bulk": "id",
}  # fmt: skip
CODED = {"role", "kind", "vendor", "impact", "cause", "fix", "state", "version", "verb", "how"}
OPEN_TO_ALL = {"healthz", "readyz", "metrics"}


@pytest.fixture(scope="module", autouse=True)
def commands_on() -> Iterator[None]:
    """Port commands are off by default."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FIRSTBELL_NETWORK_COMMANDS", "true")
        settings.cache_clear()
        yield
    settings.cache_clear()


@pytest.fixture(scope="session")
async def world(app: Any) -> World:
    made = await make_world(app.state.resources)
    async with made.resources.begin(SYSTEM) as work:
        spare = await makers.make_person(work, Role.TECHNICIAN)
        await makers.token_for(work, spare)
        made.people["spare"] = spare
        made.ids["spare_tag"] = (await makers.make_asset(work)).tag
        made.ids["spare_token"] = await makers.token_id(work, spare)
        notice = Notice(
            person_id=made.people["technician"].id, at=work.now, send_at=work.now, text="Late", detail={}
        )
        work.session.add(notice)
        await work.session.flush()
        made.ids["notice"] = notice.id
        made.ids["measured"] = await _measured(work)
    made.ids["other_ticket"] = await made.ticket()
    return made


async def _measured(work: Work) -> int:
    """A device of the network that has a metric."""
    device = NetworkDevice(
        name="Measured", address=makers.unique("127.0.3"), port=161, kind=DeviceKind.SWITCH, profile="switch",
        reach_by=ReachBy.SNMP, created_at=work.now,
    )  # fmt: skip
    work.session.add(device)
    await work.session.flush()
    await ensure_series(work.session, {device.id: [("cpu.percent", "", "%")]})
    return device.id


def test_every_rest_operation_is_in_the_matrix(app: Any) -> None:
    documented = {op["operationId"] for path in app.openapi()["paths"].values() for op in path.values()}
    assert documented - OPEN_TO_ALL == set(OPERATIONS)


def test_every_graphql_field_is_in_the_matrix() -> None:
    core = schema.core
    mutations = set(core.mutation_type.fields)
    assert mutations == {name for name in OPERATIONS if name not in QUERIES}
    asked = " ".join(QUERIES.values())
    beside = {"node", "nodes", "queue"}  # by their own rules; tested with the tickets and rows they show
    assert {name for name in core.query_type.fields if f"{name}" not in asked} <= beside


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_the_graphql_door_gives_the_same_answer(
    operation: str, world: World, client: httpx.AsyncClient
) -> None:
    wanted = OPERATIONS[operation]
    names: dict[str, Any] = {}
    for who in WHO:
        names = names or await subjects(wanted, world)
        body = wanted.body(world) if wanted.body else {}
        asked = question(operation, wanted, names, body)
        answer = await client.post("/graphql", json=asked, headers=world.headers(who))
        if who == "nobody":
            assert answer.status_code == 401
            continue
        codes = refused_with(answer.json())
        if who in wanted.who:
            assert codes == [], (operation, who, answer.text)
            names = names if operation in QUERIES else {}
        else:
            invisible = wanted.state is not None and who not in SEES
            allowed = {"not_found"} if invisible else {"forbidden", "not_found"}
            assert codes, (operation, who, answer.text)
            assert set(codes) <= allowed, (operation, who, answer.text)


async def subjects(wanted: Try, world: World) -> dict[str, Any]:
    """What an operation is tried on: made afresh after each change, as many can be done only once. Who was
    refused has changed nothing, so the next finds it as it was."""
    names: dict[str, Any] = {**world.ids, **{name: person.id for name, person in world.people.items()}}
    names["number"] = await world.ticket(wanted.state) if wanted.state else 0
    if wanted.run:
        names["run"], names["photo"] = await world.run(wanted.run)
    if wanted.version:
        names["version"], world.ids["version_of"] = await world.version(wanted.version)
    if "{loan}" in wanted.path:
        names["loan"] = await world.loan()
    if "{fact}" in wanted.path:
        names["fact"] = await world.fact()
    for subject, make in (
        ("network_device", world.network_device),
        ("network_fault", world.network_fault),
        ("credential", world.credential),
        ("maintenance", world.maintenance),
        ("probe", world.probe),
        ("powered", world.powered),
        ("command", world.command),
        ("mdm_connection", world.mdm_connection),
        ("mdm_mapping", world.mdm_mapping),
        ("mdm_enabled", world.mdm_enabled),
        ("mdm_asked", world.mdm_asked),
        ("mdm_held", world.mdm_held),
        ("mdm_record", world.mdm_record),
        ("mdm_review", world.mdm_review),
        ("commanded", world.commanded),
        ("mdm_command", world.mdm_command),
        ("mdm_bulk", world.mdm_bulk),
    ):
        if f"{{{subject}}}" in wanted.path:
            names[subject] = await make()
    if "{mac}" in wanted.path:
        await world.network_device()
        names["mac"] = MAC
    if wanted.path.endswith("/bulk-commands"):
        world.ids["commanded"] = await world.commanded()
    if wanted.path.endswith("/credentials/order"):
        world.ids["credentials"] = await world.credentials()
    return names


def question(operation: str, wanted: Try, names: dict[str, Any], body: Any) -> dict[str, Any]:
    if operation in QUERIES:
        text = QUERIES[operation]
        variables = {"body": body, "definition": body.get("definition"), "source": body.get("source")}
        sent = {name: value for name, value in variables.items() if f"${name}" in text}
        return {"query": text % names if "%(" in text else text, "variables": sent}
    given = {to_camel_case(name): _coded(name, value) for name, value in body.items()}
    for subject in re.findall(r"{(\w+)}", wanted.path):
        given[SUBJECTS[subject]] = names[subject]
    named = schema.core.mutation_type.fields[operation].args["input"].type
    text = f"mutation($input: {named}) {{ {operation}(input: $input) {{ userErrors {{ code message }} }} }}"
    return {"query": text, "variables": {"input": given}}


def _coded(name: str, value: Any) -> Any:
    return value.upper().replace(".", "_") if name in CODED else value


def refused_with(answer: dict[str, Any]) -> list[str]:
    codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
    for payload in (answer.get("data") or {}).values():
        if isinstance(payload, dict):
            codes += [error["code"] for error in payload.get("userErrors", ())]
    return codes


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_only_who_may_can(operation: str, world: World, client: httpx.AsyncClient) -> None:
    wanted = OPERATIONS[operation]
    names: dict[str, Any] = {}
    for who in WHO:
        names = names or await subjects(wanted, world)
        path = wanted.path.format(**names)
        body = wanted.body(world) if wanted.body else None
        answer = await client.request(wanted.method, f"/api/v1{path}", json=body, headers=world.headers(who))
        if who in wanted.who:
            assert answer.status_code in (200, 201, 202, 204), (operation, who, answer.text)
            names = names if operation in QUERIES else {}
        elif who == "nobody":
            assert answer.status_code == 401, (operation, answer.text)
        else:
            invisible = wanted.state is not None and who not in SEES
            allowed = (404,) if invisible else (403, 404)
            assert answer.status_code in allowed, (operation, who, answer.status_code, answer.text)
