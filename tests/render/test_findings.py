"""Findings on paper: worst first, only evidence is cut on a narrow screen, and nothing of it steers the terminal."""

from ctrscope.model.container import Evidence
from ctrscope.model.finding import Finding, Severity, Subject
from ctrscope.render.findings import format_findings
from ctrscope.render.safe import cell_width

LOW = Finding(
    rule="health/swap-in-use",
    severity=Severity.LOW,
    subject=Subject(kind="container", id="docker/3f", name="web"),
    title="12M of its memory is in swap",
    evidence=(Evidence(source="cgroup /docker/3f memory.swap.current", value="12582912 bytes swapped"),),
    remedy="harmless when it stays idle; if it is slow, give it or the host more memory",
)
HIGH = Finding(
    rule="health/monitor-gone",
    severity=Severity.HIGH,
    subject=Subject(kind="container", id="podman/9a", name="日本\x1b[31m"),
    title="conmon 4410 is gone: exit status\x07 will not be recorded",
    evidence=(Evidence(source="/proc/4410/stat", value="no such process\u202e"),),
    remedy="restart it",
)


def test_findings_in_a_pipe_are_not_cut() -> None:
    assert format_findings([HIGH, LOW]) == [
        "HIGH (1)",
        "  日本\\x1b[31m  conmon 4410 is gone: exit status\\x07 will not be recorded",
        "                /proc/4410/stat: no such process\\u202e",
        "                → restart it",
        "",
        "LOW (1)",
        "  web           12M of its memory is in swap",
        "                cgroup /docker/3f memory.swap.current: 12582912 bytes swapped",
        "                → harmless when it stays idle; if it is slow, give it or the host more memory",
    ]


def test_on_a_narrow_screen_words_go_on_below_and_evidence_is_cut() -> None:
    lines = format_findings([LOW], 60)
    assert all(cell_width(line) <= 60 for line in lines)
    assert lines[2].endswith("…")
    text = " ".join(line.strip() for line in lines)
    assert "harmless when it stays idle; if it is slow, give it or the host more memory" in text


def test_a_screen_narrower_than_the_names_still_shows_every_word() -> None:
    text = " ".join(line.strip() for line in format_findings([LOW], 10))
    assert LOW.remedy in text


def test_no_findings_are_no_lines() -> None:
    assert format_findings([]) == []
