"""Counts as one says them."""


def counted(number: int, thing: str, *, more: bool = False) -> str:
    """So many of a thing: `1 job`, `2,000 jobs`; `0+ jobs` where there may be more."""
    return f"{number:,}{'+' if more else ''} {thing}{'' if number == 1 and not more else 's'}"
