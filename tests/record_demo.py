"""The real dashboard over the demo: pictures and a recording, written by ``make screenshots`` (root, tmux, rsvg-convert).

It runs in a tmux of its own, in a UTS namespace whose host is called ``demo``; each step is driven by keys and pictured once
its words are on the screen. Every screen is filtered for the demo's own containers, and a picture with a path of this checkout
in it is refused: pictures are for everybody.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.views.pictures import cleaned

_SIZE = (140, 34)
_TMUX = ("tmux", "-L", f"ctrscope-record-{os.getpid()}", "-f", "/dev/null")
_THEME = TerminalTheme((18, 19, 22), (211, 215, 222), [(18, 19, 22)] * 8)
_PATIENCE = 60.0


class Step(NamedTuple):
    """A key, a filter to type, what has to show up then, and the picture's name."""

    key: str
    filter: str
    shows: str
    name: str = ""
    seconds: float = 2.5  # how long the recording stays on it


STEPS = (
    Step("", "", "demo-throttled", seconds=3.0),
    Step("", "demo-", "throttled in", "demo-containers", 3.0),
    Step("2", "container:demo-", "python3", "demo-processes"),
    Step("3", "name:demo-", "…", "demo-namespaces"),
    Step("4", "container:demo-", "demo-web", "demo-cgroups"),
    Step("5", "demo-", "demo-web", "demo-network"),
    Step("6", "name:demo-", "demo-", "demo-findings", 3.0),
    Step("7", "name:demo-", "demo-hungry", "demo-events"),
    Step("1", "", "demo-throttled", seconds=1.0),
    Step("Enter", "", "Overview", "demo-container", 3.0),
)


def record(folder: Path) -> None:
    """Write the pictures and the recording into *folder*. Errors: SystemExit, with what is missing."""
    missing = [program for program in ("tmux", "rsvg-convert", "unshare") if shutil.which(program) is None]
    if os.geteuid() or missing:
        raise SystemExit(
            f"the demo takes root{f', and {chr(44).join(missing)}' if missing else ''}: its pictures stay as they are"
        )
    raw = folder / ".demo.raw"
    raw.write_bytes(b"")
    marks: list[tuple[float, int]] = []
    started = time.monotonic()
    environment = ("TERM=xterm-256color", "COLORTERM=truecolor", "TZ=UTC", f"PYTHONPATH={':'.join([os.getcwd(), *sys.path])}")
    inside = f"hostname demo; exec env {' '.join(environment)} {_python()} -m ctrscope demo"
    _tmux("new-session", "-d", "-x", str(_SIZE[0]), "-y", str(_SIZE[1]), "unshare", "--uts", "sh", "-c", inside)
    try:
        _tmux("set-option", "-g", "status", "off")
        _tmux("resize-window", "-x", str(_SIZE[0]), "-y", str(_SIZE[1]))
        _tmux("pipe-pane", "-O", f"cat >> {raw}")
        for step in STEPS:
            _drive(step)
            _await(lambda screen, words=step.shows: words in screen, repr(step.shows))  # type: ignore[misc]
            _watch(raw, marks, started, step.seconds)
            if step.name:
                _write(folder, step.name, _tmux("capture-pane", "-p", "-e"))
        _tmux("send-keys", "Escape")
        time.sleep(1.0)  # or the two would be one: alt and q
        _tmux("send-keys", "q")
        _await(lambda _: not _tmux("list-sessions"), "the end")  # the demo removes its containers first
    finally:
        _tmux("kill-server")
    _write_cast(folder / "demo.cast", raw, marks)
    raw.unlink()


def _python() -> str:
    """The system's own Python where it is of our version: its path is everybody's."""
    common = f"/usr/bin/python3.{sys.version_info.minor}"
    return common if os.path.exists(common) else sys.executable


def _tmux(*arguments: str) -> str:
    done = subprocess.run([*_TMUX, *arguments], capture_output=True, text=True, check=False)
    return done.stdout


def _drive(step: Step) -> None:
    """Press the key and type the filter, each when what it is for is in front."""
    if step.key:
        _tmux("send-keys", step.key)
        time.sleep(1.0)  # the strip tells by colour which screen is in front
    if step.filter:
        _tmux("send-keys", "/")
        _await(lambda screen: _last_line(screen).startswith(" esc"), "the filter")
        _tmux("send-keys", "-l", "--", step.filter)
        _await(lambda screen: f" {step.filter}" in screen, "what was typed")
        _tmux("send-keys", "Enter")
        _await(lambda screen: not _last_line(screen).startswith(" esc"), "the table")


def _last_line(screen: str) -> str:
    return next((line for line in reversed(screen.splitlines()) if line.strip()), "")


def _await(is_there: Callable[[str], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not is_there(screen := _tmux("capture-pane", "-p")):
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not show up within {_PATIENCE:g} s:\n{screen}")
        time.sleep(0.1)


def _watch(raw: Path, marks: list[tuple[float, int]], started: float, seconds: float) -> None:
    """Note how much had been drawn at which moment, ten times a second."""
    until = time.monotonic() + seconds
    while True:
        marks.append((time.monotonic() - started, raw.stat().st_size))
        if time.monotonic() >= until:
            return
        time.sleep(0.1)


def _write(folder: Path, name: str, ansi: str) -> None:
    console = Console(record=True, width=_SIZE[0], file=open(os.devnull, "w"), color_system="truecolor", force_terminal=True)  # noqa: SIM115
    text = Text.from_ansi(ansi.rstrip("\n"))
    for private in (os.getcwd(), sys.prefix, f" {os.uname().nodename} ", os.path.expanduser("~/")):
        if private in text.plain:
            raise SystemExit(f"{name} would show {private.strip()}, which is this machine's")
    console.print(text, no_wrap=True, crop=True)
    (folder / f"{name}.svg").write_text(
        cleaned(console.export_svg(title="ctrscope demo", theme=_THEME, unique_id="terminal-0"))
    )


def _write_cast(path: Path, raw: Path, marks: list[tuple[float, int]]) -> None:
    """Asciicast version 2: a header, then one line for each piece: moment, "o", what was written."""
    drawn = raw.read_bytes()
    header = {"version": 2, "width": _SIZE[0], "height": _SIZE[1], "title": "ctrscope demo"}
    lines, before = [json.dumps(header)], 0
    for at, size in marks:
        end = size
        while end < len(drawn) and drawn[end] & 0xC0 == 0x80:  # never in the middle of a character
            end += 1
        if end > before:
            lines.append(json.dumps([round(at - marks[0][0], 2), "o", drawn[before:end].decode("utf-8", "replace")]))
            before = end
    path.write_text("\n".join(lines) + "\n")


def write_png(folder: Path) -> None:
    """A PNG beside each SVG."""
    for svg in sorted(folder.glob("*.svg")):
        subprocess.run(["rsvg-convert", "-o", str(svg.with_suffix(".png")), str(svg)], check=True)
