"""`python -m tests.drills [NAME...]`: break things on purpose, measure how soon all is well, and say what held."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.drills import database_stalled, plan_paced, redis_away, redis_bounded, redis_flushed, worker_killed
from tests.drills.drill import Drill, Figure, Scale
from tests.drills.stage import staged

DRILLS: Sequence[Drill] = (
    worker_killed.DRILL,
    redis_flushed.DRILL,
    redis_bounded.DRILL,
    redis_away.DRILL,
    database_stalled.DRILL,
    plan_paced.DRILL,
)


def main() -> None:
    """Run the drills that are asked for; end with 0 only if every promise was kept."""
    options = _options()
    # As after Ctrl-C: servers and processes are stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console(stderr=options.json)
    told = {}
    for drill in DRILLS:
        if not options.names or drill.name in options.names:
            console.print(f"{drill.name}: {drill.does} …")
            told[drill.name] = _measured(drill, Scale(options.seconds, options.share))
    if options.json:
        sys.stdout.write(json.dumps(_document(told)) + "\n")
    else:
        console.print(_table(told))
    sys.exit(0 if all(figure.held for figures in told.values() for figure in figures) else 1)


def _measured(drill: Drill, scale: Scale) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="hub-drill-") as directory, staged(Path(directory)) as stage:
        return asyncio.run(drill.run(stage, scale))


def _document(told: dict[str, list[Figure]]) -> dict[str, list[dict[str, object]]]:
    return {
        name: [{**asdict(figure), "held": figure.held} for figure in figures]
        for name, figures in told.items()
    }


def _table(told: dict[str, list[Figure]]) -> Table:
    table = Table(title="Measured on this machine, in this run")
    for column in ("drill", "figure", "measured", "promised", ""):
        table.add_column(column, justify="right" if column in {"measured", "promised"} else "left")
    for name, figures in told.items():
        for place, figure in enumerate(figures):
            table.add_row(
                "" if place else name,
                figure.what,
                f"{figure.value:,.4g} {figure.unit}"
                if abs(figure.value) < 1000
                else f"{figure.value:,.0f} {figure.unit}",
                ""
                if figure.bound is None
                else f"{'≥' if figure.least else '≤'} {figure.bound:,g} {figure.unit}",
                "" if figure.bound is None else ("held" if figure.held else "NOT HELD"),
            )
        table.add_section()
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="; ".join(drill.name for drill in DRILLS))
    parser.add_argument("--seconds", type=float, help="for how long a store is away")
    parser.add_argument("--share", type=float, default=1.0, help="of the drills' own numbers of jobs")
    parser.add_argument("--json", action="store_true", help="print figures for machines")
    options = parser.parse_args()
    if unknown := set(options.names) - {drill.name for drill in DRILLS}:
        parser.error(
            f"there is no drill {unknown.pop()}; there are {', '.join(drill.name for drill in DRILLS)}"
        )
    return options


if __name__ == "__main__":
    main()
