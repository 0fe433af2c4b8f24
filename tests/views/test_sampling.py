"""The sampler thread: one answer for each request, whatever happens."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager

from textual.message import Message

from ctrscope.model.sample import Focus, Sample
from ctrscope.views.sampling import SampleFailed, SamplerThread, SampleSource, SampleTaken
from tests.views.builders import sample

NOTHING = Focus()
WAIT = 10  # seconds; only a broken thread takes them


class Listed:
    """Answers from a list; an exception in it is raised."""

    def __init__(self, *answers: Sample | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Focus] = []

    def sample(self, focus: Focus) -> Sample:
        self.asked.append(focus)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextmanager
def sampling(source: SampleSource, focus: Focus = NOTHING) -> Iterator[tuple[SamplerThread, "queue.Queue[Message]"]]:
    posted: queue.Queue[Message] = queue.Queue()
    thread = SamplerThread(source, lambda: focus, posted.put)
    thread.start()
    try:
        yield thread, posted
    finally:
        thread.stop()
        thread.join(WAIT)
        assert not thread.is_alive()


def test_a_request_is_answered_with_what_is_in_focus() -> None:
    first = sample()
    source = Listed(first)
    with sampling(source, Focus(container="docker/1")) as (thread, posted):
        thread.request()
        message = posted.get(timeout=WAIT)
    assert isinstance(message, SampleTaken)
    assert message.sample is first
    assert source.asked == [Focus(container="docker/1")]


def test_a_failure_is_posted_and_the_next_request_is_answered() -> None:
    with sampling(Listed(PermissionError("no"), sample())) as (thread, posted):
        thread.request()
        failed = posted.get(timeout=WAIT)
        thread.request()
        taken = posted.get(timeout=WAIT)
    assert isinstance(failed, SampleFailed)
    assert str(failed.error) == "no"
    assert isinstance(taken, SampleTaken)


def test_nothing_is_read_until_somebody_asks() -> None:
    source = Listed()
    with sampling(source):
        pass
    assert source.asked == []


def test_a_later_sample_replaces_one_that_nobody_looked_at() -> None:
    earlier, later = SampleTaken(sample()), SampleTaken(sample(second=2))
    assert earlier.can_replace(later)
    assert not earlier.can_replace(SampleFailed(OSError()))


def test_the_thread_ends_quietly_when_the_loop_is_closed() -> None:
    def post(message: Message) -> None:
        raise RuntimeError("Event loop is closed")

    thread = SamplerThread(Listed(sample()), Focus, post)
    thread.start()
    thread.request()
    thread.join(WAIT)
    assert not thread.is_alive()
