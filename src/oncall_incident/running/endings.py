# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ends a run right after an execution, before anything is judged: no record, stopped, bad input."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import EXIT_CANNOT_RECORD, EXIT_NO_HOSTS
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary

from ..exits import Exit
from ..record import outcome
from ..record.outcome import Outcome
from ..terminal import words

_ERROR = re.compile(r"\[ERROR\]|^ERROR|^fatal:|error:|\[WARNING\]: (?:Unable to parse|Could not match)", re.IGNORECASE)
_MISMATCH = re.compile(r"Could not match supplied host pattern, ignoring: (\S+)")
_MOST_LINES = 12


def after_execution(
    summary: Summary, *, status: int | None, said: Sequence[str], stopped: str, limit: str, first: bool,
) -> Outcome | None:
    """The outcome when the run ends here; None when it goes on.

    Args:
        status: ansible-playbook's exit status; None when it is not known.
        said: its last lines, redacted.
        stopped: why it was stopped from outside, or "".
        limit: the --limit.
        first: whether this is the run's first execution, so that nothing was touched yet.
    """
    if status == EXIT_CANNOT_RECORD:
        return Outcome("not_recorded", Exit.NOT_RECORDED, "The record could not be written, so Ansible was stopped.", quoted=errors(said))
    if stopped:
        return outcome.stopped(stopped, summary)
    if not first:
        return None
    strangers = [name for name in dict.fromkeys(_MISMATCH.findall("\n".join(said))) if name in limit]
    if strangers:
        return _bad_input(f"--limit {limit}: the inventory has no {', '.join(strangers)}.", [
            "Check the name; ansible-inventory -i INVENTORY --graph shows what there is."])
    if status == EXIT_NO_HOSTS or (summary.no_hosts and not summary.hosts and not summary.unreachable):
        wanted = sorted({str(entry.get("hosts")).strip("[]'") for entry in summary.no_hosts})
        return _bad_input(f"No host matched {', '.join(wanted) or 'the groups of the scenario'}.", [
            "Check the inventory and --limit, or name the hosts with the scenario's own variables, such as -e incident_db=GROUP."])
    if was_killed(status) and not looked_at_something(summary):
        # It had begun, whatever it did not come to: that is not a fault of the input.
        did = outcome.what_was_done(summary)
        return Outcome("failed", Exit.FAILED, f"ansible-playbook was ended by a signal before it had looked at anything; {did}.",
                       ["Nobody knows who sent it: see the kernel's log, which names processes that ran out of memory. Then run it again."])
    if status != 0 and not looked_at_something(summary):
        if summary.failures:
            # A task that checks the input refused it: its message is in the record, redacted.
            said_so = list(dict.fromkeys(line for entry in summary.failures for line in _refusals(entry)))
            more = [f"and {len(said_so) - _MOST_LINES} more"] if len(said_so) > _MOST_LINES else []
            return _bad_input("The input was refused.", [*said_so[:_MOST_LINES], *more])
        silent = [f"ansible-playbook ended with exit status {status} and said nothing."]
        return _bad_input("Ansible could not begin.", quoted=errors(said) or silent)
    return None


def was_killed(status: int | None) -> bool:
    """Whether a process was ended by a signal: its exit status is negative, or 128 and its number as of a shell, or not known."""
    return status is None or status < 0 or 128 < status <= 128 + 64


def _refusals(entry: Mapping[str, Any]) -> list[str]:
    """What a failed check of the input said: its problems one by one, which name their hosts, else its message."""
    listed = [words.one_line(problem, limit=400) for problem in entry.get("problems") or ()]
    return listed or [f"{entry['host']}: {words.one_line(entry['msg'] or entry['task'], limit=400)}"]


def looked_at_something(summary: Summary) -> bool:
    """Whether any phase got as far as a result of its own: what fails before that is the input."""
    if summary.findings or summary.actions or summary.unreachable or summary.plan is not None:
        return True
    return any(entry.get("phase") and "validate_argument_spec" not in str(entry.get("action")) for entry in summary.failures)


def errors(said: Sequence[str]) -> list[str]:
    """The errors among ansible's last words, or its last words."""
    starts = [number for number, line in enumerate(said) if _ERROR.search(line)]
    # Why an inventory could not be read is in Ansible's warnings, one for each plugin that tried.
    parsing = [line for line in said if line.startswith("[WARNING]: Failed to parse inventory")]
    return [*parsing, *said[starts[0]:]][:_MOST_LINES] if starts else list(said[-6:])


def _bad_input(sentence: str, reasons: Sequence[str] = (), *, quoted: Sequence[str] = ()) -> Outcome:
    return Outcome("bad_input", Exit.USAGE, f"{sentence} Nothing was touched.", reasons, quoted=quoted)
