"""What several of the machines' tests call."""

from collections.abc import AsyncIterator

import pytest

from tests.simulators.provider import Provider, local


@pytest.fixture
async def provider() -> AsyncIterator[tuple[Provider, str]]:
    """A provider on the loopback, and its URL."""
    async with local() as serving:
        yield serving
