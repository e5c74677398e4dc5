"""What was measured: `make machines` shows it."""


def tell(what: str, **seconds: float) -> None:
    """Print figures, which pytest shows with `-rP`."""
    print(f"{what}:", ", ".join(f"{name} {value:.2f}" for name, value in seconds.items()))  # noqa: T201


def tell_rates(what: str, *, direct: float, pooled: float, ratio: float) -> None:
    """The same for what happens so often a second."""
    print(f"{what}: direct {direct:.0f}/s, pooled {pooled:.0f}/s, ratio {ratio:.2f}")  # noqa: T201
