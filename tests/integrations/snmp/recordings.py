"""Thirteen recorded devices and what is to be found in each, counted: what is missing, and what is invented.

`recording` is decoded straight from the answers and is right; `librenms` is what another monitor expects, and
where it says something that the device did not answer, that stands in a list here with its reason.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from integrations.snmp.grammar import Profile
from integrations.snmp.profile import load_profiles
from integrations.snmp.reading import Reading
from integrations.snmp.target import Answers, Value
from integrations.snmp.understanding import understand

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "snmp"

PROFILES = {
    "apc_smtl1000-nmc3": "ups-apc",
    "aruba-instant_105": "access-point-aruba-instant",
    "avtech_roomalert12e": "sensor-roomalert",
    "brother": "printer-brother",
    "brother_hl5370dw": "printer-brother",
    "dsm_ds214se-dsm7": "nas-synology",
    "eaton-mgeups_5px": "ups-eaton",
    "edgeswitch_usw-flex-xg": "switch-unifi",
    "fortigate_100e": "firewall-fortigate",
    "ios_c3560": "switch-cisco",
    "jetdirect_m252dw": "printer-hp",
    "konica_c250i": "printer-konica",
    "procurve_2520": "switch-hp",
}

SENSORS_ELSEWHERE = {
    # The error bits, which another monitor shows as a state, and wrongly (0100 is "Normal").
    "1.3.6.1.2.1.25.3.5.1.2.1",
}
SENSOR_WORDS = {
    # The other monitor fills a "?" in for a unit that the printer did not answer.
    "Life time ?": "Life time impressions",
    "? since powered on": "Impressions since powered on",
}
NOT_ANSWERED = {
    "ipv4": {
        # No mask in the recording, or one of 0.0.0.0: the other monitor assumes a prefix.
        ("127.0.0.1", 8, 20000),
        ("127.0.0.1", 8, 1),
        ("192.168.178.113", 24, 1),
        ("192.168.100.121", 24, 1),
    },
    # Derived: Linux's own counting of cache, which hrStorageTable does not make. `recording` has it as ours.
    "mempools": {"Physical memory", "Cached memory", "Shared memory"},
    "supplies": {
        # Read from Ricoh's private MIB, on a Brother.
        "1.3.6.1.4.1.367.3.2.1.2.24.1.1.5.1",
    },
    # The software of the management card, not of the UPS.
    "version": {"AOS v2.3.1.1 / App v2.3.1.1"},
}
TYPES = {"opc": "opc", "wasteToner": "waste_toner", "toner": "toner"}


def parsed(path: Path) -> Answers:
    answers: dict[str, Value] = {}
    with path.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            oid, tag, value = line.rstrip("\n").split("|", 2)
            answers[oid] = _value(tag, value)
    return answers


def _value(tag: str, value: str) -> Value:
    if tag.endswith("x"):
        return bytes.fromhex(value)
    if tag in ("2", "65", "66", "67", "70"):
        return int(value)
    return value if tag in ("6", "64") else value.encode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Device:
    answers: Answers
    profile: Profile
    reading: Reading
    librenms: dict[str, Any]
    recording: dict[str, Any]

    def asked(self) -> Answers:
        walked = tuple(f"{base}." for base in self.profile.discovery.walk)
        got = set(self.profile.discovery.get)
        return {oid: value for oid, value in self.answers.items() if oid in got or oid.startswith(walked)}


@lru_cache(maxsize=13)
def device(name: str) -> Device:
    answers = parsed(FOLDER / f"{name}.snmprec")
    expected = json.loads((FOLDER / f"{name}.expected.json").read_text())
    profiles = load_profiles()
    profile = profiles.match({oid: answers[oid] for oid in profiles.identify if oid in answers})
    bare = Device(answers, profile, Reading(profile.name), expected["librenms"], expected["recording"])
    return Device(
        answers, profile, understand(profile, bare.asked()), expected["librenms"], expected["recording"]
    )


@dataclass
class Count:
    """What should be there and is not, and what is there and should not be."""

    missing: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    right: int = 0

    def compare(self, what: str, ours: Any, theirs: Any) -> None:
        if ours == theirs:
            self.right += 1
        elif ours is None:
            self.missing.append(f"{what}: {theirs!r}")
        else:
            self.false.append(f"{what}: {ours!r} for {theirs!r}")

    def close(self, what: str, ours: float | None, theirs: float, by: float = 0.011) -> None:
        alike = ours is not None and abs(ours - theirs) <= by
        self.compare(what, theirs if alike else ours, theirs)

    def only(self, what: str, ours: set[Any], theirs: set[Any]) -> None:
        self.false += [f"{what}: {one!r} was not answered" for one in ours - theirs]
        self.missing += [f"{what}: {one!r}" for one in theirs - ours]


def system_facts(found: Device, count: Count) -> None:
    ours, theirs, told = found.reading.identity, found.recording, found.librenms["device"]
    count.compare("description", ours.description, " ".join(theirs["sysDescr"].split()))
    count.compare("object id", ours.object_id, theirs["sysObjectID"])
    count.compare("name", ours.name, theirs["sysName"])
    count.compare("location", ours.location, theirs["sysLocation"])
    count.compare("uptime", found.reading.uptime.ticks, theirs["sysUpTime_ticks"])
    words = _plain(f"{ours.vendor} {ours.model} {ours.version}")
    for word in _plain(re.sub(r" \[[0-9a-f]+\]$", "", told["hardware"])):
        count.compare(f"hardware {word}", word in words, True)
    if told["version"] is not None and told["version"] not in NOT_ANSWERED["version"]:
        count.compare("version", ours.version, told["version"])
    if told["serial"] is not None:
        count.compare("serial", ours.serial, told["serial"])


def _plain(words: str) -> list[str]:
    return re.findall(r"[a-z0-9()]+", words.lower())


def port_facts(found: Device, count: Count) -> None:
    ours = {port.index: port for port in found.reading.ports}
    rows = {row["ifIndex"]: row for row in found.recording["interfaces"]}
    count.only("port", set(ours), set(rows))
    assert len({port.key for port in ours.values()}) == len(ours)
    for index, row in rows.items():
        port = ours[index]
        count.compare(f"{index} name", port.name, row["ifName"] or None)
        count.compare(f"{index} description", port.description, row["ifDescr"] or None)
        count.compare(f"{index} alias", port.alias, row["ifAlias"] or None)
        count.compare(f"{index} type", port.type, row["ifType"])
        count.compare(f"{index} admin", port.admin and port.admin.value, _snake(row["admin"]))
        count.compare(f"{index} oper", port.oper and port.oper.value, _snake(row["oper"]))
        if row["highSpeedMbps"]:
            count.compare(f"{index} speed", port.speed_mbps, row["highSpeedMbps"])
    for row in found.librenms.get("ports", []):
        _more_of_port(found, ours[row["ifIndex"]], row, count)


def _more_of_port(found: Device, port: Any, row: dict[str, Any], count: Count) -> None:
    """Only what the device answered: the other monitor fills zeros in."""
    at = port.index
    for name, column, theirs in (
        ("mtu", "2.2.1.4", row["ifMtu"]),
        ("in_errors", "2.2.1.14", row["ifInErrors"]),
        ("out_errors", "2.2.1.20", row["ifOutErrors"]),
    ):
        if f"1.3.6.1.2.1.{column}.{at}" in found.answers:
            count.compare(f"{at} {name}", getattr(port, name), theirs)
        else:
            count.compare(f"{at} {name} is not answered", getattr(port, name), None)
    mac = row["ifPhysAddress"]
    count.compare(f"{at} mac", (port.mac or "").replace(":", ""), (mac or "").replace("000000000000", ""))
    duplex = {"fullDuplex": "full", "halfDuplex": "half"}.get(row["ifDuplex"] or "")
    count.compare(f"{at} duplex", port.duplex, duplex)
    if row["ifSpeed"]:
        count.compare(f"{at} speed", round((port.speed_mbps or 0) * 1e6), row["ifSpeed"])


def _snake(word: str | None) -> str | None:
    return None if word is None else re.sub(r"(?<!^)([A-Z])", lambda found: f"_{found[1].lower()}", word)


def printer_facts(found: Device, count: Count) -> None:
    printer = found.reading.printer
    if "hrPrinter" not in found.recording:
        count.compare("printer", printer, None)
        return
    assert printer is not None
    count.compare("errors", list(printer.errors or ()), [_snake(one) for one in _errors(found)])
    count.compare("status", printer.device_status, found.recording["hrDevice_printers"][0]["status"])
    supplies = {supply.key: supply for supply in printer.supplies}
    rows = {row["index"]: row for row in found.recording["prtMarkerSupplies"]}
    count.only("supply", set(supplies), set(rows))
    for key, row in rows.items():
        ours = supplies[key]
        count.compare(f"{key} description", ours.description, row["descr"])
        count.compare(f"{key} kind", ours.kind, TYPES[row["type"]])
        count.compare(f"{key} level", (ours.level, ours.capacity), (row["level"], row["max"]))
        count.compare(f"{key} special", ours.special, _snake(_special(row["special"])))
        _percent(f"{key} percent", ours.percent, row["percent_of_max"], count)
    trays = {tray.key: tray for tray in printer.trays}
    count.only("tray", set(trays), {row["index"] for row in found.recording["prtInput"]})
    for row in found.recording["prtInput"]:
        ours_tray = trays[row["index"]]
        count.compare("tray", (ours_tray.level, ours_tray.capacity), (row["level"], row["max"]))
        count.compare("tray name", ours_tray.name, row["name"])
    _librenms_supplies(found, count)
    if "prtMarkerLifeCount" in found.recording:
        count.compare("pages", [printer.pages], found.recording["prtMarkerLifeCount"])


def _errors(found: Device) -> list[str]:
    errors: list[str] = found.recording["hrPrinter"][0]["errors"]
    return errors


def _special(word: str | None) -> str | None:
    return "someRemains" if word == "someRemaining" else word


def _percent(what: str, ours: float | None, theirs: float | None, count: Count) -> None:
    if theirs is None or ours is None:
        count.compare(what, ours, theirs)
    else:
        count.close(what, ours, theirs, by=0.5)


def _librenms_supplies(found: Device, count: Count) -> None:
    """Percentages agree wherever the level is a number of a known capacity; elsewhere we have none."""
    printer = found.reading.printer
    assert printer is not None
    ours = {one.oid: one for one in (*printer.supplies, *printer.trays)}
    for row in found.librenms["printer_supplies"]:
        oid = row["supply_oid"][1:]
        if oid in NOT_ANSWERED["supplies"]:
            continue
        one = ours[oid]
        if one.special is not None:
            count.compare(f"{oid} has no percentage", one.percent, None)
        elif row["supply_type"] == "input":
            # The other monitor says 100 % of an empty tray: it turns trays round.
            count.compare(f"{oid} tray", one.percent, 0.0)
        else:
            _percent(f"{oid} percent", one.percent, row["percent"], count)


def store_facts(found: Device, count: Count) -> None:
    stores = {
        load.key.partition(".")[2]: load
        for load in found.reading.loads
        if (load.oid or "").startswith(STORES)
    }
    rows = {str(row["index"]): row for row in found.recording.get("hrStorage", [])}
    count.only("store", set(stores), set(rows))
    for index, row in rows.items():
        ours = stores[index]
        count.compare(f"store {index}", ours.description, row["descr"])
        count.compare(f"store {index} total", ours.total, row["size"] * row["unit"])
        count.compare(f"store {index} used", ours.used, row["used"] * row["unit"])
        _percent(f"store {index} percent", ours.percent, row["percent"], count)
    for index, percent in found.recording.get("hrProcessorLoad", {}).items():
        ours_load = next(load for load in found.reading.loads if load.key == f"processor.{index}")
        count.compare(f"processor {index}", ours_load.percent, percent)


STORES = "1.3.6.1.2.1.25.2.3.1.6."


def power_facts(found: Device, count: Count) -> None:
    theirs, ups = found.recording.get("UPS-MIB"), found.reading.ups
    if theirs is None:
        return
    assert ups is not None
    count.compare("vendor", (found.reading.identity.vendor or "").upper(), theirs["upsIdentManufacturer"])
    count.compare("battery", ups.battery, {2: "normal"}[theirs["upsBatteryStatus"]])
    count.compare("source", ups.source, {3: "normal"}[theirs["upsOutputSource"]])
    count.compare("on battery", ups.seconds_on_battery, theirs["upsSecondsOnBattery"])
    count.compare("minutes", ups.minutes_left, theirs["upsEstimatedMinutesRemaining"])
    count.compare("charge", ups.charge_percent, theirs["upsEstimatedChargeRemaining"])
    count.compare("volts", ups.battery_volts, theirs["upsBatteryVoltage_dV"] / 10)
    count.compare("load", ups.load_percent, theirs["upsOutputPercentLoad"]["1"])


def bridge_facts(found: Device, count: Count) -> None:
    bridge = found.recording.get("bridge")
    if bridge is None:
        count.compare("learned", len(found.reading.learned), 0)
        return
    count.compare("learned", len(found.reading.learned), bridge["dot1qTpFdb_entries"])
    ports = {str(port.bridge_port): port.index for port in found.reading.ports if port.bridge_port}
    count.compare("bridge ports", ports, bridge["basePort_to_ifIndex"])
    ours = {(one.vlan, one.mac, one.bridge_port, one.index) for one in found.reading.learned}
    for row in bridge["sample_fdb"]:
        key = (row["vlan"], row["mac"], row["basePort"], row["ifIndex"])
        count.compare(f"learned {row['mac']}", key in ours, True)
    keys = {port.index: port.key for port in found.reading.ports}
    assert all(one.port_key == keys.get(one.index) for one in found.reading.learned)


def sensor_facts(found: Device, count: Count) -> None:
    ours = {sensor.oid: sensor for sensor in found.reading.sensors}
    theirs = {row["sensor_oid"][1:]: row for row in found.librenms.get("sensors", [])}
    wireless = {json.loads(row["sensor_oids"])[0][1:] for row in found.librenms.get("wireless", [])}
    count.only("sensor", set(ours), (set(theirs) | wireless & set(ours)) - SENSORS_ELSEWHERE)
    for oid, row in theirs.items():
        if oid in SENSORS_ELSEWHERE:
            continue
        sensor = ours[oid]
        said = SENSOR_WORDS.get(row["sensor_descr"], row["sensor_descr"])
        count.compare(f"{oid} words", sensor.description, said)
        count.compare(f"{oid} kind", sensor.kind, row["sensor_class"])
        count.close(f"{said} value", sensor.value, row["value"])
        count.compare(f"{said} unit", (sensor.unit or "").replace("°", ""), _unit(row))
        if "state" in row:
            count.compare(f"{said} state", sensor.state, row["state"])
    for row in found.recording.get("entPhySensor", []):
        if row["type"] == 8:
            value = ours[f"1.3.6.1.2.1.99.1.1.1.4.{row['entity']}"].value
            count.compare(f"entity {row['entity']}", value, row["value"])


def _unit(row: dict[str, Any]) -> str:
    if row["sensor_class"] == "delay":
        return "s"
    return "" if row["unit"] == "state" else row["unit"] or ""


def load_facts(found: Device, count: Count) -> None:
    loads = found.reading.loads
    for row in found.librenms.get("processors", []):
        ours = next(one for one in loads if one.oid == row["processor_oid"][1:])
        count.close(f"processor {ours.oid}", ours.percent, row["processor_usage"], by=0.5)
    for row in found.librenms.get("mempools", []):
        if row["mempool_descr"] not in NOT_ANSWERED["mempools"]:
            _store(found, row["mempool_descr"], _of(row, "mempool", "perc", "used", "total"), count)
    for row in found.librenms.get("storage", []):
        _store(found, row["storage_descr"], _of(row, "storage", "perc", "used", "size"), count)


def _of(row: dict[str, Any], kind: str, *names: str) -> list[int]:
    return [row[f"{kind}_{name}"] for name in names]


def _store(found: Device, words: str, told: list[int], count: Count) -> None:
    ours = next(one for one in found.reading.loads if one.description == words)
    count.close(f"{words} percent", ours.percent, told[0], by=0.6)
    count.compare(f"{words} bytes", (ours.used, ours.total), (told[1], told[2]))


def table_facts(found: Device, count: Count) -> None:
    reading, told = found.reading, found.librenms
    ours = {(one.address, one.index) for one in reading.addresses}
    rows = told.get("ipv4", [])
    count.only("address", ours, {(row["ipv4_address"], row["ifIndex"]) for row in rows})
    prefixes = {(one.address, one.prefix, one.index) for one in reading.addresses}
    for row in rows:
        key = (row["ipv4_address"], row["ipv4_prefixlen"], row["ifIndex"])
        count.compare(f"address {key}", key in prefixes or key in NOT_ANSWERED["ipv4"], True)
    vlans = {(vlan.id, vlan.name or f"VLAN {vlan.id}") for vlan in reading.vlans}
    count.only("vlan", vlans, {(row["vlan_vlan"], row["vlan_name"]) for row in told.get("vlans", [])})
    links = sorted((one.port_key or "", (one.port or "").split()[0]) for one in reading.neighbours)
    theirs = sorted((row["ifName"], row["remote_port"].split()[0]) for row in told.get("lldp_links", []))
    count.compare("neighbours", links, theirs)
    _wireless(found, count)


def _wireless(found: Device, count: Count) -> None:
    ours = {sensor.oid: sensor.value for sensor in found.reading.sensors}
    counted = {"ap-count": len(found.reading.access_points), "clients": found.reading.clients}
    for row in found.librenms.get("wireless", []):
        kind, oid = row["sensor_class"], json.loads(row["sensor_oids"])[0][1:]
        value = counted[kind] if kind in counted else ours.get(oid)
        count.compare(f"{kind} {row['sensor_descr']}", value, row["sensor_current"])


CHECKS = (
    system_facts,
    port_facts,
    printer_facts,
    store_facts,
    power_facts,
    bridge_facts,
    sensor_facts,
    load_facts,
    table_facts,
)


def counted(found: Device) -> Count:
    """Every fact of what is expected, held against the reading."""
    count = Count()
    for check in CHECKS:
        check(found, count)
    return count
