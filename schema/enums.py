"""The service's own words as GraphQL enums."""

from __future__ import annotations

import strawberry

from integrations.mdm.port import Enrolment, Platform
from integrations.mdm.port import Risk as MdmRisk
from integrations.mdm.port import Verb as MdmVerb
from integrations.snmp.reading import DeviceKind
from integrations.snmp.target import AuthProtocol, PrivProtocol, Version
from service.assets.models import AssetKind, LoanState
from service.core.actor import Role, Scope
from service.mdm.command_inputs import Leaves
from service.mdm.mapped import Why
from service.mdm.models import CommandState as MdmCommandState
from service.mdm.models import LineKind, MappingKind, Matched, ReviewWhy, SyncKind, SyncState, VendorName
from service.mdm.reviewing import SettleAs
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
    "MdmVendorName": VendorName,
    "MdmPlatform": Platform,
    "MdmVerb": MdmVerb,
    "MdmRisk": MdmRisk,
    "MdmCommandState": MdmCommandState,
    "MdmLeaves": Leaves,
    "MdmMappingKind": MappingKind,
    "MdmMappingWhy": Why,
    "MdmEnrolment": Enrolment,
    "MdmMatched": Matched,
    "MdmSyncKind": SyncKind,
    "MdmSyncState": SyncState,
    "MdmLineKind": LineKind,
    "MdmReviewWhy": ReviewWhy,
    "MdmSettleAs": SettleAs,
    "SnmpVersion": Version,
    "SnmpAuth": AuthProtocol,
    "SnmpPriv": PrivProtocol,
}

for _name, _enum in ENUMS.items():
    strawberry.enum(_enum, name=_name)
