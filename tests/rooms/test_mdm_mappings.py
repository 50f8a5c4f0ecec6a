"""Mapping tables: what words mean, what means nothing yet, and devices that follow."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import delete, event, func, select, text

from integrations.mdm.port import ManagedDevice, Platform
from service.assets.models import Asset, AssetKind
from service.core.actor import SYSTEM, Role
from service.core.errors import Forbidden, Invalid, NotFound
from service.core.work import Conditions, Resources, Work
from service.mdm.connections import delete_connection
from service.mdm.mapped import Why
from service.mdm.mappings import (
    Meaning,
    SetMapping,
    delete_mapping,
    mapping_by_id,
    mappings_page,
    set_mapping,
)
from service.mdm.models import MappingKind, MdmConnection, MdmMapping, MdmRecord
from service.mdm.remapping import Changed, remap
from service.mdm.unmapped import unmapped_page
from tests import makers

SITE, MODEL = MappingKind.SITE, MappingKind.MODEL


def site(word: str, place_id: str | None = None, owner: int | None = None) -> SetMapping:
    return SetMapping(kind=SITE, word=word, place_id=place_id, connection_id=owner)


def model(word: str, kind: AssetKind | None = None, name: str | None = None) -> SetMapping:
    return SetMapping(kind=MODEL, word=word, asset_kind=kind, model_name=name)


async def says(work: Work, connection: MdmConnection, number: int, **said: Any) -> None:
    """So many devices that say this of themselves."""
    for _ in range(number):
        device = ManagedDevice(makers.unique("device"), **{"platform": Platform.CHROMEOS} | said)
        await makers.make_mdm_record(work, connection, device)


async def jobs(work: Work) -> list[dict[str, Any]]:
    query = text("SELECT args FROM procrastinate_jobs WHERE task_name = 'mdm.remap' ORDER BY id")
    return list((await work.session.execute(query)).scalars())


async def test_a_word_is_said_once_and_said_anew_whatever_its_case(work: Work) -> None:
    school, other = await makers.make_school(work), await makers.make_school(work)
    made = await set_mapping(work, site("/Schools/North", school.id))
    again = await set_mapping(work, site(" /SCHOOLS/north/ ", other.id))
    assert (again.id, again.place_id, again.word) == (made.id, other.id, "/SCHOOLS/north/")
    connection = await makers.make_mdm_connection(work)
    own = await set_mapping(work, site("/Schools/North", school.id, connection.id))
    assert own.id != made.id
    row = await mapping_by_id(work, own.id)
    assert (row.connection_name, row.place_name) == (connection.name, school.name)
    assert await work.session.scalar(select(func.count()).select_from(MdmMapping)) == 2


async def test_each_change_of_meaning_is_applied_by_a_job_that_knows_what_it_was(work: Work) -> None:
    await set_mapping(work, model("Gizmo 7", AssetKind.TABLET, "Gizmo"))
    await set_mapping(work, model("gizmo 7", AssetKind.TABLET, "Gizmo"))  # the same again
    made = await set_mapping(work, model("Gizmo 7", AssetKind.DISPLAY))
    await delete_mapping(work, made.id)
    was = [(job["was_mapped"], job["asset_kind"], job["model_name"]) for job in await jobs(work)]
    assert was == [(False, None, None), (True, "tablet", "Gizmo"), (True, "display", None)]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"kind": SITE, "word": "A", "asset_kind": "laptop"}, "asset_kind"),
        ({"kind": SITE, "word": "A", "model_name": "B"}, "model_name"),
        ({"kind": MODEL, "word": "A", "place_id": "0101"}, "place_id"),
        ({"kind": SITE, "word": "A", "place_id": "no-such"}, "place_id"),
        ({"kind": SITE, "word": "A", "connection_id": 10**9}, "connection_id"),
    ],
)
async def test_what_does_not_fit_together_is_told_by_its_field(
    work: Work, wanted: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as told:
        await set_mapping(work, SetMapping(**wanted))
    assert [one.field for one in told.value.fields] == [field]


async def test_a_mapping_goes_with_its_connection_and_others_stay(work: Work) -> None:
    connection = await makers.make_mdm_connection(work)
    await set_mapping(work, site("A", owner=connection.id))
    stays = await set_mapping(work, site("A"))
    await delete_connection(work, connection.id)
    assert list(await work.session.scalars(select(MdmMapping.id))) == [stays.id]
    with pytest.raises(NotFound):
        await delete_mapping(work, stays.id + 1000)


async def test_leads_keep_mappings_and_the_desk_reads_them(work: Work) -> None:
    made = await set_mapping(work, site("A"))
    for role, sets in ((Role.STAFF, False), (Role.TECHNICIAN, False), (Role.LEAD, True)):
        theirs = await makers.acting(work)
        theirs.actor = makers.as_actor(role)
        if sets:
            assert (await set_mapping(theirs, site("B"))).word == "B"
            continue
        for refused in (set_mapping(theirs, site("B")), delete_mapping(theirs, made.id)):
            with pytest.raises(Forbidden):
                await refused
        if role is Role.STAFF:
            for looked in (
                mappings_page(theirs),
                unmapped_page(theirs, SITE),
                mapping_by_id(theirs, made.id),
            ):
                with pytest.raises(Forbidden):
                    await looked
        else:
            assert len((await mappings_page(theirs)).rows) == 1


async def test_a_repeated_request_sets_it_once(work: Work) -> None:
    first = await set_mapping(await makers.acting(work, conditions=Conditions("one")), site("A"))
    again = await set_mapping(await makers.acting(work, conditions=Conditions("one")), site("A"))
    assert (first.id, len(await jobs(work))) == (again.id, 1)


async def test_lists_are_narrowed_and_paged(work: Work) -> None:
    connection = await makers.make_mdm_connection(work)
    made = [await set_mapping(work, site(word)) for word in ("A", "B", "C")]
    own = await set_mapping(work, site("A", owner=connection.id))
    kind = await set_mapping(work, model("A", AssetKind.OTHER))
    first = await mappings_page(work, kind=SITE, limit=3)
    rest = await mappings_page(work, kind=SITE, limit=3, cursor=first.next_cursor)
    assert [row.id for row in (*first.rows, *rest.rows)] == [*(row.id for row in made), own.id]
    assert rest.next_cursor is None
    assert [row.id for row in (await mappings_page(work, kind=MODEL)).rows] == [kind.id]
    assert [row.id for row in (await mappings_page(work, connection_id=connection.id)).rows] == [own.id]


# What is not mapped


async def test_words_that_mean_nothing_are_listed_with_how_many_and_why(work: Work) -> None:
    school = await makers.make_school(work, name="North High")
    for _ in range(2):
        await makers.make_school(work, id=makers.unique("9"), name="Twice", calendar_id=None)
    here, there = await makers.make_mdm_connection(work), await makers.make_mdm_connection(work)
    await set_mapping(work, site("/Schools/North", school.id))
    await set_mapping(work, site("Spare", None, here.id))
    for word, number in (("/Schools/North/Carts", 2), ("/Schools/South", 3), ("north high", 1), ("twice", 2)):
        await says(work, here, number, site=word)
    await says(work, here, 1, site="Spare")
    await says(work, there, 1, site="Spare")
    await says(work, there, 1)
    gone = ManagedDevice("gone", site="/Gone")
    await makers.make_mdm_record(work, there, gone, missing_since=work.now)
    page = await unmapped_page(work, SITE)
    told = [(row.connection_id, row.word, row.records, row.why) for row in page.rows]
    assert told == [
        (here.id, "/Schools/South", 3, Why.UNKNOWN_WORD),
        (here.id, "Spare", 1, Why.IGNORED),
        (here.id, "twice", 2, Why.SEVERAL_PLACES),
        (there.id, "Spare", 1, Why.UNKNOWN_WORD),
    ]
    example = await work.session.get(MdmRecord, page.rows[0].example_id)
    assert example is not None
    assert example.site == "/Schools/South"
    assert [row.word for row in (await unmapped_page(work, SITE, connection_id=there.id)).rows] == ["Spare"]


async def test_models_that_nobody_knows_are_listed_by_their_id_too(work: Work) -> None:
    connection = await makers.make_mdm_connection(work)
    await says(work, connection, 2, model="Lenovo 300e Chromebook")
    await says(work, connection, 3, model="Gizmo 7", model_id="Gizmo7,1", platform=Platform.OTHER)
    await says(work, connection, 1, model="Gizmo 7", platform=Platform.OTHER)
    await says(work, connection, 1, model_id="Widget,3", platform=Platform.OTHER)
    told = [
        (row.word, row.model_id, row.platform, row.records) for row in (await unmapped_page(work, MODEL)).rows
    ]
    assert told == [
        ("Gizmo 7", None, "other", 1),
        ("Gizmo 7", "Gizmo7,1", "other", 3),
        ("Widget,3", "Widget,3", "other", 1),
    ]
    await set_mapping(work, model("gizmo7,1", AssetKind.DISPLAY))
    assert [row.records for row in (await unmapped_page(work, MODEL)).rows] == [1, 1]


@pytest.mark.parametrize("kind", MappingKind)
async def test_pages_of_them_meet_each_word_once(work: Work, kind: MappingKind) -> None:
    connections = [await makers.make_mdm_connection(work) for _ in range(2)]
    words = ["Äpfel", "a b", "B", "ñ", "/z", "日本"]
    for connection in connections:
        for word in words:
            await says(work, connection, 1, **{kind.value: word}, platform=Platform.OTHER)
    seen: list[tuple[int, str]] = []
    cursor = None
    for _ in range(20):
        page = await unmapped_page(work, kind, limit=2, cursor=cursor)
        seen += [(row.connection_id, row.word) for row in page.rows]
        if (cursor := page.next_cursor) is None:
            break
    assert len(seen) == len(set(seen)) == len(words) * len(connections)
    assert seen == sorted(seen)
    for wrong in ("bm90LW91cnM", "WyJhIiwiYiJd", "WzEsMl0", "WzEsIlx1MDAwMCJd", "WzEsIngiLCJ5IiwieiJd"):
        with pytest.raises(Invalid, match="cursor"):
            await unmapped_page(work, kind, cursor=wrong)


async def test_looking_is_three_statements_whatever_the_number_of_words(work: Work) -> None:
    connection = await makers.make_mdm_connection(work)
    for n in range(30):
        await says(work, connection, 1, site=f"Site {n}")
    heard: list[str] = []
    engine = (await work.session.connection()).sync_connection
    hear = lambda conn, cursor, statement, *rest: heard.append(statement)  # noqa: E731
    event.listen(engine, "before_cursor_execute", hear)
    rows = (await unmapped_page(work, SITE, limit=10)).rows
    event.remove(engine, "before_cursor_execute", hear)
    assert (len(rows), len(heard)) == (10, 3), heard


# Devices that follow


@dataclass
class Followed:
    resources: Resources
    connection: MdmConnection
    school: str
    other: str
    assets: list[int]

    async def asset(self, number: int = 0) -> Asset:
        async with self.resources.begin(SYSTEM) as work:
            return await work.session.get_one(Asset, self.assets[number])

    async def set(self, wanted: SetMapping) -> int:
        """The mapping set, and what its job does done; how many devices were changed."""
        async with self.resources.begin(SYSTEM) as work:
            query = select(MdmMapping).where(MdmMapping.kind == wanted.kind, MdmMapping.word == wanted.word)
            row = await work.session.scalar(query)
            before = Meaning(row.place_id, row.asset_kind, row.model_name) if row is not None else None
            await set_mapping(work, wanted)
        change = Changed(wanted.kind, wanted.connection_id, wanted.word, before)
        done = await remap(self.resources, change, batch=2)
        assert await remap(self.resources, change, batch=2) == 0  # done again, it changes nothing
        return done

    async def move(self, number: int, **columns: Any) -> None:
        async with self.resources.begin(SYSTEM) as work:
            asset = await work.session.get_one(Asset, self.assets[number])
            for name, value in columns.items():
                setattr(asset, name, value)


@pytest.fixture
async def followed(app: Any) -> AsyncIterator[Followed]:
    """Five devices of one connection, at /Unit/Carts, that stand nowhere yet; taken away again."""
    resources = app.state.resources
    async with resources.begin(SYSTEM) as work:
        connection = await makers.make_mdm_connection(work, enabled=False)
        school, other = await makers.make_school(work), await makers.make_school(work)
        assets = []
        for _ in range(5):
            asset = await makers.make_asset(work, kind=AssetKind.OTHER)
            device = ManagedDevice(
                uuid.uuid4().hex, site="/Unit/Carts", model="Gizmo 7", platform=Platform.OTHER,
                last_check_in=work.now,
            )  # fmt: skip
            await makers.make_mdm_record(work, connection, device, asset_id=asset.id, matched="serial")
            assets.append(asset.id)
    yield Followed(resources, connection, school.id, other.id, assets)
    async with resources.begin(SYSTEM) as work:
        await work.session.execute(delete(MdmMapping))
        await work.session.execute(delete(MdmConnection).where(MdmConnection.id == connection.id))
        left = text("DELETE FROM procrastinate_jobs WHERE task_name = 'mdm.remap'")
        await work.session.execute(left)


async def test_devices_follow_their_sites_new_place_with_its_school(followed: Followed) -> None:
    assert await followed.set(site("/unit", followed.school)) == 5
    asset = await followed.asset()
    assert (asset.place_id, asset.school_id) == (followed.school, followed.school)
    assert await followed.set(site("/unit", followed.other)) == 5
    assert (await followed.asset(4)).school_id == followed.other


async def test_a_place_that_a_person_chose_stays(followed: Followed) -> None:
    await followed.move(1, place_id=followed.other, school_id=followed.other)
    assert await followed.set(site("/unit", followed.school)) == 4
    assert (await followed.asset(1)).place_id == followed.other
    await followed.move(2, place_id=None, school_id=None)
    assert await followed.set(site("/unit/carts", followed.other)) == 4
    assert await followed.set(site("/unit/carts")) == 0  # ignored on purpose: they stay where they are
    assert (await followed.asset(0)).place_id == followed.other


async def test_a_word_of_one_connection_moves_no_other_ones_devices(followed: Followed) -> None:
    async with followed.resources.begin(SYSTEM) as work:
        elsewhere = await makers.make_mdm_connection(work, enabled=False)
    wanted = site("/unit", followed.school, elsewhere.id)
    assert await followed.set(wanted) == 0
    async with followed.resources.begin(SYSTEM) as work:
        await delete_connection(work, elsewhere.id)
    assert (await followed.asset()).place_id is None


async def test_devices_become_what_their_model_means_unless_somebody_said_otherwise(
    followed: Followed,
) -> None:
    await followed.move(1, kind=AssetKind.PROJECTOR, model="Gizmo, repaired")
    assert await followed.set(model("GIZMO 7", AssetKind.DISPLAY, "Gizmo board")) == 4
    asset, own = await followed.asset(), await followed.asset(1)
    assert (asset.kind, asset.model) == (AssetKind.DISPLAY, "Gizmo board")
    assert (own.kind, own.model) == (AssetKind.PROJECTOR, "Gizmo, repaired")
    assert await followed.set(model("GIZMO 7", AssetKind.TABLET)) == 4
    asset = await followed.asset()
    assert (asset.kind, asset.model) == (AssetKind.TABLET, "Gizmo 7")
