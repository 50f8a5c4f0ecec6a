"""Who acts: a person behind a token, or the system itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    STAFF = "staff"
    PUPIL = "pupil"
    GUARDIAN = "guardian"
    VENDOR = "vendor"
    TECHNICIAN = "technician"
    LEAD = "lead"
    ADMIN = "admin"
    INTEGRATION = "integration"
    SYSTEM = "system"


class Scope(StrEnum):
    """What a token may be used for. A token never gives more than its person's role does."""

    TICKETS_READ = "tickets:read"
    TICKETS_WRITE = "tickets:write"
    DIRECTORY_READ = "directory:read"
    DIRECTORY_WRITE = "directory:write"
    DESK_WRITE = "desk:write"
    REPORTS_READ = "reports:read"
    TOKENS_WRITE = "tokens:write"
    NETWORK_READ = "network:read"
    NETWORK_WRITE = "network:write"
    MDM_READ = "mdm:read"
    MDM_WRITE = "mdm:write"


ALL_SCOPES = frozenset(Scope)
SERVING_ROLES = frozenset({Role.TECHNICIAN, Role.LEAD, Role.INTEGRATION})
DESK_ROLES = frozenset({Role.TECHNICIAN, Role.LEAD, Role.ADMIN, Role.INTEGRATION, Role.SYSTEM})


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller as the rules see it: `school_ids` and `queue_ids` served, `child_ids` under guard."""

    name: str
    role: Role
    person_id: int | None = None
    token_id: int | None = None
    home_school_id: str | None = None
    language: str = "en"
    scopes: frozenset[Scope] = ALL_SCOPES
    school_ids: frozenset[str] = frozenset()
    queue_ids: frozenset[int] = frozenset()
    child_ids: frozenset[int] = frozenset()

    @property
    def is_desk(self) -> bool:
        return self.role in DESK_ROLES

    @property
    def sees_all(self) -> bool:
        return self.role in (Role.ADMIN, Role.SYSTEM)

    def holds(self, scope: Scope) -> bool:
        return scope in self.scopes


SYSTEM = Actor(name="Firstbell", role=Role.SYSTEM)
