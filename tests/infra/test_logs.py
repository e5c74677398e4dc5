"""Logs: one JSON object a line, with the ids of what it belongs to, and without secrets."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog

from hub.domain.redaction import REDACTED, Redactor
from hub.infra import logs


class Output(io.TextIOWrapper):
    """A text stream over bytes, as standard error is one."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def text(self) -> str:
        written = self.buffer
        assert isinstance(written, io.BytesIO)
        return written.getvalue().decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def output() -> Iterator[Output]:
    root = logging.getLogger()
    level, before = root.level, list(root.handlers)
    yield Output()
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_one_json_object(output: Output) -> None:
    """Whatever stands in it: line breaks, other scripts, ids, numbers beyond 64 bits, broken text."""
    logs.configure(level="info", stream=output)
    logs.logger("hub.test").info("settled\nforged", id=UUID(int=1), big=2**70, name="Zoë", broken="a\udcff")
    (line,) = output.lines()
    assert line["event"] == "settled\nforged"
    assert (line["level"], line["logger"], line["id"]) == ("info", "hub.test", str(UUID(int=1)))
    assert (line["big"], line["name"]) == (2**70, "Zoë")
    assert line["timestamp"].endswith("Z")
    structlog.get_logger().info("of nobody in particular")
    assert "logger" not in output.lines()[1]


def test_lines_below_the_level_are_not_made(output: Output) -> None:
    """Not even their text."""

    class Costly:
        def __str__(self) -> str:
            raise AssertionError

    logs.configure(level="warning", stream=output)
    logs.logger("hub.test").info("quiet", costly=Costly())
    logging.getLogger("library").info("quiet")
    assert output.text() == ""


async def test_every_line_of_a_task_carries_its_ids_and_no_other_task_s(output: Output) -> None:
    """Through the standard library's loggers too."""
    logs.configure(level="info", stream=output)
    log = logs.logger("hub.test")

    async def work(job: str) -> None:
        with logs.context(job_id=job, correlation_id=f"c-{job}"):
            await asyncio.sleep(0)
            log.info("ours")
            logging.getLogger("library").warning("theirs of %s", job)

    await asyncio.gather(work("one"), work("two"))
    log.info("after")
    *inside, after = output.lines()
    assert "job_id" not in after
    assert sorted((line["event"], line["job_id"], line["correlation_id"]) for line in inside) == [
        ("ours", "one", "c-one"),
        ("ours", "two", "c-two"),
        ("theirs of one", "one", "c-one"),
        ("theirs of two", "two", "c-two"),
    ]


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_secret_is_written(output: Output, style: logs.Style) -> None:
    """By name, by look, by being known; in the message, the fields, the ids, the traceback and its variables."""
    logs.configure(level="info", style=style, redactor=Redactor.knowing(["correct horse"]), stream=output)
    log = logs.logger("hub.test")
    local = "only-in-a-variable"
    with logs.context(correlation_id="whsec_abcdefghijkl"):
        log.info(
            "paid with 4242 4242 4242 4242",
            authorization="Bearer open-sesame",
            deep=[{"note": "correct horse"}],
        )
        logging.getLogger("library").warning("connecting to %s", "redis://:open-sesame@redis/0")
        try:
            _ = dict[str, str]()["sk_live_" + "x" * 24 if local else ""]
        except KeyError:
            log.exception("failed")
            logging.getLogger("library").exception("failed there")
    text = output.text()
    for secret in ("4242 4242", "open-sesame", "correct horse", "x" * 24, "abcdefghijkl", local):
        assert secret not in text
    assert text.count(REDACTED) >= 7
    assert text.count("Traceback") == 2


def test_a_person_s_terminal_gets_readable_lines(output: Output) -> None:
    """Without colours where the stream is none."""
    logs.configure(level="info", style="console", stream=output)
    logs.logger("hub.test").info("settled", job="a.b")
    assert "settled" in output.text()
    assert "job=a.b" in output.text()
    assert "\x1b" not in output.text()


def test_configuring_again_replaces_what_was_there(output: Output) -> None:
    """No line is written twice, and nobody else's handler is lost."""
    theirs = logging.NullHandler()
    logging.getLogger().addHandler(theirs)
    logs.configure(level="info", stream=Output())
    logs.configure(level="info", stream=output)
    logging.getLogger("library").warning("once")
    assert len(output.lines()) == 1
    assert theirs in logging.getLogger().handlers


def test_libraries_that_log_every_request_are_kept_down(output: Output) -> None:
    """As httpx writes whole URLs, and arq whole arguments."""
    logs.configure(level="debug", stream=output)
    for name in ("httpx", "arq.worker", "httpcore.http11", "aiohttp.access"):
        logging.getLogger(name).info("loud")
    assert output.text() == ""
