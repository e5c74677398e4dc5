"""Apart from the jobs, whose names come from their module."""

from tests.machines.fleet import start

start()
