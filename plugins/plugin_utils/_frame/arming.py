# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit on a managed host's disk that takes a change back when its time is over, also after a reboot.

A service, a timer of systemd and a script: the timer has a fixed time and is persistent, the service runs the script, which is the way
back, and then removes all three. Where the way back fails they stay, the timer tries again, and so does every start of the host: a service
that failed is seen in `systemctl --failed` until the next boot. The command is in the script and not in the unit file because systemd shows
that to every user.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import typing as t

from ...module_utils._core.errors import BadInput, IncidentError

UNIT = "oncall-incident-undo-"
DIRECTORY = "/etc/systemd/system"
MIN_SECONDS, MAX_SECONDS = 10.0, 30 * 86400.0
#: What systemd says of itself while it can run timers (systemctl(1), is-system-running).
_ALIVE = "running|degraded|starting|initializing|maintenance"
#: The command that prints the machine's id (machine-id(5)), and nothing where it has none.
MACHINE = "if test -e /etc/machine-id; then cat /etc/machine-id; fi"
_NAME = re.compile(rf"{UNIT}[0-9a-f]{{12}}\Z")
#: When it is tried again after the time was over, seconds after that; then only at each start of the host.
RETRIES = (60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86400, 3 * 86400, 7 * 86400)
#: Exit statuses of the commands below.
NO_SYSTEMD, NOT_ROOT, ARMED_ALREADY = 77, 78, 79


