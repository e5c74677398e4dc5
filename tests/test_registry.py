"""What is found in the packages, and what stops the start."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from hub import Args, JobContext, Provider, Source, field, job, prefixed_hex
from hub.domain.errors import ConfigurationError
from hub.registry import Registry, load

Package = Callable[..., str]

PROVIDER = """
    from hub import Args, Provider, Result
    class In(Args): ...
    class Out(Result): ...
    {name} = Provider("{name}")
    create = {name}.operation("POST", "/v1/things", In, Out)
"""
SOURCE = """
    from hub import Source, field, prefixed_hex
    source = Source("{name}", prefixed_hex("X-Signature"), event_id=field("id"), event_type=field("type"))
"""
JOB = """
    from hub import EventModel, JobContext, job
    class Event(EventModel): id: str
    @job(on={on!r})
    async def {name}(ctx: JobContext, event: Event) -> None:
        "Do it."
"""


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Package]:
    """Writes packages of modules, `package("jobs", payments="...")`, and gives their names, which are used once."""
    prefix = f"p{abs(hash(tmp_path))}_"

    def write(name: str, **modules: str) -> str:
        folder = tmp_path / (prefix + name)
        folder.mkdir()
        for module, text in {"__init__": "", **modules}.items():
            (folder / f"{module}.py").write_text(dedent(text))
        return folder.name

    sys.path.insert(0, str(tmp_path))
    yield write
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith(prefix)]:
        del sys.modules[name]


class Greeting(Args):
    """Arguments of a job."""

    name: str


@job(on=("acme:thing.made", "acme:thing.broken"))
async def greet(ctx: JobContext, args: Greeting) -> None:
    """Say hello."""


@job(on="acme:thing.made")
async def count(ctx: JobContext, args: Greeting) -> None:
    """Count one more."""


def acme() -> Source:
    """A source of which nothing but the name matters."""
    return Source("acme", prefixed_hex("X-Signature"), event_id=field("id"), event_type=field("type"))


def problems_of(found: Callable[[], Registry]) -> tuple[str, ...]:
    """What the one error says."""
    with pytest.raises(ConfigurationError) as caught:
        found()
    return caught.value.problems


def test_the_hubs_own_packages_are_in_order() -> None:
    """What this repository brings is found and has neither duplicates nor gaps."""
    registry = load()

    assert {"github", "standard", "stripe"} <= registry.sources.keys()


def test_everything_is_found_in_its_package(package: Package) -> None:
    """One file each is enough: a provider with its operations, a source, a job and what starts it."""
    registry = load(
        package("integrations", acme=PROVIDER.format(name="acme")),
        package("webhooks", acme=SOURCE.format(name="acme")),
        package("jobs", things=JOB.format(name="note", on="acme:thing.made")),
    )

    assert list(registry.providers) == ["acme"]
    assert registry.operations["acme.create"].name == "acme POST /v1/things"
    assert list(registry.sources) == ["acme"]
    assert registry.jobs["things.note"].summary == "Do it."
    assert registry.subscribers("acme", "thing.made") == (registry.jobs["things.note"],)


def test_subscribers_stand_in_the_order_of_their_names() -> None:
    """Each job that asked for an event type is told, in an order that does not change from start to start."""
    registry = Registry.of(sources=[acme()], jobs=[greet, count])

    assert registry.subscribers("acme", "thing.made") == (count, greet)
    assert registry.subscribers("acme", "thing.broken") == (greet,)
    assert registry.subscribers("acme", "thing.unheard_of") == ()
    assert registry.subscribers("other", "thing.made") == ()


def test_queues_are_those_that_jobs_name_and_the_default_one() -> None:
    """A job may be submitted to any queue that is shown, whether or not a job names it."""
    assert Registry.of().queues == ("default",)
    posting = replace(greet, queue="post", on=())
    assert Registry.of(jobs=[posting]).queues == ("default", "post")


def test_a_registry_does_not_change() -> None:
    """What was found at the start holds until the end."""
    registry = Registry.of(sources=[acme()])

    with pytest.raises(TypeError):
        registry.sources["other"] = acme()  # type: ignore[index]


def test_what_a_module_imports_from_another_is_no_duplicate(package: Package) -> None:
    """A provider, or a job, that a second module imports is still defined once."""
    integrations = package(
        "integrations",
        acme=PROVIDER.format(name="acme"),
        acme_more="from .acme import In, Out, acme\nremove = acme.operation('DELETE', '/v1/things', In, Out)",
    )
    jobs = package(
        "jobs",
        first=JOB.format(name="note", on=()),
        second="from .first import note\n" + dedent(JOB.format(name="other", on=())),
    )

    registry = load(integrations, package("webhooks"), jobs)

    assert list(registry.operations) == ["acme.create", "acme.remove"]
    assert list(registry.jobs) == ["first.note", "second.other"]


def test_a_module_with_an_underscore_is_left_alone(package: Package) -> None:
    """What several files share needs a place that defines nothing itself."""
    registry = load(package("integrations"), package("webhooks", _shared="x = 1"), package("jobs"))

    assert registry.sources == {}


def test_a_duplicate_name_stops_the_start(package: Package) -> None:
    """Two of a name are refused, with both places told: one of them would silently have won."""
    integrations = package("integrations", a=PROVIDER.format(name="acme"), b=PROVIDER.format(name="acme"))
    webhooks = package("webhooks", a=SOURCE.format(name="acme"), b=SOURCE.format(name="acme"))

    problems = problems_of(lambda: load(integrations, webhooks, package("jobs")))

    assert f"provider 'acme' is defined twice, in {integrations}.a and in {integrations}.b" in problems
    assert f"source 'acme' is defined twice, in {webhooks}.a and in {webhooks}.b" in problems


def test_two_jobs_of_a_name_stop_the_start() -> None:
    """A job given twice is one job; two jobs of a name are a duplicate."""
    other = job()(greet.function)

    assert list(Registry.of(sources=[acme()], jobs=[greet, greet]).jobs) == ["test_registry.greet"]
    assert problems_of(lambda: Registry.of(sources=[acme()], jobs=[greet, other])) == (
        "job 'test_registry.greet' is defined twice, in tests.test_registry and in tests.test_registry",
    )


def test_a_job_started_by_an_unknown_source_stops_the_start() -> None:
    """A misspelt source would leave the job waiting for ever, so it is told at once."""
    assert problems_of(lambda: Registry.of(jobs=[count])) == (
        "job test_registry.count is started by 'acme:thing.made', and there is no source 'acme'",
    )


def test_an_operation_of_an_unfound_provider_stops_the_start(package: Package) -> None:
    """An operation made from a provider that no module names has no credentials to be called with."""
    text = PROVIDER.format(name="acme") + "\n    del acme\n"

    problems = problems_of(
        lambda: load(package("integrations", a=text), package("webhooks"), package("jobs"))
    )

    assert problems == ("operation 'acme.create' belongs to a provider 'acme' that no module defines",)


@pytest.mark.parametrize("name", ["", "Acme", "acme-pay", "acme/pay", "1acme", "a" * 64])
def test_a_name_that_fits_no_variable_stops_the_start(name: str) -> None:
    """A name stands in `HUB_<NAME>_...`; `acme-pay` and `acme_pay` would share theirs."""
    problems = problems_of(lambda: Registry.of(providers=[Provider(name)]))

    assert len(problems) == 1
    assert problems[0].startswith(f"provider {name!r} ")


def test_all_that_is_wrong_is_told_at_once(package: Package) -> None:
    """One start tells everything: empty modules, broken imports, malformed jobs, wherever they are."""
    integrations = package("integrations", empty="", broken="import no_such_library")
    webhooks = package("webhooks", empty="", wrong="source = 'stripe'", syntax="def")
    jobs = package(
        "jobs",
        empty="",
        malformed="from hub import job\n@job()\ndef plain(ctx, args): ...",
        unruly="value = 1 / 0",
        lost=JOB.format(name="note", on="nowhere:thing.made"),
    )

    problems = problems_of(lambda: load(integrations, webhooks, jobs))

    told = "\n".join(problems)
    assert len(problems) == 9
    assert f"{integrations}.empty must define a Provider" in told
    assert f"{integrations}.broken cannot be imported: ModuleNotFoundError: No module named 'no_such_" in told
    assert f"{webhooks}.empty must define `source = Source(...)`" in told
    assert f"{webhooks}.wrong must define `source = Source(...)`" in told
    assert f"{webhooks}.syntax cannot be imported: SyntaxError" in told
    assert f"{jobs}.empty must define a function with @job(...)" in told
    assert "job malformed.plain must be an async function" in told
    assert "unruly.py, line 1)" in told
    assert "job lost.note is started by 'nowhere:thing.made', and there is no source 'nowhere'" in told


def test_a_missing_package_stops_the_start(package: Package) -> None:
    """A package that is not there, or is a module, is told by name."""
    problems = problems_of(lambda: load("no_such_package", "json.decoder", package("jobs")))

    assert problems == (
        "no_such_package cannot be imported: ModuleNotFoundError: No module named 'no_such_package'",
        "json.decoder must be a package",
    )
