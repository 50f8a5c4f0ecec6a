"""Every job that is enqueued by name is registered, with the arguments it takes."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import service.worker  # noqa: F401
from service.core.outbox import jobs
from service.playbooks.jobs import PERFORMERS, READERS

SERVICE = Path(__file__).parents[2] / "service"


def enqueued() -> list[tuple[str, set[str], str]]:
    """Name, argument names and place of every `enqueue(work, "name", …)` in the service."""
    found = []
    for path in SERVICE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "enqueue":
                name = node.args[1]
                assert isinstance(name, ast.Constant), f"{path}:{node.lineno}: the name must stand there"
                given = {k.arg for k in node.keywords if k.arg} - {"at", "lock"}
                found.append((str(name.value), given, f"{path.name}:{node.lineno}"))
    return found


def test_every_enqueued_name_is_a_registered_job() -> None:
    assert enqueued()
    for name, given, place in enqueued():
        assert name in jobs.tasks, place
        takes = inspect.signature(jobs.tasks[name].func).parameters
        needs = {one for one, parameter in takes.items() if parameter.default is parameter.empty}
        assert needs - {"context"} <= given <= set(takes) - {"context"}, place


def test_rooms_that_may_be_connected_are_asked_by_job_names_too() -> None:
    for name in (*PERFORMERS.values(), *READERS.values()):
        room, verb = name.split(".")
        assert room in ("mdm", "monitoring", "people")
        assert verb.isidentifier()


def test_jobs_are_named_after_room_and_verb() -> None:
    ours = [name for name in jobs.tasks if not name.startswith(("builtin:", "procrastinate."))]
    assert ours
    for name in ours:
        room, verb = name.split(".")
        assert (SERVICE / room).is_dir(), name
        assert verb.isidentifier(), name
