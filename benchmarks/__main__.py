"""`make bench`: measures the hot paths, each against something else in the same run, and prints ratios.

Absolute numbers belong to the machine they were measured on; ratios can be compared. Everything runs as real processes
on real servers with fsync on. The two sides of a ratio take turns, and the median of the pairs is reported.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.load import Order
from hub.infra import migrate
from hub.infra.embedded import EmbeddedServers, embedded

SECRET = "whsec_benchmark"  # noqa: S105 - signs nothing but this


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure: the median over the pairs, what was held against it, and what must be reached.

    Attributes:
        better: whether more or less is better.
    """

    name: str
    value: float
    must: float
    aim: float
    better: str
    detail: str

    @property
    def reached(self) -> bool:
        """Whether the measure that must be reached is."""
        return self.value >= self.must if self.better == "more" else self.value <= self.must


def main() -> None:
    """Measure, print, and keep the figures if asked to."""
    options = _options()
    console = Console(stderr=options.json)
    figures: list[Figure] = []
    for name, measure in MEASURES.items():
        if not options.only or name in options.only:
            console.print(f"measuring {name} …")
            # Servers of its own for each: what one measure leaves behind must not be another's load.
            with tempfile.TemporaryDirectory(prefix="hub-bench-") as var, embedded(Path(var)) as servers:
                migrate.upgrade(servers.database_url)
                figures += measure(_environment(servers, var), options)
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures]))
    else:
        console.print(_table(figures))
    sys.exit(0 if all(figure.reached for figure in figures) else 1)


def intake(env: dict[str, str], options: argparse.Namespace) -> list[Figure]:
    """Webhook intake of one web process against a bare aiohttp handler."""
    return [_http("intake", "/webhooks/stripe", SECRET, env, options, must=0.25, aim=0.5)]


def submission(env: dict[str, str], options: argparse.Namespace) -> list[Figure]:
    """Submission over HTTP, likewise."""
    command = [
        sys.executable,
        "-m",
        "hub",
        "keys",
        "create",
        "--name",
        "bench",
        "--scopes",
        "jobs:write",
        "--json",
    ]
    key = json.loads(subprocess.run(command, env=env, check=True, capture_output=True).stdout)["key"]
    return [_http("submit", "/v1/jobs", key, env, options, must=0.2, aim=0.4)]


def drain(env: dict[str, str], options: argparse.Namespace) -> list[Figure]:
    """Draining no-op jobs against arq itself, tuned."""
    pairs = []
    for _ in range(options.rounds):
        hub = _report(["benchmarks.drain", "hub", "20000"], env)["per_second"]
        arq = _report(["benchmarks.drain", "arq", "5000"], env)["per_second"]
        pairs.append((hub, arq))
    detail = _pair_text(pairs, "jobs/s")
    return [Figure("drain, times tuned arq", _median_ratio(pairs), 3, 10, "more", detail)]


def latency(env: dict[str, str], options: argparse.Namespace) -> list[Figure]:
    """Commit to start on an idle worker."""
    with _process(["benchmarks.latency", "worker"], env):
        reports = [_report(["benchmarks.latency", "submit", "50", "10"], env) for _ in range(options.rounds)]
    p50 = statistics.median(report["p50"] for report in reports)
    p99 = statistics.median(report["p99"] for report in reports)
    detail = f"50 jobs/s, {sum(int(report['samples']) for report in reports)} samples"
    return [
        Figure("commit to start, p50 ms", p50, 5, 2, "less", detail),
        Figure("commit to start, p99 ms", p99, 25, 8, "less", detail),
    ]


MEASURES = {"intake": intake, "submission": submission, "drain": drain, "latency": latency}


def _http(
    kind: str,
    path: str,
    secret: str,
    env: dict[str, str],
    options: argparse.Namespace,
    *,
    must: float,
    aim: float,
) -> Figure:
    ports = _free_port(), _free_port()
    hub_env = {**env, "HUB_PORT": str(ports[0]), "HUB_WEBHOOK_STRIPE_SECRET": SECRET}
    measured: list[dict[str, Any]] = []
    pairs = []
    with _process(["hub", "web"], hub_env, port=ports[0]), _process(["benchmarks.bare", str(ports[1])], env):
        for port in ports:  # warm both
            _load(Order(kind, "127.0.0.1", port, path, 1, 2_000, 64, secret), env)
        for _ in range(options.rounds):
            measured = [
                _load(Order(kind, "127.0.0.1", port, path, options.seconds, 80_000, 64, secret), env)
                for port in ports
            ]
            pairs.append((measured[0]["per_second"], measured[1]["per_second"]))
    detail = (
        f"{_pair_text(pairs, 'requests/s')}; p50 {measured[0]['p50']:.1f} ms, p99 {measured[0]['p99']:.1f} ms"
    )
    return Figure(f"{kind}, share of a bare handler", _median_ratio(pairs), must, aim, "more", detail)


def _load(order: Order, env: Mapping[str, str]) -> dict[str, Any]:
    report = _report(["benchmarks.load"], env, json.dumps(asdict(order)))
    if set(report["statuses"]) - {"200", "201"}:
        sys.exit(f"unexpected answers: {report['statuses']}")
    return report


def _report(module: list[str], env: Mapping[str, str], given: str | None = None) -> dict[str, Any]:
    command = [sys.executable, "-m", *module]
    done = subprocess.run(
        command, env=dict(env), input=given, stdout=subprocess.PIPE, text=True, check=True, timeout=600
    )
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


@contextmanager
def _process(module: list[str], env: Mapping[str, str], port: int | None = None) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", *module], env=dict(env), stdout=subprocess.PIPE, text=True
    )
    try:
        _until_ready(process, port)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _until_ready(process: "subprocess.Popen[str]", port: int | None) -> None:
    deadline = time.monotonic() + 30
    if port is None:
        assert process.stdout is not None
        process.stdout.readline()
        return
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit("the process did not start to listen")


def _environment(servers: EmbeddedServers, var: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return kept | {
        "HUB_DATABASE_URL": servers.database_url,
        "HUB_REDIS_URL": servers.redis_url,
        "HUB_VAR_DIR": var,
        "HUB_RATE_LIMIT": "0",
        "HUB_LOG_LEVEL": "error",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _median_ratio(pairs: list[tuple[float, float]]) -> float:
    return statistics.median(ours / theirs for ours, theirs in pairs)


def _pair_text(pairs: list[tuple[float, float]], unit: str) -> str:
    ours = statistics.median(pair[0] for pair in pairs)
    theirs = statistics.median(pair[1] for pair in pairs)
    return f"{ours:,.0f} against {theirs:,.0f} {unit}, {len(pairs)} pairs"


def _table(figures: list[Figure]) -> Table:
    table = Table(title="Measured on this machine, in this run")
    for column in ("measure", "value", "must", "aim", "", "how"):
        table.add_column(column, justify="right" if column in {"value", "must", "aim"} else "left")
    for figure in figures:
        verdict = "reached" if figure.reached else "NOT reached"
        table.add_row(
            figure.name, f"{figure.value:.2f}", f"{figure.must:g}", f"{figure.aim:g}", verdict, figure.detail
        )
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(MEASURES), help="measure only these")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of each measure")
    parser.add_argument("--seconds", type=float, default=4, help="length of one HTTP measurement")
    parser.add_argument("--json", action="store_true", help="print figures for machines")
    return parser.parse_args()


if __name__ == "__main__":
    main()
