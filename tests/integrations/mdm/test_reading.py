"""Words and numbers of vendors, made plain."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.mdm import reading

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("said", "serial"),
    [
        (" c02abc123 ", "C02ABC123"),
        ("NXSMPL0005A1B2C3D4E5F6", "NXSMPL0005A1B2C3D4E5F6"),
        ("5CD-1234/X", "5CD-1234/X"),
        (1234567, "1234567"),
        *(
            (each, None)
            for each in (
                None,
                "",
                "  ",
                "System Serial Number",
                "SystemSerialNumber",
                "Default string",
                "Defaultstring",
                "To be filled by O.E.M.",
                "0",
                "None",
                "n/a",
                "00000000",
                "XXXXXXXX",
                "-",
                [],
                True,
            )
        ),
    ],
)
def test_a_serial_number_is_upper_case_and_a_placeholder_is_none(said: object, serial: str | None) -> None:
    assert reading.serial(said) == serial


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("2026-11-20T13:30:00.998Z", datetime(2026, 11, 20, 13, 30, 0, 998000, UTC)),
        ("2026-11-20T13:30:00.1234567Z", datetime(2026, 11, 20, 13, 30, 0, 123456, UTC)),
        ("2026-11-20T13:30:00+02:00", datetime(2026, 11, 20, 11, 30, tzinfo=UTC)),
        ("2026-11-20 13:30:00", datetime(2026, 11, 20, 13, 30, tzinfo=UTC)),
        ("2030-06-07", datetime(2030, 6, 7, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("1970-01-01T00:00:00Z", None),
        ("soon", None),
        ("", None),
        (1_700_000_000, None),
    ],
)
def test_an_instant_is_aware_utc(said: object, at: datetime | None) -> None:
    assert reading.instant(said) == at


@pytest.mark.parametrize(
    ("said", "per_second", "at"),
    [
        ("1763652600", 1, datetime(2025, 11, 20, 15, 30, tzinfo=UTC)),
        (1763652600.0, 1, datetime(2025, 11, 20, 15, 30, tzinfo=UTC)),
        ("1907020800000", 1000, datetime(2030, 6, 7, tzinfo=UTC)),
        ("0", 1, None),
        ("1e300", 1, None),
        ("never", 1, None),
    ],
)
def test_an_epoch_is_aware_utc(said: object, per_second: int, at: datetime | None) -> None:
    assert reading.epoch(said, per_second=per_second) == at


@pytest.mark.parametrize(
    ("said", "user"),
    [
        ("Ada.Okafor@Students.Example.org ", "ada.okafor@students.example.org"),
        ("zoë.müller@schule.example", "zoë.müller@schule.example"),
        ("Cart 3, blue", None),
        ("@home", None),
        ("ada@localhost", None),
        ("ada@school.example, ben@school.example", None),
        (None, None),
    ],
)
def test_only_an_address_is_a_user(said: object, user: str | None) -> None:
    assert reading.address(said) == user


@pytest.mark.parametrize(
    ("said", "mac"),
    [
        ("02C4121FC608", "02:c4:12:1f:c6:08"),
        ("02-c4-12-1f-c6-08", "02:c4:12:1f:c6:08"),
        ("02c4.121f.c608", "02:c4:12:1f:c6:08"),
        ("000000000000", None),
        ("02c4121fc6", None),
        ("wifi", None),
    ],
)
def test_a_mac_is_in_pairs(said: object, mac: str | None) -> None:
    assert reading.mac(said) == mac


def test_small_words() -> None:
    assert reading.text("  a\x00b ") == "ab"
    assert reading.text("N/A", "n/a") is None
    assert [reading.truth(each) for each in (True, "true", "1", 1, "False", 0, "yes", None)] == [
        *(True, True, True, True),
        *(False, False, None, None),
    ]
    assert reading.whole("9007199254740993") == 9007199254740993
    assert reading.whole(2.5) is None
    assert reading.size("64", reading.GIGABYTE) == 64_000_000_000
    assert reading.size(0) is None
    assert reading.percent(20500, of=41000) == 50.0
    assert reading.percent(0.555, of=1) == 55.5
    assert reading.percent(101) is None
    assert reading.ip(" 10.0.0.7 ") == "10.0.0.7"
    assert reading.ip("0.0.0.0") is None  # noqa: S104
    assert reading.dig({"a": [{"b": 1}]}, "a", 0, "b") == 1
    assert reading.dig({"a": "xyz"}, "a", 0) is None
    assert reading.dig(None, "a", 3) is None


@pytest.mark.parametrize(
    ("pasted", "kept", "url"),
    [
        ("school.jamfcloud.com", False, "https://school.jamfcloud.com"),
        ("HTTP://School.JamfCloud.com:80/computers.html?q=1#x", False, "https://school.jamfcloud.com"),
        ("https://mdm.school.example:8443/", False, "https://mdm.school.example:8443"),
        ("https://admin:secret@mdm.school.example/", False, "https://mdm.school.example"),
        ("https://school.example//fleet/", True, "https://school.example/fleet"),
        ("http://127.0.0.1:9000/x", False, "http://127.0.0.1:9000"),
        ("http://[::1]:9000", False, "http://[::1]:9000"),
        ("http://10.0.0.5:9000", False, "https://10.0.0.5:9000"),
    ],
)
def test_a_pasted_address_becomes_a_base(pasted: str, kept: bool, url: str) -> None:
    assert reading.base_url(pasted, keep_path=kept) == url
    assert reading.base_url(url, keep_path=kept) == url


@pytest.mark.parametrize(
    "pasted", ["", "https://", "ftp://school.example", "file:///etc/passwd", "https://a b"]
)
def test_what_names_no_server_is_refused(pasted: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        reading.base_url(pasted)


@given(ANYTHING)
def test_nothing_a_vendor_sends_is_an_error(said: object) -> None:
    plain = reading.text(said)
    assert plain is None or (plain == plain.strip() and "\x00" not in plain)
    read = reading.instant(said) or reading.epoch(said)
    assert read is None or read.tzinfo is UTC
    share = reading.percent(said)
    assert share is None or 0 <= share <= 100
    for word in (
        reading.serial,
        reading.address,
        reading.mac,
        reading.ip,
        reading.truth,
        reading.whole,
        reading.size,
    ):
        word(said)
