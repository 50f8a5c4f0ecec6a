"""A simulated Fleet server with an invented school's hosts: pages by number, a free search, locks with a PIN,
wipes and refetches that take `TAKES` by the simulator's clock.

`says_more` adds `meta.has_next_results` to lists, as newer servers do; `premium` false refuses locks and
wipes for want of a licence; `older` answers commands with 204 instead of a body.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from integrations.mdm.simulated.server import Answer, Asked, Clock, Simulator

TOKEN = "simulated-fleet-token"  # noqa: S105
PIN = "271828"
TAKES = timedelta(minutes=2)
WORDS = {"lock": "locked", "unlock": "unlocked", "wipe": "wiped"}
MOBILE = ("ios", "ipados")


class SimulatedFleet(Simulator):
    """`allowed` false makes the token's user one who only looks."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.hosts: dict[int, dict[str, Any]] = {each["id"]: each for each in school(self.clock.now)}
        self.says_more = True
        self.premium = True
        self.older = False
        self.allowed = True
        self.largest_page = 3
        self._due: list[tuple[datetime, int, str]] = []
        self.on("GET", "/api/v1/fleet/hosts", self._list)
        self.on("GET", "/api/v1/fleet/hosts/{id}", self._one)
        self.on("POST", "/api/v1/fleet/hosts/{id}/{action}", self._act)

    def missing(self, asked: Asked) -> Answer:
        return refused(404, "Resource Not Found")

    def _list(self, asked: Asked) -> Answer:
        if asked.bearer != TOKEN:
            return refused(401, "Authentication failed")
        self._progress()
        query = asked.query.get("query", "").casefold()
        found = [
            host
            for host in self.hosts.values()
            if any(query in str(host[name]).casefold() for name in ("hostname", "hardware_serial", "uuid"))
        ]
        found.sort(
            key=lambda host: host[asked.query.get("order_key", "id")],
            reverse=asked.query.get("order_direction") == "desc",
        )
        size = min(int(asked.query.get("per_page", "100")), self.largest_page)
        start = int(asked.query.get("page", "0")) * size
        mapped = asked.query.get("device_mapping") == "true"
        page = found[start : start + size]
        body: dict[str, Any] = {"hosts": [_shown(host, mapped=mapped) for host in page]}
        if self.says_more:
            body["meta"] = {
                "has_next_results": start + size < len(found),
                "has_previous_results": start > 0,
            }
        return Answer(200, body)

    def _one(self, asked: Asked) -> Answer:
        if asked.bearer != TOKEN:
            return refused(401, "Authentication failed")
        self._progress()
        host = self._host(asked)
        return refused(404, "Resource Not Found") if host is None else Answer(200, {"host": _shown(host)})

    def _act(self, asked: Asked) -> Answer:
        if asked.bearer != TOKEN:
            return refused(401, "Authentication failed")
        if not self.allowed:
            return refused(403, "Forbidden")
        host, action = self._host(asked), asked.at["action"]
        if host is None or action not in {*WORDS, "refetch"}:
            return refused(404, "Resource Not Found")
        if action != "refetch" and not self.premium:
            return refused(402, "Requires Fleet Premium license")
        if action == "lock" and host["platform"] in MOBILE:
            return refused(422, "Can't lock iOS or iPadOS hosts. Use wipe instead.")
        self.effects.append((action, str(host["id"])))
        self._due.append((self.clock.now + TAKES, host["id"], action))
        if action == "refetch":
            return Answer(200, {})
        host["mdm"] = {**host["mdm"], "pending_action": action}
        if action == "lock" and host["platform"] == "darwin" and asked.query.get("view_pin") == "true":
            return Answer(200, {"unlock_pin": PIN})
        if self.older:
            return Answer(204)
        return Answer(200, {"device_status": host["mdm"]["device_status"], "pending_action": action})

    def _host(self, asked: Asked) -> dict[str, Any] | None:
        key = asked.at["id"]
        return self.hosts.get(int(key)) if key.isdigit() else None

    def _progress(self) -> None:
        due = [each for each in self._due if each[0] <= self.clock.now]
        self._due = [each for each in self._due if each[0] > self.clock.now]
        for at, key, action in due:
            host = self.hosts[key]
            host["updated_at"] = _at(at)
            if action == "refetch":
                host["detail_updated_at"] = _at(at)
            else:
                host["mdm"] = {**host["mdm"], "pending_action": "", "device_status": WORDS[action]}


def refused(status: int, reason: str) -> Answer:
    """An error as Fleet writes it."""
    return Answer(status, {"message": reason, "errors": [{"name": "base", "reason": reason}]})


def school(now: datetime) -> Iterator[dict[str, Any]]:
    """Hosts by id. Awkward ones: no serial number, one without device management, an iPad listed as iOS."""
    yield _row(1, now, device_mapping=[{"email": "Ada@Fir.Example.org", "source": "google_chrome_profiles"}])
    yield _row(2, now, platform="windows", os_version="Windows 11 Pro 24H2", hardware_vendor="HP")
    unmanaged = {"enrollment_status": None, "name": None, "device_status": "unlocked", "pending_action": ""}
    yield _row(3, now, platform="ubuntu", os_version="Ubuntu 24.04", mdm=unmanaged)
    yield _row(4, now, platform="ios", os_version="iPadOS 26.1", osquery_version=None)
    yield _row(5, now, hardware_serial="", mdm=None, issues={"failing_policies_count": 2})
    yield _row(6, now, platform="chrome", os_version="ChromeOS 142", team_id=None, team_name=None)
    yield _row(7, now, platform="ios", os_version="iOS 26.1", seen_time="0001-01-01T00:00:00Z")


def _row(number: int, now: datetime, **differs: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "id": number,
        "updated_at": _at(now - timedelta(hours=number)),
        "detail_updated_at": _at(now - timedelta(hours=number)),
        "last_enrolled_at": _at(now - timedelta(days=200)),
        "seen_time": _at(now - timedelta(hours=number)),
        "hostname": f"fir-{number:02d}",
        "display_name": f"fir-{number:02d}",
        "uuid": f"00000000-0000-0000-0000-0000000f{number:04d}",
        "platform": "darwin",
        "osquery_version": "5.19.0",
        "os_version": "macOS 15.7.2",
        "hardware_vendor": "Apple Inc.",
        "hardware_model": "Mac15,12",
        "hardware_serial": f"FIR{number:06d}",
        "public_ip": "203.0.113.5",
        "primary_ip": f"10.71.0.{number}",
        "primary_mac": f"02:cc:00:00:00:{number:02x}",
        "status": "online",
        "team_id": 3,
        "team_name": "Fir Primary",
        "gigs_disk_space_available": 120.5,
        "gigs_total_disk_space": 250,
        "mdm": {
            "enrollment_status": "On (automatic)",
            "name": "Fleet",
            "device_status": "unlocked",
            "pending_action": "",
        },
        "issues": {"failing_policies_count": 0},
        "device_mapping": None,
    }
    return usual | differs


def _shown(host: dict[str, Any], *, mapped: bool = True) -> dict[str, Any]:
    return {name: value for name, value in host.items() if mapped or name != "device_mapping"}


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
