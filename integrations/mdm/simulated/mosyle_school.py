"""An invented school in Mosyle: iPads, a cart of them, Macs and a television, and rows as awkward as real
ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

COLUMNS = frozenset(
    {
        "deviceudid",
        "serial_number",
        "device_name",
        "device_model",
        "device_model_name",
        "device_type",
        "os",
        "osversion",
        "useremail",
        "userid",
        "username",
        "usertype",
        "SharedCartName",
        "asset_tag",
        "location",
        "idaccount",
        "tags",
        "date_last_beat",
        "status",
        "enrollment_type",
        "is_supervised",
        "battery",
        "total_disk",
        "available_disk",
        "wifi_mac_address",
        "last_lan_ip",
        "last_ip_beat",
        "lostmode_status",
        "latitude",
        "longitude",
    }
)
"""What can be asked for by name here; the real one knows more."""


def school(now: datetime) -> Iterator[dict[str, Any]]:
    """Rows in the order in which they are listed.

    Awkward ones: a cart without a user's keys, a device in limbo that keeps its old user, one in lost mode,
    one serial number twice, none at all, a free-text user, a battery in percent, a device never heard of.
    """
    yield _row(1, now, userid="byron", useremail="Ada.Byron@pine.example.org", usertype="T")
    yield _row(2, now, SharedCartName="Cart 2", asset_tag="PN-0002", tags="cart-2,oak")
    yield _row(3, now, status="LIMBO", userid="gone", useremail="gone@pine.example.org")
    yield _row(4, now, lostmode_status="ENABLED", latitude="42.01", longitude="-71.02")
    yield _row(5, now, serial_number="PINE000004", device_name="Twin of 4")
    yield _row(6, now, serial_number="", userid="Front desk", battery="73")
    yield _row(7, now, date_last_beat=None, total_disk=None, available_disk="0.0000000000")
    yield _row(8, now, device_model="iPhone14,5", device_model_name="iPhone 13", device_type="iPhone")
    yield _row(9, now, os="mac", device_model="Mac15,12", device_model_name="MacBook Air (M3)")
    yield _row(10, now, os="mac", device_model="Mac14,3", device_model_name="Mac mini", battery=None)
    yield _row(11, now, os="tvos", device_model="AppleTV14,1", device_model_name="Apple TV 4K", battery=None)


def _row(number: int, now: datetime, **differs: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "deviceudid": f"00008120-{number:016X}",
        "serial_number": f"PINE{number:06d}",
        "device_name": f"Pine iPad {number:02d}",
        "device_model": "iPad13,18",
        "device_model_name": "iPad (10th generation)",
        "device_type": "iPad",
        "os": "ios",
        "osversion": "26.1",
        "asset_tag": None,
        "location": "Pine High",
        "idaccount": "1",
        "tags": "",
        "date_last_beat": str(int((now - timedelta(hours=number)).timestamp())),
        "status": "IN",
        "enrollment_type": "ade",
        "is_supervised": "1",
        "battery": "0.95",
        "total_disk": "64.0000000000",
        "available_disk": "41.2000000000",
        "wifi_mac_address": f"02:bb:00:00:00:{number:02x}",
        "last_lan_ip": f"10.61.0.{number}",
        "last_ip_beat": "203.0.113.9",
        "lostmode_status": "DISABLED",
    }
    return usual | differs
