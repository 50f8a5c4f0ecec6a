"""The demo's network as the desk knows it before it has looked: assets, credentials, addresses."""

from __future__ import annotations

from typing import Final

from pydantic import SecretStr

from integrations.snmp.reading import DeviceKind
from integrations.snmp.target import Version
from service.assets.actions import NewAsset, add_asset
from service.assets.models import AssetKind
from service.core.work import Work
from service.demo.network.school import FIRST_ADDRESS, PORT, READER, READS, UPLINK, WRITER, Builder, Device
from service.monitoring.credentials import NewCredential, add_credential
from service.monitoring.devices import AddDevice, add_device
from service.monitoring.models import ReachBy

TAGGED: Final = {
    DeviceKind.PRINTER: (AssetKind.PRINTER, "PR", "Inkwell {}"),
    DeviceKind.SWITCH: (AssetKind.SWITCH, "SW", "Crosslane {}"),
    DeviceKind.ACCESS_POINT: (AssetKind.ACCESS_POINT, "AP", "{}"),
    DeviceKind.UPS: (AssetKind.UPS, "UP", "{}"),
}
"""Kinds that are in the inventory: the asset's kind, the prefix of its tag, its model."""

FIRST_TAG: Final = 101


async def networked(work: Work, *, port: int = PORT, first: str = FIRST_ADDRESS) -> None:
    """Credentials, and every device that answers for itself; what they are is left to discovery.

    The two schools and their rooms are there already. `port` and `first` are those of the builder.
    """
    writes_by = await _credentials(work)
    devices = Builder(lambda agent, oid, value: None, port=port, first=first).devices().values()
    for number, device in enumerate(filter(lambda one: one.spec.answers, devices), FIRST_TAG):
        tag = await _asset(work, device, number)
        await add_device(work, _wanted(device, port, tag, writes_by))


async def _credentials(work: Work) -> int:
    """The three of the district, tried in this order; the id of the one that may switch ports."""
    await add_credential(
        work, NewCredential(name="Most devices", version=Version.V2C, community=SecretStr(READS))
    )
    made = 0
    for name, user in (("Core and edge", READER), ("Port commands", WRITER)):
        credential = NewCredential(
            name=name,
            version=Version.V3,
            user=user.name,
            auth=user.auth,
            auth_password=SecretStr(user.auth_password),
            priv=user.priv,
            priv_password=SecretStr(user.priv_password),
            writes=user is WRITER,
        )
        made = (await add_credential(work, credential)).id
    return made


async def _asset(work: Work, device: Device, number: int) -> str | None:
    """The tag of the asset that the device is; None for kinds that the inventory does not have."""
    if device.spec.kind not in TAGGED:
        return None
    kind, prefix, model = TAGGED[device.spec.kind]
    asset = NewAsset(
        tag=f"{prefix}-{number:05}",
        kind=kind,
        model=model.format(device.spec.model),
        serial=device.face.serial,
        place_id=device.place_id,
    )
    return (await add_asset(work, asset)).tag


def _wanted(device: Device, port: int, tag: str | None, writes_by: int) -> AddDevice:
    feeds = device.is_switch and not device.name.endswith("core")
    sent: dict[str, object] = {
        "address": device.face.address,
        "port": port,
        "name": device.name,
        "place_id": device.place_id,
        "reach_by": ReachBy.TCP,
        "reach_port": port,
        "is_root": device.spec.parent is None,
    }
    if tag is not None:
        sent["asset_tag"] = tag
    if feeds:
        sent["write_credential_id"] = writes_by
    if device.is_switch:
        sent["important_ports"] = [device.nics[UPLINK - 1].name]
    return AddDevice.model_validate(sent)
