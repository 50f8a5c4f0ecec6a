"""Asking within bounds: over real sockets, against a server that misbehaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from integrations.mdm.asking import (
    Asker,
    Pace,
    Reply,
    Token,
    TokenKeeper,
    by_status,
    maybe_done,
    redacted,
    retry_after,
    segment,
)
from integrations.mdm.port import (
    AuthFailed,
    BadRequest,
    Forbidden,
    MdmError,
    NotFound,
    ProtocolError,
    RateLimited,
    Transient,
)
from integrations.mdm.simulated.server import Answer, Asked, Fault, Simulator, serving, status

PACE = Pace(connect=2, silence=2, total=5, tries=3, first_wait=1, longest_wait=60, largest=2000)


class Waits:
    """Sleeps nothing and remembers how long it should have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def simulator() -> Simulator:
    made = Simulator()
    made.on("GET", "/thing", lambda asked: Answer(200, {"path": asked.path}))
    made.on("POST", "/thing", lambda asked: Answer(200, {"sent": asked.json()}))
    made.on("GET", "/big", lambda asked: Answer(200, {"x": "y" * 3000}))
    return made


@pytest.fixture
async def url(simulator: Simulator) -> AsyncIterator[str]:
    async with serving(simulator) as address:
        yield address


def asker(http: httpx.AsyncClient, waits: Waits, pace: Pace = PACE) -> Asker:
    return Asker(http=http, pace=pace, sleep=waits, chance=lambda: 1.0)


async def test_a_read_is_asked_again_after_longer_and_longer_waits(
    simulator: Simulator, url: str, http: httpx.AsyncClient
) -> None:
    simulator.inject(status(503), times=2)
    waits = Waits()
    reply = await asker(http, waits).ask("GET", f"{url}/thing")
    assert reply.object() == {"path": "/thing"}
    assert waits.seconds == [2, 4]


async def test_a_write_is_sent_once(simulator: Simulator, url: str, http: httpx.AsyncClient) -> None:
    simulator.inject(status(503), times=9)
    with pytest.raises(Transient) as raised:
        await asker(http, Waits()).ask("POST", f"{url}/thing", json={"wipe": True})
    assert raised.value.sent
    assert simulator.asked == 1


async def test_it_waits_as_long_as_it_is_told(
    simulator: Simulator, url: str, http: httpx.AsyncClient
) -> None:
    simulator.inject(status(429, retry_after="7"))
    waits = Waits()
    await asker(http, waits).ask("GET", f"{url}/thing")
    assert waits.seconds == [8]


async def test_a_wait_that_is_too_long_is_left_to_who_asked(
    simulator: Simulator, url: str, http: httpx.AsyncClient
) -> None:
    simulator.inject(status(429, retry_after="600"))
    with pytest.raises(RateLimited) as raised:
        await asker(http, Waits()).ask("GET", f"{url}/thing")
    assert raised.value.retry_after == 600
    assert simulator.asked == 1


async def test_no_connection_means_that_nothing_was_sent(http: httpx.AsyncClient) -> None:
    async with serving(Simulator()) as address:
        gone = address
    with pytest.raises(Transient) as raised:
        await asker(http, Waits()).ask("POST", f"{gone}/thing")
    assert not raised.value.sent


async def test_a_body_that_drips_ends_with_the_time(
    simulator: Simulator, url: str, http: httpx.AsyncClient
) -> None:
    simulator.inject(Fault("slow"))
    began = asyncio.get_running_loop().time()
    with pytest.raises(Transient):
        await asker(http, Waits(), Pace(total=0.2, tries=1)).ask("GET", f"{url}/thing")
    assert asyncio.get_running_loop().time() - began < 2


async def test_a_body_that_is_too_large_is_not_read(url: str, http: httpx.AsyncClient) -> None:
    with pytest.raises(ProtocolError, match="larger"):
        await asker(http, Waits()).ask("GET", f"{url}/big")


