"""One agent's socket of gufo-snmp, and what it takes to get an answer through it in time.

gufo-snmp 0.13's own session starts its clock anew at each stray datagram and repeats nothing, so its sockets
are driven here. Source: its `gufo/snmp/aio/client.py` and `_fast.pyi`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gufo.snmp import (
    Aes128Key,
    Aes192Key,
    Aes256Key,
    BaseAuthKey,
    BasePrivKey,
    DesKey,
    Md5Key,
    Sha1Key,
    Sha224Key,
    Sha256Key,
    Sha384Key,
    Sha512Key,
    SnmpAuthError,
    User,
)
from gufo.snmp import SnmpError as GufoError
from gufo.snmp._fast import SnmpV1ClientSocket, SnmpV2cClientSocket, SnmpV3ClientSocket
from gufo.snmp.user import KeyType
from gufo.snmp.utils import format_sock_addr

from integrations.snmp.authentic import Guard, Relay
from integrations.snmp.target import (
    AuthProtocol,
    Credential,
    Malformed,
    PrivProtocol,
    Silent,
    SnmpError,
    Target,
    Unreachable,
    Version,
)

AUTH: dict[AuthProtocol, type[BaseAuthKey]] = {
    AuthProtocol.MD5: Md5Key,
    AuthProtocol.SHA1: Sha1Key,
    AuthProtocol.SHA224: Sha224Key,
    AuthProtocol.SHA256: Sha256Key,
    AuthProtocol.SHA384: Sha384Key,
    AuthProtocol.SHA512: Sha512Key,
}
PRIV: dict[PrivProtocol, type[BasePrivKey]] = {
    PrivProtocol.DES: DesKey,
    PrivProtocol.AES128: Aes128Key,
    PrivProtocol.AES192: Aes192Key,
    PrivProtocol.AES256: Aes256Key,
}
Socket = SnmpV1ClientSocket | SnmpV2cClientSocket | SnmpV3ClientSocket


class Unclear(Exception):
    """gufo cannot say what the agent meant."""


@dataclass(slots=True)
class Session:
    """A connected socket, behind a relay where answers are to be signed. `strays` counts datagrams that
    answered none of its questions.
    """

    socket: Socket
    relay: Relay | None = None
    strays: int = 0
    used_at: float = field(default_factory=time.monotonic)

    async def exchange(
        self, send: Callable[[], None], receive: Callable[[], Any], seconds: float, retries: int
    ) -> Any:
        """What `receive` gives, or None where it has nothing to say.

        Each try has `seconds`, which nothing lengthens. Unclear where only nonsense came.
        """
        before = self.strays
        early = 0
        for attempt in range(retries + 1):
            self._send(send)
            try:
                return await self._received(receive, seconds)
            except ConnectionError:
                raise Unreachable("The host says that no agent listens there.") from None
            except TimeoutError:
                if not attempt:
                    early = self.strays - before
        raise Malformed("Only what is no answer came.") if early else Silent("No answer.")

    def close(self) -> None:
        if self.relay is not None:
            self.relay.close()

    def _send(self, send: Callable[[], None]) -> None:
        """A full send buffer loses the datagram, as the network may."""
        try:
            send()
            if self.relay is not None:
                self.relay.send_on()
        except BlockingIOError:
            return
        except OSError as problem:
            raise Unreachable(f"Nothing can be sent there: {problem}.") from None
        except GufoError:
            raise ValueError("What is asked for is no object identifier.") from None

    async def refresh(self, seconds: float, retries: int) -> None:
        """v3: the agent's engine id, boots and time as it has them now. A session that fails is closed."""
        if not isinstance(self.socket, SnmpV3ClientSocket):
            return
        try:
            await self.exchange(self.socket.send_refresh, self.socket.recv_refresh, seconds, retries)
        except BaseException:
            self.close()
            raise

    async def acquaint(self, user: User, *, discovers: bool, seconds: float, retries: int) -> bytes:
        """v3: make ready for questions, and give the agent's engine id; empty in v1 and v2c."""
        if not isinstance(self.socket, SnmpV3ClientSocket):
            return b""
        if discovers:
            await self.refresh(seconds, retries)
            self.socket.set_keys(*_keys(user))
        if user.require_auth():
            await self.refresh(seconds, retries)
        return self.socket.get_engine_id()

    async def _received(self, receive: Callable[[], Any], seconds: float) -> Any:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        descriptor = self.relay.fileno() if self.relay is not None else self.socket.get_fd()
        loop.add_reader(descriptor, self._readable, answer, receive)
        timer = loop.call_later(seconds, _expire, answer)
        try:
            return await answer
        finally:
            timer.cancel()
            loop.remove_reader(descriptor)

    def _readable(self, answer: asyncio.Future[Any], receive: Callable[[], Any]) -> None:
        if answer.done():
            return
        try:
            if self._lets_in():
                answer.set_result(receive())
            else:
                self.strays += 1
        except BlockingIOError:
            self.strays += 1
        except StopAsyncIteration:
            answer.set_result(None)
        except SnmpAuthError as refusal:
            answer.set_exception(refusal)
        except (ConnectionError, TimeoutError):  # gufo has a TimeoutError for a refused connection
            answer.set_exception(ConnectionError())
        except (GufoError, OSError, RuntimeError, ValueError):
            answer.set_exception(Unclear())
        except BaseException as panic:
            if type(panic).__name__ != "PanicException":  # Rust's, above Exception
                raise
            answer.set_exception(Unclear())

    def _lets_in(self) -> bool:
        if self.relay is None:
            return True
        return isinstance(self.socket, SnmpV3ClientSocket) and self.relay.let_in(self.socket.get_engine_id())


