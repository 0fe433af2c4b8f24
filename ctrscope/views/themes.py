"""The colours: dark, light, and those of the terminal itself where there are sixteen, or none."""

from collections.abc import Mapping

from textual.theme import BUILTIN_THEMES, Theme

# Greys of so little colour that a terminal of 256 colours still tells one from the other.
DARK = Theme(
    name="ctrscope-dark",
    primary="#56b6c2",
    accent="#56b6c2",
    foreground="#d3d7de",
    background="#121316",
    surface="#191b1f",
    panel="#24272c",
    warning="#e2b714",
    error="#ff8083",
    success="#56b6c2",
    dark=True,
    variables={
        "muted": "#97a1af",
        "idle": "#6d7785",
        "graph": "#3a7d88",
        "cursor": "#22404a",
        "heading": "#1c1e22",
        "veil": "#121316 60%",
        "block-cursor-background": "#22404a",
        "block-cursor-foreground": "#d3d7de",
    },
)
LIGHT = Theme(
    name="ctrscope-light",
    primary="#00707f",
    accent="#00707f",
    foreground="#1d2126",
    background="#fbfbfa",
    surface="#f1f1ef",
    panel="#e4e5e4",
    warning="#8a5a00",
    error="#b3202a",
    success="#00707f",
    dark=False,
    variables={
        "muted": "#4f5965",
        "idle": "#7b848f",
        "graph": "#4a98a4",
        "cursor": "#cfe6ea",
        "heading": "#ececea",
        "veil": "#fbfbfa 60%",
        "shared-0": "#3f7d20",
        "shared-1": "#7b3fa0",
        "shared-2": "#a85a10",
        "shared-3": "#1f62b0",
        "shared-4": "#a82f70",
        "block-cursor-background": "#cfe6ea",
        "block-cursor-foreground": "#1d2126",
    },
)
#: What the terminal calls red is red. Where sixteen colours are all, any grey of our own might be black on black.
ANSI = Theme(
    name="ctrscope-ansi",
    primary="ansi_cyan",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_cyan",
    ansi=True,
    variables={
        **BUILTIN_THEMES["ansi-dark"].variables,
        "muted": "ansi_default",
        "idle": "ansi_bright_black",
        "graph": "ansi_cyan",
        "cursor": "ansi_default",
        "cursor-style": "reverse",
        "heading": "ansi_default",
        "veil": "transparent",
        "shared-0": "ansi_green",
        "shared-1": "ansi_magenta",
        "shared-2": "ansi_yellow",
        "shared-3": "ansi_blue",
        "shared-4": "ansi_bright_magenta",
        "block-cursor-background": "ansi_cyan",
        "block-cursor-foreground": "ansi_black",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-text-style": "reverse",
    },
)
THEMES = (DARK, LIGHT, ANSI)
#: What one may write in config.toml besides the names of Textual's own themes.
NAMES: Mapping[str, str] = {"dark": DARK.name, "light": LIGHT.name, "ansi": ANSI.name, "none": ANSI.name}


def variables_of(theme: Theme) -> dict[str, str]:
    """Our variables for a theme that does not know them, from the colours that every theme has."""
    foreground, accent = theme.foreground or "#e0e0e0", theme.accent or theme.primary
    return {
        "muted": f"{foreground} 75%",
        "idle": f"{foreground} 50%",
        "graph": accent,
        "cursor": f"{accent} 30%",
        "cursor-style": "none",
        "heading": f"{foreground} 8%",
        "veil": f"{theme.background or '#1e1e1e'} 60%",
        "shared-0": "#7fb069",
        "shared-1": "#c792ea",
        "shared-2": "#f0a15e",
        "shared-3": "#5ea1f0",
        "shared-4": "#e583b6",
    }


def choose_theme(wanted: str, colours: str | None, foreground_background: str) -> str:
    """Name of the theme. *colours*: what the terminal can do, as Rich says; *foreground_background*: its COLORFGBG.

    Terminals that tell (rxvt, Konsole, iTerm) end COLORFGBG with the number of their background: 7 and 15 are light.
    """
    if wanted != "auto":
        return NAMES.get(wanted, wanted)
    if colours in (None, "standard"):
        return ANSI.name
    return LIGHT.name if foreground_background.rpartition(";")[2] in ("7", "15") else DARK.name
