"""The ledger of steps: lines are written in batches, under the fence of the attempt they belong to."""

import asyncio

from hub.domain.errors import Invalid, Unavailable
from hub.infra.batch import Batcher
from hub.infra.store.database import is_data_error, is_unstorable
from hub.infra.store.execution import Claimed
from hub.infra.store.steps import Progress, RecordedStep, StepRecord, StepStore


class Superseded(BaseException):
    """This worker does not hold the job any more: stop, and write nothing.

    Not an Exception, so that a job that catches its own errors cannot go on by mistake.
    """


class Suspended(BaseException):
    """The job waits, for time or an event, and gives its worker back. Not an Exception, for the same reason."""


# While the database is away, what a provider has answered is kept in mind, and written as soon as it can be.
_PAUSE = 0.2


class Ledger:
    """Writes steps for all jobs of a worker, in batches."""

    def __init__(self, store: StepStore) -> None:
        self._store = store
        self._batch: Batcher[StepRecord, bool] = Batcher(self._flush, limit=200, lanes=2, apart=is_data_error)
        self._progress: Batcher[Progress, None] = Batcher(self._show, limit=200, apart=is_data_error)

    async def write(self, record: StepRecord) -> None:
        """Make a line durable. One that records an answer is tried until it is written, or the caller is cancelled.

        Raises:
            Superseded: the job belongs to somebody else by now.
            Unavailable: it cannot be written now, and nothing was sent yet.
            Invalid: it cannot be written at all (a NUL in a step's name).
        """
        while True:
            try:
                if not await self._written(record):
                    raise Superseded
            except Unavailable:
                if record.sending:
                    raise
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def _written(self, record: StepRecord) -> bool:
        future = self._batch.submit(record)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # The end of an attempt closes its ledger, so it must not overtake a line that is being written.
            await asyncio.wait([future])
            _ = future.cancelled() or future.exception()
            raise
        except Exception as error:
            if is_unstorable(error):
                raise Invalid("the step cannot be recorded as it stands", code="unstorable") from error
            raise

    async def load(self, claimed: Claimed) -> dict[int, RecordedStep]:
        """What earlier attempts wrote. A first attempt has nothing to load."""
        return await self._store.load(claimed.id) if claimed.attempt > 1 else {}

    async def show(self, progress: Progress) -> None:
        """Keep how far a job is. Raises Unavailable; nobody's work depends on it."""
        await asyncio.shield(self._progress.submit(progress))

    async def _show(self, progress: list[Progress]) -> list[None]:
        # Of one job the latest; two rows for one target would leave it to chance. In the order in which all lock jobs.
        latest = {one.job: one for one in progress}
        await self._store.show([latest[job] for job in sorted(latest)])
        return [None] * len(progress)

    async def _flush(self, records: list[StepRecord]) -> list[bool]:
        written = await self._store.record(records)
        return [(record.job, record.attempt, record.step.position) in written for record in records]
