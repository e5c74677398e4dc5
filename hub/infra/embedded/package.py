"""Where the packages that carry the servers are installed."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def directory_of(package: str) -> Path:
    """The directory of an installed package, which is not imported: only its files are wanted, not its client."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"The package {package} is not installed; it carries a server that the hub embeds"
        )
    return Path(spec.submodule_search_locations[0])
