"""The service's own words as GraphQL enums."""

from __future__ import annotations

import strawberry

from integrations.snmp.reading import DeviceKind
from integrations.snmp.target import AuthProtocol, PrivProtocol, Version
from service.assets.models import AssetKind, LoanState
from service.core.actor import Role, Scope
from service.monitoring.history import Step
from service.monitoring.listing import MaintenanceState
from service.monitoring.models import CommandState, FaultState, ReachBy, ReachState, ScanState, SnmpState
from service.monitoring.port_rules import PortVerb
from service.places.models import PlaceKind
from service.playbooks.models import Origin, VersionStatus
from service.playbooks.state import Stage
from service.sla.models import TimerState
from service.sla.policy import Agreement, Target
from service.tickets.lifecycle import Status
from service.tickets.listing import Sort
from service.tickets.models import Channel, Kind, LinkKind
from service.tickets.priority import Impact, Priority, Urgency
from service.tickets.resolution import Cause, Fix, Outcome

ENUMS = {
    "TicketStatus": Status,
    "TicketKind": Kind,
    "TicketSort": Sort,
    "Channel": Channel,
    "LinkKind": LinkKind,
    "Priority": Priority,
    "Impact": Impact,
    "Urgency": Urgency,
    "Cause": Cause,
    "Fix": Fix,
    "Outcome": Outcome,
    "Role": Role,
    "Scope": Scope,
    "AssetKind": AssetKind,
    "LoanState": LoanState,
    "PlaceKind": PlaceKind,
    "PlaybookOrigin": Origin,
    "PlaybookVersionStatus": VersionStatus,
    "RunStage": Stage,
    "SlaAgreement": Agreement,
    "SlaTarget": Target,
    "SlaTimerState": TimerState,
    "NetworkDeviceKind": DeviceKind,
    "NetworkReachBy": ReachBy,
    "NetworkReach": ReachState,
    "NetworkSnmp": SnmpState,
    "NetworkFaultState": FaultState,
    "NetworkMaintenanceState": MaintenanceState,
    "NetworkScanState": ScanState,
    "NetworkCommandState": CommandState,
    "PortVerb": PortVerb,
    "NetworkStep": Step,
    "SnmpVersion": Version,
    "SnmpAuth": AuthProtocol,
    "SnmpPriv": PrivProtocol,
}

for _name, _enum in ENUMS.items():
    strawberry.enum(_enum, name=_name)
