"""Finds the providers, sources and jobs in their packages. A duplicate or a gap stops the start, all of them at once.

One new file is found without an edit anywhere else. A module whose name begins with an underscore is left alone, for
what several files of a package share.
"""

import importlib
import pkgutil
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any, Generic, TypeVar

from hub.domain.errors import ConfigurationError
from hub.domain.providers import Operation, Provider
from hub.domain.sources import Source
from hub.domain.specs import JobSpec

T = TypeVar("T")

# What stands in a path and in the name of an environment variable. No hyphen: `a-b` and `a_b` would share theirs.
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, eq=False)
class Registry:
    """All that was found, by name. A process has one; it is told from others by being itself.

    Attributes:
        providers: by `Provider.name`.
        operations: by `<provider>.<the variable it is assigned to>`, such as `stripe.create_refund`.
        sources: by `Source.name`.
        jobs: by `JobSpec.name`.
        subscriptions: the jobs that a source's event type starts, by (source, event type), in the order of names.
    """

    providers: Mapping[str, Provider]
    operations: Mapping[str, Operation[Any, Any]]
    sources: Mapping[str, Source]
    jobs: Mapping[str, JobSpec]
    subscriptions: Mapping[tuple[str, str], tuple[JobSpec, ...]]

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that jobs name, and `default`, in the order of names."""
        return tuple(sorted({"default"} | {spec.queue for spec in self.jobs.values()}))

    def probe_of(self, provider: str) -> Operation[Any, Any] | None:
        """What a person sends to see whether a provider is well."""
        return next(
            (one for one in self.operations.values() if one.probe and one.provider.name == provider), None
        )

    def subscribers(self, source: str, event_type: str) -> tuple[JobSpec, ...]:
        """The jobs that an event starts; none if nobody asked for it."""
        return self.subscriptions.get((source, event_type), ())

    @classmethod
    def of(
        cls,
        providers: Iterable[Provider] = (),
        sources: Iterable[Source] = (),
        jobs: Iterable[JobSpec] = (),
        operations: Iterable[Operation[Any, Any]] = (),
    ) -> "Registry":
        """A registry of just these. Raises ConfigurationError, as `load` does."""
        return _registry(
            [_Found("what was given", provider.name, provider) for provider in providers],
            [_Found("what was given", made.name, made) for made in operations],
            [_Found("what was given", source.name, source) for source in sources],
            [_Found(spec.function.__module__, spec.name, spec) for spec in jobs],
            [],
        )


def load(integrations: str = "integrations", webhooks: str = "webhooks", jobs: str = "jobs") -> Registry:
    """Import every module of three packages and gather what they define.

    Args:
        integrations: the package of the providers.
        webhooks: the package of the sources.
        jobs: the package of the jobs.

    Raises:
        ConfigurationError: one sentence for everything that is wrong, in any of them.
    """
    problems: list[str] = []
    providers, operations = _providers_of(integrations, problems)
    return _registry(
        providers, operations, _sources_of(webhooks, problems), _jobs_of(jobs, problems), problems
    )


@dataclass(frozen=True, slots=True)
class _Found(Generic[T]):
    """Something found: in which module, under what name."""

    where: str
    name: str
    value: T


def _providers_of(
    package: str, problems: list[str]
) -> tuple[list[_Found[Provider]], list[_Found[Operation[Any, Any]]]]:
    providers: list[_Found[Provider]] = []
    operations: list[_Found[Operation[Any, Any]]] = []
    for module in _modules(package, problems):
        own = _named(module, Provider, lambda _, provider: provider.name)
        made = _named(module, Operation, lambda variable, made: f"{made.provider.name}.{variable}")
        if not own and not made:
            problems.append(f"{module.__name__} must define a Provider, or operations of one")
        providers += own
        operations += made
    return providers, operations


def _sources_of(package: str, problems: list[str]) -> list[_Found[Source]]:
    sources: list[_Found[Source]] = []
    for module in _modules(package, problems):
        found = getattr(module, "source", None)
        if isinstance(found, Source):
            sources.append(_Found(module.__name__, found.name, found))
        else:
            problems.append(f"{module.__name__} must define `source = Source(...)`")
    return sources


def _jobs_of(package: str, problems: list[str]) -> list[_Found[JobSpec]]:
    jobs: list[_Found[JobSpec]] = []
    for module in _modules(package, problems):
        own = [spec for spec in _named(module, JobSpec, lambda _, spec: spec.name) if _is_own(spec)]
        if not own:
            problems.append(f"{module.__name__} must define a function with @job(...)")
        jobs += own
    return jobs


def _registry(
    providers: list[_Found[Provider]],
    operations: list[_Found[Operation[Any, Any]]],
    sources: list[_Found[Source]],
    jobs: list[_Found[JobSpec]],
    problems: list[str],
) -> Registry:
    problems = [
        *problems,
        *_name_problems("provider", providers),
        *_name_problems("source", sources),
    ]
    registry = Registry(
        providers=_by_name("provider", providers, problems),
        operations=_by_name("operation", operations, problems),
        sources=_by_name("source", sources, problems),
        jobs=_by_name("job", jobs, problems),
        subscriptions=_subscriptions(found.value for found in jobs),
    )
    problems += [*_strangers(registry), *_lost(registry)]
    if problems:
        raise ConfigurationError(*problems)
    return registry


def _modules(package: str, problems: list[str]) -> Iterator[ModuleType]:
    """Import a package's modules, in the order of their names; those that cannot be are problems."""
    parent = _imported(package, problems)
    if parent is None:
        return
    if not hasattr(parent, "__path__"):
        problems.append(f"{package} must be a package")
        return
    for found in sorted(pkgutil.iter_modules(parent.__path__), key=lambda module: module.name):
        if found.name.startswith("_"):
            continue
        module = _imported(f"{package}.{found.name}", problems)
        if module is not None:
            yield module


