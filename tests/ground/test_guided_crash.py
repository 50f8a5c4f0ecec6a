"""A teacher is helped over HTTP while processes are killed: nothing is lost, and nothing asked twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import create_engine, text

from integrations.mdm.port import Enrolment, ManagedDevice, Platform
from integrations.mdm.simulated.google_tokens import ADMIN, service_account
from service.assets.facts import FactIn, keep_facts
from service.core.actor import SYSTEM, Role
from service.core.database import make_engine
from service.core.work import Resources, Work
from tests import makers
from tests.conftest import fresh_database
from tests.doubles.connected_worker import DEVICE
from tests.ground.test_crash import ready
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("guided crash")]


class District:
    """A desk in processes of its own: an API and a worker, which can be killed and started again."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.port = free_port()
        self.google_port = free_port()
        self.google_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.tokens: dict[str, str] = {}
        self.tag = ""

    async def start(self, what: str) -> None:
        module = {
            "api": ["service.cli", "serve", "--port", str(self.port)],
            "worker": ["tests.doubles.connected_worker"],
        }[what]
        public = self.google_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        environment = os.environ | {
            "FIRSTBELL_DATABASE_URL": self.url,
            "FIRSTBELL_LOG_LEVEL": "warning",
            "SIMULATED_GOOGLE_KEY": public.decode(),
            "SIMULATED_GOOGLE_PORT": str(self.google_port),
        }
        self.running[what] = _process(module, environment, self.folder / what)
        if what == "api":
            await ready(self.port)

    def kill(self, *names: str) -> None:
        for name in names:
            child = self.running.pop(name)
            child.send_signal(signal.SIGKILL)
            child.wait(10)

    async def found(self) -> None:
        """A school that is closed today, a teacher with a Chromebook, a technician."""
        resources = Resources(engine=make_engine(self.url, pool=2))
        today = datetime.now(UTC).date()
        closed = [(today + timedelta(days=n)).isoformat() for n in (-1, 0, 1)]
        async with resources.begin(SYSTEM) as work:
            await makers.default_queue(work)
            queues = [await makers.make_queue(work, key=key) for key in ("network", "devices")]
            calendar = await makers.make_calendar(work, makers.CALENDAR | {"closed": closed})
            school = await makers.make_school(work, calendar_id=calendar.id)
            teacher = await makers.make_person(work, school_id=school.id)
            technician = await makers.make_person(work, Role.TECHNICIAN, queues=queues, schools=[school])
            asset = await makers.make_asset(
                work, holder_id=teacher.id, school_id=school.id, place_id=school.id
            )
            await self._connect(work, asset.id)
            self.tokens = {
                "teacher": await makers.token_for(work, teacher),
                "technician": await makers.token_for(work, technician),
            }
            self.tag, self.asset_id = asset.tag, asset.id
        await resources.engine.dispose()

    async def _connect(self, work: Work, asset_id: int) -> None:
        """Google manages the Chromebook, and takes commands for it."""
        connection = await makers.make_mdm_connection(
            work,
            vendor="google",
            allows_commands=True,
            settings={
                "admin": ADMIN,
                "service_account": service_account(self.google_key),
                "base_url": f"http://127.0.0.1:{self.google_port}",
            },
        )
        device = ManagedDevice(
            DEVICE, serial="FBCHR0001", platform=Platform.CHROMEOS, enrolment=Enrolment.ENROLLED
        )
        await makers.make_mdm_record(work, connection, device, asset_id=asset_id)

    async def knows(self, **facts: Any) -> None:
        resources = Resources(engine=make_engine(self.url, pool=2))
        async with resources.begin(SYSTEM) as work:
            said = [FactIn(name=name.replace("__", "."), value=value) for name, value in facts.items()]
            await keep_facts(work, self.asset_id, "recorded", said)
        await resources.engine.dispose()

    async def ask(self, method: str, path: str, who: str = "teacher", **given: Any) -> Any:
        headers = makers.bearer(self.tokens[who])
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}/api/v1", timeout=20) as client:
            answer = await client.request(method, path, headers=headers, **given)
        assert answer.is_success, answer.text
        return answer.json()

    async def answer(self, run: int, step: str, value: str) -> Any:
        return await self.ask("POST", f"/playbook-runs/{run}/answer", json={"step": step, "value": value})

    async def until(self, run: int, path: str) -> Any:
        """The run once it stands at a step."""
        for _ in range(600):
            shown = await self.ask("GET", f"/playbook-runs/{run}")
            if shown["path"] == path:
                return shown
            await asyncio.sleep(0.1)
        raise AssertionError(f"the run stands at {shown['path']}, not at {path}")

    def asked(self, run: int) -> Counter[str]:
        """How often each step was asked."""
        query = "SELECT path FROM playbook_run_events WHERE run_id = :run AND kind = 'step_entered'"
        engine = create_engine(self.url)
        with engine.connect() as connection:
            found = Counter(row.path for row in connection.execute(text(query), {"run": run}))
        engine.dispose()
        return found