@pytest.mark.parametrize(
    "fault", [Fault("cut"), Fault("cut_body"), status(502, b"<html>")], ids=lambda f: f.how
)
async def test_broken_answers_to_reads_are_mended(
    simulator: Simulator, url: str, http: httpx.AsyncClient, fault: Fault
) -> None:
    simulator.inject(fault)
    assert (await asker(http, Waits()).ask("GET", f"{url}/thing")).ok


async def test_a_refused_token_is_renewed_once_even_for_a_write(
    simulator: Simulator, url: str, http: httpx.AsyncClient
) -> None:
    fetched: list[int] = []

    async def fetch() -> Token:
        fetched.append(1)
        return Token(f"token-{len(fetched)}", 3600)

    keeper = TokenKeeper(fetch)
    simulator.inject(status(401))
    reply = await asker(http, Waits()).ask("POST", f"{url}/thing", json=1, keeper=keeper)
    assert reply.object() == {"sent": 1}
    assert simulator.log[-1].asked.bearer == "token-2"
    simulator.inject(status(401), times=9)
    with pytest.raises(AuthFailed):
        await asker(http, Waits()).ask("GET", f"{url}/thing", keeper=keeper)
    assert simulator.asked == 4


async def test_a_token_is_fetched_once_however_many_ask() -> None:
    fetched: list[int] = []

    async def fetch() -> Token:
        await asyncio.sleep(0.01)
        fetched.append(1)
        return Token("t", 600)

    keeper = TokenKeeper(fetch, early=120, clock=lambda: 1000.0)
    assert set(await asyncio.gather(*(keeper.token() for _ in range(20)))) == {"t"}
    assert len(fetched) == 1


@pytest.mark.parametrize(("life", "age", "renewed"), [(600, 479, 1), (600, 481, 2), (40, 29, 1), (40, 31, 2)])
async def test_a_token_is_renewed_before_its_end(life: float, age: float, renewed: int) -> None:
    now, fetched = [0.0], []

    async def fetch() -> Token:
        fetched.append(1)
        return Token(f"t{len(fetched)}", life)

    keeper = TokenKeeper(fetch, early=120, clock=lambda: now[0])
    await keeper.token()
    now[0] = age
    assert await keeper.token() == f"t{renewed}"


async def test_refused_credentials_are_not_tried_again_at_once() -> None:
    now, tried = [0.0], []

    async def fetch() -> Token:
        tried.append(1)
        raise AuthFailed("no")

    keeper = TokenKeeper(fetch, refused_for=60, clock=lambda: now[0])
    for at in (0.0, 1.0, 59.0, 61.0):
        now[0] = at
        with pytest.raises(AuthFailed):
            await keeper.token()
    assert len(tried) == 2


async def test_who_waits_for_a_token_and_gives_up_spoils_nothing() -> None:
    go = asyncio.Event()

    async def fetch() -> Token:
        await go.wait()
        return Token("t", 600)

    keeper = TokenKeeper(fetch)
    first, second = asyncio.create_task(keeper.token()), asyncio.create_task(keeper.token())
    await asyncio.sleep(0)
    first.cancel()
    go.set()
    assert await asyncio.wait_for(second, 2) == "t"


async def test_no_token_means_that_nothing_was_sent(url: str, http: httpx.AsyncClient) -> None:
    async def fetch() -> Token:
        raise Transient("the token endpoint is away")

    with pytest.raises(Transient) as raised:
        await asker(http, Waits()).ask("POST", f"{url}/thing", keeper=TokenKeeper(fetch))
    assert not raised.value.sent


