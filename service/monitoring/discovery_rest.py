"""The HTTP door to discovery: credentials, scans and probes."""

from __future__ import annotations

from fastapi.responses import Response

from service.monitoring import credentials, listing, probing, scanning, wire
from service.monitoring.models import ScanState
from service.web import Cursor, Json, Limit, Reading, RowId, Working, door, paged, refusals

router = door("/network", "network")


async def _told(work: Working, credential_id: int, status: int = 200) -> Json:
    return Json(wire.credential(await listing.credential_by_id(work, credential_id)), status)


@router.get(
    "/credentials",
    operation_id="listSnmpCredentials",
    summary="Credentials without their secrets, in the order in which discovery tries them",
    response_model=wire.CredentialPage,
    responses=refusals(),
)
async def list_credentials(read: Reading, limit: Limit = 50, cursor: Cursor = None) -> Json:
    return Json(paged(await listing.credentials_page(read, limit=limit, cursor=cursor), wire.credential))


@router.post(
    "/credentials",
    operation_id="addSnmpCredential",
    summary="Keep a credential; its secrets are sealed and never told",
    status_code=201,
    response_model=wire.CredentialOut,
    responses=refusals(409),
)
async def add_credential(credential: credentials.NewCredential, work: Working) -> Json:
    return await _told(work, (await credentials.add_credential(work, credential)).id, 201)


@router.put(
    "/credentials/order",
    operation_id="orderSnmpCredentials",
    summary="Say which discovery tries first",
    response_model=wire.CredentialPage,
    responses=refusals(),
)
async def order_credentials(order: credentials.OrderCredentials, work: Working) -> Json:
    await credentials.order_credentials(work, order)
    return Json(paged(await listing.credentials_page(work), wire.credential))


@router.get(
    "/credentials/{credential}",
    operation_id="getSnmpCredential",
    response_model=wire.CredentialOut,
    responses=refusals(404),
)
async def get_credential(credential: RowId, read: Reading) -> Json:
    return Json(wire.credential(await listing.credential_by_id(read, credential)))


@router.put(
    "/credentials/{credential}",
    operation_id="editSnmpCredential",
    summary="Change it, whole; secrets that are not sent stay",
    response_model=wire.CredentialOut,
    responses=refusals(404, 409),
)
async def edit_credential(credential: RowId, edit: credentials.EditCredential, work: Working) -> Json:
    await credentials.edit_credential(work, credential, edit)
    return await _told(work, credential)


@router.delete(
    "/credentials/{credential}",
    operation_id="deleteSnmpCredential",
    summary="Forget a credential that no device needs",
    status_code=204,
    response_class=Response,
    responses=refusals(404, 409),
)
async def delete_credential(credential: RowId, work: Working) -> Response:
    await credentials.delete_credential(work, credential)
    return Response(status_code=204)


@router.get(
    "/scans",
    operation_id="listNetworkScans",
    summary="Searches for devices, newest first",
    response_model=wire.ScanPage,
    responses=refusals(),
)
async def list_scans(
    read: Reading, state: ScanState | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Json:
    page = await scanning.scans_page(read, state=state, limit=limit, cursor=cursor)
    return Json(paged(page, wire.scan_listed))


@router.post(
    "/scans",
    operation_id="scanNetwork",
    summary="Search addresses for devices",
    status_code=202,
    response_model=wire.ScanOut,
    responses=refusals(),
)
async def scan(wanted: scanning.AskForScan, work: Working) -> Json:
    return Json(wire.scan(await scanning.ask_for_scan(work, wanted)), 202)


@router.get(
    "/scans/{scan}",
    operation_id="getNetworkScan",
    summary="A search, and what answered",
    response_model=wire.ScanOut,
    responses=refusals(404),
)
async def get_scan(scan: RowId, read: Reading) -> Json:
    return Json(wire.scan(await scanning.scan_by_id(read, scan)))


@router.post(
    "/probes",
    operation_id="probeNetwork",
    summary="Look what answers at one address",
    status_code=202,
    response_model=wire.ProbeOut,
    responses=refusals(),
)
async def probe(wanted: probing.AskForProbe, work: Working) -> Json:
    return Json(wire.probe(await probing.ask_for_probe(work, wanted)), 202)


@router.get(
    "/probes/{probe}",
    operation_id="getNetworkProbe",
    summary="What answered",
    response_model=wire.ProbeOut,
    responses=refusals(404),
)
async def get_probe(probe: RowId, read: Reading) -> Json:
    return Json(wire.probe(await probing.probe_by_id(read, probe)))
