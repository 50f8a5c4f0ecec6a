"""Simulated SNMP devices over UDP, for tests, benchmarks and demonstrations.

`Tree` holds a device's objects, `SimulatedAgent` answers for them, `Network` runs many.
"""

from integrations.snmp.agent.agent import Faults, SimulatedAgent
from integrations.snmp.agent.ber import Malformed, Type
from integrations.snmp.agent.message import Status
from integrations.snmp.agent.network import Network, loopback
from integrations.snmp.agent.tree import Tree, growing, running
from integrations.snmp.agent.usm import User

__all__ = [
    "Faults",
    "Malformed",
    "Network",
    "SimulatedAgent",
    "Status",
    "Tree",
    "Type",
    "User",
    "growing",
    "loopback",
    "running",
]
