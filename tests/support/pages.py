"""Follow a how-to page: write its Python block, then run its shell block line by line, in this process.

Lines are ``govern …`` or ``python FILE``; what a shell would add is refused, so that a page
stays a list of plain commands.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import shlex
import sys
from pathlib import Path

from govern.cli.main import main
from tests.support.home import ROOT


def block(page: str, language: str) -> str:
    """Return the one block of a language on a page under ``docs/how_to``."""
    text = (ROOT / "docs" / "how_to" / page).read_text("utf-8")
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return found


def follow(page: str, folder: Path, home: Path, program: str | None = None) -> str:
    """Run a page's commands in a folder on a home; return what they printed.

    Args:
        program: the file that the page's Python block is called, if it has one.

    Raises:
        AssertionError: a command failed.
    """
    if program is not None:
        (folder / program).write_text(block(page, "python"))
    out, before, arguments, place = io.StringIO(), dict(os.environ), sys.argv, Path.cwd()
    os.environ["GOVERN_HOME"] = str(home)
    os.chdir(folder)
    try:
        for line in block(page, "sh").splitlines():
            assert not set(line) & set("|&;<>$`"), f"{page}: more than a plain command: {line}"
            with contextlib.redirect_stdout(out):
                _run(shlex.split(line), line)
    finally:
        os.chdir(place)
        os.environ.clear()
        os.environ.update(before)
        sys.argv = arguments
    return out.getvalue()


def _run(words: list[str], line: str) -> None:
    if words[0] == "python":
        sys.argv = words[1:]
        runpy.run_path(words[1], run_name="__main__")
        return
    assert words[0] == "govern", line
    assert main(words[1:]) == 0, line
