"""What was measured: `make machines` shows it."""


def tell(what: str, **seconds: float) -> None:
    """Print figures, which pytest shows with `-rP`."""
    print(f"{what}:", ", ".join(f"{name} {value:.2f}" for name, value in seconds.items()))  # noqa: T201
