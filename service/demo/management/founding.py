"""The demo's device managements as the desk keeps them: connections, and what their words mean here."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from integrations.mdm.simulated import google_tokens, intune, jamf_school
from service.assets.models import AssetKind
from service.core.work import Work
from service.demo import district
from service.demo.management.chromebooks import unit_of
from service.demo.management.fleet import ADDRESS, schools_short
from service.mdm.connections import NewConnection, add_connection
from service.mdm.mappings import SetMapping, set_mapping
from service.mdm.models import MappingKind, MdmConnection, VendorName

PORTS: Final = {VendorName.GOOGLE: 16180, VendorName.JAMF_SCHOOL: 16181, VendorName.INTUNE: 16182}
"""Of the loopback, one each."""
TITLES: Final = {
    VendorName.GOOGLE: "Google Admin",
    VendorName.JAMF_SCHOOL: "Jamf School",
    VendorName.INTUNE: "Intune",
}
OWNS: Final = {
    VendorName.GOOGLE: {"owns_holder": True, "owns_tag": True},
    VendorName.INTUNE: {"owns_holder": True},
}
"""Who has a Chromebook and what its tag is, Google says; who has a laptop, Intune. Tablets are the desk's."""
SYNC_MINUTES: Final = 5
SCHOOLS: Final = schools_short({number: name for number, (name, _) in district.SCHOOLS.items()})


async def managed(work: Work) -> None:
    """Three connections, due for their first sync, and mappings of what each calls the schools. One unit of
    Google's is left without a meaning.
    """
    made = {vendor: await add_connection(work, _wanted(vendor)) for vendor in PORTS}
    for place_id, school in SCHOOLS.items():
        await _site(work, unit_of(school), place_id, made[VendorName.GOOGLE])
        await _site(work, school, place_id)
    desktops = {"asset_kind": AssetKind.DESKTOP}
    model = district.MODELS[AssetKind.DESKTOP][2]
    await set_mapping(work, SetMapping(kind=MappingKind.MODEL, word=model, **desktops))


async def _site(work: Work, word: str, place_id: str, of: MdmConnection | None = None) -> None:
    owner = None if of is None else of.id
    wanted = SetMapping(kind=MappingKind.SITE, word=word, place_id=place_id, connection_id=owner)
    await set_mapping(work, wanted)


def _wanted(vendor: VendorName) -> NewConnection:
    address = {"base_url": f"http://{ADDRESS}:{PORTS[vendor]}"}
    return NewConnection.model_validate(
        {
            "name": TITLES[vendor],
            "vendor": vendor,
            "settings": {name: SecretStr(value) for name, value in {**address, **_settings(vendor)}.items()},
            "sync_minutes": SYNC_MINUTES,
            "allows_commands": True,
            **OWNS.get(vendor, {}),
        }
    )


def _settings(vendor: VendorName) -> dict[str, str]:
    match vendor:
        case VendorName.GOOGLE:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return {"service_account": google_tokens.service_account(key), "admin": google_tokens.ADMIN}
        case VendorName.JAMF_SCHOOL:
            return {"network_id": jamf_school.NETWORK, "api_key": jamf_school.KEY}
        case _:
            return {
                "tenant": intune.TENANT,
                "client_id": intune.CLIENT,
                "client_secret": intune.SECRET,
            }
