"""The README and the pages under docs/: every command is run or checked, every example is held against the code."""

import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import unquote
from uuid import UUID

import click
import orjson
import pytest
import yaml  # type: ignore[import-untyped]  # carries no types

from hub.cli.root import hub as command_line
from hub.config import describe
from hub.registry import load
from hub.web.problems import ProblemDocument
from tests.docs.pages import BLOCKS, PAGES, ROOT, Block, blocks_of, prose_of
from tests.docs.project import Project, answer_of, differences, running
from tests.docs.references import REFERENCE, fed_metrics, renewed

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
CODE = [path for folder in ("hub", "integrations", "webhooks", "jobs", "migrations", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]  # fmt: skip
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
WRITTEN = {block.file for block in BLOCKS if block.file}
# The settings of what the pages add.
ADDED = ("HUB_CHAT_", "HUB_PARCELS_", "HUB_WEBHOOK_SHOP_", "HUB_WEBHOOK_STORE_", "HUB_STRIPE_SECRET_KEY_FILE")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def of(language: str) -> "pytest.MarkDecorator":
    chosen = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", chosen, ids=lambda block: block.place)


# Some twenty processes are started, one after the other in each page's shell.
@pytest.mark.timeout(400)
def test_the_docs_commands_work(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """Each page's commands run in order, against a real hub with the pages' own files, and print what the page shows."""
    told = [page for page in PAGES if any(block.told == "run" for block in blocks_of(page))]
    with running(tmp_path / "project", database_url, redis_url) as project, ThreadPoolExecutor(3) as pool:
        wrong = [one for page in pool.map(partial(wrong_with, project), told) for one in page]
    assert not wrong, "\n".join(wrong)


def wrong_with(project: Project, page: Path) -> list[str]:
    """Where a page's commands fail, or print something else than it shows."""
    blocks = [block for block in blocks_of(page) if block.told in {"run", "answer"}]
    run = [block for block in blocks if block.told == "run"]
    try:
        printed = dict(zip([block.line for block in run], project.run(run), strict=True))
    except AssertionError as failed:
        return [str(failed)]
    return [
        f"{block.place}: {one}"
        for before, block in pairwise(blocks)
        if block.told == "answer"
        for one in differences(orjson.loads(block.text), answer_of(printed[before.line]))
    ]


@of("sh")
def test_a_shell_block_is_one(block: Block) -> None:
    """It is Bash, its targets of make exist, and its commands of hub are understood."""
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)  # noqa: S607 - the reader's shell
    for target in re.findall(r"^\s*make ([a-z-]+)", block.text, re.MULTILINE):
        assert target in TARGETS
    for words in hub_commands(block.text):
        understand(words)


def hub_commands(script: str) -> list[list[str]]:
    """The words behind each `hub`."""
    joined = script.replace("\\\n", " ")
    found = re.findall(r"(?:^|[;&|]\s*|\$\(|\s)(?:\.venv/bin/)?hub ([a-z][^|;&)\n>]*)", joined)
    some_id = str(UUID(int=1))
    return [[some_id if word.startswith("$") else word for word in shlex.split(text)] for text in found]


def understand(words: list[str]) -> None:
    """Have the command line read a command, and not run it. Raises click's own error when it does not understand."""
    command: click.Command = command_line
    context = command.make_context("hub", list(words))
    while isinstance(command, click.Group) and (words or not command.invoke_without_command):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name!r}"
        command = found
        context = command.make_context(name, list(words), parent=context)


@of("python")
def test_a_python_block_is_one(block: Block) -> None:
    """It compiles; those that are files are run by the test above."""
    compile(block.text, block.place, "exec")


@of("json")
def test_a_json_block_is_one(block: Block) -> None:
    """It is JSON, and a problem document has the fields of one."""
    document = orjson.loads(block.text)
    if block.told == "problem":
        assert document.keys() == get_type_hints(ProblemDocument).keys()


