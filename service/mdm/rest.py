"""The HTTP door to device management: vendors, connections, and what vendors' words mean."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import Response

from service.core.fields import Id
from service.mdm import connection_listing as listing
from service.mdm import connections, mappings, wire
from service.mdm.models import MappingKind, VendorName
from service.mdm.unmapped import unmapped_page
from service.web import Cursor, Json, Limit, Reading, RowId, Working, door, paged, refusals

router = door("/mdm", "device management")
Of = Annotated[Id | None, Query(description="Of one connection.")]


async def _shown(work: Working, connection_id: int, status: int = 200) -> Json:
    return Json(wire.connection(await listing.connection_by_id(work, connection_id)), status)


@router.get(
    "/vendors",
    operation_id="listMdmVendors",
    summary="Device managements that can be connected, with the fields of each one's form",
    response_model=wire.MdmVendorList,
    responses=refusals(),
)
async def list_vendors(read: Reading) -> Json:
    return Json({"items": [wire.vendor(one) for one in listing.vendors_shown(read)]})


@router.get(
    "/connections",
    operation_id="listMdmConnections",
    summary="Connections without their secrets, by id",
    response_model=wire.MdmConnectionPage,
    responses=refusals(),
)
async def list_connections(
    read: Reading, vendor: VendorName | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Json:
    page = await listing.connections_page(read, vendor=vendor, limit=limit, cursor=cursor)
    return Json(paged(page, wire.connection))


@router.post(
    "/connections",
    operation_id="addMdmConnection",
    summary="Connect a device management; its secrets are sealed and never told",
    status_code=201,
    response_model=wire.MdmConnectionOut,
    responses=refusals(409),
)
async def add_connection(connection: connections.NewConnection, work: Working) -> Json:
    return await _shown(work, (await connections.add_connection(work, connection)).id, 201)


@router.get(
    "/connections/{connection}",
    operation_id="getMdmConnection",
    summary="A connection, what its last test found, and why it fails",
    response_model=wire.MdmConnectionOut,
    responses=refusals(404),
)
async def get_connection(connection: RowId, read: Reading) -> Json:
    return Json(wire.connection(await listing.connection_by_id(read, connection)))


@router.patch(
    "/connections/{connection}",
    operation_id="editMdmConnection",
    summary="Change what is sent of a connection; the rest stays, secrets too",
    response_model=wire.MdmConnectionOut,
    responses=refusals(404, 409, 412),
)
async def edit_connection(connection: RowId, edit: connections.EditConnection, work: Working) -> Json:
    await connections.edit_connection(work, connection, edit)
    return await _shown(work, connection)


@router.delete(
    "/connections/{connection}",
    operation_id="deleteMdmConnection",
    summary="Forget a connection and what it said; devices and tickets stay",
    status_code=204,
    response_class=Response,
    responses=refusals(404, 409, 412),
)
async def delete_connection(connection: RowId, work: Working) -> Response:
    await connections.delete_connection(work, connection)
    return Response(status_code=204)


@router.post(
    "/connections/{connection}/check",
    operation_id="checkMdmConnection",
    summary="Test it: `checked` tells afterwards whether it works and which rights are missing",
    status_code=202,
    response_model=wire.MdmConnectionOut,
    responses=refusals(404),
)
async def check_connection(connection: RowId, work: Working) -> Json:
    await connections.ask_check(work, connection)
    return await _shown(work, connection, 202)


@router.get(
    "/mappings",
    operation_id="listMdmMappings",
    summary="What vendors' words for sites and models mean here",
    response_model=wire.MdmMappingPage,
    responses=refusals(),
)
async def list_mappings(
    read: Reading,
    kind: MappingKind | None = None,
    connection_id: Of = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Json:
    page = await mappings.mappings_page(
        read, kind=kind, connection_id=connection_id, limit=limit, cursor=cursor
    )
    return Json(paged(page, wire.mapping))


@router.put(
    "/mappings",
    operation_id="setMdmMapping",
    summary="Say what a word means, anew where it was said before; devices that carry it follow",
    response_model=wire.MdmMappingOut,
    responses=refusals(409),
)
async def set_mapping(mapping: mappings.SetMapping, work: Working) -> Json:
    made = await mappings.set_mapping(work, mapping)
    return Json(wire.mapping(await mappings.mapping_by_id(work, made.id)))


@router.get(
    "/mappings/{mapping}",
    operation_id="getMdmMapping",
    summary="What one word means",
    response_model=wire.MdmMappingOut,
    responses=refusals(404),
)
async def get_mapping(mapping: RowId, read: Reading) -> Json:
    return Json(wire.mapping(await mappings.mapping_by_id(read, mapping)))


@router.delete(
    "/mappings/{mapping}",
    operation_id="deleteMdmMapping",
    summary="Take a mapping away; devices stay where it put them",
    status_code=204,
    response_class=Response,
    responses=refusals(404),
)
async def delete_mapping(mapping: RowId, work: Working) -> Response:
    await mappings.delete_mapping(work, mapping)
    return Response(status_code=204)


@router.get(
    "/unmapped",
    operation_id="listMdmUnmapped",
    summary="Words that devices carry and that mean nothing here, with why",
    response_model=wire.UnmappedPage,
    responses=refusals(),
)
async def list_unmapped(
    kind: MappingKind, read: Reading, connection_id: Of = None, limit: Limit = 50, cursor: Cursor = None
) -> Json:
    page = await unmapped_page(read, kind, connection_id=connection_id, limit=limit, cursor=cursor)
    return Json(paged(page, wire.unmapped))
