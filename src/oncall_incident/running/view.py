# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator sees while a run goes on: lines that stay, and on a terminal one status line that moves.

Everything shown comes from the record, so that what was on the screen is what was written down.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from ansible_collections.oncall.incident.plugins.module_utils._core.actions import PLANNED
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import OK, STATUSES, Finding
from ansible_collections.oncall.incident.plugins.plugin_utils._record import summary, told
from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ..terminal import words

STYLES = {
    "critical": "bold red", "unknown": "bold magenta", "warning": "yellow", "ok": "green",
    "done": "green", "gone": "green", "planned": "cyan", "failed": "bold red", "still_running": "bold red", "not_permitted": "bold red",
    "refused": "yellow", "moved_on": "yellow", "pid_reused": "yellow", "not_needed": "dim", "approved": "green",
}
#: A status, what it is about, and the rest of what is said of it.
_Words = tuple[str, ...]
_TITLES = {"investigate": "Investigate", "mitigate": "Mitigate", "verify": "Verify"}


class EventSource(Protocol):
    """What gives events as they are written."""

    def new_events(self) -> Iterator[dict[str, Any]]:
        """Those since the last call."""


class View:
    """The display of one run.

    Args:
        console: where to; its terminal-ness decides between the moving status line and plain lines.
        verbose: show ansible-playbook's own lines too.

    Attributes:
        fault: what made the display go silent, or None.
    """

    fault: Exception | None = None

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self.console = console
        self.verbose = verbose
        self._started = time.monotonic()
        self._live: Live | None = None
        self._spinner = Spinner("dots", style="cyan") if console.is_terminal else None
        self._phase = ""
        self._check_mode = False
        self._doing = "starting"
        self._look: list[Mapping[str, Any]] = []
        self._failures: list[tuple[str, str]] = []
        # What the last lines say, where they are failures.
        self._last: list[str] = []
        self._shown: dict[tuple[str, str, str], str] = {}
        self._task: tuple[str, str] = ("", "")
        # What is said of one host in these words, and of which others it holds too.
        self._said: dict[_Words, str] = {}
        self._too: dict[_Words, list[str]] = {}

    def say(self, text: str | Text, *, style: str = "", indent: int = 0, label: Text | None = None) -> None:
        """A line that stays; in plain output with the time since the start in front.

        Args:
            label: stands before the text, which is folded beside it.
        """
        self._last = []
        line = text if isinstance(text, Text) else Text(text, style=style)
        if not self.console.is_terminal:
            elapsed = int(time.monotonic() - self._started)
            front = Text(f"{elapsed // 60:02d}:{elapsed % 60:02d} " + " " * indent).append_text(label or Text())
            self.console.print(front.append_text(line), soft_wrap=True, highlight=False)
            return
        grid = Table.grid()
        if label is not None:
            grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(*([label] if label is not None else []), line)
        self.console.print(Padding(grid, (0, 0, 0, indent)), highlight=False)

    def begin(self, doing: str) -> None:
        """An execution starts: the status line appears."""
        self._phase, self._doing = "", doing
        if self._spinner is not None and self._live is None:
            # Refreshed by tick(): a thread of its own would be forked into ansible-playbook's start.
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        elif self._spinner is None:
            self.say(doing)

    def end(self) -> None:
        """The execution is over: what was held back is shown, the status line goes."""
        try:
            self._flush()
            self._say_of_others()
            if self._live is not None:
                self._live.stop()
        except Exception as exc:
            self.fault = self.fault or exc
        self._live = None

    def show_from(self, record: EventSource) -> None:
        """Show what is new in a record, and move the status line.

        A closed pipe or a fault in the display is not a reason to leave a mitigation half done: the view then goes silent.
        """
        try:
            for event in record.new_events():
                if self.fault is None:
                    self.event(event)
            if self.fault is None:
                self.tick()
        except Exception as exc:
            self.fault = exc

    def stopping(self) -> None:
        """The run is being stopped: the status line says what it waits for."""
        self._doing = "stopping: Ansible ends its workers; Ctrl-C again does not wait for it"

    def tick(self) -> None:
        """Move the status line."""
        if self._live is not None and self._spinner is not None:
            elapsed = format_duration(round(time.monotonic() - self._started))
            self._spinner.update(text=Text(f"{elapsed:>6}  {words.one_line(self._doing, limit=max(self.console.width - 14, 20))}"))
            self._live.update(self._spinner, refresh=True)

    def line(self, text: str) -> None:
        """A line of ansible-playbook's own output."""
        if self.verbose and self.fault is None:
            try:
                self.say(text, style="dim", indent=2)
            except OSError as exc:
                self.fault = exc

    def event(self, event: Mapping[str, Any]) -> None:
        """Show what an event of the record means to a person."""
        kind = str(event.get("type", ""))
        if kind in ("finding", "skipped_check"):
            self._look.append(event)
            return
        self._flush()
        handler = getattr(self, "_on_" + kind.replace(".", "_"), None)
        if handler is not None:
            handler(event)

    def _on_segment_open(self, event: Mapping[str, Any]) -> None:
        if event.get("check_mode") is not None:
            self._check_mode = bool(event.get("check_mode"))

    def _on_intent(self, event: Mapping[str, Any]) -> None:
        task = str(event.get("phase") or ""), str(event.get("task") or "")
        if task != self._task:
            self._say_of_others()
            self._task = task
        where = f"{event['host']}: " if event.get("host") else ""
        self._doing = f"{where}{words.one_line(event.get('task', ''))}"

    def _on_place(self, event: Mapping[str, Any]) -> None:
        self._enter(event)
        self._judged("looks at", "dim", event, Text(words.one_line(event.get("place") or "", limit=400)))

    def _on_result(self, event: Mapping[str, Any]) -> None:
        status = event.get("status")
        if status == "unreachable":
            self._enter(event)
            self._failed("UNREACHABLE ", event, _message(event), said=f"unreachable: {_message(event)}")
        elif status == "failed" and event.get("phase") != "verify" and not event.get("ignored"):
            said = (str(event.get("host")), _message(event))
            # A failure that was kept is said again at the end, with its phase in front.
            if not any(host == said[0] and said[1].endswith(text) for host, text in self._failures):
                self._failures.append(said)
                self._enter(event)
                self._failed("FAILED", event, said[1], said=said[1])

    def _on_action(self, event: Mapping[str, Any]) -> None:
        action = told.action(event.get("action"))
        outcome = action.outcome
        if outcome == PLANNED:
            return  # the plan's table shows them all
        self._enter(event)
        label = Text.assemble((f"{outcome.replace('_', ' '):<14}", STYLES.get(outcome, "")), f"{event.get('host')}  ")
        verb = action.verb.replace("_", " ")
        self.say(f"{verb} {words.one_line(action.name)}", label=label, indent=2)
        error = action.detail.get("error")
        if error:
            self.say(words.one_line(error, limit=200), style="dim", indent=16)

    def _on_record_degraded(self, _event: Mapping[str, Any]) -> None:
        self.say("The record is incomplete: events could not be written (on_error=continue).", style="bold red")

    def _enter(self, event: Mapping[str, Any]) -> None:
        """A phase has something to show: say which, when it is another one."""
        phase = str(event.get("phase") or "")
        if phase in _TITLES and phase != self._phase:
            self._phase = phase
            note = "  what it would do; nothing is touched" if phase == "mitigate" and self._check_mode else ""
            self.say(Text.assemble((_TITLES[phase], "bold"), (note, "dim")))

    def _is_news(self, event: Mapping[str, Any], *, check: str, subject: str = "", status: str) -> bool:
        """Whether this was not shown with this status before: verify repeats what investigate said."""
        key = (str(event.get("host")), check, subject)
        known, self._shown[key] = self._shown.get(key), status
        return known != status

    def _is_first(self, event: Mapping[str, Any], *said: str) -> bool:
        """Whether no other host of this task is said to be the same; else it is told with all such hosts, when the task is over."""
        host = str(event.get("host"))
        if self._said.setdefault(said, host) == host:
            return True
        self._too.setdefault(said, []).append(host)
        return False

    def _say_of_others(self) -> None:
        """One line for all hosts of which the same was found."""
        for said, hosts in self._too.items():
            status, what = said[0], said[1]
            others = list(dict.fromkeys(hosts))
            style = STYLES.get(status.lower(), "magenta")
            label = Text.assemble((f"{status:<10}", style), f"{words.count(len(others), 'more host')}  ")
            same = f"  the same as on {self._said[said]}: {words.one_line(', '.join(others), limit=300)}"
            self.say(Text.assemble((what, "" if status == OK else "bold"), same), label=label, indent=2)
        self._said, self._too = {}, {}

    def _flush(self) -> None:
        """Show the findings of one look, the worst first; of those seen before only what changed."""
        look, self._look = self._look, []
        found = [(event, told.finding(event.get("finding"))) for event in look if event["type"] == "finding"]
        news = [
            (event, finding) for event, finding in found
            if self._is_news(event, check=finding.check, subject=finding.subject, status=finding.status)
        ]
        fine: dict[str, dict[str, tuple[Mapping[str, Any], Finding]]] = {}
        troubled = {(str(event.get("host")), finding.check) for event, finding in found if finding.status != OK}
        for event, finding in sorted(news, key=lambda item: -_rank(item[1])):
            self._enter(event)
            host = str(event.get("host"))
            if finding.status != OK:
                self._finding(event, finding)
            elif (host, finding.check) not in troubled:
                fine.setdefault(host, {})[finding.check] = event, finding
        for checks in fine.values():
            event, said = next(iter(checks.values()))[0], ", ".join(checks)
            if not self._is_first(event, "ok", said, *(finding.hint for _event, finding in checks.values())):
                continue
            self._judged("ok", STYLES["ok"], event, Text(said, style="dim"))
            for _event, finding in checks.values():
                self._hint(finding)
        self._skipped([event for event in look if event["type"] == "skipped_check"])

    def _skipped(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Checks that could not run, by their reason."""
        by_reason: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
        for event in events:
            skipped = told.skipped(event.get("skipped"))
            if self._is_news(event, check=skipped.check, status="skipped"):
                by_reason.setdefault((str(event.get("host")), skipped.reason), {})[skipped.check] = event
        for (_host, reason), members in by_reason.items():
            event = next(iter(members.values()))
            self._enter(event)
            if self._is_first(event, "skipped", ", ".join(members), reason):
                self._judged("skipped", "magenta", event, Text(f"{', '.join(members)}: {words.one_line(reason, limit=200)}"))

    def _finding(self, event: Mapping[str, Any], finding: Finding) -> None:
        name = f"{finding.check} {words.one_line(finding.subject)}".strip()
        against = f" (limit {words.measured(finding.threshold, finding.unit)})" if finding.threshold is not None else ""
        measured = f"{words.measured(finding.observed, finding.unit)}{against}"
        if not self._is_first(event, finding.status.upper(), name, measured, finding.hint):
            return
        text = Text.assemble((name, "bold"), f"  {measured}")
        self._judged(finding.status.upper(), STYLES.get(finding.status, ""), event, text)
        self._hint(finding)

    def _hint(self, finding: Finding) -> None:
        if finding.hint:
            self.say(words.one_line(finding.hint, limit=700), style="dim", indent=12)

    def _failed(self, word: str, event: Mapping[str, Any], text: str, *, said: str) -> None:
        before = self._last
        self._judged(word, "bold red", event, Text(text))
        self._last = [*before, f"{event.get('host')}: {said}"]

    def just_said(self, reason: str) -> bool:
        """Whether the last lines on the screen are failures, and one of them says this: nobody reads it twice, the second time cut."""
        cut = reason.removesuffix("…")
        return any(line.startswith(cut) or (reason.endswith(line.partition(": ")[2]) and reason.startswith(line.partition(": ")[0]))
                   for line in self._last)

    def _judged(self, word: str, style: str, event: Mapping[str, Any], text: Text) -> None:
        self.say(text, label=Text.assemble((f"{word:<10}", style), f"{event.get('host')}  "), indent=2)


def _rank(finding: Finding) -> int:
    return STATUSES.index(finding.status) if finding.status in STATUSES else len(STATUSES)


def _message(event: Mapping[str, Any]) -> str:
    return words.one_line(summary.message(event) or event.get("task", ""))
