"""How samples come in: one thread that answers when it is asked, and two messages.

The timer of the app only sets an Event, so a slow source has at most one request waiting and never holds up a key.
The thread is a daemon and not a Textual worker: workers run on asyncio's pool, which waits for them at exit, and `q`
has to work although a read of a dead network file system never returns.
"""

import threading
from collections.abc import Callable
from typing import Protocol

from textual.message import Message

from ctrscope.model.sample import Focus, Sample


class SampleSource(Protocol):
    """Where samples come from: the sampler of this host, a list in a test, a recorded file."""

    def sample(self, focus: Focus) -> Sample:
        """Take one sample, with the details of what is in focus. May be slow; is called on one thread only."""
        ...


class SampleTaken(Message):
    """A sample arrived."""

    def __init__(self, sample: Sample) -> None:
        super().__init__()
        self.sample = sample

    def can_replace(self, message: Message) -> bool:
        """Let a later sample take the place of one that nobody has looked at yet, unless it tells of events."""
        return isinstance(message, SampleTaken) and not self.sample.events


class SampleFailed(Message):
    """The source raised. The last sample stays on the screen and the next request is made as if nothing had happened."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class SamplerThread(threading.Thread):
    """Takes one sample for each request and posts it."""

    def __init__(self, source: SampleSource, focus: Callable[[], Focus], post: Callable[[Message], object]) -> None:
        super().__init__(name="sampler", daemon=True)
        self._source = source
        self._focus = focus
        self._post = post
        self._wanted = threading.Event()
        self._stopped = False

    def request(self) -> None:
        """Ask for a sample. Asking again before it is taken changes nothing."""
        self._wanted.set()

    def stop(self) -> None:
        """End after the sample that is being taken, if any. Does not wait."""
        self._stopped = True
        self._wanted.set()

    def run(self) -> None:
        """Wait, sample, post; until stopped."""
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._stopped:
                return
            message: Message
            try:
                message = SampleTaken(self._source.sample(self._focus()))
            except Exception as error:  # whatever it was, the header says so and the dashboard lives on
                message = SampleFailed(error)
            if self._stopped:
                return
            try:
                self._post(message)
            except RuntimeError:  # the event loop closed meanwhile
                return
