"""Asking a vendor over HTTP, within bounds: time, size and number of tries.

Only what may be asked twice is asked twice. What a reply means is the vendor's own judgement (`Judge`), by
its error reasons; `by_status` is for those who give none. No message holds a header, a body or a secret.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import orjson

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

LONGEST_MESSAGE = 300
"""Characters of a vendor's own words that are passed on."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Bounds of one question. Seconds: to `connect`, for `silence` within an answer, for `total` of one try.
    `tries` in all; the wait before the nth again is random up to `first_wait * 2**n`, or what the vendor says
    where that is at most `longest_wait` (else RateLimited is raised at once). `largest` bytes of a reply.
    """

    connect: float = 10
    silence: float = 30
    total: float = 90
    tries: int = 4
    first_wait: float = 1
    longest_wait: float = 60
    largest: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """ProtocolError where it is not JSON, whatever the content type says."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise ProtocolError(f"The answer (status {self.status}) is not JSON or is cut off.") from None

    def object(self) -> dict[str, Any]:
        """ProtocolError where it is not a JSON object."""
        read = self.json()
        if not isinstance(read, dict):
            raise ProtocolError(f"The answer (status {self.status}) is not a JSON object.")
        return read

    def maybe(self) -> Any:
        """The JSON, or None: for judging errors, whose bodies may be anything."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


Judge = Callable[[Reply], MdmError | None]
"""Says what is wrong with a reply (its message still unredacted), or None."""


def by_status(reply: Reply, said: str | None = None, permission: str | None = None) -> MdmError | None:
    """The error that a status means by itself; `said` are the vendor's own words, `permission` what a 403
    lacks.
    """
    status = reply.status
    if reply.ok:
        return None
    words = f"{said.rstrip('.')}. (status {status})" if said else f"The answer was status {status}."
    if status == 401:
        return AuthFailed(words)
    if status == 403:
        return Forbidden(words, permission)
    if status in (404, 410):
        return NotFound(words)
    if status == 429:
        return RateLimited(words, retry_after(reply.headers))
    if status in (408, 425) or status >= 500:
        return Transient(words)
    return BadRequest(words) if status >= 400 else ProtocolError(f"{words} Is the address right?")


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date; None without a readable one."""
    said = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", said, re.ASCII):
        return float(said)
    try:
        when = parsedate_to_datetime(said)
    except (ValueError, TypeError):
        return None
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def segment(value: str) -> str:
    """One segment of a path, quoted. BadRequest for what would be another path."""
    if value.strip() in ("", ".", ".."):
        raise BadRequest("That is not an identifier.")
    return quote(value, safe="")


def redacted(message: str, secrets: Iterable[str]) -> str:
    """Shortened to what is fit to show, every secret in it replaced, also in its URL-encoded spellings."""
    for secret in sorted({spelt for each in secrets for spelt in _spellings(each)}, key=len, reverse=True):
        message = message.replace(secret, "•••")
    return message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"


def _spellings(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), quote_plus(secret)} if secret else set()


@contextmanager
def maybe_done() -> Iterator[None]:
    """Around a write and the reading of its answer: what cannot be read becomes Transient, for it may have
    been done.
    """
    try:
        yield
    except ProtocolError as error:
        if not error.sent:
            raise
        raise Transient(f"It may have been done: {error}") from None


def without_secrets(error: MdmError, secrets: Iterable[str]) -> MdmError:
    """The same error, its message redacted."""
    error.args = tuple(redacted(str(each), secrets) for each in error.args)
    return error


@dataclass(frozen=True, slots=True)
class Token:
    """`seconds` is how long it lives from now."""

    value: str = field(repr=False)
    seconds: float


