# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit on a managed host's disk that takes a change back when its time is over, also after a reboot.

A service and a timer of systemd: the timer has a fixed time and is persistent, the service runs the way back and then removes both.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import typing as t

from ...module_utils._core.errors import BadInput, IncidentError

UNIT = "oncall-incident-undo-"
DIRECTORY = "/etc/systemd/system"
MIN_SECONDS, MAX_SECONDS = 10.0, 30 * 86400.0
#: What systemd says of itself while it can run timers (systemctl(1), is-system-running).
_ALIVE = "running|degraded|starting|initializing|maintenance"
_NAME = re.compile(rf"{UNIT}[0-9a-f]{{12}}\Z")
#: Exit statuses of the commands below.
NO_SYSTEMD, NOT_ROOT = 77, 78


class NotArmed(IncidentError):
    """Nothing could be made that takes the change back, so it is not made."""

    kind = "not_armed"


def unit_name(action: str) -> str:
    """The name of the unit for an action, without its suffix.

    Args:
        action: the id.
    """
    return f"{UNIT}{hashlib.sha256(action.encode()).hexdigest()[:12]}"


def check_seconds(seconds: float) -> float:
    """How long a change lasts.

    Raises:
        BadInput: too short to be armed, or so long that it would be forgotten.
    """
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise BadInput(
            f"temporary.expires: {seconds:g} s is not between {MIN_SECONDS:g} s and {MAX_SECONDS / 86400:g} days.",
            hint="Give a time in between, or leave it empty: then nobody undoes it.", argument="temporary",
        )
    return seconds


def ready_command() -> str:
    """The command (POSIX sh) that only looks whether a unit could be made; its status is 0 where it could."""
    return f"{_READY}\n:"


def arm_command(unit: str, argv: t.Sequence[str], *, seconds: float, says: str) -> str:
    """The command that writes the units and starts the timer; it prints when that ends, in seconds since the epoch by the host's clock.

    What it has written it takes away again where the timer does not run in the end.

    Args:
        argv: the way back.
        says: what it does, for people who find the unit.
    """
    service, timer = f"{DIRECTORY}/{unit}.service", f"{DIRECTORY}/{unit}.timer"
    return "\n".join([
        _READY,
        "set -eu", "umask 077",
        f"trap {shlex.quote(_remove(unit))} EXIT",
        f"until=$(( $(date +%s) + {int(seconds)} ))",
        "when=$(date -u -d \"@$until\" '+%Y-%m-%d %H:%M:%S UTC')",
        f"printf %s {shlex.quote(service_text(unit, argv, says=says))} >{service}",
        f"printf '%s' {shlex.quote(_TIMER_HEAD.format(says=_line(says)))}\"OnCalendar=$when\"{shlex.quote(_TIMER_TAIL)} >{timer}",
        f"chmod 0644 {timer}",
        "systemctl daemon-reload",
        f"systemctl enable --now {unit}.timer >/dev/null 2>&1",
        f"systemctl is-active --quiet {unit}.timer",
        "trap - EXIT",
        'echo "$until"',
    ])


def disarm_command(unit: str) -> str:
    """The command that removes the units.

    Raises:
        BadInput: it is not the name of one of ours.
    """
    if not _NAME.fullmatch(unit):
        raise BadInput(f"{unit} is not a unit that takes back a change.", hint=f"They are called {UNIT} and twelve digits.")
    return f"{_remove(unit)}\ntest ! -e {DIRECTORY}/{unit}.timer"


def service_text(unit: str, argv: t.Sequence[str], *, says: str) -> str:
    """The service's unit file (systemd.service(5))."""
    command = " ".join(_word(word) for word in ("/usr/bin/env", *argv))
    remove = " ".join(_word(word) for word in ("/bin/sh", "-c", _remove(unit, stop="stop --no-block")))
    return (
        f"[Unit]\nDescription={_line(says)}\n\n[Service]\nType=oneshot\nTimeoutStartSec=120\nExecStart={command}\n"
        # Only after the way back has worked: one that failed stays, and systemctl --failed shows it.
        f"ExecStartPost={remove}\n"
    )


def refusal(status: int | None, said: str) -> NotArmed:
    """Why a unit could not be made, from how the command ended."""
    if status == NO_SYSTEMD:
        return NotArmed(
            f"No unit can be made on this host that takes the change back (systemd: {_line(said) or 'no answer'}). Nothing was changed.",
            hint="Leave the expiry empty, and take the change back with incident undo.",
        )
    if status == NOT_ROOT:
        return NotArmed(
            "The unit that takes the change back needs root on this host. Nothing was changed.",
            hint="Become root (become), or leave the expiry empty and take the change back with incident undo.",
        )
    reason = f"status {status}, {_line(said) or 'no reason given'}"
    return NotArmed(
        f"The unit that takes the change back could not be started: {reason}. Nothing was changed.",
        hint="Correct that, or leave the expiry empty and take the change back with incident undo.",
    )


_READY = f"""command -v systemctl >/dev/null 2>&1 || {{ echo 'systemctl is not there' >&2; exit {NO_SYSTEMD}; }}
state=$(systemctl is-system-running 2>/dev/null || :)
case "$state" in {_ALIVE}) ;; *) echo "${{state:-no answer}}" >&2; exit {NO_SYSTEMD};; esac
test -w {DIRECTORY} || exit {NOT_ROOT}"""
_TIMER_HEAD = "[Unit]\nDescription={says}\n\n[Timer]\n"
_TIMER_TAIL = "\nPersistent=true\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n"


def _remove(unit: str, *, stop: str = "stop") -> str:
    files = f"{DIRECTORY}/{unit}.timer {DIRECTORY}/{unit}.service /var/lib/systemd/timers/stamp-{unit}.timer"
    return (
        f"systemctl disable {unit}.timer >/dev/null 2>&1; systemctl {stop} {unit}.timer >/dev/null 2>&1; rm -f {files}; "
        "systemctl daemon-reload >/dev/null 2>&1; :"
    )


def _word(word: str) -> str:
    """A word of a command line in a unit file: quoted, and with nothing that systemd would replace."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _line(text: str) -> str:
    return " ".join(text.split()).replace("%", "%%")
