# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch what the module of the same name has taken on the host. Documentation in plugins/modules/snapshot.py."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shlex
import tempfile
import time
import typing as t
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._core.durations import parse_duration
from ..module_utils._core.errors import BadInput, IncidentError
from ..module_utils._snapshot.catalogue import COLLECTED, DEFERRED, FAILED, TIMED_OUT
from ..module_utils._snapshot.collect import OUTPUTS
from ..plugin_utils._frame import fetching, marker, whose
from ..plugin_utils._record import keeping, redact, summary

#: Of one reading of the host, through a connection's standard output: bytes.
PIECE = 4 * 1024 * 1024
#: Whose outputs are not kept: the machine's that Ansible runs on, and one's that does not say which it is.
CONTROLLER, UNKNOWN = "controller", "unknown"
_SPOOL = re.compile(r"/[\w./-]*/oncall-snapshot-\w+\Z")
#: What of an item goes into the task's result; the index has the rest.
_BRIEF = ("name", "status", "argv", "rc", "path", "bytes", "sha256", "truncated", "reason")


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes a snapshot of a host, and never fails the run over it."""

    _supports_check_mode = True
    #: What runs on the host, and the part that it takes when none is named.
    MODULE: t.ClassVar[str] = "oncall.incident.snapshot"
    PART: t.ClassVar[str] = "first"
    #: Whether it takes what the machine is, on which the module runs; else what a server says, wherever that is.
    OF_THE_MACHINE: t.ClassVar[bool] = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Take it.

        Args:
            tmp: not used any more.
            task_vars: variables of the task.
        """
        result = {**super().run(tmp, task_vars), "changed": False, "collected": False}
        self._vars: dict[str, t.Any] = task_vars or {}
        started = time.monotonic()
        keeper: keeping.Keeper | None = None
        try:
            args = dict(self._task.args)
            part, budget = str(args.get("part", self.PART)), parse_duration(args.get("budget", "20s"), name="budget")
            run_dir = self._run_dir(args.pop("dest", None))
            if run_dir is None:
                return {**result, "reason": "This run is not recorded, so there is no place to keep a snapshot; dest names one."}
            host = str(self._vars.get("inventory_hostname", "host"))
            keeper = keeping.Keeper(keeping.host_dir(run_dir, host), redact.current() or redact.Redactor.for_run(None, host))
            allowed = fetching.is_true(args.get("local", False))
            wanted = self._wanted(args, part, keeper)
            if wanted is None:
                return {**result, "reason": "It was taken before in this run." if part != "rest" else "Nothing was left to take."}
            taken = self._take({**args, **wanted}, keeper, part=part, host=host, deadline=started + budget * 1.5, allowed=allowed)
            return {**result, **taken, "index": keeper.index(), "seconds": round(time.monotonic() - started, 3)}
        except BadInput as exc:
            return {**result, "failed": True, **exc.as_result(), **_index(keeper)}
        except (IncidentError, AnsibleError, OSError) as exc:
            # Evidence that cannot be had is not a reason to leave a service down.
            reason = exc.message if isinstance(exc, IncidentError) else str(exc)
            return {**result, "reason": reason, "unreachable_host": isinstance(exc, AnsibleConnectionFailure), **_index(keeper)}

    def _run_dir(self, dest: t.Any) -> Path | None:
        if dest:
            return Path(os.path.expanduser(str(dest)))
        recorder = marker.read_marker(os.environ, processes={os.getpid(), os.getppid()})
        return Path(recorder.segment).parent.parent if recorder else None

    @staticmethod
    def _wanted(args: t.Mapping[str, t.Any], part: str, keeper: keeping.Keeper) -> dict[str, t.Any] | None:
        """Arguments that choose the items; None when there is nothing to take."""
        once = fetching.is_true(args.get("once", True))
        taken, deferred = fetching.state(keeper.noted())
        if part not in ("first", "rest"):
            return None if once and part in taken else {}
        if part == "first":
            return None if once and "first" in taken else {"files": []}
        if once and "rest" in taken:
            return None
        files = [str(path) for path in args.get("files") or []]
        if "first" not in taken:
            return {"files": files}
        return {"files": files, "only": deferred} if deferred or files else None

    def _take(
        self, args: dict[str, t.Any], keeper: keeping.Keeper, *, part: str, host: str, deadline: float, allowed: bool,
    ) -> dict[str, t.Any]:
        offset, uncertainty, answered = self._asked()
        here = whose.here()
        ours = whose.is_same(answered, here)
        machine = whose.told(answered, controller=ours)
        refused = UNKNOWN if not whose.is_told(answered) else CONTROLLER if ours else ""
        if refused and self.OF_THE_MACHINE and not allowed and not whose.is_called(host, here):
            reason = whose.refusal(host, here) if ours else whose.unknown(host)
            keeper.note({"kind": "refused", "part": part, "host": host, "reason": reason, "machine": machine, "at": time.time()})
            return {"reason": reason, "refused": refused, "machine": machine}
        spool = str(self._make_tmp_path())
        answer = self._execute_module(module_name=self.MODULE, module_args={**args, "spool": spool}, task_vars=self._vars)
        if answer.get("failed") or not isinstance(answer.get("entries"), list):
            # A module that could not even start has its error only there.
            event = getattr(answer.get("exception"), "event", None)
            said = summary.message({"result": answer}) or str(getattr(event, "msg", "")) or "The host gave no answer."
            keeper.note({"kind": "failure", "part": part, "host": host, "reason": said, "machine": machine, "at": time.time()})
            if answer.get("error") == BadInput.kind:
                return {"failed": True, "error": BadInput.kind, "msg": said}
            return {"reason": said, "machine": machine}
        spool_used = str(answer.get("spool") or spool)
        keeper.note({
            "kind": "begin", "part": part, "host": host, "at": time.time(), "clock_offset": offset, "clock_uncertainty": uncertainty,
            "check_mode": bool(self._task.check_mode), "become": bool(self._connection.become), "machine": machine,
        })
        entries = [fetching.plain(given, number=number) for number, given in enumerate(answer["entries"], start=1)]
        limits = fetching.limits(args)
        kept = []
        with self._outputs(entries, spool=spool_used, direct=bool(answer.get("direct")), most=limits["total"]) as outputs:
            for entry in entries:
                if entry["status"] in (COLLECTED, TIMED_OUT):
                    if entry["spooled"]:
                        entry = self._keep_output(entry, keeper, outputs, most=limits["command"])
                    elif time.monotonic() > deadline:
                        entry = {**entry, "status": DEFERRED, "reason": "no time was left to fetch it"}
                    else:
                        entry = self._keep_log(entry, keeper, most=limits["file"])
                entry = fetching.with_clocks(entry, offset=offset)
                keeper.note({"kind": "item", "part": part, "host": host, **fetching.told(entry)})
                kept.append(entry)
        self._remove(spool_used, ours=spool)
        deferred = [entry["name"] for entry in kept if entry["status"] == DEFERRED]
        keeper.note({"kind": "end", "part": part, "host": host, "at": time.time(), "deferred": deferred})
        return {
            "collected": any(entry.get("sha256") for entry in kept), "directory": str(keeper.directory), "deferred": deferred,
            "clock_offset": offset, "clock_uncertainty": uncertainty, "machine": machine,
            "entries": [{key: entry[key] for key in _BRIEF if entry.get(key) not in (None, "", [])} for entry in kept],
        }

    def _asked(self) -> tuple[float | None, float | None, whose.Machine]:
        """How far the host's clock is ahead, by how much that may be wrong (half of the way there and back), and which machine it is."""
        before = time.time()
        said = self._low_level_execute_command(whose.QUESTION, sudoable=False)
        after = time.time()
        clock, machine = whose.heard(str(said.get("stdout", "")))
        if clock is None:
            return None, None, machine
        return round(clock - (before + after) / 2, 3), round((after - before) / 2 + 0.001, 3), machine

    # Fetching

    @contextlib.contextmanager
    def _outputs(self, entries: t.Sequence[t.Mapping[str, t.Any]], *, spool: str, direct: bool, most: int) -> t.Iterator[t.IO[bytes] | str]:
        """The outputs of all commands, brought here as one file; or why they could not be."""
        size = min(max((entry["position"] + entry["bytes"] for entry in entries if entry["spooled"]), default=0), most)
        with tempfile.NamedTemporaryFile(dir=constants.DEFAULT_LOCAL_TMP, prefix="snapshot-") as part:
            why = ""
            try:
                if size:
                    self._bring(os.path.join(spool, OUTPUTS), part.name, offset=0, size=size, direct=direct)
            except (IncidentError, AnsibleError, OSError) as exc:
                why = f"not fetched: {exc}"
            with open(part.name, "rb") as stream:
                yield why or stream

    def _keep_output(
        self, entry: dict[str, t.Any], keeper: keeping.Keeper, outputs: t.IO[bytes] | str, *, most: int,
    ) -> dict[str, t.Any]:
        """One command's output out of all of them."""
        if isinstance(outputs, str):
            return {**entry, "status": FAILED, "reason": outputs}
        outputs.seek(entry["position"])
        return self._kept(entry, keeper, outputs, min(entry["bytes"], most))

    def _keep_log(self, entry: dict[str, t.Any], keeper: keeping.Keeper, *, most: int) -> dict[str, t.Any]:
        """The end of a log, from where it is."""
        size = min(entry["bytes"], most)
        with tempfile.NamedTemporaryFile(dir=constants.DEFAULT_LOCAL_TMP, prefix="snapshot-") as part:
            try:
                self._bring(entry["remote"], part.name, offset=entry["offset"], size=size, direct=not self._connection.become)
                with open(part.name, "rb") as stream:
                    return self._kept(entry, keeper, stream, size)
            except (IncidentError, AnsibleError, OSError) as exc:
                return {**entry, "status": FAILED, "reason": f"not fetched: {exc}"}

    @staticmethod
    def _kept(entry: dict[str, t.Any], keeper: keeping.Keeper, stream: t.IO[bytes], size: int) -> dict[str, t.Any]:
        """Keep it redacted, and say whether it is what the host hashed."""
        try:
            found = keeper.keep(fetching.Limited(stream, size), folder=entry["folder"], name=f"{entry['name']}.txt")
        except (IncidentError, OSError) as exc:
            return {**entry, "status": FAILED, "reason": f"not kept: {exc}"}
        intact = found.pop("received_sha256") == entry["host_sha256"]
        return {**entry, **found, "intact": intact, **({} if intact else {"reason": "it changed while it was copied"})}

    def _bring(self, remote: str, local: str, *, offset: int, size: int, direct: bool) -> None:
        """Copy a file here as the connection copies files; or in pieces, where its user may not read it or only the end is wanted."""
        if direct and not offset and self._copied(remote, local, size):
            return
        self._read_in_pieces(remote, local, offset=offset, size=size)

    def _copied(self, remote: str, local: str, size: int) -> bool:
        with contextlib.suppress(AnsibleError, KeyError):
            # Its other ways hold a whole file in memory, or are gone from new servers.
            self._connection.set_option("ssh_transfer_method", "sftp")
        try:
            with fetching.file_size_limit(size + fetching.GROWTH):
                self._connection.fetch_file(remote, local)
        except (AnsibleError, OSError):
            return os.path.getsize(local) >= size > 0  # a log that grew beyond the limit: what is wanted is here
        return os.path.getsize(local) >= size

    def _read_in_pieces(self, remote: str, local: str, *, offset: int, size: int) -> None:
        """Read the file as the user that the task became, a few mebibytes at a time."""
        with open(local, "wb") as file:
            done = 0
            while done < size:
                count = min(PIECE, size - done)
                command = f"tail -c +{offset + done + 1} {shlex.quote(remote)} | head -c {count} | base64"
                said = self._low_level_execute_command(command, sudoable=True)
                data = base64.b64decode("".join(str(said.get("stdout", "")).split()), validate=False)
                if not data:
                    break
                file.write(data[:count])
                done += len(data)
        if done < size:
            raise BadInput(f"Only {done} of {size} bytes of {remote} could be read.")

    def _remove(self, spool: str, *, ours: str) -> None:
        """Remove the outputs on the host. What Ansible made, Ansible removes."""
        if spool != ours and _SPOOL.match(spool) and ".." not in spool:
            with contextlib.suppress(AnsibleError, OSError):
                self._low_level_execute_command(f"rm -rf -- {shlex.quote(spool)}", sudoable=True)


def _index(keeper: keeping.Keeper | None) -> dict[str, t.Any]:
    """How far the index had come when the task ended early: what was noted before stays stated."""
    try:
        return {"index": keeper.index()} if keeper is not None else {}
    except OSError:  # it is what could not be written
        return {}
