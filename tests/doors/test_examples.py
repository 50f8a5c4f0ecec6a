"""What our users write, and what we tell them to paste, against a live demo."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doors.conftest import LiveDemo

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


def test_up_prints_three_commands_that_work_when_pasted(live_demo: LiveDemo) -> None:
    assert set(live_demo.tokens) == {"teacher", "technician", "integration"}
    pasted = re.findall(r"^curl .*?(?=\n\n|\n#|\Z)", live_demo.printed, re.MULTILINE | re.DOTALL)
    filed, due, asked = [_pasted(command) for command in pasted]
    assert filed["number"] > 1001
    assert filed["run"]["step"]["text"] == "¿Otros dispositivos se conectan en la misma aula?"
    assert filed["suggested_playbooks"][0]["playbook"] == "chromebook-wifi"
    times = [ticket["next_due_at"] for ticket in due["items"]]
    assert len(times) == 3
    assert times == sorted(times)
    assert len(asked["data"]["tickets"]["nodes"]) == 3


def test_every_command_of_the_readme_works_when_pasted(live_demo: LiveDemo) -> None:
    blocks = re.findall(r"^```sh\n(curl .*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    told = {name.upper(): token for name, token in live_demo.tokens.items()}
    assert len(blocks) >= 3
    _wait_for_first_syncs(live_demo)
    for block in blocks:
        answer = _pasted(block, DESK=live_demo.url, **told)
        assert "errors" not in answer, answer
        assert "code" not in answer, answer


def _wait_for_first_syncs(live_demo: LiveDemo) -> None:
    """Nobody pastes faster than the worker syncs three device managements; a test does."""
    with live_demo.as_("technician") as desk:
        for _ in range(150):
            runs = desk.get("/mdm/runs").raise_for_status().json()["items"]
            if [run["state"] for run in runs].count("complete") >= 3:
                return
            time.sleep(0.2)
    pytest.fail(f"The first syncs do not end: {runs}")


def test_up_syncs_its_device_managements_by_itself(live_demo: LiveDemo) -> None:
    _wait_for_first_syncs(live_demo)
    with live_demo.as_("technician") as desk:
        reviews = desk.get("/mdm/reviews").raise_for_status().json()["items"]
        facts = desk.get("/assets/CB-00001/facts").raise_for_status().json()
    assert {review["why"] for review in reviews} == {"taken", "tag_of_another", "no_name"}
    assert {fact["source"] for fact in facts} == {"Google Admin"}


def test_the_teachers_client_files_a_ticket_and_sees_it_solved(live_demo: LiveDemo) -> None:
    with _example("teacher.py", live_demo.environment("teacher"), "The clock is wrong") as run:
        number = int(re.match(r"Ticket (\d+): The clock is wrong \(P2, Service desk\)", _line(run))[1])  # type: ignore[index]
        assert _line(run).startswith("  first response by 20")
        assert _line(run).startswith("  resolution by 20")
        with live_demo.as_("technician") as desk:
            _did(desk, number, "reply", body="I will set it.")
            solved = {"resolution": "Set it.", "cause": "other", "fix": "onsite.adjust"}
            _did(desk, number, "resolve", **solved)
        assert run.stdout is not None
        rest = run.stdout.read()
        assert run.wait(30) == 0
    kinds = [line.split("  ")[1] for line in rest.splitlines()]
    assert kinds == ["ticket.opened", "ticket.replied", "ticket.resolved"]
    assert "Wren Halvorsen  I will set it." in rest


def test_a_teacher_is_helped_in_the_terminal_and_handed_over(live_demo: LiveDemo) -> None:
    said = ["yes", "dunno", "nothing", "didnt_help", "didnt_help"]
    environment = live_demo.environment("teacher") | {"PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, str(ROOT / "examples" / "guided_help.py"), "my chromebook has no wifi"]
    run = subprocess.run(
        command, input="\n".join(said), env=environment, capture_output=True, encoding="utf-8", timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("El Chromebook no se conecta a la Wi-Fi\n")
    assert "Elija una de estas: nothing, no_school, connecting, bad_password, no_internet." in run.stdout
    assert "Reparaciones sigue desde aquí." in run.stdout
    number = re.search(r"^Ticket (\d+)$", run.stdout, re.MULTILINE)
    assert number is not None
    with live_demo.as_("technician") as desk:
        events = desk.get(f"/tickets/{number[1]}/timeline").raise_for_status().json()["items"]
    assert "Yes, others work" in events[-1]["body"]


def test_the_queue_watcher_tells_what_happens(live_demo: LiveDemo) -> None:
    with _example("queue_watcher.py", live_demo.environment("technician"), "classroom") as run:
        assert _line(run) == "Watching classroom.\n"
        with live_demo.as_("teacher") as teacher:
            wanted = {"subject": "No sound", "category": "av.sound"}
            number = teacher.post("/tickets", json=wanted).raise_for_status().json()["number"]
        said = next(line for line in iter(run.stdout.readline, "") if str(number) in line)  # type: ignore[union-attr]
        assert said == f"P3  {number}  ticket.opened by Inés Calderón Ruiz  No sound (new)\n"
        run.kill()


def test_the_watcher_says_when_its_token_is_wrong(live_demo: LiveDemo) -> None:
    environment = live_demo.environment("technician") | {"FIRSTBELL_TOKEN": "fb_wrong"}
    with _example("queue_watcher.py", environment, "classroom") as run:
        _, said = run.communicate(timeout=30)
    assert run.returncode == 1
    assert said == "The desk does not know this token.\n"


def test_the_integration_opens_and_resolves(live_demo: LiveDemo) -> None:
    with _example("integration.py", live_demo.environment("integration"), "PR-00001") as run:
        printed, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    _opened_and_resolved_once(live_demo, printed, "PR-00001")


def test_the_integration_does_nothing_twice_when_answers_get_lost(live_demo: LiveDemo) -> None:
    with (
        losing_answers(live_demo.url) as flaky,
        _example("integration.py", live_demo.environment("integration", flaky), "PR-00002") as run,
    ):
        printed, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert said.count("sending it again") == 2
    _opened_and_resolved_once(live_demo, printed, "PR-00002")


def _opened_and_resolved_once(live_demo: LiveDemo, printed: str, tag: str) -> None:
    numbers = re.fullmatch(r"Opened (\d+), due \S+\.\nResolved (\d+): resolved\.\n", printed)
    assert numbers is not None, printed
    with live_demo.as_("integration") as desk:
        events = desk.get(f"/tickets/{numbers[1]}/timeline").raise_for_status().json()["items"]
        listed = desk.get("/tickets", params={"asset_tag": tag, "sort": "newest", "limit": 100})
    assert [e["kind"] for e in events if e["kind"] in ("ticket.opened", "ticket.resolved")] == [
        "ticket.opened",
        "ticket.resolved",
    ]
    keys = [ticket["source_key"] for ticket in listed.raise_for_status().json()["items"]]
    assert keys.count(f"example:{tag}") == 1


@contextlib.contextmanager
def losing_answers(url: str) -> Iterator[str]:
    """A way to the desk on which every other answer is lost after the desk has given it."""
    port = httpx.URL(url).port
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        lose = True
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listening.accept()
                with caller, socket.create_connection(("127.0.0.1", port or 80)) as desk:
                    desk.sendall(_request(caller).replace(b"keep-alive", b"close", 1))
                    answer = b"".join(iter(lambda: desk.recv(65_536), b""))
                    if not lose:
                        caller.sendall(answer)
                    lose = not lose

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


def _request(caller: socket.socket) -> bytes:
    """One whole request with its body."""
    received = b""
    while True:
        received += caller.recv(1_000_000)
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length is not None and len(body) >= int(length[1]):
            return received


@contextlib.contextmanager
def _example(name: str, environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """An example running, and gone afterwards whatever happened; it has a minute."""
    with subprocess.Popen(
        [sys.executable, str(ROOT / "examples" / name), *arguments],
        env=environment | {"PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as run:
        limit = threading.Timer(60, run.kill)
        limit.start()
        try:
            yield run
        finally:
            limit.cancel()
            run.kill()


def _line(run: subprocess.Popen[str]) -> str:
    assert run.stdout is not None
    return run.stdout.readline()


def _did(desk: httpx.Client, number: int, verb: str, **wanted: str) -> None:
    answer = desk.post(f"/tickets/{number}/{verb}", json=wanted)
    assert answer.is_success, answer.text


def _pasted(command: str, **told: str) -> Any:
    """What a command answers in a shell that knows `told`."""
    shell = subprocess.run(
        ["bash", "-c", command], env=os.environ | told, capture_output=True, timeout=60, check=True
    )
    return json.loads(shell.stdout)
