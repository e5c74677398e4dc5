"""A project like a reader's, with the files that the pages say to write, and a hub that runs in it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.docs.pages import BLOCKS, ROOT, Block
from tests.simulators.processes import addresses, free_port, start

_COPIED = ("integrations", "webhooks", "jobs", "tests", "pyproject.toml", "Makefile", "Procfile")
_SLOW = "tests/conformance/test_providers.py::test_any_json_at_all_crashes_nothing"
_BIN = Path(sys.executable).parent
# Between the outputs of two blocks of one shell.
_MARK = "=== end of a block ==="
# What differs from run to run: ids, and times.
_VARIES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.]+Z")


@dataclass(frozen=True, slots=True)
class Project:
    """Where the shells run, what they find in their environment, and where the addresses on the pages are here."""

    directory: Path
    environment: Mapping[str, str]
    places: Mapping[str, str]

    def run(self, blocks: Sequence[Block]) -> list[str]:
        """Run blocks in one shell; gives what each has printed. Raises AssertionError with what went wrong."""
        script = "\n".join(f"{block.text}\necho '{_MARK}'" for block in blocks)
        for written, here in self.places.items():
            script = script.replace(written, here)
        done = subprocess.run(  # noqa: S603 - our own pages
            ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607 - the reader's shell
            cwd=self.directory,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        printed = done.stdout.split(f"{_MARK}\n")
        if done.returncode:
            broken = blocks[min(len(printed), len(blocks)) - 1].place
            raise AssertionError(f"{broken} ended with {done.returncode}:\n{printed[-1]}\n{done.stderr}")
        return printed[:-1]


@contextmanager
def running(directory: Path, database_url: str, redis_url: str) -> Iterator[Project]:
    """The project in `directory`, with its hub, a mailbox and the tutorial's carrier at work."""
    _write(directory)
    port, carrier = free_port(), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "PYTEST_"))},
        "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(directory),
        # Random answers by the hundred are asked for where the provider is not the point.
        "PYTEST_ADDOPTS": f"--deselect {_SLOW} -p no:cacheprovider",
        "HUB_DATABASE_URL": database_url,
        "HUB_REDIS_URL": redis_url,
        "HUB_PORT": str(port),
        "HUB_LOG_LEVEL": "warning",
        "HUB_EMAIL_FROM": "hub@example.com",
        "HUB_EMAIL_NOTIFY_TO": "team@example.com",
        "HUB_WEBHOOK_GITHUB_SECRET": "a-secret-to-try",
        "HUB_WEBHOOK_STORE_SECRET": "a-secret-to-try",
        "HUB_WEBHOOK_STRIPE_SECRET": "whsec_to_try",
        "HUB_STRIPE_SECRET_KEY": "sk_test_to_try",
        "HUB_PARCELS_BASE_URL": f"http://127.0.0.1:{carrier}",
        "HUB_PARCELS_TOKEN": "anything",
    }
    with ExitStack() as stack:

        def child(*command: str) -> Any:
            made = start([sys.executable, *command], env=environment, cwd=directory)
            stack.callback(made.kill)
            return made

        plays = child("carrier.py", str(carrier))
        mailbox = addresses(child("-m", "tests.simulators.mailbox", "--smtp-port", "0", "--http-port", "0"))
        payments = addresses(
            child(
                *("-m", "tests.simulators.stripe", "--port", "0", "--webhook-secret", "whsec_to_try"),
                *("--webhook-url", f"http://127.0.0.1:{port}/webhooks/stripe"),
            )
        )
        environment["HUB_STRIPE_BASE_URL"] = payments["url"]
        environment["HUB_EMAIL_BASE_URL"] = f"smtp://127.0.0.1:{mailbox['smtp_port']}"
        web, _ = child("-m", "hub", "web"), child("-m", "hub", "worker")
        plays.wait_for_port(carrier)
        web.wait_for_port(port)
        places = {
            "127.0.0.1:8080": f"127.0.0.1:{port}",
            "127.0.0.1:9090": f"127.0.0.1:{carrier}",
            "http://127.0.0.1:8025": mailbox["url"].rstrip("/"),
            "http://127.0.0.1:12111": payments["url"].rstrip("/"),
        }
        yield Project(directory, environment, places)


def _write(directory: Path) -> None:
    for name in _COPIED:
        if (ROOT / name).is_dir():
            # With what was compiled of them, which takes longer to do again than to copy.
            shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("docs"))
        else:
            shutil.copy(ROOT / name, directory / name)
    for block in BLOCKS:
        if block.file:
            path = directory / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)


def answer_of(printed: str) -> Any:
    """The last JSON document that a block has printed."""
    for lines in (printed.strip(), printed.strip().rpartition("\n")[2]):
        try:
            return orjson.loads(lines)
        except orjson.JSONDecodeError:
            continue
    raise AssertionError(f"this is not JSON:\n{printed}")


def differences(shown: Any, actual: Any, place: str = "") -> Iterator[str]:
    """Where an answer is not as the page shows it. A page may leave fields out, and ids and times differ."""
    if isinstance(shown, dict) and isinstance(actual, dict):
        for name, value in shown.items():
            if name in actual:
                yield from differences(value, actual[name], f"{place}/{name}")
            else:
                yield f"{place}/{name} is not there"
    elif isinstance(shown, list) and isinstance(actual, list) and len(shown) == len(actual):
        for index, (one, other) in enumerate(zip(shown, actual, strict=True)):
            yield from differences(one, other, f"{place}/{index}")
    elif isinstance(shown, str) and _VARIES.fullmatch(shown):
        if not (isinstance(actual, str) and _VARIES.fullmatch(actual)):
            yield f"{place} is {actual!r}"
    elif shown != actual:
        yield f"{place} is {actual!r} and not {shown!r}"
