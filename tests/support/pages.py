"""The blocks of code on the pages of the manual, and which of them a test has run."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: The blocks that the test that is running has run: pairs of a page and a block's name.
run_now = set()


class Block(str):
    """The text of one block, with its page, its name and its language."""

    __slots__ = ("language", "name", "page")

    @property
    def path(self):
        """The file that the block says it is."""
        found = re.match(r"# ([\w/.-]+\.\w+)", self)
        return found and found[1]

    def printed(self):
        """The text, for a test that runs it."""
        run_now.add((self.page, self.name))
        return str(self)

    def run(self, names=None):
        """Execute it as it is printed, in a namespace, and return that."""
        names = {} if names is None else names
        exec(compile(self.printed(), f"{self.page}: {self.name}", "exec", dont_inherit=True), names)
        return names

    def write(self, folder, name=None):
        """Put it into its file; settings are added to the end of those that are there."""
        file = folder / (name or self.path)
        before = file.read_text("utf-8") + "\n" if file.exists() and self.path != name and "at the end" in self else ""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(before + self.printed(), "utf-8")
        return file


def blocks(page):
    """All blocks of a page by name: the file that one says it is, or its heading, with a number from the second on."""
    found, heading = {}, ""
    for title, language, text in re.findall(
        r"^#+ ([^\n]+)$|^```(\w*)\n(.*?)^```$", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE
    ):
        heading = title or heading
        if title:
            continue
        block = Block(text)
        block.page, block.language = page, language
        first = name = block.path or heading
        number = 1
        while name in found:
            number += 1
            name = f"{first} {number}"
        block.name = name
        found[name] = block
    return found


def pages():
    """README.md, and every page below docs."""
    return sorted(["README.md", *(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))])


def shell(text, folder, **environment):
    """Run commands in bash as they are printed, with this Python's programs first; gives what they print."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-eu", "-c", text],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
