"""What the ledger hands to its store."""

import asyncio
from collections.abc import Sequence
from typing import cast
from uuid import UUID

from hub.infra.store.steps import Progress, StepStore
from hub.services.ledger import Ledger


class Shown:
    """A store that keeps the batches it is given."""

    def __init__(self) -> None:
        self.batches: list[list[Progress]] = []

    async def show(self, progress: Sequence[Progress]) -> None:
        """Keep the batch."""
        self.batches.append(list(progress))


async def test_progress_is_written_in_the_order_of_jobs_the_latest_of_each() -> None:
    """As everything that moves several jobs: two batches that lock in different orders would be each other's deadlock."""
    store = Shown()
    ledger = Ledger(cast("StepStore", store))
    said = [Progress(UUID(int=job), 1, value) for job, value in ((3, "a"), (1, "b"), (3, "c"), (2, "d"))]
    await asyncio.gather(*[ledger.show(one) for one in said])
    shown = [one for batch in store.batches for one in batch]
    assert [(one.job.int, one.value) for one in shown] == [(1, "b"), (2, "d"), (3, "c")]
