"""Every call of a vendor, every HTTP request of it, every fault: what must hold each time.


- it ends: with the result of an undisturbed run, or with one of our errors, and nothing in between;
- what was changed at the vendor's is at most what an undisturbed run changes, never twice, never more;
- a result was earned: all its changes were made; an error other than Transient means that none was;
- one passing fault is mended where asking twice is harmless, and no lasting one is;
- neither an error nor a log line holds a secret.

A vendor's test makes a `Bench` and awaits `walked`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from integrations.mdm import port
from integrations.mdm.asking import Pace
from integrations.mdm.simulated.server import Asked, Fault, Simulator, serving, status

LANES = 6
PACE = Pace(connect=2, silence=2, total=4, tries=3, first_wait=0.002, longest_wait=1)
IMPATIENT = Pace(connect=0.1, silence=0.1, total=0.15, tries=3, first_wait=0.002, longest_wait=1)
FOR_GOOD = 1000
ONCE = "401 once"
HTML = b"<!doctype html><title>Sign in</title>"


@dataclass(frozen=True)
class Trouble:
    """A fault, striking `times` requests from one on. `passing`: once it is over, asking again goes well.
    `raises` is what an error it leads to may be.
    """

    fault: Fault
    raises: tuple[type[port.MdmError], ...]
    times: int = 1
    passing: bool = False
    slow: bool = False


def troubles(unauthorised: object, forbidden: object, limited: object, broken: object) -> dict[str, Trouble]:
    """What every vendor can suffer, given the bodies of its own 401, 403, 429 and 5xx."""
    auth, forbid, slower = (port.AuthFailed,), (port.Forbidden,), (port.RateLimited,)
    passing, unread = (port.Transient,), (port.Transient, port.ProtocolError)
    return {
        ONCE: Trouble(status(401, unauthorised), auth),
        "401 for good": Trouble(status(401, unauthorised), auth, times=FOR_GOOD),
        "403 for good": Trouble(status(403, forbidden), forbid, times=FOR_GOOD),
        "429 once": Trouble(status(429, limited, retry_after="0"), slower, passing=True),
        "429 for an hour": Trouble(status(429, limited, retry_after="3600"), slower),
        "502 from a proxy": Trouble(status(502, HTML, content_type="text/html"), passing, passing=True),
        "503 for good": Trouble(status(503, broken), passing, times=FOR_GOOD),
        "no answer": Trouble(Fault("silence"), passing, passing=True, slow=True),
        "done, no answer": Trouble(Fault("silence", done=True), passing, passing=True, slow=True),
        "cut": Trouble(Fault("cut"), passing, passing=True),
        "done, cut": Trouble(Fault("cut", done=True), passing, passing=True),
        "cut within the body": Trouble(Fault("cut_body"), passing, passing=True),
        "half of the JSON": Trouble(Fault("truncated"), unread),
        "a page instead of JSON": Trouble(status(200, HTML, content_type="text/html"), unread),
        "sent elsewhere": Trouble(status(302, None, location="http://192.0.2.1/"), unread),
    }


@dataclass(frozen=True)
class Call:
    """`run` asks and returns something that can be compared. With `steps` more than one it changes so many
    things, one after the other, and may stop between them.
    """

    name: str
    run: Callable[[Any, Simulator], Awaitable[object]]
    steps: int = 1


@dataclass(frozen=True)
class Bench:
    """`repeatable` finds, besides GETs, what may be asked twice ("POST /token"); `renews` what carries a
    token that can be renewed; `bodiless` what is answered by nothing, so that any body of a 2xx is as good.
    `alike` names a request that is the same whichever call makes it (for a token): it is walked once a name.
    `tolerates` says that an error of this request is no reason to fail, only to say less: then results are
    compared by `essential`.
    """

    simulator: Callable[[], Simulator]
    vendor: Callable[[str, httpx.AsyncClient, Pace, Simulator], Any]
    calls: Sequence[Call]
    troubles: Mapping[str, Trouble]
    secrets: Sequence[str]
    repeatable: str = r"^$"
    renews: str = r"^$"
    bodiless: str = r"^$"
    alike: Callable[[Asked], str | None] = lambda asked: None
    tolerates: Callable[[Asked, port.MdmError], bool] = lambda asked, error: False
    essential: Callable[[object], object] = lambda result: result


@dataclass
class Walked:
    """`cases` in all; of them `mended` gave the whole result all the same. `wrong` says what did not hold."""

    cases: int = 0
    mended: int = 0
    raised: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class _Lane(Simulator):
    """A port on which one simulator after the other stands."""

    current: Simulator

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.current(scope, receive, send)


@dataclass(frozen=True)
class _Case:
    call: Call
    at: int
    asked: Asked
    name: str
    trouble: Trouble

    def __str__(self) -> str:
        return f"{self.call.name}, request {self.at} ({self.asked.method} {self.asked.path}), {self.name}"


@dataclass(frozen=True)
class _Calm:
    """An undisturbed run."""

    result: object
    effects: list[tuple[str, ...]]
    asked: list[Asked]


async def walked(bench: Bench, http: httpx.AsyncClient) -> Walked:
    found = Walked()
    with _listening() as lines:
        async with _lanes() as lanes:
            calm = {call.name: await _calmly(bench, call, http, lanes[0]) for call in bench.calls}
            cases = iter(list(_cases(bench, calm)))
            await asyncio.gather(*(_driven(bench, cases, calm, http, lane, found) for lane in lanes))
    found.wrong += [f"a log line holds a secret: {line[:80]}" for line in lines if _tells(bench, line)]
    return found


@asynccontextmanager
async def _lanes() -> AsyncIterator[list[tuple[_Lane, str]]]:
    async with AsyncExitStack() as stack:
        made = [_Lane() for _ in range(LANES)]
        yield [(lane, await stack.enter_async_context(serving(lane))) for lane in made]


def _cases(bench: Bench, calm: Mapping[str, _Calm]) -> Iterator[_Case]:
    walked_once: set[str] = set()
    for call in bench.calls:
        for at, asked in enumerate(calm[call.name].asked, 1):
            alike = bench.alike(asked)
            if alike in walked_once:
                continue
            walked_once |= {alike} if alike else set()
            for name, trouble in bench.troubles.items():
                if not (trouble.fault.answer.status == 200 and _matches(bench.bodiless, asked)):
                    yield _Case(call, at, asked, name, trouble)


async def _calmly(bench: Bench, call: Call, http: httpx.AsyncClient, lane: tuple[_Lane, str]) -> _Calm:
    simulator = bench.simulator()
    result = await _ran(bench, call, http, lane, simulator, PACE)
    assert not isinstance(result, BaseException), f"{call.name} fails undisturbed: {result!r}"
    return _Calm(result, list(simulator.effects), [each.asked for each in simulator.log])


async def _ran(
    bench: Bench,
    call: Call,
    http: httpx.AsyncClient,
    lane: tuple[_Lane, str],
    simulator: Simulator,
    pace: Pace,
) -> object:
    """What it returns or raises."""
    lane[0].current = simulator
    vendor = bench.vendor(lane[1], http, pace, simulator)
    try:
        async with asyncio.timeout(20):
            return await call.run(vendor, simulator)
    except Exception as error:  # noqa: BLE001 what is raised is what is looked at
        return error
    finally:
        await vendor.close()


async def _driven(
    bench: Bench,
    cases: Iterator[_Case],
    calm: Mapping[str, _Calm],
    http: httpx.AsyncClient,
    lane: tuple[_Lane, str],
    found: Walked,
) -> None:
    for case in cases:
        simulator = bench.simulator()
        simulator.inject(case.trouble.fault, at=case.at, times=case.trouble.times)
        pace = IMPATIENT if case.trouble.slow else PACE
        result = await _ran(bench, case.call, http, lane, simulator, pace)
        found.cases += 1
        if isinstance(result, BaseException):
            found.raised[type(result).__name__] += 1
        else:
            found.mended += 1
        found.wrong += [
            f"{case}: {why}" for why in _wrong(bench, case, calm[case.call.name], simulator, result)
        ]


def _wrong(bench: Bench, case: _Case, calm: _Calm, simulator: Simulator, result: object) -> Iterator[str]:
    more = Counter(simulator.effects) - Counter(calm.effects)
    if more:
        yield f"was done beyond what was asked: {dict(more)}"
    if isinstance(result, port.MdmError):
        yield from _wrong_error(bench, case, simulator, result)
    elif isinstance(result, BaseException):
        yield f"is no error of ours: {result!r}"
    else:
        yield from _wrong_result(bench, case, calm, simulator, result)


def _wrong_error(bench: Bench, case: _Case, simulator: Simulator, error: port.MdmError) -> Iterator[str]:
    if not isinstance(error, case.trouble.raises) and not case.trouble.slow:
        yield f"raised {error!r}"
    known = isinstance(error, port.Transient) and error.sent
    if simulator.effects and not known and case.call.steps == 1:
        yield f"was done, and {error!r} denies it"
    if case.trouble.passing and not case.trouble.slow and _repeats(bench, case.asked):
        yield f"was not asked again: {error!r}"
    if case.name == ONCE and _matches(bench.renews, case.asked):
        yield f"the token was not renewed: {error!r}"
    if _tells(bench, f"{error!r} {error.__cause__!r}"):
        yield f"tells a secret: {error!r}"


def _wrong_result(
    bench: Bench, case: _Case, calm: _Calm, simulator: Simulator, result: object
) -> Iterator[str]:
    expected, given = calm.result, result
    if any(bench.tolerates(case.asked, each("")) for each in case.trouble.raises):
        expected, given = bench.essential(expected), bench.essential(given)
    elif case.trouble.times == FOR_GOOD:
        yield "went well in spite of a lasting fault"
    if expected != given:
        yield f"gave {given!r} instead of {expected!r}"
    if Counter(simulator.effects) != Counter(calm.effects):
        yield f"went well, but was not done: {simulator.effects}"


def _matches(pattern: str, asked: Asked) -> bool:
    return re.search(pattern, f"{asked.method} {asked.path}") is not None


def _repeats(bench: Bench, asked: Asked) -> bool:
    return asked.method == "GET" or _matches(bench.repeatable, asked)


def _tells(bench: Bench, line: str) -> bool:
    return any(secret in line for secret in bench.secrets)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Every line that any logger writes meanwhile, down to DEBUG; the wire's own (httpcore) not."""
    lines: list[str] = []

    class _Collects(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.exc_info or ''}")

    handler, root = _Collects(), logging.getLogger()
    wire, before = logging.getLogger("httpcore"), root.level
    wire_before = wire.level
    wire.setLevel(logging.INFO)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        wire.setLevel(wire_before)
