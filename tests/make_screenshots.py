"""Writes the pictures of the README: ``make screenshots``.

Those of a made world are the same every time, and tests compare them with what they draw; those of the demo are of the real
thing.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from tests.record_demo import record, write_png
from tests.views.builders import APP, detail, minute, quarter
from tests.views.driver import dashboard, press, show, table_of
from tests.views.pictures import picture
from tests.views.world import events, full

FOLDER = Path(__file__).parent.parent / "screenshots"


class Shot(NamedTuple):
    """One picture: the size of the screen, the keys from the row of ``app`` there, and those after the next sample."""

    size: tuple[int, int]
    keys: Sequence[str] = ()
    then: Sequence[str] = ()


SHOTS = {
    "containers": Shot((140, 26), ("t", "t")),
    "container": Shot((120, 34), ("enter",)),
    "processes": Shot((120, 18), ("enter", "right")),
    "cgroup": Shot((120, 32), ("enter", *["right"] * 3)),
    "namespaces": Shot((120, 22), ("3",), ("down", "x", *["right"] * 4, "x")),
    "cgroups": Shot((140, 24), ("4",), ["down"] * 5),
    "network": Shot((140, 20), ("5",), ("n",)),
    "findings": Shot((120, 26), ("6",), ("down", "down")),
    "storage": Shot((140, 28), ("9",), ("down", "down")),
    "trees": Shot((120, 22), ("2",)),
    "events": Shot((140, 20), ("7",)),
    "host": Shot((140, 34), ("8",)),
    "security": Shot((120, 28), ("enter", *["right"] * 7)),
    "help": Shot((120, 40), ("question_mark",)),
}


async def draw(shot: Shot) -> str:
    """Draw one picture."""
    async with dashboard([*quarter(), *minute()], size=shot.size) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, *shot.keys)
        await show(pilot, structs.replace(full(details={APP: detail()}), events=events()))
        await press(pilot, *shot.then)
        return picture(pilot)


def main() -> None:
    """Write all of them."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    FOLDER.mkdir(exist_ok=True)
    for name, shot in SHOTS.items():
        (FOLDER / f"{name}.svg").write_text(asyncio.run(draw(shot)))
    record(FOLDER)
    write_png(FOLDER)


if __name__ == "__main__":
    main()
