# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One execution: ansible-playbook under ansible-runner, watched, stoppable, leaving nothing of ansible-runner's behind.

ansible-runner's RunnerConfig and Runner are used directly: its run() would write extra variables and passwords to files,
and would put the whole parent environment into its `command` file.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ansible_runner
import pexpect

from ..private import write_private
from .environment import scrub
from .stopping import Stopper

#: Seconds between two looks at signals, deadline and progress.
TICK = 0.2
_OUTPUT_LINES = 400
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclasses.dataclass(frozen=True)
class Launch:
    """What to start.

    Attributes:
        playbook: a full collection name or an absolute path.
        arguments: for ansible-playbook, before the playbook.
        environ: the complete environment that is ours to decide; ansible-runner adds its own few variables.
        forget: variables of ansible-runner's that the user decides elsewhere.
        secrets: prompt pattern -> answer.
        program: the ansible-playbook to run.
    """

    program: str
    playbook: str
    arguments: Sequence[str]
    environ: Mapping[str, str]
    forget: Sequence[str]
    secrets: Mapping[str, str]
    directory: Path
    cwd: Path


@dataclasses.dataclass(frozen=True)
class Ended:
    """How it ended. `status` is None when ansible-runner lost sight of it; the record says what happened.

    Attributes:
        status: exit status of ansible-playbook.
        output: the last lines of what it printed, without colours, not redacted.
    """

    status: int | None
    output: Sequence[str]


def run(launch: Launch, *, stopper: Stopper, tick: Callable[[], None], line: Callable[[str], None]) -> Ended:
    """Run to the end, or until the stopper says otherwise.

    Args:
        tick: called several times a second; must not raise.
        line: called with each line ansible prints.
    """
    config = _config(launch)
    pid_file = launch.directory / "pid"
    output: collections.deque[str] = collections.deque(maxlen=_OUTPUT_LINES)

    def on_event(event: Mapping[str, Any]) -> bool:
        # Only passes lines on: a slow handler loses the end of the run (ansible-runner #1343). False: no file is kept.
        for text in str(event.get("stdout") or "").splitlines():
            clean = _ESCAPES.sub("", text).rstrip()
            if clean:
                output.append(clean)
                line(clean)
        return False

    def cancelled() -> bool:
        tick()
        return stopper.poll(lambda: _read_pid(pid_file))

    runner = ansible_runner.Runner(config, cancel_callback=cancelled, event_handler=on_event)
    status: int | None
    try:
        runner.run()
        status = runner.rc
    except (pexpect.TIMEOUT, ansible_runner.CallbackError):
        status = None
    tick()
    return Ended(status=status, output=list(output))


def _config(launch: Launch) -> Any:
    work = launch.directory / "runner"
    (work / "env").mkdir(mode=0o700, parents=True)
    # ansible-runner drops settings given as an argument unless this file is there.
    settings = {"suppress_output_file": True, "suppress_ansible_output": True, "pexpect_timeout": TICK}
    write_private(work / "env" / "settings", json.dumps(settings))
    config = ansible_runner.RunnerConfig(
        private_data_dir=str(work), project_dir=str(launch.cwd), playbook=launch.playbook, cmdline=shlex.join(launch.arguments),
        envvars=dict(launch.environ), passwords=dict(launch.secrets), fact_cache_type="memory", omit_event_data=True, quiet=True,
        rotate_artifacts=0,
    )
    config.prepare()
    config.env = scrub(config.env, parent=os.environ, keep=launch.environ)
    for name in launch.forget:
        config.env.pop(name, None)
    # ansible-runner does not tell the process id, which Ctrl-C needs; the shell leaves it behind and becomes Ansible.
    announce = 'printf %s "$$" > "$0" && exec "$@"'
    config.command = ["/bin/sh", "-c", announce, str(launch.directory / "pid"), launch.program, *config.command[1:]]
    return config


def _read_pid(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
