"""``ctrscope`` without a command: the dashboard."""

import argparse
import gc
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ctrscope.cli.entering import enter_container
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.model.container import Container
from ctrscope.model.namespace import NamespaceType
from ctrscope.probes.hostfs import HostFs
from ctrscope.render.safe import inert

if TYPE_CHECKING:
    from ctrscope.act.limit import Change
    from ctrscope.model.detail import ConfigFile
    from ctrscope.model.gap import Reading
    from ctrscope.model.storage import Image, ImageConfig, Measured, Volume
    from ctrscope.views.acting import Limits, Proposal
    from ctrscope.views.asking import Changes, Log


class Dashboard:
    """The dashboard."""

    name: ClassVar[str] = ""
    help: ClassVar[str] = "opens the dashboard"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Only the options of every command."""

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Open it; it needs a terminal on both sides."""
        if environment.json:
            raise CommandError(ExitStatus.USAGE, "the dashboard has no JSON answer; ctrscope ps --json lists the containers")
        # Textual draws on standard error.
        if not (environment.is_tty and environment.stdin.isatty() and environment.stderr.isatty()):
            raise CommandError(ExitStatus.USAGE, "the dashboard needs a terminal; ctrscope ps lists the containers without one")
        from ctrscope.cli.configuration import configuration_path, format_configuration, load_configuration
        from ctrscope.cli.terminal import reached_by
        from ctrscope.discovery.find import find
        from ctrscope.discovery.noticing import Noticer
        from ctrscope.discovery.sampler import Sampler
        from ctrscope.probes.open_files import raise_open_files
        from ctrscope.views.acting import Acts, SettingsFile
        from ctrscope.views.app import CtrscopeApp, find_mistakes_in
        from ctrscope.views.asking import Asked

        acts = Acts(
            attach=partial(_attach, environment),
            limit=partial(_limit, environment),
            freeze=partial(_freeze, environment),
            signal=partial(_signal, environment),
        )
        is_live = environment.host.root == "/"  # in another root there is nothing to enter or to change
        configuration, complaints = load_configuration(find_mistakes_in)
        for complaint in complaints:
            environment.say(f"ctrscope: {complaint}")
        if not environment.colour or configuration.theme == "none":
            os.environ["NO_COLOR"] = "1"  # what Textual goes by
        noticer = Noticer(HostFs(environment.host.root))
        app = CtrscopeApp(
            Sampler(environment.host, configuration.thresholds, noticer, keep_open=raise_open_files()),
            acts if is_live else None,
            environment.read_only,
            partial(find, environment.host),
            _write,
            asked=Asked(
                log=partial(_open_log, environment.host),
                logs=partial(_open_logs, environment.host),
                files=partial(_config_files, environment.host),
                changes=partial(_changes, environment.host),
                image=partial(_image_config, environment.host),
                measure=partial(_measure, environment.host),
            ),
            preferences=configuration,
            complaints=complaints,
            keep=SettingsFile(configuration_path(), format_configuration, partial(_write, with_directory=True)),
            here=reached_by(environment.host, os.environ) if is_live else None,
        )
        # How long the sampler may hold up a key: Python lets a thread go on for 5 ms, and a key changes hands several times.
        sys.setswitchinterval(0.0005)
        gc.enable()  # `__main__` switched it off for commands; `demo` is one that opens this
        gc.freeze()  # what is there now stays, and need not be looked through: a third of what collecting takes
        noticer.start()
        try:
            app.run()
        finally:
            noticer.close()
        return app.return_code or ExitStatus.DONE


def _attach(environment: Environment, container: Container, types: Sequence[NamespaceType]) -> int:
    """A shell in these namespaces of the container (none: all), while the dashboard has stepped aside."""
    from ctrscope.attach.request import AttachRequest

    return enter_container(environment, container, AttachRequest(namespaces=tuple(types)))


def _open_log(host: HostFs, container: Container, back: int) -> "Log":
    """The log of a container, or that of *back* starts before. Errors: Refused, which says where it is read instead."""
    from ctrscope.discovery.log_reader import LogReader
    from ctrscope.engines.log_source import find_earlier_log, find_log
    from ctrscope.views.acting import Refused

    source = find_earlier_log(host, container, back) if back else find_log(host, container)
    if not source.paths:
        raise Refused(source.elsewhere)
    try:
        log = LogReader(host, source)
    except OSError as error:
        raise Refused(f"{source.paths[-1]}: {error.strerror or error}") from error
    if back and log.end() == log.beginning:
        raise Refused(f"{source.paths[-1]} has nothing from before this start")
    return log