def _imported(name: str, problems: list[str]) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ConfigurationError as error:
        problems += error.problems
    except Exception as error:  # noqa: BLE001 - an author's file may raise anything, and the others are still read
        problems.append(f"{name} cannot be imported: {type(error).__name__}: {error}{_place(error)}")
    return None


def _place(error: Exception) -> str:
    """Where in the author's code it was raised: below this file, and not in the machinery of imports."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    own = [frame for frame in frames if "importlib" not in frame.filename]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def _named(module: ModuleType, kind: type[T], name: Callable[[str, T], str]) -> list[_Found[T]]:
    """A module's values of one kind, each once however many names it has there."""
    found: dict[int, _Found[T]] = {}
    for variable, value in vars(module).items():
        if isinstance(value, kind):
            found.setdefault(id(value), _Found(module.__name__, name(variable, value), value))
    return list(found.values())


def _is_own(spec: _Found[JobSpec]) -> bool:
    """Whether the job was written in this module, not imported into it, as by a job that enqueues another."""
    return spec.value.function.__module__ == spec.where


def _by_name(what: str, found: list[_Found[T]], problems: list[str]) -> Mapping[str, T]:
    first: dict[str, _Found[T]] = {}
    for one in found:
        other = first.setdefault(one.name, one)
        # One value met twice was imported by the second module, which is no duplicate.
        if other.value is not one.value:
            problems.append(f"{what} {one.name!r} is defined twice, in {other.where} and in {one.where}")
    return MappingProxyType({name: one.value for name, one in sorted(first.items())})


def _subscriptions(jobs: Iterable[JobSpec]) -> Mapping[tuple[str, str], tuple[JobSpec, ...]]:
    subscribers: dict[tuple[str, str], dict[str, JobSpec]] = {}
    for spec in sorted(jobs, key=lambda spec: spec.name):
        for event in spec.on:
            source, _, event_type = event.partition(":")
            # By name, so that a job that names an event twice is started once.
            subscribers.setdefault((source, event_type), {})[spec.name] = spec
    return MappingProxyType({event: tuple(specs.values()) for event, specs in subscribers.items()})


def _name_problems(what: str, found: Iterable[_Found[Any]]) -> list[str]:
    return [
        f"{what} {one.name!r} in {one.where} must be named with lower-case letters, digits and '_'"
        for one in found
        if not NAME.fullmatch(one.name)
    ]


def _lost(registry: Registry) -> list[str]:
    """Jobs that wait for a source that is not there, and would wait for ever."""
    return [
        f"job {spec.name} is started by '{source}:{event_type}', and there is no source {source!r}"
        for (source, event_type), specs in registry.subscriptions.items()
        for spec in specs
        if source not in registry.sources
    ]


def _strangers(registry: Registry) -> list[str]:
    """Operations whose provider no module defines by name: nothing would read its credentials."""
    return [
        f"operation {name!r} belongs to a provider {made.provider.name!r} that no module defines"
        for name, made in registry.operations.items()
        if registry.providers.get(made.provider.name) is not made.provider
    ]
