# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far back the sources of failed logins reach: real files, rotated and not, and a double of journalctl."""

from __future__ import annotations

import datetime
import gzip
import os
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import COULD_NOT_LOOK
from ansible_collections.oncall.incident.plugins.module_utils._logins import sources
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.counting import picture
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.logins import CHECKS, judge_logins

HOUR = 3600.0
NOW = time.time()
CRON = "CRON[7]: pam_unix(cron:session): session opened for user root"


def line(ago: float, message: str = CRON, *, old: bool = False) -> str:
    """A line of so many seconds ago, as rsyslog writes it now, or as it did."""
    at = datetime.datetime.fromtimestamp(NOW - ago).astimezone()
    return f"{at.strftime('%b %d %H:%M:%S') if old else at.isoformat()} gate {message}\n"


def failures(ago: float, times: int, *, address: str = "192.0.2.1") -> str:
    return "".join(line(ago, f"sshd[9]: Failed password for root from {address} port {port} ssh2") for port in range(times))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "auth.log"


class Seen(NamedTuple):
    healthy: bool | None
    total: int
    reasons: list[str]
    hints: list[str]
    read: list[str]


def look(log: Path, *, journal: Path | None = None, usual: bool = False, max_bytes: int = 1 << 20) -> Seen:
    found, skipped, read = sources.read_events(
        journal=journal is not None, logs=None if usual else [str(log)], since=NOW - HOUR, max_bytes=max_bytes, seconds=20,
        command=(str(journal),),
    )
    assert all(one.kind == COULD_NOT_LOOK for one in skipped) and [one.check for one in skipped] in ([], list(CHECKS))
    judged = judge_logins(
        picture(found).tallies, warning=10, critical=100, max_addresses=5, since=NOW - HOUR, skipped=skipped,
        asked=CHECKS,
    )
    return Seen(judged.verdict.healthy, judged.more["total"], [one.reason for one in skipped], [one.hint for one in skipped],
                [Path(path).name for path in read])


def journalctl(at: Path, *, before: bool = True, status: int = 0) -> Path:
    """A double: it has an entry of now, none of sshd's, and perhaps one from before. With a status it fails when it is read."""
    entry = """echo '{"MESSAGE":"x"}'; exit 0"""
    none = "echo '-- No entries --'; exit 0"
    at.write_text(f'#!/bin/sh\ncase "$*" in *--until=*) {entry if before else none};; *"-n 1"*) {entry};; esac\nexit {status}\n')
    at.chmod(0o755)
    return at


@pytest.mark.parametrize("old", [False, True])
def test_the_first_line_that_has_a_time_says_how_far_a_log_reaches(log: Path, old: bool) -> None:
    """Whatever it tells: also one of cron's."""
    log.write_text("a line without a time\n" + line(2 * HOUR, old=old) + failures(60, 3))
    assert look(log) == (True, 3, [], [], ["auth.log"])


def test_a_quiet_large_log_reaches_back(log: Path) -> None:
    log.write_text("".join(line(2 * HOUR - second) for second in range(3600)))
    assert log.stat().st_size > 65536
    assert look(log, max_bytes=65536) == (True, 0, [], [], ["auth.log"])


def test_a_busy_large_log_does_not(log: Path) -> None:
    log.write_text(line(2 * HOUR) + "".join(line(HOUR / 2) for _number in range(2000)))
    seen = look(log, max_bytes=65536)
    assert seen.healthy is None and "its last 65536 bytes" in seen.reasons[0] and seen.hints[0] == "Raise max_kib."


@pytest.mark.parametrize("rotated", ["auth.log.1", "auth.log-20261130", "auth.log-20261130-1764460800"])
@pytest.mark.parametrize("rest", [failures(60, 3), ""])
def test_what_was_rotated_away_is_of_the_same_log(log: Path, rotated: str, rest: str) -> None:
    """An attack before the rotation is counted, together with what came after it."""
    log.write_text(rest)
    log.with_name(rotated).write_text(line(2 * HOUR) + failures(1800, 8))
    seen = look(log)
    assert (seen.total, seen.reasons, seen.read) == (8 + rest.count("Failed"), [], ["auth.log", rotated])
    assert seen.healthy is True


def test_the_newest_of_the_rotated_files_counts(log: Path) -> None:
    log.write_text(line(60))
    for name, ago in (("auth.log.1", HOUR / 2), ("auth.log.2", 50 * HOUR)):
        log.with_name(name).write_text(line(60 * HOUR))
        os.utime(log.with_name(name), (NOW - ago, NOW - ago))
    log.with_name("auth.log.old").write_text("not of logrotate's")
    assert look(log).read == ["auth.log", "auth.log.1"]