def _process(module: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        command = [sys.executable, "-m", *module]
        return subprocess.Popen(
            command, env=environment, stdout=out, stderr=out, cwd=Path(__file__).parents[2]
        )


@pytest.fixture
async def district(server_url: str, tmp_path: Path) -> AsyncIterator[District]:
    with fresh_database(server_url, f"fb_guided_{os.getpid()}", durable=True) as url:
        made = District(url, tmp_path)
        try:
            await made.start("api")
            await made.found()
            await made.start("worker")
            yield made
        finally:
            made.kill(*list(made.running))


async def test_the_facts_answer_the_rest_and_it_ends_confirmed_without_a_technician(
    district: District,
) -> None:
    seen = datetime.now(UTC) - timedelta(minutes=20)
    await district.knows(net__ap__status="up", device__last_seen=seen.isoformat())
    body = {"subject": "My Chromebook won't connect", "asset_tag": district.tag}
    opened = await district.ask("POST", "/tickets", json=body | {"start_playbook": "chromebook-wifi"})
    assert opened["suggested_playbooks"][0]["playbook"] == "chromebook-wifi"
    run = opened["run"]["id"]
    assert opened["run"]["step"]["text"] == "Do other devices get online in the same room?"

    shown = await district.answer(run, "others_work", "yes")
    district.kill("api", "worker")
    await district.start("api")
    assert (await district.ask("GET", f"/playbook-runs/{run}"))["step"] == shown["step"]
    assert (await district.answer(run, "others_work", "yes"))["version"] == shown["version"]

    shown = await district.answer(run, "network_list", "no_internet")
    assert shown["stage"] == "acting"
    district.kill("api")
    await district.start("worker")
    await district.start("api")
    await district.until(run, "works_now")
    shown = await district.answer(run, "works_now", "yes")
    assert (shown["stage"], shown["outcome"]) == ("ended", "solved_confirmed")

    assert district.asked(run) == {"others_work": 1, "network_list": 1, "works_now": 1}
    ticket = await district.ask("GET", f"/tickets/{opened['number']}")
    assert (ticket["status"], ticket["outcome"]) == ("resolved", "solved_confirmed")
    assert ticket["assignee"] is None


async def test_without_facts_a_technician_gets_everything(district: District) -> None:
    shown = await district.ask(
        "POST", "/playbook-runs", json={"playbook": "chromebook-wifi", "asset_tag": district.tag}
    )
    run = shown["id"]
    for step, value in (
        ("others_work", "yes"),
        ("network_list", "nothing"),
        ("switch_on", "didnt_help"),
        ("hard_reset", "didnt_help"),
    ):
        shown = await district.answer(run, step, value)
        if step == "network_list":
            district.kill("api", "worker")
            await district.start("api")
    assert (shown["stage"], shown["path"]) == ("handed_over", "radio_dead")
    assert district.asked(run) == dict.fromkeys(("others_work", "network_list", "switch_on", "hard_reset"), 1)
    told = await district.ask("GET", f"/playbook-runs/{run}/summary", "technician")
    assert [(line["what"], line["came"]) for line in told["asked"]] == [
        ("Do other devices get online in the same room?", "Yes, others work"),
        (
            "Click the time at the bottom right, then the Wi-Fi sign. What do you see?",
            "Wi-Fi is off or the list is empty",
        ),
        (
            "Turn Wi-Fi on in that list. Then restart with the power button and sign in again.",
            "done, it did not help",
        ),
        (
            "Hold the Refresh key and tap Power. Let go of Refresh when the screen lights up. "
            "Nothing is lost.",
            "done, it did not help",
        ),
    ]
    assert {line["what"]: line["came"] for line in told["read"]}["last check-in"] == "not known"
    timeline = await district.ask("GET", f"/tickets/{shown['ticket']}/timeline", "technician")
    notes = [event["body"] for event in timeline["items"] if event["kind"] == "ticket.noted"]
    assert len(notes) == 1
    assert all(line["what"] in notes[0] and line["came"] in notes[0] for line in told["asked"])
