"""Who sees what device managements say, who commands devices, who keeps connections.

Records of devices name their users and their networks: they are for the desk alone. Whoever of the desk sees
them sees all of the district's, as with the network.
"""

from __future__ import annotations

from service.core.actor import Actor, Role, Scope

SEES = "Device management is for the desk, by a token with the scope mdm:read."
COMMANDS = "Technicians, leads and administrators command devices, by a token with the scope mdm:write."
APPROVES = "Leads and administrators approve commands, by a token with the scope mdm:write."
CONFIGURES = "Leads and administrators do that, by a token with the scope mdm:write."
KEEPS = "Only administrators keep connections, by a token with the scope mdm:write."
COMMANDING = frozenset({Role.TECHNICIAN, Role.LEAD, Role.ADMIN, Role.SYSTEM})
CONFIGURING = frozenset({Role.LEAD, Role.ADMIN, Role.SYSTEM})
KEEPING = frozenset({Role.ADMIN, Role.SYSTEM})


def may_see_records(actor: Actor) -> bool:
    """Connections by name, records, runs, reviews, commands and what became of them."""
    return actor.is_desk and actor.holds(Scope.MDM_READ)


def may_command(actor: Actor) -> bool:
    """Ask for a command, read its secrets where they asked for it, settle reviews, ask for a sync."""
    return actor.role in COMMANDING and actor.holds(Scope.MDM_WRITE)


def may_approve(actor: Actor) -> bool:
    """Be the second person of a command that destroys; never of one's own."""
    return actor.role in CONFIGURING and actor.holds(Scope.MDM_WRITE)


def may_configure(actor: Actor) -> bool:
    """Mappings, held runs, bulk commands."""
    return actor.role in CONFIGURING and actor.holds(Scope.MDM_WRITE)


def may_keep_connections(actor: Actor) -> bool:
    """Make, change, test and delete connections; nobody reads their secrets."""
    return actor.role in KEEPING and actor.holds(Scope.MDM_WRITE)
