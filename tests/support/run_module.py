# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module of the collection as Ansible would, minus the seconds that a play takes."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .capabilities import become

ROOT = Path(__file__).resolve().parent.parent.parent
_MODULES = "ansible_collections.oncall.incident.plugins.modules"
_IN_CHILD = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from tests.support.run_module import serve
serve(json.load(sys.stdin))
"""


def run_module(name: str, /, *, check: bool = False, **args: Any) -> dict[str, Any]:
    """Run a module in this process and return its result; `failed` is in it when it failed.

    Args:
        name: of the module, without the collection's.
        check: in check mode.
        args: its options.
    """
    from ansible.module_utils.common.parameters import PASS_VARS
    from ansible.module_utils.testing import patch_module_args

    # As the roles set it; before ansible-core 2.21 there was nothing to set.
    invocation = {"_ansible_inject_invocation": True} if "inject_invocation" in PASS_VARS else {}
    module = importlib.import_module(f"{_MODULES}.{name}")
    said = io.StringIO()
    with patch_module_args({**args, **invocation, "_ansible_check_mode": check}), contextlib.redirect_stdout(said):
        with contextlib.suppress(SystemExit):
            module.main()
    return dict(json.loads(said.getvalue()))


class Running:
    """A module that runs in a process of its own."""

    def __init__(
        self, name: str, args: Mapping[str, Any], *, check: bool, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None,
        user: int | None = None, capabilities: Sequence[str] = (),
    ) -> None:
        paths = json.dumps([str(ROOT / ".collections"), str(ROOT)])
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-c", _IN_CHILD, paths], cwd=ROOT, text=True, env=None if env is None else {**os.environ, **env},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        order = {"name": name, "check": check, "args": dict(args), "user": user, "capabilities": list(capabilities)}
        json.dump(order, self._process.stdin)
        self._process.stdin.close()
        self._process.stdin = None

    @property
    def ended(self) -> bool:
        """Whether it does not run any more."""
        return self._process.poll() is not None

    def result(self, *, timeout: float = 60.0) -> dict[str, Any]:
        """Wait for its end."""
        out, err = self._process.communicate(timeout=timeout)
        assert out, err
        return dict(json.loads(out))

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it, at once unless another signal is given, if it still runs."""
        self._process.send_signal(number)
        self._process.wait(timeout=10)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def start_module(
    name: str, /, *, check: bool = False, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None, user: int | None = None,
    capabilities: Sequence[str] = (), **args: Any,
) -> Running:
    """Start a module in a process of its own.

    Args:
        prefix: the argv of a program that runs it elsewhere: `ip netns exec NAME`.
        env: more of the environment.
        user: id of the user that it becomes.
        capabilities: of root's, those that this user has.
    """
    return Running(name, args, check=check, prefix=prefix, env=env, user=user, capabilities=capabilities)


def serve(order: Mapping[str, Any]) -> None:
    """What the child process does."""
    if order.get("user") is not None:
        # While their files can be read.
        late = (
            "_strptime", "concurrent.futures.thread", "encodings.ascii", "encodings.idna", "sqlite3", "ssl", "ansible.module_utils.testing",
        )
        for name in (*late, f"{_MODULES}.{order['name']}"):
            importlib.import_module(name)
        become(order["user"], order["capabilities"])
    sys.stdout.write(json.dumps(run_module(order["name"], check=order["check"], **order["args"])))