class NotArmed(IncidentError):
    """Nothing could be made that takes the change back, so it is not made.

    Args:
        begun: whether files of the unit may be there all the same.
    """

    kind = "not_armed"

    def __init__(self, message: str, *, hint: str | None = None, begun: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.begun = begun


def unit_name(action: str) -> str:
    """The name of the unit for an action, without its suffix.

    Args:
        action: the id.
    """
    return f"{UNIT}{hashlib.sha256(action.encode()).hexdigest()[:12]}"


def digest(command: t.Sequence[str], undo: t.Mapping[str, t.Any]) -> str:
    """What tells one way back from another in an action's identity. It may hold secrets, so it is not in there as it is."""
    return hashlib.sha256(json.dumps([list(command), dict(undo)], sort_keys=True, default=str).encode()).hexdigest()[:12]


def identity_of(
    identity: t.Mapping[str, t.Any], *, seconds: float, command: t.Sequence[str], undo: t.Mapping[str, t.Any],
) -> dict[str, t.Any]:
    """What identifies an action that a unit takes back.

    What is approved is what is run without anybody: when, and which command, with the values that it goes back to.
    """
    return {**identity, "expires": f"{seconds:g}s", "way_back": digest(command, undo)}


def check_seconds(seconds: float, *, working: float) -> float:
    """How long a change lasts.

    Args:
        working: how long making and measuring it may take: the unit must not run before that is over.

    Raises:
        BadInput: too short, or so long that it would be forgotten.
    """
    if seconds <= working:
        raise BadInput(
            f"temporary.expires: {seconds:g} s is over before the change is made and measured, which may take {working:g} s.",
            hint="Give a longer time, or shorter ones for timeout, measure.timeout and measure.hold.", argument="temporary",
        )
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise BadInput(
            f"temporary.expires: {seconds:g} s is not between {MIN_SECONDS:g} s and {MAX_SECONDS / 86400:g} days.",
            hint="Give a time in between, or leave it empty: then nobody undoes it.", argument="temporary",
        )
    return seconds


def ready_command(unit: str = "", subject: str = "") -> str:
    """The command (POSIX sh) that only looks whether a unit could be made; its status is 0 where it could.

    Args:
        unit, subject: as of arm_command().
    """
    return "\n".join([_READY, *_alone(unit, subject), ":"])


def arm_command(unit: str, argv: t.Sequence[str], *, seconds: float, says: str, subject: str = "") -> str:
    """The command that writes the units and starts the timer; it prints when that ends, in seconds since the epoch by the host's clock.

    What it has written it takes away again where the timer does not run in the end.

    Args:
        argv: the way back.
        says: what it does, for people who find the unit.
        subject: what is changed, the same for each change of it. While another unit would take back a change of it nothing is made: the
            earlier one would not find its own value any more, and the later one would go back to that. Empty where it does not matter.
    """
    script, service, timer = (f"{DIRECTORY}/{unit}{suffix}" for suffix in (".sh", ".service", ".timer"))
    return "\n".join([
        _READY,
        "set -eu", "umask 077",
        *_alone(unit, subject),
        f"trap {shlex.quote(_remove(unit))} EXIT",
        f"until=$(( $(date +%s) + {int(seconds)} ))",
        # The service is started at each boot, before its time as well.
        f"printf '%s\\n' \"test \\\"\\$(date +%s)\\\" -ge $until || exit 0\" {shlex.quote(script_text(unit, argv))} >{script}",
        f"printf %s {shlex.quote(service_text(unit, says=says, subject=subject))} >{service}",
        "{",
        f"printf %s {shlex.quote(_TIMER_HEAD.format(says=_line(says)))}",
        f"for later in 0 {' '.join(str(later) for later in RETRIES)}; do",
        "  date -u -d \"@$(( until + later ))\" '+OnCalendar=%Y-%m-%d %H:%M:%S UTC'",
        "done",
        f"printf %s {shlex.quote(_TIMER_TAIL)}",
        f"}} >{timer}",
        f"chmod 0644 {timer}",
        "systemctl daemon-reload",
        f"systemctl enable {unit}.service >/dev/null 2>&1",
        f"systemctl enable --now {unit}.timer >/dev/null 2>&1",
        active_command(unit),
        "trap - EXIT",
        'echo "$until"',
    ])


def _alone(unit: str, subject: str) -> list[str]:
    """The lines that end where another unit takes back a change of the same subject. Other users cannot read the units' files."""
    if not subject:
        return []
    return [
        f"for other in {DIRECTORY}/{UNIT}*.service; do",
        f'  test "$other" != {DIRECTORY}/{unit}.service || continue',
        f'  if grep -qxF {shlex.quote(_about(subject))} "$other" 2>/dev/null; then echo "${{other##*/}}" >&2; exit {ARMED_ALREADY}; fi',
        "done",
    ]


def _about(subject: str) -> str:
    return f"# changes {hashlib.sha256(subject.encode()).hexdigest()}"


def active_command(unit: str) -> str:
    """The command whose status is 0 while the timer is to fire: one that has fired for the last time is active too."""
    return f'test "$(systemctl show --property=SubState {unit}.timer)" = SubState=waiting'


def there_command(unit: str) -> str:
    """The command that prints which files of the unit there are; it fails where nobody could look."""
    files = " ".join(f"{DIRECTORY}/{unit}{suffix}" for suffix in (".timer", ".service"))
    return f"test -x {DIRECTORY} || exit 1; for file in {files}; do test ! -e $file || echo $file; done"


def disarm_command(unit: str) -> str:
    """The command that removes the units.

    Raises:
        BadInput: it is not the name of one of ours.
    """
    if not _NAME.fullmatch(unit):
        raise BadInput(f"{unit} is not a unit that takes back a change.", hint=f"Their names are {UNIT} and twelve digits.")
    forget = f"systemctl reset-failed {unit}.service >/dev/null 2>&1"  # one that failed is still listed without its files
    return f"{_remove(unit)}\n{forget}\ntest ! -e {DIRECTORY}/{unit}.timer && test ! -e {DIRECTORY}/{unit}.service"


def script_text(unit: str, argv: t.Sequence[str]) -> str:
    """What the service runs (POSIX sh) once its time is over: the way back, and where that has worked the removal of the units."""
    return f"(exec {shlex.join(argv)}) || exit\n{_remove(unit, stop='stop --no-block')}"


def service_text(unit: str, *, says: str, subject: str = "") -> str:
    """The service's unit file (systemd.service(5))."""
    command = " ".join(_word(word) for word in ("/bin/sh", f"{DIRECTORY}/{unit}.sh"))
    about = f"{_about(subject)}\n" if subject else ""
    # After all that starts at boot: what it takes back may need that, and nothing waits for it.
    return (
        f"{about}[Unit]\nDescription={_line(says)}\nAfter=multi-user.target\n\n"
        f"[Service]\nType=oneshot\nTimeoutStartSec=120\nExecStart={command}\n\n[Install]\nWantedBy=multi-user.target\n"
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
    if status == ARMED_ALREADY:
        return NotArmed(
            f"{_line(said) or 'Another unit'} takes back an earlier change of this, and would come in between. Nothing was changed.",
            hint="Take the earlier change back first (incident undo), or wait until its time is over.",
        )
    reason = f"status {status}, {_line(said) or 'no reason given'}"
    return NotArmed(
        f"The unit that takes the change back could not be started: {reason}. Nothing was changed.",
        hint="Correct that, or leave the expiry empty and take the change back with incident undo.", begun=True,
    )


_READY = f"""command -v systemctl >/dev/null 2>&1 || {{ echo 'systemctl is not there' >&2; exit {NO_SYSTEMD}; }}
state=$(systemctl is-system-running 2>/dev/null || :)
case "$state" in {_ALIVE}) ;; *) echo "${{state:-no answer}}" >&2; exit {NO_SYSTEMD};; esac
test -w {DIRECTORY} || exit {NOT_ROOT}"""
_TIMER_HEAD = "[Unit]\nDescription={says}\n\n[Timer]\n"
_TIMER_TAIL = "Persistent=true\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n"


def _remove(unit: str, *, stop: str = "stop") -> str:
    files = f"{DIRECTORY}/{unit}.timer {DIRECTORY}/{unit}.service {DIRECTORY}/{unit}.sh /var/lib/systemd/timers/stamp-{unit}.timer"
    return (
        f"systemctl disable {unit}.timer {unit}.service >/dev/null 2>&1; systemctl {stop} {unit}.timer >/dev/null 2>&1; rm -f {files}; "
        "systemctl daemon-reload >/dev/null 2>&1; :"
    )


def _word(word: str) -> str:
    """A word of a command line in a unit file: quoted, and with nothing that systemd would replace."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _line(text: str) -> str:
    return " ".join(text.split()).replace("%", "%%")