def test_a_rotated_file_that_does_not_help_makes_it_unknown(log: Path) -> None:
    log.write_text(failures(60, 3))
    other = log.with_name("auth.log.1")
    other.write_text(failures(1800, 3))
    seen = look(log)
    assert seen.healthy is None and seen.total == 6 and f"is in {other}, which begins at" in seen.reasons[0]
    assert seen.hints[0] == "Ask for less with since."
    other.write_text(line(2 * HOUR) + "".join(line(HOUR / 2) for _number in range(2000)))
    seen = look(log, max_bytes=65536)
    assert seen.healthy is None and "do not reach back" in seen.reasons[0] and seen.hints[0] == "Raise max_kib."
    other.unlink()
    other.mkdir()
    seen = look(log)
    assert seen.healthy is None and seen.total == 3 and str(other) in seen.reasons[0] and seen.hints[0].startswith("Use become")
    other.rmdir()
    os.link(log, other)
    assert "while it was read" in look(log).reasons[0], "its lines would count twice"


def test_a_compressed_one_is_named(log: Path) -> None:
    log.write_text(line(60))
    with gzip.open(log.with_name("auth.log.1.gz"), "wt") as packed:
        packed.write(line(2 * HOUR) + failures(1800, 50))
    seen = look(log)
    assert seen.healthy is None and "auth.log.1.gz, which is compressed" in seen.reasons[0] and seen.hints[0] == "Ask for less with since."


@pytest.mark.parametrize("text", [line(60), ""], ids=["a line", "empty"])
def test_a_young_log_alone_is_unknown(log: Path, text: str) -> None:
    """It may be a new host's, and it may have been emptied."""
    log.write_text(text)
    seen = look(log)
    assert seen.healthy is None and "no rotated file is beside it" in seen.reasons[0] and seen.hints[0] == "Ask for less with since."


@pytest.mark.parametrize(("rotated", "before", "usual", "healthy"), [
    # A new host's: nothing was rotated, and its journal begins with it.
    (False, False, True, True),
    (False, True, True, True),
    # The journal has what the log lost, unless it was cleaned up to a later time itself.
    (True, True, True, True),
    (True, False, True, None),
    # A log that is named may be of other hosts.
    (True, True, False, None),
    (False, True, False, None),
])
def test_the_journal_says_what_a_usual_log_does_not(
    log: Path, monkeypatch: pytest.MonkeyPatch, rotated: bool, before: bool, usual: bool, healthy: bool | None,
) -> None:
    if usual:
        monkeypatch.setattr(sources, "LOGS", (str(log),))
    log.write_text(line(60))
    if rotated:
        log.with_name("auth.log.1.gz").write_bytes(b"")
    seen = look(log, journal=journalctl(log.with_name("journalctl"), before=before), usual=usual)
    assert seen.healthy is healthy and seen.read == ["journal", "auth.log"]


def test_the_hint_names_the_journal_for_a_usual_log(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LOGS", (str(log),))
    log.write_text(line(60))
    assert look(log, usual=True).hints[0] == "Read the journal too, or ask for less with since."


def test_a_journal_that_could_not_be_read_says_nothing_of_the_log(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LOGS", (str(log),))
    log.write_text(line(60))
    double = journalctl(log.with_name("journalctl"), status=1)
    _events, skipped, read = sources.read_events(
        journal=True, logs=None, since=NOW - HOUR, max_bytes=1 << 20, seconds=20, command=(str(double),),
    )
    assert read == [str(log)] and {one.reason.partition(":")[0] for one in skipped} == {"journalctl", str(log)}


def test_the_journal_says_what_a_large_log_does_not(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LOGS", (str(log),))
    log.write_text(line(2 * HOUR) + "".join(line(HOUR / 2) for _number in range(2000)))
    double = log.with_name("journalctl")
    assert look(log, journal=journalctl(double), usual=True, max_bytes=65536).healthy is True
    assert look(log, journal=journalctl(double, before=False), usual=True, max_bytes=65536).healthy is None


def test_only_what_reaches_back_is_read(log: Path) -> None:
    """A month of lines before the hour: as many bytes as are needed, and nothing of before is counted."""
    with log.open("w") as file:
        file.writelines(failures(90 * HOUR - number, 1, address="203.0.113.7") for number in range(40_000))
        file.write(line(1.5 * HOUR) + failures(60, 12))
    counted = sources.Counted(NOW - HOUR)
    part = sources._count_file(str(log), counted, since=NOW - HOUR, max_bytes=1 << 30, now=NOW)
    assert part is not None and not part.whole and part.first is not None and part.first <= NOW - HOUR
    assert look(log) == (True, 12, [], [], ["auth.log"])


def test_a_line_without_an_end_is_passed_over(log: Path) -> None:
    """What follows 64 KiB of it is no line of its own, whatever it looks like."""
    forged = failures(60, 1, address="203.0.113.7").rstrip("\n")
    log.write_text(line(2 * HOUR) + line(90, "x" * (sources._LONGEST_LINE - len(line(90, ""))) + forged) + failures(60, 2))
    assert look(log) == (True, 2, [], [], ["auth.log"])
