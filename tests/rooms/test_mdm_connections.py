"""Connections: settings held against what vendors declare, secrets sealed, tests of them kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select, text

from integrations.mdm.port import Checked, Platform, Verb
from service.assets.models import AssetReport
from service.core.actor import Role, Scope
from service.core.errors import Conflict, Forbidden, Invalid, KeyReused, NotFound, Stale
from service.core.models import IdempotencyKey
from service.core.settings import settings
from service.core.vault import new_key, open_vault
from service.core.work import Conditions, Work
from service.mdm import connection_listing as listing
from service.mdm.checking import keep_check
from service.mdm.connections import (
    ConnectionInUse,
    EditConnection,
    NewConnection,
    SyncUnderWay,
    add_connection,
    ask_check,
    delete_connection,
    edit_connection,
)
from service.mdm.models import (
    CommandState,
    MdmCommand,
    MdmConnection,
    MdmRecord,
    MdmRun,
    MdmStagedPage,
    SyncKind,
    SyncState,
    VendorName,
)
from service.mdm.wire import connection as shown
from tests import makers

SECRET = "between-you-and-me"
JAMF: dict[str, Any] = {
    "name": "Jamf, district",
    "vendor": "jamf_pro",
    "settings": {
        "base_url": "http://School.JamfCloud.com/index.html?x=1",
        "client_id": "desk",
        "client_secret": SECRET,
    },
}


def secrets_of(row: MdmConnection) -> dict[str, str]:
    return open_vault().open(row.sealed)


async def refused_fields(work: Work, **settings: Any) -> dict[str, str]:
    """Field -> code of what is wrong with the settings of a Jamf Pro connection."""
    with pytest.raises(Invalid) as told:
        await add_connection(work, NewConnection(**JAMF | {"settings": JAMF["settings"] | settings}))
    assert SECRET not in told.value.detail + str(told.value.fields)
    return {field.field: field.code for field in told.value.fields}


async def run_of(work: Work, row: MdmConnection, state: SyncState) -> MdmRun:
    run = MdmRun(connection_id=row.id, kind=SyncKind.FULL, state=state, counts={}, created_at=work.now)
    work.session.add(run)
    await work.session.flush()
    return run


async def test_a_connection_is_kept_with_its_address_made_plain_and_its_secret_sealed(work: Work) -> None:
    row = await add_connection(work, NewConnection(**JAMF))
    assert row.settings == {
        "base_url": "https://school.jamfcloud.com",
        "sign_in": "api_client",
        "client_id": "desk",
        "reads": "all",
    }
    assert secrets_of(row) == {"client_secret": SECRET}
    told = shown(await listing.connection_by_id(work, row.id))
    assert told["has_secrets"] == ["client_secret"]
    assert SECRET not in repr(told) + repr(NewConnection(**JAMF)) + repr(row.sealed)
    assert (row.enabled, row.allows_commands, row.sync_minutes, row.next_sync_at) == (
        True,
        False,
        60,
        work.now,
    )


async def test_settings_that_do_not_fit_are_named_and_never_repeated(work: Work) -> None:
    assert await refused_fields(work, teapot="x") == {"settings.teapot": "unknown"}
    assert await refused_fields(work, client_secret=None) == {"settings.client_secret": "required"}
    assert await refused_fields(work, client_id=" ") == {"settings.client_id": "required"}
    assert await refused_fields(work, base_url="https://") == {"settings.base_url": "invalid"}
    assert await refused_fields(work, base_url="ftp://a.example") == {"settings.base_url": "invalid"}
    assert await refused_fields(work, reads="everything") == {"settings.reads": "invalid"}
    assert await refused_fields(work, client_secret=SECRET * 100) == {"settings.client_secret": "invalid"}
    both = await refused_fields(work, reads="everything", base_url="")
    assert both == {"settings.base_url": "required", "settings.reads": "invalid"}
    with pytest.raises(ValidationError) as told:
        NewConnection(**JAMF | {"settings": {"client_secret": f"{SECRET}\x00"}})
    assert SECRET not in str([(error["loc"], error["msg"]) for error in told.value.errors()])


async def test_a_key_file_that_is_none_is_refused_without_its_text(work: Work) -> None:
    google = {"service_account": f'{{"private_key": "{SECRET}"', "admin": "it@district.example"}
    with pytest.raises(Invalid) as told:
        await add_connection(work, NewConnection(name="G", vendor=VendorName.GOOGLE, settings=google))
    assert [field.field for field in told.value.fields] == ["settings.service_account"]
    assert SECRET not in repr(told.value) + str(told.value.fields)


async def test_what_is_not_sent_stays_and_what_is_sent_replaces(work: Work) -> None:
    row = await add_connection(work, NewConnection(**JAMF))
    await edit_connection(work, row.id, EditConnection(settings={"client_id": SecretStr("other")}))
    assert (row.settings["client_id"], secrets_of(row)) == ("other", {"client_secret": SECRET})
    await edit_connection(work, row.id, EditConnection(settings={"client_secret": SecretStr("new")}))
    assert secrets_of(row) == {"client_secret": "new"}
    await edit_connection(work, row.id, EditConnection(name="Jamf", guard_percent=5))
    assert (row.name, row.guard_percent, secrets_of(row)) == ("Jamf", 5, {"client_secret": "new"})
    await edit_connection(work, row.id, EditConnection(settings={"reads": None}))
    assert row.settings["reads"] == "all"
    for wrong in ({"client_secret": None}, {"client_secret": SecretStr("")}):
        with pytest.raises(Invalid, match="settings do not fit"):
            await edit_connection(work, row.id, EditConnection(settings=wrong))
    with pytest.raises(Invalid):
        await edit_connection(work, row.id, EditConnection(sync_minutes=None, name=None))


async def test_a_secret_does_not_follow_to_another_address(work: Work) -> None:
    row = await add_connection(work, NewConnection(**JAMF))
    elsewhere = {"base_url": SecretStr("https://elsewhere.example")}
    with pytest.raises(Invalid) as told:
        await edit_connection(work, row.id, EditConnection(settings=elsewhere))
    assert [field.field for field in told.value.fields] == ["settings.client_secret"]
    same = {"base_url": SecretStr("https://school.jamfcloud.com:443/login")}
    await edit_connection(work, row.id, EditConnection(settings=same))
    await edit_connection(
        work, row.id, EditConnection(settings=elsewhere | {"client_secret": SecretStr("new")})
    )
    assert row.settings["base_url"] == "https://elsewhere.example"


async def test_another_account_is_synced_whole_and_its_failure_forgotten(work: Work) -> None:
    row = await add_connection(work, NewConnection(**JAMF))
    seen = work.now - timedelta(hours=3)

    def as_synced() -> None:
        row.watermark = row.full_at = row.checked_at = row.failing_since = seen
        row.failure, row.failure_detail, row.checked = "auth_failed", "Refused.", {"works": False}
        row.next_sync_at = None

    as_synced()
    await edit_connection(work, row.id, EditConnection(name="J", settings={"client_id": SecretStr("desk")}))
    assert (row.watermark, row.failure) == (seen, "auth_failed")  # the same account
    await edit_connection(work, row.id, EditConnection(settings={"client_id": SecretStr("desk-2")}))
    assert (row.watermark, row.full_at, row.failure, row.failing_since, row.checked) == (None,) * 5
    assert row.next_sync_at == work.now
    as_synced()
    await edit_connection(work, row.id, EditConnection(settings={"client_secret": SecretStr("new")}))
    assert (row.failure, row.failure_detail) == (None, None)


async def test_one_that_is_switched_off_is_not_synced_until_it_is_on_again(work: Work) -> None:
    row = await makers.make_mdm_connection(work, enabled=False)
    assert row.next_sync_at is None
    await edit_connection(work, row.id, EditConnection(settings={"token": SecretStr("other")}))
    assert row.next_sync_at is None
    await edit_connection(work, row.id, EditConnection(enabled=True))
    assert row.next_sync_at == work.now


async def test_somebody_elses_change_is_not_overwritten(work: Work) -> None:
    row = await makers.make_mdm_connection(work)
    theirs = await makers.acting(work, conditions=Conditions(expected_version=1))
    await edit_connection(theirs, row.id, EditConnection(guard_percent=30))
    assert theirs.version == row.version == 2
    with pytest.raises(Stale):
        await edit_connection(theirs, row.id, EditConnection(guard_percent=40))
    with pytest.raises(Stale):
        await delete_connection(theirs, row.id)


async def test_a_name_is_taken_once_whatever_its_case(work: Work) -> None:
    row, other = await makers.make_mdm_connection(work), await makers.make_mdm_connection(work)
    with pytest.raises(Conflict):
        await makers.make_mdm_connection(work, name=row.name.upper())
    with pytest.raises(Conflict):
        await edit_connection(work, other.id, EditConnection(name=row.name))
    await edit_connection(work, row.id, EditConnection(name=row.name.upper()))


async def test_what_it_said_of_devices_follows_its_name_and_goes_with_it(work: Work) -> None:
    row, asset = await makers.make_mdm_connection(work), await makers.make_asset(work)
    for source in (row.name, "another"):
        await makers.keep_report(
            work, asset.id, source, facts={}, standing={"device.status": "active"}, as_of=None
        )
    sources = select(AssetReport.source).order_by(AssetReport.source)
    await edit_connection(work, row.id, EditConnection(name="Zebra"))
    assert list(await work.session.scalars(sources)) == ["Zebra", "another"]
    record = await makers.make_mdm_record(work, row, asset_id=asset.id)
    await delete_connection(work, row.id)
    assert list(await work.session.scalars(sources)) == ["another"]
    left = await work.session.scalar(select(MdmRecord.id).where(MdmRecord.id == record.id))
    assert left is None
    with pytest.raises(NotFound):
        await listing.connection_by_id(work, row.id)


async def test_it_is_not_changed_nor_deleted_under_a_sync_and_a_held_one_is_discarded(work: Work) -> None:
    row = await makers.make_mdm_connection(work)
    run = await run_of(work, row, SyncState.STAGING)
    other = EditConnection(settings={"token": SecretStr("other")})
    for change in (edit_connection(work, row.id, other), delete_connection(work, row.id)):
        with pytest.raises(SyncUnderWay):
            await change
    await edit_connection(work, row.id, EditConnection(guard_percent=50))
    run.state = SyncState.HELD
    work.session.add(MdmStagedPage(run_id=run.id, page=0, listed=["a"], devices=[], digests=[]))
    await work.session.flush()
    await edit_connection(work, row.id, other)
    await work.session.refresh(run)
    assert (run.state, run.ended_at) == (SyncState.DISCARDED, work.now)
    assert (await work.session.scalars(select(MdmStagedPage.run_id))).all() == []


async def test_it_is_not_deleted_while_a_command_is_under_way_and_commands_outlive_it(work: Work) -> None:
    row, asset = await makers.make_mdm_connection(work), await makers.make_asset(work)
    command = MdmCommand(
        verb="restart", risk="disturbing", state=CommandState.SENT, asset_id=asset.id, connection_id=row.id,
        arguments={}, reason="It hangs", created_at=work.now,
    )  # fmt: skip
    work.session.add(command)
    await work.session.flush()
    with pytest.raises(ConnectionInUse):
        await delete_connection(work, row.id)
    command.state = CommandState.EXPIRED
    await work.session.flush()
    await delete_connection(work, row.id)
    await work.session.refresh(command)
    assert command.connection_id is None


async def test_a_test_is_asked_for_as_a_job_and_what_it_finds_is_kept(work: Work) -> None:
    row = await makers.make_mdm_connection(work)
    await ask_check(work, row.id)
    jobs = text("SELECT args FROM procrastinate_jobs WHERE task_name = 'mdm.check_connection'")
    assert (await work.session.execute(jobs)).scalars().all() == [{"connection_id": row.id}]
    found = Checked(False, "The token is refused.", (), {"observer": "to list hosts"}, "auth_failed")
    assert await keep_check(work, row.id, row.version, found)
    assert row.checked == {
        "works": False,
        "detail": "The token is refused.",
        "granted": [],
        "missing": [{"right": "observer", "purpose": "to list hosts"}],
    }
    assert (row.failure, row.failing_since, row.checked_at) == ("auth_failed", work.now, work.now)
    assert not await keep_check(work, row.id, row.version - 1, Checked(True, "Of what it was before."))
    assert row.failure == "auth_failed"
    row.next_sync_at = None
    assert await keep_check(work, row.id, row.version, Checked(True, "Hosts can be listed."))
    after: Any = row
    assert (after.failure, after.failing_since, after.next_sync_at) == (None, None, work.now)
    assert row.version == 1  # what a test finds makes nobody's edit stale


async def test_a_vendor_that_is_away_does_not_make_refused_credentials_good(work: Work) -> None:
    row = await makers.make_mdm_connection(work)
    for reason, kept in (
        ("transient", "transient"),
        ("auth_failed", "auth_failed"),
        ("timed_out", "auth_failed"),
    ):
        await keep_check(work, row.id, row.version, Checked(False, "No.", reason=reason))
        assert row.failure == kept
    await keep_check(work, row.id, row.version, Checked(False, "No.", missing={"a": "to b"}))
    assert row.failure == "forbidden"


async def test_secrets_whose_key_is_gone_are_told_and_asked_for(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await makers.make_mdm_connection(work)
    with monkeypatch.context() as patched:
        patched.setenv("FIRSTBELL_SECRET_KEYS", new_key())
        settings.cache_clear()
        told = await listing.connection_by_id(work, row.id)
        assert (told.has_secrets, told.secrets_lost) == ([], True)
        change = EditConnection(settings={"base_url": SecretStr("https://fleet.invalid")})
        with pytest.raises(Invalid, match="settings do not fit"):
            await edit_connection(work, row.id, change)
        await edit_connection(work, row.id, EditConnection(settings={"token": SecretStr("again")}))
        assert secrets_of(row) == {"token": "again"}
    settings.cache_clear()


async def test_what_is_kept_of_a_request_tells_no_secret_and_tells_secrets_apart(work: Work) -> None:
    made = await add_connection(
        await makers.acting(work, conditions=Conditions("one")), NewConnection(**JAMF)
    )
    again = await makers.acting(work, conditions=Conditions("one"))
    assert (await add_connection(again, NewConnection(**JAMF))).id == made.id
    other = NewConnection(**JAMF | {"settings": JAMF["settings"] | {"client_secret": "another"}})
    with pytest.raises(KeyReused):
        await add_connection(await makers.acting(work, conditions=Conditions("one")), other)
    (kept,) = (await work.session.scalars(select(IdempotencyKey))).all()
    assert SECRET.encode() not in kept.fingerprint + (kept.answer or b"")


async def test_only_administrators_keep_them_and_the_desk_sees_them(work: Work) -> None:
    row = await makers.make_mdm_connection(work)
    for role in (Role.TECHNICIAN, Role.LEAD, Role.ADMIN, Role.STAFF):
        theirs = await makers.acting(work)
        theirs.actor = makers.as_actor(role)
        if role is Role.STAFF:
            with pytest.raises(Forbidden):
                await listing.connections_page(theirs)
            with pytest.raises(Forbidden):
                await edit_connection(theirs, row.id + 1, EditConnection())
            continue
        assert [one.id for one in (await listing.connections_page(theirs)).rows] == [row.id]
        if role is not Role.ADMIN:
            for refused in (
                add_connection(theirs, NewConnection(**JAMF)),
                edit_connection(theirs, row.id, EditConnection(guard_percent=1)),
                ask_check(theirs, row.id),
                delete_connection(theirs, row.id),
            ):
                with pytest.raises(Forbidden):
                    await refused
    narrow = await makers.acting(work)
    narrow.actor = makers.as_actor(Role.ADMIN, scopes=frozenset(Scope) - {Scope.MDM_WRITE})
    with pytest.raises(Forbidden):
        await add_connection(narrow, NewConnection(**JAMF))


async def test_lists_are_paged_and_counted(work: Work) -> None:
    rows = [await makers.make_mdm_connection(work) for _ in range(3)]
    asset = await makers.make_asset(work)
    await makers.make_mdm_record(work, rows[0], asset_id=asset.id)
    await makers.make_mdm_record(work, rows[0])
    await makers.make_mdm_record(work, rows[0], missing_since=work.now)
    first = await listing.connections_page(work, limit=2)
    rest = await listing.connections_page(work, limit=2, cursor=first.next_cursor)
    assert [one.id for one in (*first.rows, *rest.rows)] == [row.id for row in rows]
    assert rest.next_cursor is None
    assert (first.rows[0].devices, first.rows[0].unmatched) == (2, 1)
    assert (await listing.connections_page(work, vendor=VendorName.GOOGLE)).rows == []
    assert (await listing.connection_named(work, rows[1].name.upper())).id == rows[1].id


async def test_every_vendor_tells_its_form_and_what_its_devices_can_be_told(work: Work) -> None:
    told = {one.vendor: one for one in listing.vendors_shown(work)}
    assert set(told) == set(VendorName)
    google = {setting.key: setting for setting in told[VendorName.GOOGLE].settings}
    assert (google["service_account"].secret, google["service_account"].kind) == (True, "json")
    verbs = {one.verb: one.platforms for one in told[VendorName.GOOGLE].verbs}
    assert verbs[Verb.RESTART] == [Platform.CHROMEOS]
    assert Verb.LOCK not in verbs
    assert all(one.label and one.settings and one.verbs for one in told.values())