@of("yaml")
def test_a_yaml_block_is_one(block: Block) -> None:
    """It can be read."""
    list(yaml.safe_load_all(block.text))


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file or a heading of the project has one."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, heading = unquote(link).partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not heading or heading in headings_of(target), link


def headings_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    titles = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


_PATH = re.compile(r"`((?:hub|integrations|webhooks|jobs|tests|docs|deploy|migrations|benchmarks)/[\w./-]*)(?:::(\w+))?`")  # fmt: skip


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    """Every path in backticks, and every test behind `::`, exists; what the page itself writes need not."""
    for name, test in _PATH.findall(page.read_text()):
        if name in WRITTEN:
            continue
        assert (ROOT / name).exists(), name
        assert not test or f"def {test}(" in (ROOT / name).read_text(), f"{name}::{test}"


@every_page
def test_settings_that_are_named_exist(page: Path) -> None:
    """Every HUB_ variable on a page is one that the hub reads, itself or as a file."""
    registry = load()
    known = {one.name for one in describe(registry.sources, registry.providers)}
    named = {name for name in re.findall(r"\bHUB_[A-Z0-9_]+\b", page.read_text()) if not name.endswith("_")}
    example = {"HUB_PORT_8080_TCP"}
    assert not {
        name
        for name in named - known - example
        if not name.startswith(ADDED) and name.removesuffix("_FILE") not in known
    }


@pytest.mark.parametrize("page", sorted(REFERENCE.glob("*.md")), ids=lambda page: page.name)
def test_the_reference_says_what_the_code_says(page: Path) -> None:
    """Write it anew with `.venv/bin/python -m tests.docs.references`."""
    assert page.read_text() == renewed(page.read_text())


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_is_whole_and_held_by_a_check(page: Path) -> None:
    """Five sections, and in the last one a test or a target of make that exists."""
    text = page.read_text()
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert titles == ["Context", "Decision", "Alternatives", "Consequences", "Check"]
    check = text.partition("## Check")[2]
    tests = [test for _, test in _PATH.findall(check) if test]
    assert tests or set(re.findall(r"`make ([a-z-]+)`", check)) & TARGETS
    assert f"({page.name})" in (page.parent / "README.md").read_text()


def test_decisions_named_in_code_exist() -> None:
    """A comment that points at a decision points at one that is there."""
    pages = {page.stem for page in DECISIONS}
    for path in CODE:
        for name in re.findall(r"docs/decisions/(\d{4}[\w-]*)", path.read_text()):
            assert any(page.startswith(name) for page in pages), f"{path}: {name}"


def test_alerts_use_metrics_that_are_counted() -> None:
    """A rule about a metric that nothing feeds would never fire, and nobody would know."""
    fed = fed_metrics()
    rules = alert_rules()
    assert rules
    for rule in rules:
        assert metrics_in(rule["expr"]) <= fed, rule["alert"]
        assert f"## {rule['alert']}" in (ROOT / "deploy" / "runbook.md").read_text()


def test_the_dashboard_shows_metrics_that_are_counted() -> None:
    """A panel about a metric that nothing feeds would look well."""
    dashboard = orjson.loads((ROOT / "deploy" / "grafana" / "hub.json").read_bytes())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            assert metrics_in(target["expr"]) <= fed_metrics(), panel["title"]


def metrics_in(expression: str) -> set[str]:
    """The metrics of the hub that a query names."""
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bhub_[a-z_]+\b", expression)}


def alert_rules() -> list[dict[str, Any]]:
    """Every rule of the alerts that come with the hub."""
    document = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("path", sorted((ROOT / "deploy").rglob("*.y*ml")), ids=lambda path: path.name)
def test_deployment_files_can_be_read_and_name_real_settings(path: Path) -> None:
    """YAML, and no HUB_ variable that the hub does not know."""
    list(yaml.safe_load_all(path.read_text()))
    test_settings_that_are_named_exist(path)


def test_the_locks_name_no_host() -> None:
    """Any mirror will do: neither lock says where a file comes from, and each package has its hashes."""
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--index-url" not in text
        assert text.count("==") <= text.count("--hash=sha256:")
