# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take and give back a lease of a managed host, from the controller.

A module for it would cost each action two more round trips through Ansible's module machinery. The three small files that make up a lease
are run by the host's Python as they are: one command each time.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import pathlib
import platform
import shlex
import time
import typing as t
import zlib

from ...module_utils._core import errors
from ...module_utils._module import lease, lock
from .._record import layout
from . import marker

#: Runs a command on the host: its `rc`, `stdout` and `stderr`.
Execute = t.Callable[[str], t.Mapping[str, t.Any]]
#: What a lease is longer than what it is for, seconds: looks take their time.
SLACK = 60.0
# Ansible-playbook loads an action's plugin before it forks the worker, or the worker does: one of both is here, or has died.
_LOADED_BY = os.getpid()

# The files become modules of a package of their own; what they import is among them, or of the standard library.
_RUN = """
import base64, json, sys, types, zlib
files, request = json.loads(zlib.decompress(base64.b64decode(sys.argv[1])))
for name, text in files:
    module = sys.modules[name] = types.ModuleType(name)
    module.__package__ = name.rpartition(".")[0]
    module.__path__ = []
    exec(compile(text, name, "exec"), module.__dict__)
print(json.dumps(sys.modules["lease._module.lease"].answer(request)))
"""
# A host that discovers its Python has one of these names.
_SHELL = """for one in {pythons}; do command -v "$one" >/dev/null 2>&1 && exec "$one" -I -S -c {code} {argument}; done; exit 127"""
_PYTHONS = ("python3", "/usr/bin/python3", "/usr/libexec/platform-python", *(f"python3.{minor}" for minor in range(15, 8, -1)))


def command(request: t.Mapping[str, t.Any], *, python: str = "") -> str:
    """The command (POSIX sh) that answers a request on the host.

    Args:
        request: see answer() in module_utils/_module/lease.py.
        python: the host's, where it is known.
    """
    packed = base64.b64encode(zlib.compress(json.dumps([_files(), dict(request)]).encode(), 9)).decode()
    pythons = " ".join(shlex.quote(one) for one in (python, *_PYTHONS) if one)
    return _SHELL.format(pythons=pythons, code=shlex.quote(_RUN), argument=packed)


@functools.lru_cache(maxsize=1)
def _files() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = [("lease", ""), ("lease._core", ""), ("lease._module", "")]
    for name, module in (("_core.errors", errors), ("_module.lock", lock), ("_module.lease", lease)):
        found.append((f"lease.{name}", pathlib.Path(str(module.__file__)).read_text(encoding="utf-8")))
    return found


def run_id() -> str:
    """The id of this run, as others are told it."""
    # The recorder is in ansible-playbook itself, a plugin in a worker forked from it.
    recorder = marker.read_marker(os.environ, processes={os.getpid(), os.getppid()})
    return (recorder.run if recorder else "") or os.environ.get(layout.RUN_ID_VARIABLE, "") or "without a record"


def who_acts(host: str) -> dict[str, str]:
    """Who acts on a host in this execution of a run: the same for all its tasks, see Who in module_utils/_module/lease.py.

    Raises:
        Locked: ansible-playbook was killed, and this worker of it has outlived it. A lease would be taken in the name of another process.
    """
    # Read once: it becomes another one's when the parent dies.
    process = os.getppid()
    ours = {os.getpid(), process}
    died = marker.died(os.environ, processes=ours) or (_LOADED_BY if _LOADED_BY not in ours else 0)
    if died:
        raise errors.Locked(f"Process {died} of this run is gone, so nothing more is acted on.", hint="Run it again.")
    user = os.environ.get("USER") or f"uid {os.getuid()}"
    return {
        "run": run_id(), "holder": f"{user} at {platform.node()}, process {process}, for {host}", "execution": lease.execution_of(process),
    }


def python_of(known: t.Mapping[str, t.Any], template: t.Callable[[t.Any], t.Any]) -> str:
    """The host's Python as the variables of a task have it, empty where they do not.

    Args:
        known: the task's variables.
        template: evaluates what they say.
    """
    found = template(known.get("ansible_python_interpreter") or "")
    if not str(found).startswith("/"):
        found = (known.get("ansible_facts") or {}).get("discovered_interpreter_python", "")
    return str(found)


