"""Names for the identifiers that travel through the hub, so that one is never passed for another."""

from typing import NewType
from uuid import UUID

JobId = NewType("JobId", UUID)
EventId = NewType("EventId", UUID)
ApplicationId = NewType("ApplicationId", UUID)
KeyId = NewType("KeyId", UUID)
WorkerId = NewType("WorkerId", UUID)
