"""A mailbox: an SMTP server that keeps what it is sent, with a small HTTP view of it.

As a process: `python -m tests.simulators.mailbox --smtp-port 0 --http-port 0` (prints `ready {"smtp_port", "url"}`).
In a test's event loop: `async with running() as mailbox: mailbox.smtp_port, mailbox.url, mailbox.mails.kept`.
"""

import argparse
import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.simulators.connections import reset
from tests.simulators.mail import MailFault, Mails
from tests.simulators.mailbox_view import application
from tests.simulators.serving import serving, until_stopped


class _Handler:
    """aiosmtpd's hooks: https://aiosmtpd.aio-libs.org/en/latest/handlers.html."""

    def __init__(self, mails: Mails, now: Callable[[], float]) -> None:
        self._mails = mails
        self._now = now

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if fault := self._mails.take("mail", []):
            return self._refuse(fault)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if fault := self._mails.take("rcpt", [address]):
            return self._refuse(fault)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        fault = self._mails.take("data", envelope.rcpt_tos)
        if fault and fault.code:
            return self._refuse(fault)
        if fault is None or fault.stall or fault.drop == "after":
            content = envelope.original_content or b""
            self._mails.keep(content, envelope.mail_from or "", list(envelope.rcpt_tos), self._now())
        if fault:
            await self._never_acknowledge(server, fault)
        return "250 OK"

    def _refuse(self, fault: MailFault) -> str:
        self._mails.counts["refused"] += 1
        return fault.reply()

    async def _never_acknowledge(self, server: SMTP, fault: MailFault) -> None:
        self._mails.counts["dropped" if fault.drop else "stalled"] += 1
        if fault.drop:
            reset(server.transport)
        # Ends when the connection does: aiosmtpd then cancels this.
        await asyncio.get_running_loop().create_future()


class _Connections:
    """The open SMTP connections, so that none outlives the server."""

    def __init__(self) -> None:
        self._open: set[asyncio.BaseTransport] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def opened(self, transport: asyncio.BaseTransport) -> None:
        self._open.add(transport)
        self._empty.clear()

    def closed(self, transport: asyncio.BaseTransport | None) -> None:
        if transport is not None:
            self._open.discard(transport)
        if not self._open:
            self._empty.set()

    async def end(self) -> None:
        for transport in list(self._open):
            reset(transport)
        await self._empty.wait()


class _Smtp(SMTP):
    def __init__(self, handler: _Handler, connections: _Connections) -> None:
        super().__init__(
            handler,
            hostname="mailbox.test",
            ident="mailbox simulator",
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
            auth_require_tls=False,
            authenticator=_anyone,
        )
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connections.opened(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.closed(self.transport)
        super().connection_lost(error)


def _anyone(*_: Any) -> AuthResult:
    """Log in whoever asks; the mailbox holds nothing worth guarding."""
    return AuthResult(success=True)


@dataclass(frozen=True, slots=True)
class RunningMailbox:
    """A mailbox that is being served in this process; `url` is that of its HTTP view."""

    host: str
    smtp_port: int
    url: str
    mails: Mails


@asynccontextmanager
async def running(
    *, host: str = "127.0.0.1", smtp_port: int = 0, http_port: int = 0, now: Callable[[], float] = time.time
) -> AsyncIterator[RunningMailbox]:
    """Serve an empty mailbox in this event loop while the block runs."""
    mails, connections = Mails(), _Connections()
    protocol = functools.partial(_Smtp, _Handler(mails, now), connections)
    server = await asyncio.get_running_loop().create_server(protocol, host, smtp_port)
    try:
        async with serving(application(mails), host=host, port=http_port) as url:
            yield RunningMailbox(host, server.sockets[0].getsockname()[1], url, mails)
    finally:
        server.close()
        await connections.end()
        await server.wait_closed()


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    async with running(
        host=arguments.host, smtp_port=arguments.smtp_port, http_port=arguments.http_port
    ) as mailbox:
        await until_stopped({"url": mailbox.url, "smtp_host": mailbox.host, "smtp_port": mailbox.smtp_port})


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.mailbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=int, default=0, help="0 lets the system choose")
    parser.add_argument("--http-port", type=int, default=0, help="0 lets the system choose")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
