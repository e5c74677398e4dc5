"""Apart from the jobs, whose names come from their module."""

import asyncio

from tests.processes.fleet import main

asyncio.run(main())
