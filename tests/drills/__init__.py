"""Recovery drills: something is broken on purpose, and how long the hub takes to be well again is measured.

`python -m tests.drills` (`make drills`) runs them all, each on servers of its own; `python -m tests.drills NAME` one.
"""