class Lease:
    """A lease of a host; see held().

    Args:
        what: the subject, or several.
        who: see who_acts().
        by: lease.ENTRY_POINT, or lease.ACTION for one that has it alone while it acts.

    Attributes:
        taken_over: who had it before, where that one's had run out; empty for nobody.
        lent: whether it was ours before: it is the entry point's, which gives it back.
    """

    taken_over: str = ""
    lent: bool = False

    def __init__(
        self, execute: Execute, *, what: str | t.Sequence[str], who: t.Mapping[str, str], seconds: float, python: str = "",
        by: str = lease.ENTRY_POINT,
    ) -> None:
        self._execute, self._python, self._seconds, self._by = execute, python, seconds, by
        self._who = {"what": what, **who}
        self._end = 0.0

    def take(self) -> None:
        """Take it, or make ours last.

        Raises:
            Locked: another run has it, or another host of this one has it alone, or whether one does cannot be found out.
        """
        start = time.monotonic()
        said, before = self._taken()
        self.lent = self.lent or (not self._end and said["ours"])
        self._end = start + self._seconds + SLACK
        if before:
            self.taken_over = f"taken over from run {before['run']} of {before['holder']}, which did not give it back"

    def _taken(self) -> tuple[dict[str, t.Any], t.Mapping[str, t.Any]]:
        """What the host said, and who had it before. A run that died on this machine has it no more: its host cannot see that."""
        before: t.Mapping[str, t.Any] = {}
        gone: list[str] = []
        while True:
            try:
                said = self._ask({"do": "take", "seconds": self._seconds + SLACK, "by": self._by, "gone": gone})
                return said, said["before"] or before
            except errors.Locked as exc:
                holder: t.Mapping[str, t.Any] = exc.facts.get("held_by") or {}
                execution = str(holder.get("execution", ""))
                if execution in gone or not lease.has_died(execution):
                    raise
                gone.append(execution)
                before = holder

    def keep(self) -> None:
        """Make sure that it lasts for what it is for; see take()."""
        if self._end - time.monotonic() < self._seconds:
            self.take()

    def give_back(self) -> bool:
        """End it, where it is lent only that we have it alone; whether it was ours to the end."""
        return bool(self._ask({"do": "give_back", "lent": self.lent})["ours"])

    def give_back_all(self) -> int:
        """End all that we have on the host, also of its modules; how many that were."""
        return int(self._ask({"do": "give_back_all"})["ended"])

    def _ask(self, request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        done = self._execute(command({**request, **self._who}, python=self._python))
        try:
            # The last line: a login may say something first.
            said: dict[str, t.Any] = json.loads(str(done["stdout"]).strip().splitlines()[-1])
        except (ValueError, IndexError):
            text = " ".join(str(done.get("stderr") or done.get("stdout") or "").split())[-300:]
            reason = "no Python 3 was found" if done.get("rc") == 127 else f"status {done.get('rc')}, {text or 'no reason given'}"
            raise errors.Locked.unseen(
                self._named(), reason,
                hint="The host's Python 3 must run there; ansible_python_interpreter names it.",
            ) from None
        if "error" in said:
            facts = {key: item for key, item in said.items() if key not in ("error", "msg", "hint")}
            hint = said.get("hint")
            raise errors.Locked(str(said["msg"]).removesuffix(f" {hint}"), hint=hint, **facts)
        return said

    def _named(self) -> str:
        what = self._who["what"]
        return what if isinstance(what, str) else " or ".join(what) or "what this one acts on"


@contextlib.contextmanager
def held(found: Lease, *, warn: t.Callable[[str], None]) -> t.Iterator[Lease]:
    """Hold a lease, and give it back at the end whatever happens.

    Args:
        warn: is told where it could not be given back: nobody else can act before it ends by itself.

    Raises:
        Locked: another run has it, or whether one does cannot be found out.
    """
    found.take()
    try:
        yield found
    finally:
        try:
            if not found.give_back():
                warn("The lease was no longer ours at the end: it had run out, or somebody removed it.")
        except Exception as exc:  # what was done is more important than this
            warn(f"The lease was not given back, it ends by itself: {exc}")
