"""The profile of a device and the words of a fault, also where they were taken away since. PURE."""

from __future__ import annotations

from integrations.snmp.profile import FaultSpec, Profile, Profiles

GENERIC = "generic"


def profile_of(profiles: Profiles, name: str) -> Profile:
    """The profile of that name, or the generic one if there is none of that name any more."""
    try:
        return profiles.by_name(name)
    except KeyError:
        return profiles.by_name(GENERIC)


def spec_of(profiles: Profiles, name: str, check: str) -> FaultSpec | None:
    """How a check of a profile is told: by itself, the generic one, else any; None where none does."""
    first = (profile_of(profiles, name), profiles.by_name(GENERIC))
    return next((one.faults[check] for one in (*first, *profiles.all) if check in one.faults), None)
