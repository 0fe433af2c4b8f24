"""A seccomp filter that lets reading through and nothing else, for x86-64 and arm64.

What is not on the list is refused (EPERM; writing to a file EROFS; what libc tries first and has another way for ENOSYS), so a
system call that is invented tomorrow is refused too. Some are let through only with certain arguments: files are opened for
reading, network namespaces joined, threads started, netlink spoken, our own process signalled.

*Source:* seccomp(2), the kernel's classic BPF (include/uapi/linux/bpf_common.h), arch/x86/entry/syscalls/syscall_64.tbl,
include/uapi/asm-generic/unistd.h.
*Shape:* ``struct sock_filter``: code, two relative jumps, a number. A program looks at ``struct seccomp_data``: number of the
call, architecture, instruction pointer, six arguments of eight bytes, which programs see in halves.
"""

import errno
import os
import struct
from collections.abc import Iterable

_ALLOW = 0x7FFF_0000
_KILL = 0x8000_0000
_ERRNO = 0x0005_0000
_LOAD, _JUMP_EQUAL, _JUMP_SET, _AND, _RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

#: AUDIT_ARCH_… by machine.
_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
#: Calls that change nothing beyond this process, whatever their arguments.
_HARMLESS = {
    "x86_64": (
        "read=0 pread64=17 readv=19 preadv=295 preadv2=327 write=1 writev=20 pwrite64=18 close=3 close_range=436 lseek=8 "
        "stat=4 fstat=5 lstat=6 newfstatat=262 statx=332 access=21 faccessat=269 faccessat2=439 readlink=89 readlinkat=267 "
        "getdents=78 getdents64=217 getcwd=79 chdir=80 fchdir=81 statfs=137 fstatfs=138 fcntl=72 dup=32 dup2=33 dup3=292 "
        "poll=7 ppoll=271 select=23 pselect6=270 epoll_create1=291 epoll_create=213 epoll_ctl=233 epoll_wait=232 "
        "epoll_pwait=281 epoll_pwait2=441 eventfd2=290 pipe=22 pipe2=293 socketpair=53 mmap=9 mprotect=10 munmap=11 mremap=25 "
        "madvise=28 brk=12 mincore=27 membarrier=324 msync=26 futex=202 futex_waitv=449 set_robust_list=273 "
        "get_robust_list=274 rseq=334 set_tid_address=218 sched_yield=24 sched_getaffinity=204 sched_getparam=143 "
        "sched_getscheduler=145 getpid=39 getppid=110 gettid=186 getpgid=121 getpgrp=111 getsid=124 getuid=102 geteuid=107 "
        "getgid=104 getegid=108 getresuid=118 getresgid=120 getgroups=115 capget=125 uname=63 sysinfo=99 getrusage=98 "
        "times=100 getrlimit=97 getpriority=140 clock_gettime=228 clock_getres=229 clock_nanosleep=230 nanosleep=35 "
        "gettimeofday=96 time=201 timerfd_create=283 timerfd_settime=286 timerfd_gettime=287 getitimer=36 setitimer=38 "
        "alarm=37 rt_sigaction=13 rt_sigprocmask=14 rt_sigreturn=15 rt_sigpending=127 rt_sigtimedwait=128 rt_sigsuspend=130 "
        "sigaltstack=131 restart_syscall=219 pause=34 signalfd4=289 exit=60 exit_group=231 wait4=61 waitid=247 getrandom=318 "
        "getcpu=309 arch_prctl=158 getsockopt=55 getsockname=51 getpeername=52 recvfrom=45 recvmsg=47 recvmmsg=299 "
        "shutdown=48 pidfd_open=434 pidfd_getfd=438 listmount=458 statmount=457 listns=470 inotify_init1=294 "
        "inotify_add_watch=254 inotify_rm_watch=255 getxattr=191 lgetxattr=192 fgetxattr=193 "
    ),
    "aarch64": (
        "read=63 pread64=67 readv=65 preadv=69 preadv2=286 write=64 writev=66 pwrite64=68 close=57 close_range=436 lseek=62 "
        "fstat=80 newfstatat=79 statx=291 faccessat=48 faccessat2=439 readlinkat=78 getdents64=61 getcwd=17 chdir=49 "
        "fchdir=50 statfs=43 fstatfs=44 fcntl=25 dup=23 dup3=24 ppoll=73 pselect6=72 epoll_create1=20 epoll_ctl=21 "
        "epoll_pwait=22 epoll_pwait2=441 eventfd2=19 pipe2=59 socketpair=199 mmap=222 mprotect=226 munmap=215 mremap=216 "
        "madvise=233 brk=214 mincore=232 membarrier=283 msync=227 futex=98 futex_waitv=449 set_robust_list=99 "
        "get_robust_list=100 rseq=293 set_tid_address=96 sched_yield=124 sched_getaffinity=123 sched_getparam=121 "
        "sched_getscheduler=120 getpid=172 getppid=173 gettid=178 getpgid=155 getsid=156 getuid=174 geteuid=175 getgid=176 "
        "getegid=177 getresuid=148 getresgid=150 getgroups=158 capget=90 uname=160 sysinfo=179 getrusage=165 times=153 "
        "getrlimit=163 getpriority=141 clock_gettime=113 clock_getres=114 clock_nanosleep=115 nanosleep=101 gettimeofday=169 "
        "timerfd_create=85 timerfd_settime=86 timerfd_gettime=87 getitimer=102 setitimer=103 rt_sigaction=134 "
        "rt_sigprocmask=135 rt_sigreturn=139 rt_sigpending=136 rt_sigtimedwait=137 rt_sigsuspend=133 sigaltstack=132 "
        "restart_syscall=128 signalfd4=74 exit=93 exit_group=94 wait4=260 waitid=95 getrandom=278 getcpu=168 getsockopt=209 "
        "getsockname=204 getpeername=205 recvfrom=207 recvmsg=212 recvmmsg=243 shutdown=210 pidfd_open=434 pidfd_getfd=438 "
        "listmount=458 statmount=457 listns=470 inotify_init1=26 inotify_add_watch=27 inotify_rm_watch=28 "
        "getxattr=8 lgetxattr=9 fgetxattr=10 "
    ),
}
#: Those that depend on their arguments.
_DEPENDING = {
    "x86_64": "openat=257 open=2 openat2=437 socket=41 setns=308 ioctl=16 clone=56 clone3=435 tgkill=234 kill=62 setsockopt=54 "
    "prlimit64=302 prctl=157 sendto=44",
    "aarch64": "openat=56 openat2=437 socket=198 setns=268 ioctl=29 clone=220 clone3=435 tgkill=131 kill=129 setsockopt=208 "
    "prlimit64=261 prctl=167 sendto=206",
}
#: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, and the bit of O_TMPFILE; the same numbers on both.
_WRITES = 0o3 | 0o100 | 0o1000 | 0o20000000
_CLONE_NEWNET, _CLONE_THREAD = 0x4000_0000, 0x0001_0000
_AF_INET, _AF_INET6, _AF_NETLINK = 2, 10, 16
_SOL_SOCKET, _SOL_NETLINK = 1, 270
#: Of terminals TCGETS, TCSETS and so on, TIOCGWINSZ; FIONREAD, FIONBIO, FIOCLEX; of sockets SIOCGSKNS. Not TIOCSTI.
_IOCTLS = (
    0x5401, 0x5402, 0x5403, 0x5404, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D,
    0x894C,
)  # fmt: skip
_NSFS_IOCTLS = 0xB700  # NSIO of include/uapi/linux/nsfs.h: they only ask
_PR_SET_NAME, _PR_GET_NAME, _PR_GET_SECCOMP, _PR_SET_VMA = 15, 16, 21, 0x53564D41

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, number


