"""What to say of a log from before a container's start: of which start it is, and how that one ended. Pure."""

from collections.abc import Iterable

from ctrscope.model.container import Container
from ctrscope.model.log import LogSource
from ctrscope.model.timestamp import unix_time
from ctrscope.render.units import format_duration
from ctrscope.views.moments import stamp

_DAY = 86400


def attempt_words(source: LogSource, container: Container, containers: Iterable[Container], now: float) -> str:
    """One line about *source*, which is from before the start of *container*. Inert, but for a name of a file."""
    started, ended = unix_time(container.started_at), unix_time(container.finished_at)
    if source.until is not None:
        words = f"before the start of {stamp(started, with_date=True)}" if started is not None else "before the last start"
        if started is None or ended is None or ended > started:
            return f"{words}: how it ended is not kept"
        return f"{words}: ended {stamp(ended, with_date=started - ended > _DAY)}, exit status not kept"
    path = source.paths[-1]
    words = f"attempt {_attempt(path)}, before attempt {_attempt(container.log_path or '')}"
    earlier = next((one for one in containers if one.log_path == path and one.engine == container.engine), None)
    return f"{words}: {_ending(earlier, now) if earlier is not None else 'how it ended is not kept'}"


def _attempt(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".log")


def _ending(container: Container, now: float) -> str:
    if container.is_running:
        return "it still runs"
    ended = unix_time(container.finished_at)
    facts = [
        f"exit {container.exit_code}" if container.exit_code is not None else "with what status it ended is not kept",
        "OOM-killed" if container.oom_killed else "",
        f"{format_duration(now - ended)} ago" if ended is not None else "",
    ]
    return ", ".join(filter(None, facts))
