"""Apart from the jobs, whose names come from their module."""

import asyncio
import sys

from tests.processes.fleet import main

asyncio.run(main(*sys.argv[1:]))
