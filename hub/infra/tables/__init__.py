"""The schema: what is stored, which bad states are impossible, and which query each index serves."""

from hub.infra.tables import inbox, operations, people, plans, work
from hub.infra.tables.base import metadata

__all__ = ["inbox", "metadata", "operations", "people", "plans", "work"]
