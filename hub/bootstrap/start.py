"""What has to be there before anything is taken in."""

import asyncio

import structlog

from hub.domain.errors import Unavailable
from hub.infra.recurring import Recurring
from hub.infra.store.relay import RelayStore
from hub.services.hub import Hub

# How long a start leaves a database alone that is away. Seconds.
_AGAIN = 0.5


async def know_queues(hub: Hub) -> None:
    """Make sure that every queue that a job names exists in the database; waits for one that is away."""
    away = Recurring(structlog.get_logger("hub.start"), "database away", ended="database back")
    while True:
        try:
            await RelayStore(hub.database).know_queues(hub.registry.queues)
        except Unavailable as error:
            away.note(str(error))
            await asyncio.sleep(_AGAIN)
        else:
            away.over()
            return