class TokenKeeper:
    """A token that is renewed before it ends, by one renewal at a time however many ask.

    A refusal (AuthFailed, Forbidden) is remembered for `refused_for` seconds and raised again without asking,
    so that wrong credentials do not lock an account. `early` seconds before its end a token is renewed, but
    never before three quarters of its life.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Token]],
        *,
        early: float = 120,
        refused_for: float = 60,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch, self._early, self._refused_for, self._clock = fetch, early, refused_for, clock
        self._lock = asyncio.Lock()
        self._value: str | None = None
        self._renew_at = 0.0
        self._refusal: AuthFailed | Forbidden | None = None
        self._refused_until = 0.0

    @property
    def held(self) -> tuple[str, ...]:
        """The secrets it holds, for redaction."""
        return () if self._value is None else (self._value,)

    async def token(self) -> str:
        """One that is good for a while. Raises what fetching raises."""
        async with self._lock:
            if self._value is None or self._clock() >= self._renew_at:
                self._value = await self._renewed()
            return self._value

    async def _renewed(self) -> str:
        if self._refusal is not None and self._clock() < self._refused_until:
            raise self._refusal.with_traceback(None)
        self._refusal = None
        asked_at = self._clock()
        try:
            fresh = await self._fetch()
        except (AuthFailed, Forbidden) as refusal:
            self._refusal, self._refused_until = refusal, self._clock() + self._refused_for
            raise
        self._renew_at = asked_at + max(fresh.seconds - self._early, fresh.seconds * 0.75)
        return fresh.value

    def forget(self, value: str) -> None:
        """The vendor no longer takes `value`; a newer one is kept."""
        if self._value == value:
            self._value = None


class Asker:
    """Questions to one vendor. `secrets` are never shown; `http` is used and left open where given. No cookie
    is kept, or one district's session could end up in another's question.
    """

    def __init__(
        self,
        *,
        http: httpx.AsyncClient | None = None,
        pace: Pace | None = None,
        secrets: Sequence[str] = (),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._own = http is None
        self._http = http or httpx.AsyncClient(follow_redirects=False)
        self._http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._pace = pace or Pace()
        self._secrets, self._sleep, self._chance = tuple(secrets), sleep, chance

    async def close(self) -> None:
        if self._own:
            await self._http.aclose()

    async def ask(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        keeper: TokenKeeper | None = None,
        repeatable: bool | None = None,
        judge: Judge = by_status,
        secrets: Sequence[str] = (),
    ) -> Reply:
        """A reply that `judge` finds nothing wrong with.

        Asked again, after a wait, on Transient and RateLimited where `repeatable` (as GETs are unless said).
        A token of `keeper` goes as bearer; one that is refused is renewed once and the same asked again, also
        a write, for a request that was not let in was not done. `secrets` are this question's own (a PIN).
        """
        request = _Question(method, url, params, json, form, dict(headers or {}))
        again = method in ("GET", "HEAD") if repeatable is None else repeatable
        tries = self._pace.tries if again else 1
        asked, renewed = 0, False
        while True:
            token = None if keeper is None else await _token(keeper)
            try:
                return await self._tried(request, token, judge)
            except MdmError as error:
                known = (*self._secrets, *secrets, *(() if token is None else (token,)))
                shown = without_secrets(error, known)
                if isinstance(error, AuthFailed) and keeper is not None and token is not None and not renewed:
                    keeper.forget(token)
                    renewed = True
                    continue
                asked += 1
                wait = self._wait(shown, asked)
                if asked >= tries or wait is None:
                    raise shown from None
            await self._sleep(wait)

    async def _tried(self, question: _Question, token: str | None, judge: Judge) -> Reply:
        reply = await self._once(question, token)
        wrong = judge(reply)
        if wrong is not None:
            raise wrong
        return reply

    async def _once(self, question: _Question, token: str | None) -> Reply:
        bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        timeout = httpx.Timeout(self._pace.silence, connect=self._pace.connect)
        try:
            async with asyncio.timeout(self._pace.total):
                async with self._http.stream(
                    question.method,
                    question.url,
                    params=question.params,
                    content=None if question.json is None else orjson.dumps(question.json),
                    data=question.form,
                    headers={
                        "Accept": "application/json",
                        **({} if question.json is None else {"Content-Type": "application/json"}),
                        **question.headers,
                        **bearer,
                    },
                    timeout=timeout,
                    follow_redirects=False,
                ) as response:
                    return Reply(response.status_code, response.headers, await self._body(response))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _unsent(f"There is no connection ({type(error).__name__}).") from None
        except (TimeoutError, httpx.TimeoutException):
            raise Transient("There was no answer in time.") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
            raise BadRequest("The address is not one that can be asked.") from None
        except httpx.DecodingError:
            raise ProtocolError("The answer could not be unpacked.") from None
        except httpx.HTTPError as error:
            raise Transient(f"The connection failed ({type(error).__name__}).") from None

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > self._pace.largest:
                raise ProtocolError(f"The answer is larger than {self._pace.largest} bytes.")
        return bytes(body)

    def _wait(self, error: MdmError, asked: int) -> float | None:
        """Seconds until it may be asked again; None where it may not."""
        if isinstance(error, RateLimited) and error.retry_after is not None:
            longest = self._pace.longest_wait
            jitter = self._chance() * self._pace.first_wait
            return error.retry_after + jitter if error.retry_after <= longest else None
        if isinstance(error, Transient | RateLimited):
            upto: float = min(self._pace.first_wait * 2**asked, self._pace.longest_wait)
            return upto * (0.5 + self._chance() / 2)
        return None


def _unsent(words: str) -> Transient:
    error = Transient(words)
    error.sent = False
    return error


async def _token(keeper: TokenKeeper) -> str:
    try:
        return await keeper.token()
    except MdmError as error:
        error.sent = False
        raise


@dataclass(frozen=True, slots=True)
class _Question:
    method: str
    url: str
    params: Mapping[str, str] | None
    json: object = field(repr=False)
    form: Mapping[str, str] | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
