"""The pages, and the fenced blocks in them.

What follows the language says what a test does with a block:

- `sh run`: it is run, after the blocks before it, in one shell for each page.
- `json answer`: what the block before it has printed must have this shape, and these words.
- `json problem`: a problem document.
- `python file=PATH`: a file of the project in which the shells run.
- `sh` and `python` alone, `json`, `yaml`: read and checked, not run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")])
_BLOCK = re.compile(r"^ *```(\w+)?([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: where it begins, its language, what the test is told, its text."""

    page: Path
    line: int
    language: str
    told: str
    text: str

    @property
    def place(self) -> str:
        """Where to look when it is wrong."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str | None:
        """The path that a Python block is a file of."""
        return self.told.removeprefix("file=") if self.told.startswith("file=") else None


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of a page, in their order."""
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found[1] or "", found[2].strip(), dedent(found[3]))


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def prose_of(page: Path) -> str:
    """A page without its blocks."""
    return _BLOCK.sub("", page.read_text())
