"""The composition root: the one place that knows every part and puts them together."""

from hub.bootstrap.build import build
from hub.bootstrap.start import know_queues
from hub.bootstrap.surroundings import Surroundings
from hub.bootstrap.workers import make_alarms, make_execute, make_plan_runner, make_relay

__all__ = [
    "Surroundings",
    "build",
    "know_queues",
    "make_alarms",
    "make_execute",
    "make_plan_runner",
    "make_relay",
]