async def test_secrets_are_in_no_error_and_no_log(
    simulator: Simulator, url: str, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    simulator.inject(status(400, {"said": "pin 482913 for s3cr/et and token-9"}))

    async def fetch() -> Token:
        return Token("token-9", 60)

    def judge(reply: Reply) -> MdmError | None:
        return by_status(reply, reply.body.decode())

    with pytest.raises(BadRequest) as raised:
        await Asker(http=http, secrets=("s3cr/et",)).ask(
            "POST",
            f"{url}/thing",
            json={"pin": "482913"},
            keeper=TokenKeeper(fetch),
            judge=judge,
            secrets=("482913",),
        )
    shown = f"{raised.value!r} {raised.value.__cause__!r} {caplog.text}"
    assert "pin" in str(raised.value)
    assert not any(secret in shown for secret in ("482913", "s3cr/et", "token-9"))


def test_a_secret_is_redacted_in_its_encoded_spellings_too() -> None:
    assert redacted("?k=a%2Fb%2Bc+d, a%2Fb%2Bc%20d, a/b+c d", ["a/b+c d"]) == "?k=•••, •••, •••"
    assert redacted("k=a%2Fb", ["a/b"]) == "k=•••"
    assert redacted("nothing", ["", "x" * 5]) == "nothing"
    assert len(redacted("w" * 5000, [])) == 300


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, BadRequest),
        (401, AuthFailed),
        (403, Forbidden),
        (404, NotFound),
        (405, BadRequest),
        (410, NotFound),
        (408, Transient),
        (429, RateLimited),
        (500, Transient),
        (302, ProtocolError),
    ],
)
def test_a_status_by_itself(code: int, kind: type[MdmError]) -> None:
    assert type(by_status(Reply(code, {}, b""))) is kind
    assert by_status(Reply(204, {}, b"")) is None


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)
    assert retry_after({"retry-after": "12"}) == 12
    assert retry_after({"retry-after": "Mon, 14 Sep 2026 15:00:30 GMT"}, now) == 30
    assert retry_after({"retry-after": "Mon, 14 Sep 2026 14:00:30 GMT"}, now) == 0
    assert retry_after({"retry-after": "-4"}, now) is None
    assert retry_after({"retry-after": "soon"}, now) is None
    assert retry_after({}) is None


def test_a_segment_cannot_become_another_path() -> None:
    assert segment("a/../b c") == "a%2F..%2Fb%20c"
    for bad in ("", " ", ".", ".."):
        with pytest.raises(BadRequest):
            segment(bad)


def test_an_unreadable_answer_to_a_write_may_mean_that_it_was_done() -> None:
    with pytest.raises(Transient) as raised, maybe_done():
        Reply(200, {}, b"{").object()
    assert raised.value.sent
    with pytest.raises(Forbidden), maybe_done():
        raise Forbidden("no")


async def test_no_cookie_is_kept(simulator: Simulator, url: str, http: httpx.AsyncClient) -> None:
    simulator.inject(status(200, {}, set_cookie="session=one-district; Path=/"))
    for _ in range(2):
        await asker(http, Waits()).ask("GET", f"{url}/thing")
    assert "cookie" not in simulator.log[1].asked.headers


async def test_a_simulator_counts_faults_by_number_and_path(
    simulator: Simulator, url: str, http: httpx.AsyncClient
) -> None:
    simulator.inject(status(500), at=3)
    simulator.inject(status(418), path="/big")
    answers = [
        (await http.get(f"{url}{path}")).status_code for path in ("/thing", "/big", "/thing", "/thing", "/no")
    ]
    assert answers == [200, 418, 500, 200, 404]
    assert [each.faulty for each in simulator.log] == [False, True, True, False, False]


async def test_a_fault_that_is_done_takes_effect(
    url: str, simulator: Simulator, http: httpx.AsyncClient
) -> None:
    done: list[Asked] = []

    def take(asked: Asked) -> Answer:
        done.append(asked)
        return Answer(204)

    simulator.on("POST", "/wipe/{id}", take)
    simulator.inject(Fault("cut", done=True))
    with pytest.raises(Transient):
        await asker(http, Waits()).ask("POST", f"{url}/wipe/a%2Fb")
    assert [each.at["id"] for each in done] == ["a/b"]
