"""`hub webhooks`."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hub import registry as registries
from hub.cli.errors import Exit
from hub.domain.signatures import Refused
from tests.cli.conftest import Cli
from tests.simulators.processes import free_port

SECRETS = {"HUB_WEBHOOK_STRIPE_SECRET": "whsec_old,whsec_new"}


class Receiver(BaseHTTPRequestHandler):
    """Answers 200 to what is signed with the newest secret, else 401."""

    def do_POST(self) -> None:
        """One delivery."""
        source = registries.load().sources["stripe"]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if isinstance(source.scheme.verify(headers, body, ["whsec_new"], datetime.now(UTC)), Refused):
            self.answer(401, b"refused")
        else:
            self.answer(200, b'{"event_id": "' + self.path.encode() + b'", "duplicate": false}')

    def answer(self, status: int, body: bytes) -> None:
        """Send it."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: standard error is being looked at."""


@pytest.fixture
def hub_url() -> Iterator[str]:
    """Something that takes webhooks as a hub does."""
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_sample_is_sent_signed_with_the_newest_secret(bare_cli: Cli, hub_url: str) -> None:
    """And the answer is shown; HUB_HOST and HUB_PORT say where the hub is, unless --url does."""
    line = ["webhooks", "send", "stripe", "payment_intent.succeeded"]
    by_url = bare_cli(*line, "--url", hub_url + "/", "--id", "x1", "--json", **SECRETS)
    assert by_url.json == {
        "id": "x1",
        "status": 200,
        "answer": {"event_id": "/webhooks/stripe", "duplicate": False},
    }
    by_port = bare_cli(*line, HUB_HOST="0.0.0.0", HUB_PORT=hub_url.rpartition(":")[2], **SECRETS)  # noqa: S104
    assert by_port.code == Exit.OK
    assert by_port.out.startswith("200 OK\n")


def test_a_sample_that_is_not_accepted_is_1(bare_cli: Cli, hub_url: str) -> None:
    """The answer is shown all the same, and what to look at."""
    line = ["webhooks", "send", "stripe", "payment_intent.succeeded", "--url", hub_url]
    ended = bare_cli(*line, HUB_WEBHOOK_STRIPE_SECRET="whsec_other")
    assert ended.code == Exit.REFUSED
    assert ended.out.startswith("401 Unauthorized\nrefused")
    assert "HUB_WEBHOOK_STRIPE_SECRET" in ended.err


def test_a_hub_that_does_not_run_is_4(bare_cli: Cli) -> None:
    """With how to start one."""
    line = ["webhooks", "send", "stripe", "payment_intent.succeeded"]
    ended = bare_cli(*line, HUB_PORT=str(free_port()), **SECRETS)
    assert ended.code == Exit.UNAVAILABLE
    assert "hub dev" in ended.err


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        (["stripe", "payment_intent.succeeded"], Exit.CONFIGURATION, "HUB_WEBHOOK_STRIPE_SECRET is not set"),
        (["strip", "x"], Exit.REFUSED, "There are github, standard, stripe."),
        (["stripe", "x"], Exit.REFUSED, "there is: "),
        (["github", "push", "--url", "localhost:1"], Exit.USAGE, "is not http://host:port"),
    ],
)
def test_what_cannot_be_sent_is_told(bare_cli: Cli, line: list[str], code: Exit, told: str) -> None:
    """What is missing, and what there is."""
    ended = bare_cli("webhooks", "send", *line, HUB_WEBHOOK_GITHUB_SECRET="s" * 20)
    assert ended.code == code
    assert told in ended.err


def test_sources_are_listed_with_their_samples(bare_cli: Cli) -> None:
    """And whether they are configured."""
    listed = {one["source"]: one for one in bare_cli("webhooks", "list", "--json", **SECRETS).json["items"]}
    assert listed["stripe"]["configured"]
    assert "payment_intent.succeeded" in listed["stripe"]["samples"]
    assert not listed["github"]["configured"]
    assert "payment_intent.succeeded" in bare_cli("webhooks", "list").out
