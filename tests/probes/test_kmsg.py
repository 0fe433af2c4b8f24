"""OOM kills from the kernel log, in the words of kernels from 4.19 on."""

import errno
from pathlib import Path

import pytest

from ctrscope.model.gap import Reason
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.kmsg import parse_oom_kills, read_oom_kills

_LINE = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
    "oom_memcg={limit},task_memcg={task},task={comm},pid={pid},uid=0"
)
_KILLED = (
    "Memory cgroup out of memory: Killed process {pid} ({comm}) total-vm:221356kB, anon-rss:32360kB, UID:0 oom_score_adj:0"
)


def records(*lines: str, facility: int = 0) -> list[bytes]:
    """As /dev/kmsg hands them out, a second apart, the first a second after boot."""
    return [f"{facility * 8 + 6},{number},{number * 1_000_000},-;{line}\n".encode() for number, line in enumerate(lines, 1)]


def memcg_kill(limit: str, task: str, comm: str = "stress", pid: int = 123) -> tuple[str, str]:
    return _LINE.format(limit=limit, task=task, comm=comm, pid=pid), _KILLED.format(comm=comm, pid=pid)


def test_a_kill_by_the_limit_of_a_cgroup() -> None:
    lines = memcg_kill("/docker/3f", "/docker/3f/worker")
    (kill,) = parse_oom_kills(records("stress invoked oom-killer: gfp_mask=0xcc0", *lines), booted_at=1_795_312_800.0)
    assert (kill.pid, kill.comm, kill.memcg, kill.oom_memcg) == (123, "stress", "/docker/3f/worker", "/docker/3f")
    assert kill.lines == lines
    assert kill.at == "2026-11-22T02:00:02.000Z"


def test_a_death_without_the_line_that_says_where_is_nobodys() -> None:
    """Where many die, the kernel leaves that line out: it is not of the cgroup that was named last."""
    other = _KILLED.format(comm="stress-ng-vm", pid=29296)
    (kill,) = parse_oom_kills(records(*memcg_kill("/docker/3f", "/docker/3f"), other, other), booted_at=0.0)
    assert (kill.pid, kill.memcg) == (123, "/docker/3f")
    assert parse_oom_kills(records(other), booted_at=0.0) == ()


def test_a_kill_because_the_host_was_full_has_no_cgroup_that_hit_a_limit() -> None:
    line = (
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
        "task_memcg=/user.slice,task=a b,pid=7,uid=1000"
    )
    killed = "Out of memory: Killed process 7 (a b) total-vm:9kB, anon-rss:1kB, file-rss:0kB"
    (kill,) = parse_oom_kills(records(line, killed), booted_at=None)
    assert (kill.pid, kill.comm, kill.memcg, kill.oom_memcg, kill.at) == (7, "a b", "/user.slice", None, None)
    assert kill.lines == (line, killed)


def test_linux_4_19_says_it_in_other_words() -> None:
    kills = parse_oom_kills(
        records(
            "Task in /docker/3f killed as a result of limit of /docker",
            "memory: usage 65536kB, limit 65536kB, failcnt 93",
            "Memory cgroup out of memory: Kill process 24984 (palo_be) score 968 or sacrifice child",
            "Killed process 18177 (palo (x)), UID 0, total-vm:70347780kB, anon-rss:45563572kB, file-rss:0kB",
            "Out of memory: Kill process 9 (java) score 5 or sacrifice child",
            "Killed process 9 (java) total-vm:70347780kB, anon-rss:45563572kB, file-rss:0kB, shmem-rss:0kB",
        ),
        booted_at=None,
    )
    assert [(kill.pid, kill.comm, kill.memcg, kill.oom_memcg) for kill in kills] == [
        (18177, "palo (x)", "/docker/3f", "/docker"),
        (9, "java", None, None),
    ]


def test_a_group_that_dies_together_is_a_kill_each() -> None:
    kills = parse_oom_kills(
        records(
            *memcg_kill("/pod", "/pod/web", pid=10),
            "Tasks in /pod/web are going to be killed due to memory.oom.group set",
            _KILLED.format(pid=10, comm="stress"),
            _KILLED.format(pid=11, comm="helper"),
        ),
        booted_at=None,
    )
    assert [(kill.pid, kill.memcg, kill.oom_memcg) for kill in kills][-1] == (11, "/pod/web", "/pod")


@pytest.mark.parametrize(
    ("limit", "task", "comm"),
    [
        ("/docker/evil", "/docker/evil/a,task_memcg=/docker/victim", "sh"),
        ("/docker/evil/a,task_memcg=/docker/victim", "/docker/evil/a,task_memcg=/docker/victim", "sh"),
        ("/docker/evil", "/docker/evil", "x,task=y,pid=1"),
    ],
)
def test_a_cgroup_or_a_process_with_a_name_made_to_confuse_blames_nobody_else(limit: str, task: str, comm: str) -> None:
    (kill,) = parse_oom_kills(records(*memcg_kill(limit, task, comm)), booted_at=None)
    assert kill.memcg is not None
    assert kill.memcg.startswith("/docker/evil")
    assert kill.oom_memcg is not None
    assert kill.oom_memcg.startswith("/docker/evil")
    assert kill.pid == 123


def test_what_somebody_else_wrote_into_the_log_does_not_count() -> None:
    assert parse_oom_kills(records(*memcg_kill("/a", "/a"), facility=1), booted_at=None) == ()


def test_bytes_that_the_kernel_escaped_are_what_they_were() -> None:
    (kill,) = parse_oom_kills(records(*memcg_kill("/b\\xc3\\xbc\\x5c", "/b\\xc3\\xbc\\x5c/\\xff")), booted_at=None)
    assert (kill.oom_memcg, kill.memcg) == ("/bü\\", "/bü\\/\udcff")


@pytest.mark.parametrize(
    "record", [b"", b"6,1,2,-", b"x,1,2,-;oom-kill:", b"6;text", b"6,1,x,-;oom-kill:constraint=", b"\xff;\xff"]
)
def test_what_is_not_a_record_is_passed_over(record: bytes) -> None:
    assert parse_oom_kills([record], booted_at=0.0) == ()


class LogFs(HostFs):
    """A host whose log holds what a test says, or cannot be read."""

    def __init__(self, answer: list[bytes] | OSError) -> None:
        super().__init__("/")
        self.answer = answer

    def kernel_log(self, *, limit: int = 0) -> list[bytes]:
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "reason", "needs"),
    [
        (PermissionError(errno.EPERM, "Operation not permitted"), Reason.DENIED, "CAP_SYSLOG, or kernel.dmesg_restrict=0"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), Reason.UNAVAILABLE, None),
        ([], Reason.UNAVAILABLE, None),
    ],
    ids=["denied", "missing", "empty"],
)
def test_a_log_that_cannot_be_read_is_a_gap_and_not_a_host_without_kills(
    answer: list[bytes] | OSError, reason: Reason, needs: str | None
) -> None:
    reading = read_oom_kills(LogFs(answer), None)
    assert reading.value is None
    (gap,) = reading.gaps
    assert (gap.source, gap.reason, gap.fields) == ("/dev/kmsg", reason, ("oom_kills",))
    assert gap.needs == needs


def test_a_log_without_kills_is_an_answer() -> None:
    assert read_oom_kills(LogFs(records("eth0: link up")), 0.0) == ((), ())


def test_another_root_has_no_kernel_log(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kmsg").write_text("6,1,1,-;oom-kill:\n")
    reading = read_oom_kills(HostFs(str(tmp_path)), None)
    assert reading.value is None
    assert reading.gaps[0].reason is Reason.UNSUPPORTED
