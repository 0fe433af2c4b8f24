from ctrscope.model.gap import Gap, Reason
from ctrscope.render.gaps import describe_gap, summarise_gaps
from tests.awkward import SNAPSHOT


def test_gaps_of_one_reason_and_need_are_counted_together() -> None:
    assert summarise_gaps(SNAPSHOT.gaps) == (
        "3 gaps: 2 denied (/proc/25112/ns, …), needs CAP_SYS_PTRACE; 1 malformed (/var/lib/docker/\\x1b[2J)"
    )


def test_one_gap_needs_no_counting() -> None:
    gap = Gap(subject="host", fields=("kernel",), source="/proc", reason=Reason.TIMED_OUT)
    assert summarise_gaps([gap]) == "1 gap: timed out (/proc)"


def test_no_gap_has_no_summary() -> None:
    assert summarise_gaps([]) == ""


def test_a_gap_says_what_where_why_and_what_would_help() -> None:
    assert describe_gap(SNAPSHOT.gaps[0]).endswith(": namespaces from /proc/25112/ns: denied; needs CAP_SYS_PTRACE")
    assert describe_gap(SNAPSHOT.gaps[2]) == (
        "engine docker: containers from /var/lib/docker/\\x1b[2J: malformed (line 1: \\xfe)"
    )
