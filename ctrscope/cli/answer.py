"""Printing an answer, as text or as JSON, and the exit status it deserves."""

from collections.abc import Iterable, Sequence

from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.value import Value
from ctrscope.render.safe import inert


def print_lines(environment: Environment, lines: Iterable[str]) -> None:
    """The answer as text."""
    environment.stdout.write("".join(f"{line}\n" for line in lines))


def print_answer(environment: Environment, answer: Value) -> None:
    """The answer as JSON: one line, or indented on a terminal."""
    from ctrscope.export.contract import encode_answer  # here, because text needs none of it

    print_json(environment, encode_answer(answer))


def print_json(environment: Environment, encoded: bytes) -> None:
    """JSON is UTF-8, whatever the locale says."""
    if environment.is_tty:
        import msgspec

        encoded = msgspec.json.format(encoded, indent=2)
    raw = getattr(environment.stdout, "buffer", None)
    if raw is None:
        environment.stdout.write(encoded.decode() + "\n")
    else:
        environment.stdout.flush()
        raw.write(encoded + b"\n")


def say_gaps(environment: Environment, gaps: Sequence[Gap]) -> None:
    """Tell people on one line that the answer has gaps."""
    if gaps:
        from ctrscope.render.gaps import summarise_gaps

        environment.say(f"{summarise_gaps(gaps)}. ctrscope doctor tells more.")


def exit_status(environment: Environment, gaps: Iterable[Gap]) -> ExitStatus:
    """Done, or incomplete when ``--strict`` asks and something could not be read."""
    missing = any(gap.reason is not Reason.NOT_COLLECTED for gap in gaps)
    return ExitStatus.INCOMPLETE if environment.strict and missing else ExitStatus.DONE


def find_or_say(environment: Environment, snapshot: Snapshot, query: str) -> Container:
    """The container that *query* means; when there is none, say first which engines' state was not permitted: it may be there.

    Errors: NoSuchContainer, AmbiguousContainer; CommandError when nothing useful could be read.
    """
    from ctrscope.discovery.lookup import NoSuchContainer, find_container

    try:
        return find_container(snapshot, query)
    except NoSuchContainer:
        say_gaps(
            environment, [gap for gap in snapshot.gaps if gap.reason is Reason.DENIED and gap.subject.startswith("engine ")]
        )
        if is_blind(snapshot):
            raise CommandError(ExitStatus.NOT_PERMITTED, f"not permitted to look for {inert(query)}") from None
        raise


def is_blind(snapshot: Snapshot) -> bool:
    """Whether nothing was found because the host itself would not answer."""
    denied = any(gap.subject == "host" and gap.reason is Reason.DENIED for gap in snapshot.gaps)
    return denied and not snapshot.containers and not any(engine.found for engine in snapshot.engines)
