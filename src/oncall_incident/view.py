# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator sees while a run goes on: lines that stay, and on a terminal one status line that moves.

Everything shown comes from the record, so that what was on the screen is what was written down.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import STATUSES
from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.text import Text

from . import words

STYLES = {
    "critical": "bold red", "unknown": "bold magenta", "warning": "yellow", "ok": "green",
    "done": "green", "gone": "green", "planned": "cyan", "failed": "bold red", "still_running": "bold red", "not_permitted": "bold red",
    "refused": "yellow", "moved_on": "yellow", "pid_reused": "yellow", "not_needed": "dim", "approved": "green",
}
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
        self._findings: list[Mapping[str, Any]] = []
        self._shown: dict[tuple[str, str, str, str], str] = {}

    def say(self, text: str | Text, *, style: str = "", indent: int = 0) -> None:
        """A line that stays; in plain output with the time since the start in front."""
        line = text if isinstance(text, Text) else Text(text, style=style)
        if not self.console.is_terminal:
            elapsed = int(time.monotonic() - self._started)
            line = Text(f"{elapsed // 60:02d}:{elapsed % 60:02d} " + " " * indent).append_text(line)
            self.console.print(line, soft_wrap=True, highlight=False)
        else:
            self.console.print(Padding(line, (0, 0, 0, indent)), highlight=False)

    def show(self, renderable: Any) -> None:
        """A table or the like."""
        self.console.print(renderable, highlight=False)

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
            if self._live is not None:
                self._live.stop()
        except Exception as exc:
            self.fault = self.fault or exc
        self._live = None

    def show_from(self, record: EventSource) -> None:
        """Show what is new in a record, and move the status line.

        A closed pipe or a fault in the display is no reason to leave a mitigation half done: the view then goes silent.
        """
        try:
            for event in record.new_events():
                if self.fault is None:
                    self.event(event)
            if self.fault is None:
                self.tick()
        except Exception as exc:
            self.fault = exc

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
        if kind == "finding":
            self._enter(event)
            self._findings.append(event)
            return
        self._flush()
        handler = getattr(self, "_on_" + kind.replace(".", "_"), None)
        if handler is not None:
            handler(event)

    def _on_segment_open(self, event: Mapping[str, Any]) -> None:
        if event.get("check_mode") is not None:
            self._check_mode = bool(event.get("check_mode"))

    def _on_intent(self, event: Mapping[str, Any]) -> None:
        self._enter(event)
        where = f"{event['host']}: " if event.get("host") else ""
        self._doing = f"{where}{words.one_line(event.get('task', ''))}"

    def _on_result(self, event: Mapping[str, Any]) -> None:
        status = event.get("status")
        if status == "unreachable":
            self.say(Text.assemble(("unreachable ", "bold red"), f"{event.get('host')}: {_message(event)}"), indent=2)
        elif status == "failed" and event.get("phase") != "verify" and not event.get("ignored"):
            self.say(Text.assemble(("failed ", "bold red"), f"{event.get('host')}: {_message(event)}"), indent=2)

    def _on_action(self, event: Mapping[str, Any]) -> None:
        action = event.get("action") or event
        outcome = str(action.get("outcome", ""))
        if outcome == "planned":
            return  # the plan's table shows them all
        self._enter(event)
        text = Text.assemble(
            (f"{outcome.replace('_', ' '):<13}", STYLES.get(outcome, "")), f"{event.get('host')}  {action.get('verb')} ",
            words.target(action.get("target") or {}),
        )
        self.say(text, indent=2)
        error = (action.get("detail") or {}).get("error")
        if error:
            self.say(words.one_line(error, limit=200), style="dim", indent=15)

    def _on_skipped_check(self, event: Mapping[str, Any]) -> None:
        item = event.get("skipped") or event
        key = (str(event.get("phase")), str(event.get("host")), str(item.get("check")), "skipped")
        if key not in self._shown:
            self._shown[key] = "skipped"
            reason = words.one_line(item.get("reason", ""), limit=200)
            name = (str(item.get("check")), "bold")
            self.say(Text.assemble((f"{'skipped':<9}", "magenta"), f"{event.get('host')}  ", name, f"  {reason}"), indent=2)

    def _on_no_hosts(self, _event: Mapping[str, Any]) -> None:
        self.say("no hosts matched", style="bold red", indent=2)

    def _on_record_degraded(self, _event: Mapping[str, Any]) -> None:
        self.say("The record is incomplete: events could not be written (on_error=continue).", style="bold red")

    def _enter(self, event: Mapping[str, Any]) -> None:
        phase = str(event.get("phase") or "")
        if phase in _TITLES and phase != self._phase:
            self._phase = phase
            note = "  what it would do; nothing is touched" if phase == "mitigate" and self._check_mode else ""
            self.say(Text.assemble((_TITLES[phase], "bold"), (note, "dim")))

    def _flush(self) -> None:
        """Show the findings of one look, the worst first; those seen before only when their status changed."""
        found, self._findings = self._findings, []
        fine: dict[str, list[str]] = {}
        for event in sorted(found, key=lambda item: -_rank(item)):
            finding = event.get("finding") or event
            host, status = str(event.get("host")), str(finding.get("status"))
            key = (str(event.get("phase")), host, str(finding.get("check")), str(finding.get("subject") or ""))
            if self._shown.get(key) == status:
                continue
            self._shown[key] = status
            if status == "ok":
                fine.setdefault(host, []).append(str(finding.get("check")))
            else:
                self._finding(host, status, finding)
        for host, checks in fine.items():
            names = ", ".join(dict.fromkeys(checks))
            self.say(Text.assemble((f"{'ok':<9}", STYLES["ok"]), f"{host}  ", (names, "dim")), indent=2)

    def _finding(self, host: str, status: str, finding: Mapping[str, Any]) -> None:
        unit = str(finding.get("unit") or "")
        subject = f" {finding['subject']}" if finding.get("subject") else ""
        limit = finding.get("threshold")
        against = f" (limit {words.measured(limit, unit)})" if limit is not None else ""
        self.say(Text.assemble(
            (f"{status.upper():<9}", STYLES.get(status, "")), f"{host}  ", (f"{finding.get('check')}{words.one_line(subject)}", "bold"),
            f"  {words.measured(finding.get('observed'), unit)}{against}",
        ), indent=2)
        if finding.get("hint"):
            self.say(words.one_line(finding["hint"], limit=300), style="dim", indent=11)


def _rank(event: Mapping[str, Any]) -> int:
    status = str((event.get("finding") or event).get("status"))
    return STATUSES.index(status) if status in STATUSES else len(STATUSES)


def _message(event: Mapping[str, Any]) -> str:
    result = event.get("result")
    message = result.get("msg") if isinstance(result, Mapping) else ""
    return words.one_line(message or event.get("task", ""), limit=400)