def _open_logs(host: HostFs, containers: Mapping[str, Container]) -> "Log":
    """The logs of several containers as one. Errors: Refused, when there is none."""
    from ctrscope.discovery.merged_log import open_logs
    from ctrscope.views.acting import Refused

    try:
        return open_logs(host, containers)
    except OSError as error:
        raise Refused(str(error)) from error


def _config_files(host: HostFs, container: Container, show_secrets: bool) -> "Sequence[ConfigFile]":
    from ctrscope.discovery.config_files import read_config_files

    return read_config_files(host, container, show_secrets=show_secrets)


def _changes(host: HostFs, container: Container) -> "Reading[Changes]":
    """What a container changed, ready to be gone through."""
    from ctrscope.discovery.changes import ChangeReader
    from ctrscope.discovery.writable_layers import find_writable_layer
    from ctrscope.model.gap import Reading

    layer, gaps = find_writable_layer(host, container)
    return Reading(ChangeReader(host, layer) if layer is not None else None, gaps)


def _write(path: str, text: str, replace: bool, *, with_directory: bool = False) -> str:
    """Write to a file. Errors: Exists, Refused."""
    from ctrscope.act.write_file import write_file
    from ctrscope.views.acting import Exists

    with _refusing():
        try:
            return write_file(path, text, replace=replace, with_directory=with_directory)
        except FileExistsError as error:
            raise Exists(f"{path} is there already.") from error


def _image_config(host: HostFs, image: "Image") -> "Reading[ImageConfig]":
    from ctrscope.discovery.image_page import read_image_config

    return read_image_config(host, image)


def _measure(host: HostFs, volume: "Volume") -> "Reading[Measured]":
    from ctrscope.discovery.measure import measure_volume

    return measure_volume(host, volume)


def _limit(environment: Environment, container: Container, limits: "Limits") -> "Proposal":
    """What the kernel would be told. Errors: Refused."""
    from ctrscope.act.limit import LimitRequest, apply_limit, plan_limit
    from ctrscope.act.refusal import CannotAct
    from ctrscope.cli.limit import engine_warning, parse_count, parse_cpus, parse_size
    from ctrscope.views.acting import Proposal, Refused

    try:
        request = LimitRequest(
            memory=parse_size(limits.memory) if limits.memory else None,
            cpus=parse_cpus(limits.cpus) if limits.cpus else None,
            pids=parse_count(limits.pids) if limits.pids else None,
        )
        plan = plan_limit(environment.host, container, request)
    except (argparse.ArgumentTypeError, CannotAct) as error:
        raise Refused(str(error)) from error

    def apply() -> Sequence[str]:
        with _refusing():
            return _lines(apply_limit(environment.host, plan))

    return Proposal(_lines(plan.changes), engine_warning(container), apply)


def _freeze(environment: Environment, container: Container, frozen: bool) -> "Proposal":
    """Which cgroups would be frozen or thawed. Errors: Refused."""
    from ctrscope.act.freezer import apply_freeze, plan_freeze
    from ctrscope.cli.pause import freeze_lines
    from ctrscope.views.acting import Proposal

    name = inert(container.name)
    with _refusing():
        plan = plan_freeze(environment.host, container, frozen=frozen)

    def apply() -> Sequence[str]:
        with _refusing():
            apply_freeze(environment.host, plan)
        return (f"{name} {'is paused' if frozen else 'runs'}",)

    # Whoever lets something run again has nothing to lose by it.
    warning = "its engine is not told, and may not offer to unpause what it did not pause" if frozen else ""
    return Proposal(freeze_lines(plan, container), warning, apply)


def _signal(environment: Environment, container: Container, signal: str) -> "Proposal":
    """Who would get it, and what will come of it. Errors: Refused."""
    from ctrscope.act.signal import parse_signal, plan_signal, send_signal
    from ctrscope.views.acting import Proposal

    with _refusing():
        plan = plan_signal(environment.host, container, parse_signal(signal))

    def apply() -> Sequence[str]:
        with _refusing():
            send_signal(environment.host, plan)
        return (f"{plan.name} sent to {inert(container.name)}, process {plan.target.pid}",)

    lines = (f"goes to its init, process {plan.target.pid}: an engine with a restart policy may start it again",)
    return Proposal(lines, inert("; ".join(plan.warnings)), apply)


@contextmanager
def _refusing() -> Iterator[None]:
    """What cannot be done is Refused in the words of views."""
    from ctrscope.act.refusal import CannotAct
    from ctrscope.views.acting import Refused

    try:
        yield
    except CannotAct as error:
        raise Refused(str(error)) from error


def _lines(changes: "Iterable[Change]") -> tuple[str, ...]:
    return tuple(f"{change.resource:<16}{change.before} → {change.after}" for change in changes)
