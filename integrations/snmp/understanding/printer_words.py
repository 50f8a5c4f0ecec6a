"""What RFC 2790 and RFC 3805 call by numbers: supplies, units, states, alerts."""

from __future__ import annotations

from typing import Final

KINDS: Final = {
    1: "other",
    2: "unknown",
    3: "toner",
    4: "waste_toner",
    5: "ink",
    6: "ink_cartridge",
    7: "ink_ribbon",
    8: "waste_ink",
    9: "opc",
    10: "developer",
    11: "fuser_oil",
    12: "solid_wax",
    13: "ribbon_wax",
    14: "waste_wax",
    15: "fuser",
    16: "corona_wire",
    17: "fuser_oil_wick",
    18: "cleaner_unit",
    19: "fuser_cleaning_pad",
    20: "transfer_unit",
    21: "toner_cartridge",
    22: "fuser_oiler",
    23: "water",
    24: "waste_water",
    25: "glue_water_additive",
    26: "waste_paper",
    27: "binding_supply",
    28: "banding_supply",
    29: "stitching_wire",
    30: "shrink_wrap",
    31: "paper_wrap",
    32: "staples",
    33: "inserts",
    34: "covers",
}
"""PrtMarkerSuppliesTypeTC."""

UNITS: Final = {
    3: "ten thousandths of inches",
    4: "micrometres",
    7: "impressions",
    8: "sheets",
    11: "hours",
    12: "thousandths of ounces",
    13: "tenths of grams",
    14: "hundredths of fluid ounces",
    15: "tenths of millilitres",
    16: "feet",
    17: "metres",
    18: "items",
    19: "percent",
}
PRINTS_WITH: Final = frozenset(
    {"toner", "ink", "ink_cartridge", "ink_ribbon", "solid_wax", "toner_cartridge"}
)
STATUSES: Final = {1: "other", 2: "unknown", 3: "idle", 4: "printing", 5: "warming_up"}
DEVICE_STATUSES: Final = {1: "unknown", 2: "running", 3: "warning", 4: "testing", 5: "down"}
SEVERITIES: Final = {1: "other", 3: "critical", 4: "warning", 5: "warning_change"}
GROUPS: Final = {
    1: "other",
    3: "storage",
    4: "device",
    5: "general",
    6: "cover",
    7: "localization",
    8: "input",
    9: "output",
    10: "marker",
    11: "supplies",
    12: "colorant",
    13: "media_path",
    14: "channel",
    15: "interpreter",
    16: "panel",
    17: "lights",
    18: "alert",
    30: "finisher",
    31: "finisher_supply",
    32: "finisher_input",
    33: "finisher_attribute",
}
COLOURS: Final = ("black", "cyan", "magenta", "yellow", "grey", "gray", "light cyan", "light magenta")
TROUBLE_OF_CODE: Final = {
    3: "door_open",
    5: "door_open",
    501: "door_open",
    8: "jammed",
    22: "offline",
    30: "service_requested",
    801: "input_tray_missing",
    807: "low_paper",
    808: "input_tray_empty",
    901: "output_tray_missing",
    902: "output_near_full",
    903: "output_full",
    1101: "no_toner",
    1102: "no_toner",
    1103: "no_toner",
    1104: "low_toner",
    1105: "low_toner",
    1106: "low_toner",
    1115: "marker_supply_missing",
}
"""Alert codes (PrtAlertCodeTC) in the words of the error bits."""

TROUBLE_IN_GROUP: Final = {
    ("input", 9): "input_tray_missing",
    ("input", 12): "low_paper",
    ("input", 13): "input_tray_empty",
    ("output", 9): "output_tray_missing",
    ("output", 14): "output_near_full",
    ("output", 15): "output_full",
    ("supplies", 9): "marker_supply_missing",
    ("supplies", 12): "low_toner",
    ("supplies", 13): "no_toner",
}
"""Codes that say something only with the group that they are about."""

REPORTED: Final = {
    10: "low",
    12: "low",
    1104: "low",
    1105: "low",
    1106: "low",
    1111: "low",
    1113: "low",
    11: "empty",
    13: "empty",
    1101: "empty",
    1102: "empty",
    1103: "empty",
    1112: "empty",
    1114: "empty",
    14: "near_full",
    1107: "near_full",
    1108: "near_full",
    15: "full",
    1109: "full",
    1110: "full",
}
"""What an alert's code says of the supply that it names."""
