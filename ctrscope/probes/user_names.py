"""Names of users by their number, as the host's own file has them.

*Source:* passwd(5). A directory service may know more users; a number without a name is shown as a number.
"""

from collections.abc import Mapping

from ctrscope.probes.hostfs import HostFs


def read_user_names(host: HostFs) -> Mapping[int, str]:
    """Empty when there is no /etc/passwd."""
    try:
        return parse_user_names(host.read("/etc/passwd"))
    except OSError:
        return {}


def parse_user_names(text: bytes) -> Mapping[int, str]:
    """Of two names for one number the first counts, as for getpwuid(3); other lines are passed over."""
    names: dict[int, str] = {}
    for line in text.split(b"\n"):
        fields = line.split(b":")
        if len(fields) == 7 and fields[2].isdigit() and len(fields[2]) <= 10:
            names.setdefault(int(fields[2]), fields[0].decode("utf-8", "surrogateescape"))
    return names
