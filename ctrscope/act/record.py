"""One line in the system log for everything that is done: who, what, to which container.

*Source:* syslog(3). systemd's journal listens at the same place. Where nobody listens the line is lost, as with every program.
"""

import os
import syslog

from ctrscope.model.quoting import quote


def record(what: str, key: str, name: str) -> None:
    """Write the line. *what* was done to the container *name* with the key *key*."""
    sudo = os.environ.get("SUDO_USER")
    who = f"uid={os.getuid()}" + (f" sudo_user={sudo}" if sudo else "")
    # Whoever names a container does not get to write lines of the log, nor to look like one of the words before its name.
    line = "".join(char if char.isprintable() else "?" for char in f"{what} {who} container={quote(key)} name={quote(name)}")
    syslog.openlog("ctrscope", syslog.LOG_PID, syslog.LOG_USER)
    syslog.syslog(syslog.LOG_NOTICE, line.encode("utf-8", "replace").decode())
    syslog.closelog()
