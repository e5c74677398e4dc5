"""Millions of jobs, and how long the hub takes to show them: see `python -m tests.scale`."""
