"""Apart from the jobs, whose names come from their module."""

import sys

import uvloop

from tests.drills.crew import main

uvloop.run(main(sys.argv[1]))
