"""A connection's settings, and what vendors' words mean: no database, no network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.mdm.port import Platform, Setting
from service.assets.models import AssetKind
from service.core.errors import Invalid
from service.mdm import mapped as module
from service.mdm.mapped import Found, Mapped, Why, compiled, folded, kind_for, levels, place_for
from service.mdm.models import MappingKind, VendorName
from service.mdm.settings import LONGEST, Settled, fitting, settled
from service.mdm.vendors import VENDORS, settings_of

URL, SECRET = Setting("base_url", "Address", kind="url"), Setting("token", "Token", secret=True)
EMAIL = Setting("admin", "Administrator", kind="email", required=False)
CHOICE = Setting("cloud", "Cloud", required=False, default="global", choices=("global", "gov"))
DECLARED = (URL, SECRET, EMAIL, CHOICE)


# Settings


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("https://Mdm.Example.org/login?next=%2F#top", "https://mdm.example.org"),
        (" http://mdm.example.org ", "https://mdm.example.org"),
        ("mdm.example.org:8443/api", "https://mdm.example.org:8443"),
        ("http://127.0.0.1:40123/x", "http://127.0.0.1:40123"),
        ("https://user:pass@mdm.example.org", "https://mdm.example.org"),
    ],
)
def test_a_pasted_address_is_made_plain(pasted: str, kept: str) -> None:
    assert fitting(URL, pasted) == kept


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        (URL, "https://"), (URL, "ftp://mdm.example.org"), (URL, "https://mdm.example.org:99999"),
        (URL, "https://a b"), (URL, "a" * (LONGEST + 1)), (EMAIL, "it at district"), (CHOICE, "moon"),
        (SECRET, "x" * (LONGEST + 1)), (SECRET, "a\nb"), (EMAIL, "it@district.example\x00"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_without_the_value(setting: Setting, value: str) -> None:
    with pytest.raises(ValueError, match=setting.label) as told:
        fitting(setting, value)
    assert value == "https://" or value not in str(told.value)


def test_blanks_go_except_those_of_a_secret() -> None:
    assert fitting(EMAIL, " IT@District.example ") == "it@district.example"
    assert fitting(SECRET, " with blanks \r\n") == " with blanks "
    assert (fitting(SECRET, "\n"), fitting(CHOICE, None), fitting(CHOICE, "")) == (None, "global", "global")


def test_defaults_are_kept_once_and_secrets_apart() -> None:
    made = settled(DECLARED, {"base_url": "mdm.example.org", "token": "t"}, {}, {})
    assert made.plain == {"base_url": "https://mdm.example.org", "cloud": "global"}
    assert made.secrets == {"token": "t"}
    again = settled(DECLARED, {}, made.plain, made.secrets)
    assert (again.plain, again.secrets, again.changed) == (made.plain, made.secrets, frozenset())


def test_only_what_changed_is_told_as_changed() -> None:
    plain, secrets = {"base_url": "https://mdm.example.org", "cloud": "global"}, {"token": "t"}
    same = {"base_url": "https://MDM.example.org/", "token": "t", "cloud": "global", "admin": None}
    assert settled(DECLARED, same, plain, secrets).changed == set()
    assert settled(DECLARED, {"token": "u"}, plain, secrets).changed == {"token"}
    assert settled(DECLARED, {"admin": "a@b.example"}, plain, secrets).changed == {"admin"}
    taken = settled(DECLARED, {"admin": ""}, plain | {"admin": "a@b.example"}, secrets)
    assert taken.changed == {"admin"}
    assert "admin" not in taken.plain


NAMES = st.sampled_from(["base_url", "admin", "cloud"]) | st.text(max_size=50)
VALUES = st.none() | st.sampled_from(["mdm.example.org", "a@b.example", "gov"]) | st.text(max_size=60)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_nothing_that_is_sent_breaks_it_and_no_secret_is_repeated(sent: dict[str, Any]) -> None:
    secret = "sesame-" * 3
    told = _settled_or_why(sent | {"token": secret})
    if isinstance(told, Invalid):
        assert secret not in told.detail + str(told.fields)
        assert all(field.field.startswith("settings.") for field in told.fields)
    else:
        assert set(told.plain) <= {"base_url", "admin", "cloud"}
        assert (told.secrets, sent.keys() - {"base_url", "admin", "cloud", "token"}) == (
            {"token": secret},
            set(),
        )


def _settled_or_why(sent: dict[str, Any]) -> Settled | Invalid:
    try:
        return settled(DECLARED, sent, {}, {})
    except Invalid as refusal:
        return refusal


@pytest.mark.parametrize("vendor", VendorName)
def test_what_a_vendor_declares_can_be_filled_in(vendor: VendorName) -> None:
    """Every declared kind is one that is checked, and the adapter takes what was kept."""
    declared = settings_of(vendor)
    assert {setting.kind for setting in declared} <= {"text", "url", "email", "json", "choice"}
    sent = {
        setting.key: {"url": "https://mdm.example.org", "email": "it@district.example"}.get(
            setting.kind, setting.choices[0] if setting.choices else "value"
        )
        for setting in declared
        if setting.kind != "json" and setting.required
    }
    if vendor is VendorName.GOOGLE:
        with pytest.raises(Invalid) as told:
            settled(declared, sent, {}, {})
        assert [field.field for field in told.value.fields] == ["settings.service_account"]
        return
    made = settled(declared, sent, {}, {})
    VENDORS[vendor](made.plain | made.secrets, http=SimpleNamespace(cookies=_Jar()))


class _Jar:
    jar = SimpleNamespace(set_policy=lambda policy: None)


# Words


def row(kind: MappingKind, word: str, owner: int | None = None, **said: Any) -> Any:
    meant = {"place_id": None, "asset_kind": None, "model_name": None} | said
    return SimpleNamespace(id=0, kind=kind, connection_id=owner, word=word, **meant)


def site(word: str, place_id: str | None, owner: int | None = None) -> Any:
    return row(MappingKind.SITE, word, owner, place_id=place_id)


def model(word: str, owner: int | None = None, **said: Any) -> Any:
    return row(MappingKind.MODEL, word, owner, **said)


PLACES = [
    SimpleNamespace(id="0101", name="North High", school_id="0101"),
    SimpleNamespace(id="0102", name="South", school_id="0102"),
    SimpleNamespace(id="0101-7", name="Library", school_id="0101"),
    SimpleNamespace(id="0102-7", name="Library", school_id="0102"),
]


def told(mapped: Mapped, word: str | None, owner: int = 1) -> tuple[str | None, Why]:
    found = place_for(mapped, owner, word)
    return found.place_id, found.why


def test_a_unit_covers_what_is_under_it_unless_that_is_mapped_itself() -> None:
    rows = [site("/Schools/North/", "0101"), site("/Schools/North/Carts", "0102"), site("/schools/x", None)]
    mapped = compiled(rows, PLACES)
    assert told(mapped, "/Schools/North") == ("0101", Why.MAPPED)
    assert told(mapped, " /SCHOOLS/north/Grade 9 ") == ("0101", Why.INHERITED)
    assert told(mapped, "/Schools/North/Carts/Cart 3") == ("0102", Why.INHERITED)
    assert told(mapped, "/Schools/Northern") == (None, Why.UNKNOWN_WORD)
    assert told(mapped, "/Schools/X/Y") == (None, Why.IGNORED)
    assert told(mapped, "/") == (None, Why.UNKNOWN_WORD)
    assert told(compiled([site("/", "0102")], PLACES), "/anything/at all") == ("0102", Why.INHERITED)
    assert place_for(mapped, 1, "/Schools/North") == Found("0101", "0101", Why.MAPPED)


def test_words_without_a_slash_in_front_are_no_tree() -> None:
    mapped = compiled([site("Library", "0101-7")], PLACES)
    assert told(mapped, "library") == ("0101-7", Why.MAPPED)
    assert told(mapped, "Library/Media") == (None, Why.UNKNOWN_WORD)


def test_a_connections_own_word_comes_before_everybodys() -> None:
    mapped = compiled([site("Main", "0101"), site("main", "0102", 1), site("MAIN", None, 2)], PLACES)
    assert [told(mapped, "Main", owner)[0] for owner in (1, 2, 3)] == ["0102", None, "0101"]
    assert told(mapped, "Main", 2)[1] is Why.IGNORED


def test_a_place_of_that_very_id_or_name_needs_no_mapping() -> None:
    mapped = compiled([], PLACES)
    assert told(mapped, "north  high") == ("0101", Why.SAME_NAME)
    assert told(mapped, "0102-7") == ("0102-7", Why.SAME_NAME)
    assert told(mapped, "/South/Carts") == ("0102", Why.INHERITED)
    assert told(mapped, "Library") == (None, Why.SEVERAL_PLACES)
    assert told(mapped, "North") == (None, Why.UNKNOWN_WORD)
    assert told(mapped, None) == told(mapped, "  ") == (None, Why.NO_WORD)
    assert told(compiled([site("South", "0101")], PLACES), "/South") == ("0102", Why.SAME_NAME)
    assert told(compiled([site("/South", None)], PLACES), "/South/Carts") == (None, Why.IGNORED)


@given(st.text(max_size=40))
def test_folding_is_done_once_and_units_end_at_the_top(word: str) -> None:
    plain = folded(word)
    assert folded(plain) == plain == folded(f"  {word}  ")
    above = list(levels(plain))
    assert above[0] == plain
    assert above[-1] == ("/" if plain.startswith("/") else plain)
    assert len(set(above)) == len(above)


@pytest.mark.parametrize(
    ("name", "platform", "kind"),
    [
        ("Lenovo 300e Chromebook", "chromeos", "chromebook"), ("HP Chromebox G3", "chromeos", "desktop"),
        (None, "chromeos", "chromebook"), ("iMac (24-inch, M1, 2021)", "macos", "desktop"),
        ("Mac mini (2020)", "macos", "desktop"), ("Mac Pro", "macos", "desktop"),
        ("MacBook Pro (14-inch)", "macos", "laptop"), ("Macmini9,1", "macos", "desktop"),
        ("iPad (9th generation)", "ipados", "tablet"), ("iPad7,11", "ios", "tablet"),
        ("iPhone SE", "ios", "phone"), ("Apple TV 4K", "tvos", "display"), ("SM-T500", "android", "tablet"),
        ("Latitude 3120", "windows", "laptop"), ("ThinkCentre M70q", "windows", "desktop"),
        ("OptiPlex 7090", "windows", "desktop"), ("VMware Virtual Platform", "windows", "other"),
        (None, "macos", "laptop"),
        ("Surface Go 3", "windows", "laptop"), ("ViewBoard IFP7550", "android", "display"),
    ],
)  # fmt: skip
def test_well_known_models_are_known_as_shipped(name: str | None, platform: str, kind: str) -> None:
    assert kind_for(compiled([], []), 1, name, None, Platform(platform)).kind == kind


def test_what_a_model_is_called_here_and_is_comes_from_its_id_before_its_name() -> None:
    rows = [
        model("Mac14,2", asset_kind=AssetKind.OTHER, model_name="Air, loaner"),
        model("MacBook Air", asset_kind=AssetKind.TABLET),
        model("macbook air", 2, model_name="Air"),
        model("Nameless"),
    ]
    mapped = compiled(rows, [])

    def kind(owner: int, name: str | None, model_id: str | None = None) -> Any:
        found = kind_for(mapped, owner, name, model_id, Platform.MACOS)
        return found.kind.value, found.model_name, found.why.value

    assert kind(1, "MacBook Air", "mac14,2") == ("other", "Air, loaner", "mapped")
    assert kind(1, "MacBook Air", "Mac15,12") == ("tablet", None, "mapped")
    assert kind(2, "MacBook Air") == ("laptop", "Air", "mapped")
    assert kind(1, "Nameless") == ("laptop", None, "ignored")
    assert kind(1, None) == ("laptop", None, "platform")


def test_a_model_that_nobody_knows_on_a_platform_that_tells_nothing_is_told() -> None:
    mapped = compiled([], [])
    assert kind_for(mapped, 1, "Gizmo 7", None, Platform.OTHER).why is Why.UNKNOWN_WORD
    assert kind_for(mapped, 1, None, None, Platform.OTHER).why is Why.NO_WORD
    assert kind_for(mapped, 1, None, "Gizmo7,1", Platform.OTHER).kind is AssetKind.OTHER


def test_a_vendor_with_a_word_for_every_device_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REMEMBERED", 10)
    mapped = compiled([site("/Schools", "0101")], PLACES)
    for _ in range(2):
        for n in range(25):
            assert told(mapped, f"/Schools/{n}")[0] == "0101"
            assert kind_for(mapped, 1, f"iMac {n}", None, Platform.MACOS).kind is AssetKind.DESKTOP
    assert max(len(mapped._places), len(mapped._kinds)) <= 10
