"""Bodies of clients that hang up: their affair, and not an error of the hub's."""

import asyncio

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from hub.web.bodies import Bodies
from hub.web.problems import HttpProblem


@pytest.mark.parametrize("whole", [True, False])
async def test_a_client_that_hung_up_is_told_so(whole: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Whether its body had arrived or not; the connection of such a client is not used again."""
    loop = asyncio.get_running_loop()
    content = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    content.feed_data(b"{}")
    if whole:
        content.feed_eof()
    content.set_exception(ConnectionResetError("Connection lost"))
    request: web.Request = make_mocked_request("POST", "/", payload=content)
    with pytest.raises(HttpProblem) as refused:
        await Bodies(5, 1024).read(request, 1024)
    told = refused.value.explained
    assert (told.status, told.code, told.close) == (400, "unreadable_body", True)
