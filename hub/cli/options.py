"""Options and arguments that several commands share."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

as_json = click.option("--json", "as_json", is_flag=True, help="For machines.")
reason = click.option("--reason", metavar="TEXT", help="Why; kept in the audit log.")
limit = click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many."
)
cursor = click.option("--cursor", metavar="CURSOR", help="Go on where the last list ended.")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType[datetime]):
    """A time, or how long ago it was."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read `2026-11-30`, `2026-11-30T08:00:00Z`, `15m`, `2h` or `3d`; without a zone it is UTC."""
        if isinstance(value, datetime):
            return value
        if ago := re.fullmatch(r"(\d{1,6})([smhd])", value):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither a time, as 2026-11-30T08:00Z, nor an age, as 15m, 2h or 3d", param, ctx
            )
        return at if at.tzinfo else at.replace(tzinfo=UTC)


class Ahead(Moment):
    """A time that is yet to come, or in how long it comes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read `2026-11-30T08:00:00Z`, or `30m`, `2h`, `1d` from now."""
        if isinstance(value, str) and (ahead := re.fullmatch(r"(\d{1,6})([smhd])", value)):
            return datetime.now(UTC) + timedelta(**{_UNITS[ahead[2]]: int(ahead[1])})
        return super().convert(value, param, ctx)