def read_only_filter() -> bytes:
    """The program, as seccomp(2) takes it. Errors: ENOSYS on another machine."""
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no filter for {machine}: its system calls have other numbers")
    return assemble(machine, os.getpid())


def assemble(machine: str, pid: int) -> bytes:
    """The program for a machine and a process."""
    known = dict(_numbers(_DEPENDING[machine]))
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        _returns(_KILL),  # the same numbers mean other calls there
        (_LOAD, 0, 0, _NUMBER),
    ]
    for name, block in _blocks(pid):
        if name in known:
            program += [(_JUMP_EQUAL, 0, len(block), known[name]), *block]
    for _, number in _numbers(_HARMLESS[machine]):
        program += [(_JUMP_EQUAL, 0, 1, number), _returns(_ALLOW)]
    program.append(_returns(_ERRNO | errno.EPERM))
    return b"".join(struct.pack("HBBI", *one) for one in program)


def _numbers(text: str) -> Iterable[tuple[str, int]]:
    for word in text.split():
        name, _, number = word.partition("=")
        yield name, int(number)


def _blocks(pid: int) -> Iterable[tuple[str, list[Instruction]]]:
    """What is done with each call that depends on its arguments; what is asked for most comes first."""
    yield "openat", _without_bits(2, _WRITES, errno.EROFS)
    yield "open", _without_bits(1, _WRITES, errno.EROFS)
    yield "ioctl", _ioctls()
    yield "openat2", [_returns(_ERRNO | errno.ENOSYS)]  # its flags are behind a pointer
    yield "clone3", [_returns(_ERRNO | errno.ENOSYS)]  # and so are these: libc goes back to clone
    yield "clone", _with_bits(0, _CLONE_THREAD)
    yield "setns", _one_of(1, (_CLONE_NEWNET,))
    yield "socket", _one_of(0, (_AF_NETLINK, _AF_INET, _AF_INET6))
    yield "sendto", _is_null(4)  # to nobody but who the socket belongs to: the kernel, for netlink
    yield "setsockopt", _one_of(1, (_SOL_SOCKET, _SOL_NETLINK))  # not the tables of iptables
    yield "prlimit64", _is_null(2)  # limits are read
    yield "prctl", _one_of(0, (_PR_SET_NAME, _PR_GET_NAME, _PR_GET_SECCOMP, _PR_SET_VMA))
    yield "tgkill", _one_of(0, (pid,))
    yield "kill", _one_of(0, (pid,))


