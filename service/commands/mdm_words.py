"""`firstbell mdm map`, `unmap`, `mappings`, `unmapped`: what vendors' words mean here."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from service.assets.models import AssetKind
from service.commands import base
from service.commands.mdm_options import Json, base_table, print_json, within
from service.core.paging import MAX_PAGE
from service.core.work import Work
from service.mdm import connection_listing as listing
from service.mdm import mappings, wire
from service.mdm.models import MappingKind
from service.mdm.unmapped import unmapped_page

MOST_LISTED: Final = 10_000
Kind = Annotated[MappingKind, typer.Argument(help="Of sites, or of models.")]
Of = Annotated[str | None, typer.Option("--connection", help="Name of a connection; else of every one.")]


def map_word(
    kind: Kind,
    word: Annotated[str, typer.Argument(help="As the vendor writes it: a site, a unit, a model or its id.")],
    place: Annotated[str | None, typer.Option(help="Of a site: id of the place that it is.")] = None,
    asset_kind: Annotated[AssetKind | None, typer.Option(help="Of a model: what it is.")] = None,
    model_name: Annotated[str | None, typer.Option(help="Of a model: what it is called here.")] = None,
    connection: Of = None,
    as_json: Json = False,
) -> None:
    """Say what a word means; with nothing said, it is ignored on purpose. Devices that carry it follow."""
    with base.sentences():

        async def go(work: Work) -> Any:
            wanted = mappings.SetMapping(
                kind=kind,
                word=word,
                place_id=place,
                asset_kind=asset_kind,
                model_name=model_name,
                connection_id=await _owner(work, connection),
            )
            return await mappings.mapping_by_id(work, (await mappings.set_mapping(work, wanted)).id)

        row = within(go)
    if as_json:
        print_json(wire.mapping(row))
    else:
        base.out.print(f"{row.id}: {escape(row.word)} {escape(_meaning(row))}.")


def unmap(mapping: Annotated[int, typer.Argument(help="Its number; `firstbell mdm mappings`.")]) -> None:
    """Take a mapping away; devices stay where it put them."""
    with base.sentences():
        row = within(lambda work: mappings.delete_mapping(work, mapping))
    base.out.print(f"{escape(row.word)} means nothing any more.")


def list_mappings(connection: Of = None, as_json: Json = False) -> None:
    """What words mean here."""
    with base.sentences():

        async def page(work: Work, owner: int | None, cursor: str | None) -> Any:
            return await mappings.mappings_page(work, connection_id=owner, limit=MAX_PAGE, cursor=cursor)

        rows = _every(page, connection)
    if as_json:
        print_json([wire.mapping(row) for row in rows])
        return
    table = base_table("id", "word", "kind", "connection", "means")
    for row in rows:
        cells = (row.id, row.word, row.kind, row.connection_name or "every", _meaning(row))
        table.add_row(*(escape(str(cell)) for cell in cells))
    base.out.print(table)


def list_unmapped(
    kind: Annotated[MappingKind | None, typer.Argument(help="Of sites, or of models; else of both.")] = None,
    connection: Of = None,
    as_json: Json = False,
) -> None:
    """Words that devices carry and that mean nothing here, with why."""
    with base.sentences():
        kinds = MappingKind if kind is None else (kind,)
        rows = [row for one in kinds for row in _every(_unmapped(one), connection)]
    if as_json:
        print_json([wire.unmapped(row) for row in rows])
        return
    table = base_table("connection", "kind", "word", "devices", "why", whole=2)
    for row in rows:
        word = row.word if row.model_id in (None, row.word) else f"{row.word} ({row.model_id})"
        cells = (row.connection_name, row.kind.value, word, row.records, row.why.replace("_", " "))
        table.add_row(*(escape(str(cell)) for cell in cells))
    base.out.print(table)


def _unmapped(kind: MappingKind) -> Any:
    async def page(work: Work, owner: int | None, cursor: str | None) -> Any:
        return await unmapped_page(work, kind, connection_id=owner, limit=MAX_PAGE, cursor=cursor)

    return page


def _meaning(row: Any) -> str:
    """In words: "is North High", "is a laptop, Air", "is ignored"."""
    told = [row.place_name, row.asset_kind and f"a {row.asset_kind.value.replace('_', ' ')}", row.model_name]
    said = ", ".join(part for part in told if part)
    return f"is {said or 'ignored'}"


async def _owner(work: Work, connection: str | None) -> int | None:
    return None if connection is None else (await listing.connection_named(work, connection)).id


def _every(page: Any, connection: str | None) -> list[Any]:
    """Every row, page by page, at most 10,000."""

    async def go(work: Work) -> list[Any]:
        rows: list[Any] = []
        owner, cursor = await _owner(work, connection), None
        while True:
            got = await page(work, owner, cursor)
            rows += got.rows
            cursor = got.next_cursor
            if cursor is None or len(rows) >= MOST_LISTED:
                return rows

    return within(go)
