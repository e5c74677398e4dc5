"""The processes of the demonstration: a payment provider, a mailbox, and `hub dev`, each as a child of its own."""

import fcntl
import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.infra.embedded.process import locked
from tests.demo.narrator import Narrator, NotHeld
from tests.simulators.processes import ROOT, Child, addresses, free_port, start

SECRET = "whsec_of_the_demonstration"
STRIPE_KEY = "sk_test_of_the_demonstration"
OPERATOR = "you@example.com"
SCOPES = "jobs:write,jobs:read,jobs:operate,events:read"
HUB = [sys.executable, "-m", "hub"]
PORTS = range(8080, 8180)
_GRACE = 30.0  # seconds for `hub dev` to stop all of its own


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is.

    Attributes:
        hub_url: the hub.
        stripe_url: the stand-in for the payment provider.
        mailbox_url: the page of the mailbox.
        environ: the settings that the hub runs with.
        hub: the process `hub dev`.
    """

    hub_url: str
    stripe_url: str
    mailbox_url: str
    environ: Mapping[str, str]
    hub: Child

    def key(self) -> str:
        """A new API key, made by the command line."""
        return str(self._told("keys", "create", "--name", "demo", "--scopes", SCOPES)["key"])

    def login(self) -> str:
        """The address of a page that lets its visitor into the console, once."""
        if not any(known["email"] == OPERATOR for known in self._told("operators", "list")["items"]):
            self._told("operators", "create", OPERATOR, "--name", "You", "--role", "admin")
        return str(self._told("operators", "login-link", OPERATOR)["url"])

    def _told(self, *command: str) -> Any:
        environ = {**os.environ, **self.environ}
        line = [*HUB, *command, "--json"]
        ended = subprocess.run(line, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        if ended.returncode != 0:
            raise NotHeld(f"`hub {' '.join(command)}` ended with {ended.returncode}: {ended.stderr.strip()}")
        return json.loads(ended.stdout)


@contextmanager
def staged(narrator: Narrator) -> Iterator[Stage]:
    """Everything, running; nothing of it is left behind."""
    var_dir = directory(os.environ)
    port = _free_port()
    _forget_settings()
    _require_alone(var_dir)
    with ExitStack() as leaving:
        stripe = _started(leaving, [sys.executable, "-m", "tests.simulators.stripe"])
        mailbox = _started(leaving, [sys.executable, "-m", "tests.simulators.mailbox"])
        mail, payments = addresses(mailbox), addresses(stripe)
        narrator.line(f"a stand-in for Stripe runs at {payments['url']}")
        narrator.line(
            f"a mailbox takes mail at {mail['smtp_host']}:{mail['smtp_port']} and shows it at {mail['url']}"
        )
        environ = {
            "HUB_VAR_DIR": str(var_dir),
            "HUB_PORT": str(port),
            "HUB_STRIPE_BASE_URL": payments["url"],
            "HUB_STRIPE_SECRET_KEY": STRIPE_KEY,
            "HUB_WEBHOOK_STRIPE_SECRET": SECRET,
            "HUB_EMAIL_BASE_URL": f"smtp://{mail['smtp_host']}:{mail['smtp_port']}",
            "HUB_EMAIL_FROM": "shop@example.com",
            "HUB_ALERTS_EMAIL_TO": "on-call@example.com",
        }
        hub = _started(leaving, [*HUB, "dev"], environ, grace=_GRACE)
        hub.wait_for_line("The hub is ready")
        url = f"http://127.0.0.1:{port}"
        narrator.line(f"`hub dev` runs PostgreSQL, Redis, a web process and a worker; the hub is at {url}")
        yield Stage(url, payments["url"], mail["url"], environ, hub)


def directory(environ: Mapping[str, str]) -> Path:
    """Where the data is, as it is called from anywhere: a relative name would be another, empty hub elsewhere."""
    return Path(environ.get("HUB_VAR_DIR", "var")).absolute()


def as_typed(environ: Mapping[str, str]) -> str:
    """Settings as a shell takes them."""
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in environ.items())


def _started(
    leaving: ExitStack, line: list[str], environ: Mapping[str, str] | None = None, grace: float = 5.0
) -> Child:
    child = start(line, env=environ, cwd=ROOT)
    leaving.callback(child.stop, grace=grace)
    return child


def _free_port() -> int:
    """8080, or the next one that nobody listens on; HUB_PORT, if that is set."""
    if wanted := os.environ.get("HUB_PORT"):
        return int(wanted)
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    return free_port()


def _forget_settings() -> None:
    """What is set for another hub is not for this one."""
    for name in [name for name in os.environ if name.startswith("HUB_")]:
        del os.environ[name]


def _require_alone(var_dir: Path) -> None:
    """Another worker on the same data would take this one's jobs, and call the real Stripe."""
    var_dir.mkdir(parents=True, exist_ok=True)
    try:
        with locked(var_dir / "embedded.lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
            return
    except BlockingIOError:
        raise NotHeld(
            f"a hub is running on {var_dir}/ already: stop it, or run HUB_VAR_DIR=var/demo make demo"
        ) from None