def _ioctls() -> list[Instruction]:
    return [
        *_one_of(1, _IOCTLS)[:-1],
        (_AND, 0, 0, 0xFF00),  # what is above says how much is handed over
        (_JUMP_EQUAL, 0, 1, _NSFS_IOCTLS),
        _returns(_ALLOW),
        _returns(_ERRNO | errno.EPERM),
    ]


def _without_bits(argument: int, bits: int, number: int) -> list[Instruction]:
    return [_load(argument), (_JUMP_SET, 1, 0, bits), _returns(_ALLOW), _returns(_ERRNO | number)]


def _with_bits(argument: int, bits: int) -> list[Instruction]:
    return [_load(argument), (_JUMP_SET, 0, 1, bits), _returns(_ALLOW), _returns(_ERRNO | errno.EPERM)]


def _one_of(argument: int, values: tuple[int, ...]) -> list[Instruction]:
    tests: list[Instruction] = []
    for value in values:
        tests += [(_JUMP_EQUAL, 0, 1, value), _returns(_ALLOW)]
    return [_load(argument), *tests, _returns(_ERRNO | errno.EPERM)]


def _is_null(argument: int) -> list[Instruction]:
    refuse = _returns(_ERRNO | errno.EPERM)
    return [
        _load(argument),
        (_JUMP_EQUAL, 0, 3, 0),
        _load(argument, upper=True),
        (_JUMP_EQUAL, 0, 1, 0),
        _returns(_ALLOW),
        refuse,
    ]


def _load(argument: int, *, upper: bool = False) -> Instruction:
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * argument + (4 if upper else 0))


def _returns(value: int) -> Instruction:
    return (_RETURN, 0, 0, value)
