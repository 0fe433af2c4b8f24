"""``ctrscope run``: a test container, without an engine, an image or a daemon.

*Errors:* the exit status is the command's own; 125 ctrscope failed, 126 it cannot be executed, 127 it was not found, 128+N
signal N ended it; 2 an option means nothing.
"""

import os
from typing import TYPE_CHECKING, Any, ClassVar

from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.render.safe import inert

if TYPE_CHECKING:
    import argparse

    from ctrscope.oci.errors import LauncherError
    from ctrscope.run.order import Order

_FAILED = 125  # what says that ctrscope failed, not the command
_EXAMPLES = """\
Without --rootfs, --bundle or --image the container has the host's own files, to be read only, with a private /tmp, /run,
/var/tmp and /root: nothing has to be there but the host. Its network is none unless asked for: nothing of the host's changes.
In the foreground output and signals are the command's, with -i standard input too; -d leaves a small supervisor behind,
ctrscope-monitor, which keeps the log and the exit status. ctrscope rm removes the container.

examples:
  ctrscope run -it                                           a shell with the host's programs, alone
  ctrscope run --rm --memory 64m -- stress-ng --vm 1 -t 5    what happens at the limit?
  ctrscope run -d --name web --net bridge -p 8080:80 -- python3 -m http.server 80
  ctrscope run -it --net container:web -- sh                 beside it, in its network
  skopeo copy docker://alpine oci:/tmp/images:alpine && ctrscope run -it --image /tmp/images:alpine
  umoci unpack --image /tmp/images:alpine /tmp/b && ctrscope run --bundle /tmp/b
"""
#: Option, what it is called, and what help says: those that may be repeated, then those that may not.
_REPEATED = (
    ("-v --volume", "HOST:DIR[:OPTIONS]", "volumes", "show a file or directory of the host; ro, nosuid, noexec, rslave, …"),
    ("--tmpfs", "DIR[:OPTIONS]", "tmpfs", "an empty, private file system in memory"),
    ("-e --env", "K=V", "environment", "set a variable; K alone hands ours on"),
    ("-p --publish", "[[IP:]PORT:]PORT[/PROTO]", "ports", "make a port answer on the host; with --net bridge"),
    ("--cap-add", "NAME", "cap_add", "one more capability, or ALL"),
    ("--cap-drop", "NAME", "cap_drop", "one capability less, or ALL"),
    ("--security-opt", "OPTION", "security", "no-new-privileges, seccomp=unconfined|FILE, apparmor=PROFILE"),
    ("--ulimit", "NAME=SOFT[:HARD]", "ulimits", "a resource limit, nofile=1024:4096"),
)
_SINGLE = (
    ("--hostname", "NAME", "hostname", "default: the beginning of the id"),
    ("-m --memory", "SIZE", "memory", "most memory, 64m or 1.5g; more gets the container OOM-killed"),
    ("--cpus", "N", "cpus", "most CPU time, 0.5 is half of one CPU"),
    ("--cpu-shares", "N", "cpu_shares", "weight against others, 1024 is usual"),
    ("--cpuset", "CPUS", "cpuset", "only these CPUs, 0,2-3"),
    ("--pids", "N", "pids", "most tasks, threads included"),
    ("--io-weight", "N", "io_weight", "weight of its input and output, 10 to 1000"),
    ("-u --user", "USER", "user", "UID, UID:GID, or names of the container's own /etc/passwd and group"),
    ("-w --workdir", "DIR", "workdir", "start in that directory"),
    (
        "--userns",
        "IDS",
        "userns",
        "ids of a user namespace: auto, FIRST:COUNT, or host for none; default: none for root",
    ),
)


