"""Printing an answer, as text or as JSON, and the exit status it deserves."""

from collections.abc import Iterable, Sequence

from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import ExitStatus
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.value import Value
from ctrscope.render.gaps import summarise_gaps


def print_lines(environment: Environment, lines: Iterable[str]) -> None:
    """The answer as text."""
    environment.stdout.writelines(f"{line}\n" for line in lines)


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
        environment.say(f"{summarise_gaps(gaps)}. ctrscope doctor tells more.")


def exit_status(environment: Environment, gaps: Iterable[Gap]) -> ExitStatus:
    """Done, or incomplete when ``--strict`` asks and something could not be read."""
    missing = any(gap.reason is not Reason.NOT_COLLECTED for gap in gaps)
    return ExitStatus.INCOMPLETE if environment.strict and missing else ExitStatus.DONE


def is_blind(snapshot: Snapshot) -> bool:
    """Whether nothing was found because the host itself would not answer."""
    denied = any(gap.subject == "host" and gap.reason is Reason.DENIED for gap in snapshot.gaps)
    return denied and not snapshot.containers and not any(engine.found for engine in snapshot.engines)
