"""Who sees the network, who works with it, and who says what it is.

The network is the district's: whoever of the desk sees it sees all of it, at every school.
"""

from __future__ import annotations

from service.core.actor import Actor, Role, Scope

SEES = "The network is for the desk, by a token with the scope network:read."
RUNS = "Technicians and leads do that, by a token with the scope network:write."
CONFIGURES = "Leads and administrators do that, by a token with the scope network:write."
RUNNING = frozenset({Role.TECHNICIAN, Role.LEAD, Role.ADMIN, Role.SYSTEM})
CONFIGURING = frozenset({Role.LEAD, Role.ADMIN, Role.SYSTEM})
KEEPING = frozenset({Role.ADMIN, Role.SYSTEM})


def may_see_network(actor: Actor) -> bool:
    """Devices, faults, topology, history, and where a MAC hangs."""
    return actor.is_desk and actor.holds(Scope.NETWORK_READ)


def may_run_network(actor: Actor) -> bool:
    """Maintenance, looking now, port commands."""
    return actor.role in RUNNING and actor.holds(Scope.NETWORK_WRITE)


def may_configure_network(actor: Actor) -> bool:
    """Devices, scans and probes, parents set by hand."""
    return actor.role in CONFIGURING and actor.holds(Scope.NETWORK_WRITE)


def may_see_credentials(actor: Actor) -> bool:
    """What they are called and how they let in, never their secrets: for those who give them to devices."""
    return actor.role in CONFIGURING and actor.holds(Scope.NETWORK_READ)


def may_keep_credentials(actor: Actor) -> bool:
    """Make, change, order and delete them; nobody reads their secrets."""
    return actor.role in KEEPING and actor.holds(Scope.NETWORK_WRITE)
