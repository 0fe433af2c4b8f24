"""What a person has set for the dashboard once and for all."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from ctrscope.model.value import Value


class Preferences(Value, frozen=True, kw_only=True):
    """The keys of ``config.toml`` that the dashboard goes by."""

    theme: str = "auto"  # by what the terminal can do
    screen: str = "containers"  # the one to begin with
    only_running: bool = False  # Containers begins without those that do not run
    refresh: Annotated[float, Meta(ge=1, le=60)] = 1.0  # seconds between two samples
    keys: Mapping[str, str | Mapping[str, str]] = {}  # id of an action → its keys, with spaces between them
    sort: Mapping[str, str] = {}  # screen → key of the column that it is sorted by at first, "-" in front: the other way around
    filter: Mapping[str, str] = {}  # screen → what it is filtered for at first
    columns: Mapping[str, tuple[str, ...]] = {}  # screen → keys of its columns, in their order

    @property
    def bound(self) -> Mapping[str, str]:
        """Keys by id of the action, whether ``"app.quit" = "x"`` was written or ``app.quit = "x"``."""
        flat: dict[str, str] = {}
        for name, value in self.keys.items():
            if isinstance(value, str):
                flat[name] = value
            else:
                flat |= {f"{name}.{rest}": keys for rest, keys in value.items()}
        return flat
