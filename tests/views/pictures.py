"""Pictures of the dashboard, always the same for the same sample."""

import re

from textual.pilot import Pilot

_CELL = 12.2  # width of a character in the pictures that rich draws
_IDENTITY = re.compile(r"terminal-\d+-")
_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)
_LEADING = re.compile(r'(<text[^>]* x=")([\d.]+)("[^>]* textLength=")([\d.]+)("[^>]*>)((?:&#160;)+)')
_TRAILING = re.compile(r'( textLength=")([\d.]+)("[^>]*>)([^<]*?)((?:&#160;)+)(</text>)')


def picture(pilot: Pilot[None]) -> str:
    """The screen as SVG.

    What differs between two runs is taken out: the random name of the picture. So is what draws differently from one
    viewer to the next: fonts fetched from elsewhere, and spaces at either end of a text, which some viewers drop.
    """
    return cleaned(pilot.app.export_screenshot(title="ctrscope"))


def cleaned(svg: str) -> str:
    """A picture that rich drew, the same for the same screen."""
    svg = _FONT_FACE.sub("\n", _IDENTITY.sub("terminal-", svg))
    return _TRAILING.sub(_cut, _LEADING.sub(_shift, svg)) + "\n"


def _shift(found: re.Match[str]) -> str:
    before, x, middle, length, after, spaces = found.groups()
    cells = spaces.count("&#160;")
    return f"{before}{float(x) + cells * _CELL:.1f}{middle}{float(length) - cells * _CELL:.1f}{after}"


def _cut(found: re.Match[str]) -> str:
    before, length, middle, text, spaces, end = found.groups()
    return f"{before}{float(length) - spaces.count('&#160;') * _CELL:.1f}{middle}{text}{end}"