def _expire(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


def open_session(target: Target, user: User, engine_id: bytes | None) -> Session:
    """Unreachable where there is no way to the agent. `user` matters in v3 only."""
    community = target.credential.community
    place = format_sock_addr(target.address, target.port)
    try:
        if target.credential.version is Version.V1:
            return Session(SnmpV1ClientSocket(place, community, 0, 0, 0, 0))
        if target.credential.version is Version.V2C:
            return Session(SnmpV2cClientSocket(place, community, 0, 0, 0, 0))
        named = user if engine_id else User.default()
        socket = SnmpV3ClientSocket(place, engine_id or b"", *_keys(named), 0, 0, 0, 0)
        return Session(socket, _relay(socket, target, user))
    except OSError as problem:
        raise _no_socket(problem) from None


def user_of(credential: Credential) -> User:
    """With master keys, which take a million hashed octets to make (RFC 3414, A.2)."""
    if credential.auth is None:
        return User(credential.user)
    kind = AUTH[credential.auth]
    auth = kind(kind.get_master_key(credential.auth_password.encode()), KeyType.Master)
    if credential.priv is None:
        return User(credential.user, auth_key=auth)
    secret = kind.get_master_key(credential.priv_password.encode())
    return User(credential.user, auth_key=auth, priv_key=PRIV[credential.priv](secret, KeyType.Master))


def _relay(socket: SnmpV3ClientSocket, target: Target, user: User) -> Relay | None:
    """None where answers are not to be signed."""
    auth, protocol = user.auth_key, target.credential.auth
    if auth is None or protocol is None:
        return None
    guard = Guard(protocol, 3 if user.priv_key else 1, partial(auth.get_localized_key, auth.key))
    return Relay(socket, target.address, target.port, guard)


def _keys(user: User) -> tuple[str, int, bytes, int, bytes]:
    return (
        user.name,
        user.get_auth_alg(),
        user.get_auth_key(),
        user.get_priv_alg(),
        user.get_priv_key(),
    )


def _no_socket(problem: OSError) -> SnmpError:
    """Full tables are ours; the rest says that there is no way to the agent."""
    if "open files" in str(problem):
        return SnmpError("There are too many sockets open here.")
    return Unreachable(f"There is no way to the agent: {problem}.")