class Run:
    """A test container."""

    name: ClassVar[str] = "run"
    help: ClassVar[str] = "the launcher: starts a test container"

    def prepare_parser(self, parser: "argparse.ArgumentParser") -> None:
        """Add the arguments."""
        parser.usage = "ctrscope run [OPTIONS] [-- CMD …]"
        parser.epilog = _EXAMPLES
        parser.add_argument("--name", metavar="NAME", help="what to call it")
        parser.add_argument(
            "--net",
            metavar="NETWORK",
            default=None,
            help="none, host, bridge (the launcher's own), container:ID (any engine's), ns:NAME or ns:PATH; default: none",
        )
        for options, metavar, dest, text in _SINGLE:
            parser.add_argument(*options.split(), metavar=metavar, dest=dest, help=text)
        for options, metavar, dest, text in _REPEATED:
            parser.add_argument(*options.split(), metavar=metavar, dest=dest, action="append", default=[], help=text)
        parser.add_argument("--read-only-rootfs", action="store_true", help="its files cannot be changed")
        parser.add_argument("-i", "--interactive", action="store_true", help="standard input is the command's")
        parser.add_argument("-t", "--tty", action="store_true", help="a terminal of its own")
        parser.add_argument("-d", "--detach", action="store_true", help="do not wait: print the id")
        parser.add_argument("--rm", action="store_true", help="remove it when it is over")
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--rootfs", metavar="DIR", help="the container's files; changes stay in there")
        source.add_argument("--bundle", metavar="DIR", help="an OCI bundle: config.json says everything but the command")
        source.add_argument("--image", metavar="LAYOUT[:TAG]", help="an OCI image layout, or an archive of one")
        parser.add_argument("stray", nargs="*", help="==SUPPRESS==")
        parser.set_defaults(argv=())  # what stands after --

    def run(self, arguments: "argparse.Namespace", environment: Environment) -> int:
        """Make it, run it, hand on the status."""
        if environment.json:
            raise CommandError(ExitStatus.USAGE, "run has no JSON answer: what the command writes is all there is")
        if arguments.stray:
            words = inert(" ".join(arguments.stray))
            raise CommandError(
                ExitStatus.USAGE, f"{words}: the command stands after --, an image after --image: ctrscope help run"
            )
        if environment.read_only:
            environment.say("ctrscope: run starts a program: refused under --read-only")
            return _FAILED
        from ctrscope.oci.errors import LauncherError
        from ctrscope.run.order import run_attached, run_detached

        def warn(lines: tuple[str, ...]) -> None:
            for line in lines:
                environment.say(f"ctrscope: {inert(line)}")

        try:
            order = self._order(arguments, environment)
            if arguments.detach:
                environment.stdout.write(f"{run_detached(order)}\n")
                return ExitStatus.DONE
            return run_attached(order, warn)
        except LauncherError as error:
            return say_error(environment, error)
        except OSError as error:
            where = f"{inert(str(error.filename))}: " if error.filename else ""
            environment.say(f"ctrscope: {where}{error.strerror or error}")
            return _FAILED

    def _order(self, arguments: "argparse.Namespace", environment: Environment) -> "Order":
        from ctrscope.run.build import Wanted
        from ctrscope.run.order import Order

        options: dict[str, Any] = {name: tuple(getattr(arguments, name)) for _, _, name, _ in _REPEATED}
        options |= {name: getattr(arguments, name) for _, _, name, _ in _SINGLE}
        ports = options.pop("ports")
        wanted = Wanted(
            network=_find_network(arguments.net or "none", environment),
            read_only=arguments.read_only_rootfs,
            terminal=arguments.tty,
            command=arguments.argv,
            **options,
        )
        if arguments.bundle is not None:
            named = {"--net": arguments.net, "-p": ports, "--read-only-rootfs": arguments.read_only_rootfs}
            named |= {f"--{name.replace('_', '-')}": options[name] for name in options}
            if given := [option for option, value in named.items() if value]:
                raise CommandError(ExitStatus.USAGE, f"--bundle: its config.json says everything else, {', '.join(given)} too")
        return Order(
            wanted=wanted,
            rootfs=arguments.rootfs,
            bundle=arguments.bundle,
            image=arguments.image,
            name=arguments.name,
            ports=ports,
            interactive=arguments.interactive,
            remove=arguments.rm,
        )


def say_error(environment: Environment, error: "LauncherError") -> int:
    """Say what went wrong; returns the exit status."""
    environment.say(f"ctrscope: {inert(str(error))}")
    return error.status


def _find_network(text: str, environment: Environment) -> str:
    """What the builder wants: none, host, bridge, or the absolute path of a namespace."""
    kind, _, name = text.partition(":")
    if text in ("none", "host", "bridge"):
        return text
    if kind == "ns" and name:
        path = name if name.startswith("/") else f"/run/netns/{name}"
        if not os.path.exists(path):
            raise CommandError(
                ExitStatus.USAGE, f"--net {inert(text)}: there is no {inert(path)}; ip netns lists those with a name"
            )
        return path
    if kind != "container" or not name:
        expected = "none, host, bridge, container:ID, ns:NAME or ns:PATH"
        raise CommandError(ExitStatus.USAGE, f"--net {inert(text)!r}: expected {expected}")
    from ctrscope.cli.answer import find_or_say
    from ctrscope.discovery.discover import discover
    from ctrscope.discovery.plan import Plan
    from ctrscope.oci.errors import LauncherError

    snapshot = discover(environment.host, Plan(namespaces=False, stats=False, addresses=False, stopped=True))
    container = find_or_say(environment, snapshot, name)
    if container.pid is None:
        raise LauncherError(f"--net {text}: {container.name} does not run: it has no network")
    return f"/proc/{container.pid}/ns/net"
