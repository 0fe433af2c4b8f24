"""The command line of ``ctrscope-oci``, as engines write it for runc: options before the verb, after it, then an ID.

As Go's programs have it: ``--bundle DIR``, ``--bundle=DIR`` and ``-bundle DIR`` are the same; of ``exec`` and ``kill`` nothing
is an option any more after the first word that is none.
"""

from collections.abc import Sequence

from ctrscope.model.value import Value
from ctrscope.oci.errors import LauncherError

#: Verb → its options; those with ``=`` take a value, and those with ``+`` many. A letter is the short form.
_MAKING = "b:bundle= console-socket= pid-file= no-pivot no-new-keyring preserve-fds="
OPTIONS = {
    "": "debug log= log-format= root= criu= systemd-cgroup rootless= h:help v:version",
    "create": _MAKING,
    "run": f"{_MAKING} d:detach keep no-subreaper",
    "exec": "console-socket= cwd= e:env+ t:tty u:user= g:additional-gids+ p:process= d:detach pid-file= process-label= "
    "apparmor= no-new-privs c:cap+ preserve-fds= cgroup= ignore-paused",
    "start": "",
    "state": "",
    "kill": "a:all",
    "delete": "f:force",
    "list": "f:format= q:quiet",
    "ps": "f:format=",
    "pause": "",
    "resume": "",
    "update": "r:resources= blkio-weight= cpu-period= cpu-quota= cpu-burst= cpu-share= cpu-rt-period= cpu-rt-runtime= "
    "cpuset-cpus= cpuset-mems= kernel-memory= kernel-memory-tcp= memory= memory-reservation= memory-swap= pids-limit= "
    "cpu-idle=",
    "spec": "b:bundle= rootless",
    "features": "",
}
_WORDS_FOLLOW = ("exec",)


class Arguments(Value, frozen=True, kw_only=True):
    """What was asked for."""

    verb: str
    options: dict[str, tuple[str, ...]]
    words: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Whether an option without value was given."""
        return self.options.get(name, ("false",))[-1] not in ("false", "0")

    def find(self, name: str) -> str | None:
        """The value of an option: the last counts."""
        values = self.options.get(name)
        return values[-1] if values else None

    def number(self, name: str) -> int | None:
        """The value of an option that is a number. Errors: LauncherError."""
        text = self.find(name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            raise LauncherError(f"--{name} {text!r}: expected a number") from None

    @property
    def id(self) -> str:
        """The container. Errors: LauncherError when none is named."""
        if not self.words:
            raise LauncherError(f"{self.verb}: expected the ID of a container")
        return self.words[0]


def parse(argv: Sequence[str]) -> Arguments:
    """Errors: LauncherError for what is no option or verb."""
    options: dict[str, list[str]] = {}
    rest = _take(list(argv), "", options, stop=True)
    if "help" in options or not rest:
        return Arguments(verb="version" if "version" in options else "help", options=_done(options), words=tuple(rest))
    verb, words = rest[0], rest[1:]
    if verb in ("help", "h"):
        return Arguments(verb="help", options=_done(options), words=tuple(words))
    if verb not in OPTIONS or not verb:
        raise LauncherError(f"no such command: {verb}; there are {' '.join(sorted(OPTIONS)).strip()}")
    if {"-h", "--help"} & set(words[:1] if verb in _WORDS_FOLLOW else words):
        return Arguments(verb="help", options=_done(options), words=(verb,))
    words = _take(words, verb, options, stop=verb in _WORDS_FOLLOW)
    return Arguments(verb=verb, options=_done(options), words=tuple(words))


def _take(argv: list[str], verb: str, options: dict[str, list[str]], *, stop: bool) -> list[str]:
    """Move options of that verb out; returns the words. *stop*: at the first of them."""
    known = _known(verb)
    words: list[str] = []
    while argv:
        word = argv.pop(0)
        if word == "--":
            return words + argv
        if not word.startswith("-") or word == "-":
            words.append(word)
            if stop:
                return words + argv
            continue
        name, sign, value = word.lstrip("-").partition("=")
        if name not in known:
            raise LauncherError(f"no such option{f' of {verb}' if verb else ''}: {word}")
        name, takes_value = known[name]
        if takes_value and not sign:
            if not argv:
                raise LauncherError(f"option {word} takes a value")
            value = argv.pop(0)
        options.setdefault(name, []).append(value if takes_value or sign else "true")
    return words


def _known(verb: str) -> dict[str, tuple[str, bool]]:
    known = {}
    for word in OPTIONS[verb].split():
        short, colon, name = word.rpartition(":")
        plain = name.rstrip("=+")
        known[plain] = (plain, plain != name)
        if colon:
            known[short] = known[plain]
    return known


def _done(options: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in options.items()}
