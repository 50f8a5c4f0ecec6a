"""The vendors that a connection may be of, and what a process that asks them holds open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from procrastinate import JobContext

from integrations.mdm.asking import Pace
from integrations.mdm.fleet import Fleet
from integrations.mdm.google import Google
from integrations.mdm.intune import Intune
from integrations.mdm.jamf_pro import JamfPro
from integrations.mdm.jamf_school import JamfSchool
from integrations.mdm.mosyle import Mosyle
from integrations.mdm.port import Setting, Vendor
from service.core.vault import Vault, open_vault
from service.mdm.models import VendorName
from service.mdm.turns import Turns

VENDORS: Final[Mapping[VendorName, Any]] = {
    VendorName.GOOGLE: Google,
    VendorName.INTUNE: Intune,
    VendorName.JAMF_PRO: JamfPro,
    VendorName.JAMF_SCHOOL: JamfSchool,
    VendorName.MOSYLE: Mosyle,
    VendorName.FLEET: Fleet,
}
WALKED: Final = frozenset({VendorName.MOSYLE})
"""Vendors that cannot be asked for one device: looking for it walks through all of them."""


def settings_of(vendor: VendorName) -> Sequence[Setting]:
    declared: Sequence[Setting] = VENDORS[vendor].settings
    return declared


@dataclass
class Managements:
    """One pool of connections for all vendors; a vendor of each connection, with its tokens, until the
    connection is changed. Who asks by a job, in numbers that nobody bounds, waits for its turn.
    """

    vault: Vault
    http: httpx.AsyncClient
    pace: Pace | None = None
    turns: Turns = field(default_factory=Turns)
    _opened: dict[int, tuple[int, Vendor]] = field(default_factory=dict)

    def vendor(self, connection: Any) -> Vendor:
        """The adapter of a connection (a row with its columns). KeyMissing where its secrets are sealed with
        a key that is gone; MdmError or ValueError where its settings are no good.
        """
        kept = self._opened.get(connection.id)
        if kept is not None and kept[0] == connection.version:
            return kept[1]
        values = {**connection.settings, **self.vault.open(connection.sealed)}
        made: Vendor = VENDORS[connection.vendor](values, http=self.http, pace=self.pace)
        self._opened[connection.id] = connection.version, made
        return made

    async def close(self) -> None:
        for _, vendor in self._opened.values():
            await vendor.close()
        await self.http.aclose()


def open_managements(pace: Pace | None = None) -> Managements:
    """For one process, inside its loop. Redirects are not followed: a token goes where it was meant to."""
    limits = httpx.Limits(max_connections=40, max_keepalive_connections=20)
    return Managements(open_vault(), httpx.AsyncClient(limits=limits, follow_redirects=False), pace)


def managements_of(context: JobContext) -> Managements:
    found: Any = context.additional_context["managements"]
    return found  # type: ignore[no-any-return]
