"""Who is blamed for lost workers: many killed at random, a few by their own jobs, over and over, in a model of the fleet."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.jobs import (
    CRASH_LIMIT,
    Failure,
    Interrupted,
    JobState,
    Standing,
    Succeeded,
    decide,
    is_suspect,
)
from hub.domain.retry import Backoff

NOW = datetime(2026, 11, 3, tzinfo=UTC)
LOST = Interrupted(Failure("worker_lost", "m", "K", "s"), crashed=True)
ALONE = Interrupted(Failure("process_died", "m", "K", "s"), crashed=True, alone=True)
WORKERS, PLACES, CELLS = 4, 100, 4
KILLS, SECONDS = 20, 300


@dataclass(eq=False)
class Job:
    takes: int
    kills: bool
    crashes: int = 0
    left: int = 0
    state: JobState = JobState.QUEUED
    workers_lost: int = 0

    def ends(self, outcome: Interrupted | Succeeded) -> None:
        move = decide(Standing(0, self.crashes, Backoff()), outcome, NOW, Random(0))
        self.state, self.crashes = move.state, move.crashes


@dataclass
class Worker:
    runs: list[Job] = field(default_factory=list)
    apart: list[Job] = field(default_factory=list)

    def takes(self, waiting: list[Job]) -> None:
        for job in list(waiting):
            place, most = (self.apart, CELLS) if is_suspect(job.crashes) else (self.runs, PLACES)
            if len(place) < most:
                waiting.remove(job)
                place.append(job)
                job.left = job.takes

    def is_lost(self) -> list[Job]:
        """Whatever ran here comes back; what ran apart ended with whoever watched it."""
        jobs, self.runs, self.apart = [*self.runs, *self.apart], [], []
        for job in jobs:
            job.ends(LOST)
        return jobs


def live(seed: int, *, takes: int, poisons: int) -> list[Job]:
    """Five minutes of a busy fleet whose workers are killed at random; a second is a turn."""
    rng = Random(seed)
    jobs = [Job(takes, kills=False) for _ in range(WORKERS * PLACES * SECONDS // takes // 8)]
    jobs += [Job(takes, kills=True) for _ in range(poisons)]
    rng.shuffle(jobs)
    waiting = list(jobs)
    fleet = [Worker() for _ in range(WORKERS)]
    kills = sorted(rng.sample(range(SECONDS), KILLS))
    second = 0
    while waiting or any(worker.runs or worker.apart for worker in fleet):
        for worker in fleet:
            worker.takes(waiting)
            waiting += _passes(worker)
        if second in kills:
            waiting += rng.choice(fleet).is_lost()
        rng.shuffle(waiting)
        second += 1
    return jobs


def _passes(worker: Worker) -> list[Job]:
    back: list[Job] = []
    for job in [job for job in worker.apart if job.kills]:
        worker.apart.remove(job)
        job.ends(ALONE)
    for place in (worker.runs, worker.apart):
        for job in list(place):
            job.left -= 1
            if job.left <= 0 and not job.kills:
                place.remove(job)
                job.ends(Succeeded())
    if poisons := [job for job in worker.runs if job.kills]:
        for job in poisons:
            job.workers_lost += 1
        back += worker.is_lost()
    return back


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32), takes=st.sampled_from([1, 2, 5, 10, 20]), poisons=st.sampled_from([0, 1, 5])
)
def test_an_innocent_is_never_failed_and_a_killer_always_is(seed: int, takes: int, poisons: int) -> None:
    """Twenty of four workers are killed within five minutes, a hundred jobs in each, and some jobs kill as well."""
    for job in live(seed, takes=takes, poisons=poisons):
        if job.kills:
            assert job.state is JobState.FAILED
            assert job.workers_lost < CRASH_LIMIT
        else:
            assert job.state is JobState.SUCCEEDED
