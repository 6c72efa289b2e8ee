# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make another module speak the action contract; documentation in plugins/modules/act.py."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._core import actions, ranges, temporary
from ..module_utils._core.acting import APPROVED_SPEC, act, read_approved
from ..module_utils._core.durations import parse_duration
from ..module_utils._core.errors import BadInput, IncidentError
from ..module_utils._core.waiting import Pace
from ..module_utils._module.lease import ACTION
from ..plugin_utils._frame import acting, arming, leasing, leftovers

#: After its limit the job's own supervisor needs this long to kill it and say so: seconds.
ASYNC_SLACK = 10.0
#: How a handler says that it cannot run as an async job.
NO_ASYNC = "does not support async"


class ActionModule(ActionBase):  # type: ignore[misc]
    """States verb, target, reason, limit and how to measure; plans in check mode; measures afterwards."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the action.

        Args:
            tmp: not used any more.
            task_vars: variables of the task.
        """
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        self._vars: dict[str, t.Any] = task_vars or {}
        _unused, params = self.validate_argument_spec(argument_spec={
            "verb": {"type": "str", "required": True},
            "target": {"type": "dict", "required": True},
            "reason": {"type": "str", "required": True},
            "resource": {"type": "str"},
            "lock": {"type": "str"},
            "module": {"type": "str", "required": True},
            "args": {"type": "dict", "default": {}},
            "needed": {"type": "raw", "default": True},
            "still": {"type": "str", "default": ""},
            "limit": {"type": "int", "default": 1},
            "spent": {"type": "int", "default": 0},
            "approved": APPROVED_SPEC,
            "forbidden": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "str", "default": "60s"},
            "temporary": {"type": "dict", "options": {
                "way_back": {"type": "str", "required": True},
                "survives": {"type": "str", "default": ""},
                "undo": {"type": "dict", "default": {}},
                "expires": {"type": "str", "default": ""},
                "command": {"type": "list", "elements": "str", "default": []},
                "fits": {"type": "str", "default": ""},
                "subject": {"type": "str", "default": ""},
                "stays": {"type": "bool", "default": False},
            }},
            "change": {"type": "dict"},
            "measure": {"type": "dict", "required": True, "options": {
                "module": {"type": "str", "required": True},
                "args": {"type": "dict", "default": {}},
                "until": {"type": "str", "required": True},
                "looked": {"type": "str"},
                "hold": {"type": "str", "default": "0s"},
                "identity": {"type": "str"},
                "timeout": {"type": "str", "default": "30s"},
                "interval": {"type": "str", "default": "1s"},
            }},
        })
        try:
            return {**result, **self._act(params)}
        except IncidentError as exc:
            return {**result, "changed": False, "failed": True, **exc.as_result()}

    def _act(self, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        measure = params["measure"]
        ranges.require(params)
        timeout = parse_duration(params["timeout"], name="timeout")
        pace = Pace(
            hold=parse_duration(measure["hold"], name="measure.hold"), timeout=parse_duration(measure["timeout"], name="measure.timeout"),
            interval=parse_duration(measure["interval"], name="measure.interval"), hold_on_top=True,
        )
        action = actions.Action(
            verb=params["verb"], resource=params["resource"] or f"host:{self._vars.get('inventory_hostname', '')}",
            identity=params["target"], target=params["target"], reason=params["reason"], name=acting.named(params["target"]),
        )
        working = timeout + ASYNC_SLACK + pace.timeout + pace.hold
        action, expires = _ending(action, params["temporary"], working=working + ASYNC_SLACK)
        change = None if params["change"] is None else actions.Action.from_dict(params["change"])
        approved = read_approved(params["approved"])
        needed = self._task.args.get("needed", True)
        ids = {action.id, acting.only_unit(action, acting.unit_of(change)).id}
        asked = acting.Asked(
            forbidden=params["forbidden"], limit=params["limit"], spent=params["spent"], pace=pace,
            needed=needed if isinstance(needed, bool) else None, expires=expires, change=change,
            approved=approved is None or not ids.isdisjoint(one.id for one in approved),
        )
        self._params, self._timeout = params, timeout
        # The lease is a file on the host itself, which inventories call by several names, some for several services of one machine.
        subject = params["lock"] or params["resource"] or f"host: {action.name}"
        self._lease_for = (subject, working)
        done = act(acting.Act(action, asked=asked, doing=self), approved=approved, check_mode=bool(self._task.check_mode))
        result = done.as_result(limits={action.verb: params["limit"]})
        return result if done.problem is None else {**result, "failed": True, **done.problem.as_result()}

    # The lease.

    def lease(self) -> t.ContextManager[leasing.Lease]:
        """See acting.Doing; none of this file's methods below is for anybody else."""
        what, seconds = self._lease_for
        found = leasing.Lease(
            self._execute, what=what, who=leasing.who_acts(str(self._vars.get("inventory_hostname", ""))), seconds=seconds,
            python=leasing.python_of(self._vars, self._templar.template), by=ACTION,
        )
        return leasing.held(found, warn=self._display.warning)

    def _execute(self, command: str) -> dict[str, t.Any]:
        try:
            done: dict[str, t.Any] = self._low_level_execute_command(command)
        except AnsibleError as exc:
            raise acting.CannotLease(str(exc)) from exc
        return done

    # The unit that takes the change back.

    def fits(self, before: t.Mapping[str, t.Any]) -> bool:
        """See acting.Doing."""
        return self._true_before((self._task.args.get("temporary") or {}).get("fits"), before, of="temporary.fits")

    def still(self, before: t.Mapping[str, t.Any]) -> bool:
        """See acting.Doing."""
        return self._true_before(self._task.args.get("still"), before, of="still")

    def machine(self) -> str | None:
        """See acting.Doing."""
        done = self._asked_host(arming.MACHINE)
        return None if done is None or done.get("rc") != 0 else str(done.get("stdout") or "").strip()

    def armable(self, action: actions.Action) -> None:
        """See acting.Doing."""
        self._armed(arming.ready_command(arming.unit_name(action.id), self._params["temporary"]["subject"]))

    def arm(self, action: actions.Action) -> tuple[str, float]:
        """See acting.Doing."""
        unit, ends = arming.unit_name(action.id), self._params["temporary"]
        seconds = parse_duration(ends["expires"], name="temporary.expires")
        says = f"oncall.incident takes back: {action.verb} {action.name}"
        said = self._armed(arming.arm_command(unit, ends["command"], seconds=seconds, says=says, subject=ends["subject"]))
        try:
            return unit, float(said.strip().splitlines()[-1])
        except (IndexError, ValueError):
            raise arming.refusal(0, f"it does not say when it ends: {said}") from None

    def armed(self, unit: str) -> bool | None:
        """See acting.Doing."""
        done = self._asked_host(arming.active_command(unit))
        return None if done is None else done.get("rc") == 0

    def unit_there(self, unit: str) -> bool | None:
        """See acting.Doing."""
        done = self._asked_host(arming.there_command(unit))
        return None if done is None or done.get("rc") != 0 else bool(str(done.get("stdout") or "").strip())

    def disarm(self, unit: str) -> str:
        """See acting.Doing."""
        done = self._asked_host(arming.disarm_command(unit))
        if done is None:
            return f"{unit} may still be there: the host cannot be asked"
        said = " ".join(str(done.get("stderr") or done.get("stdout") or "").split())
        return f"{unit} is still there{f': {said}' if said else ''}" if done.get("rc") != 0 else ""

    def _armed(self, command: str) -> str:
        done = self._asked_host(command)
        if done is None:
            raise arming.NotArmed(
                "The host could not be asked for a unit that takes the change back, so the change was not made.", begun=True,
            )
        if done.get("rc") != 0:
            raise arming.refusal(done.get("rc"), str(done.get("stderr") or done.get("stdout") or ""))
        return str(done.get("stdout") or "")

    def _asked_host(self, command: str) -> dict[str, t.Any] | None:
        """What a command on the host came to; None where the host could not be asked, or the answer was lost."""
        try:
            done: dict[str, t.Any] = self._low_level_execute_command(command)
        except AnsibleError:
            return None
        return done

    # Expressions. They are taken from the task as written: only the author's own text is trusted, and Ansible refuses to
    # evaluate anything that came from a host.

    def needed(self, before: t.Mapping[str, t.Any]) -> bool:
        """See acting.Doing."""
        try:
            return self._evaluate(self._task.args["needed"], before=before)
        except AnsibleError as exc:
            raise BadInput(
                f"needed cannot be judged: {exc}", hint="It may use `before`, the result of the measurement.", before=acting.brief(before),
            ) from exc

    def _true_before(self, given: str | None, before: t.Mapping[str, t.Any], *, of: str) -> bool:
        try:
            return not given or self._evaluate(given, before=before)
        except AnsibleError as exc:
            raise BadInput(
                f"{of} cannot be judged: {exc}", hint="It may use `before`, the result of the measurement.", before=acting.brief(before),
            ) from exc

    def looked(self, measured: t.Mapping[str, t.Any]) -> bool:
        """See acting.Doing."""
        if not self._task.args["measure"].get("looked"):
            return acting.could_look(measured)
        try:
            return self._evaluate(self._task.args["measure"]["looked"], measured=measured)
        except AnsibleError:  # a measurement that failed has no such field
            return False

    def holds(self, measured: t.Mapping[str, t.Any], *, before: t.Mapping[str, t.Any], answer: t.Mapping[str, t.Any]) -> bool:
        """See acting.Doing."""
        return self._evaluate(self._task.args["measure"]["until"], before=before, measured=measured, answer=answer)

    def identity(self, measured: t.Mapping[str, t.Any]) -> str:
        """See acting.Doing."""
        if not self._params["measure"]["identity"]:
            return ""
        with self._knowing({"measured": measured}):
            # As text: what is templated lazily must not be compared later, among other variables.
            return json.dumps(self._templar.evaluate_expression(self._task.args["measure"]["identity"]), sort_keys=True, default=str)

    def _evaluate(self, expression: t.Any, **known: t.Any) -> bool:
        with self._knowing(known):
            return bool(self._templar.evaluate_conditional(expression))

    @contextlib.contextmanager
    def _knowing(self, known: t.Mapping[str, t.Any]) -> t.Iterator[None]:
        """Template with further variables."""
        outer = self._templar.available_variables
        self._templar.available_variables = {**self._vars, **known}
        try:
            yield
        finally:
            self._templar.available_variables = outer

    # Modules.

    def check(self) -> None:
        """See acting.Doing."""
        self._handler_of(self._params["module"])

    def measure(self) -> dict[str, t.Any]:
        """See acting.Doing."""
        measure = self._params["measure"]
        try:
            found: dict[str, t.Any] = self._handler(measure["module"], measure["args"], async_seconds=0).run(task_vars=self._vars)
        except AnsibleError as exc:
            return {"failed": True, "msg": str(exc)}
        return found

    def change(self) -> tuple[dict[str, t.Any], bool]:
        """See acting.Doing."""
        return self._run_bounded(self._params["module"], self._params["args"], self._timeout)

    def _run_bounded(self, module: str, args: t.Mapping[str, t.Any], seconds: float) -> tuple[dict[str, t.Any], bool]:
        """Run the module; its answer, and whether there was one in time.

        Where its handler can, it runs as an async job, whose supervisor ends it on the host itself when the time is up,
        even if we are no longer there. Elsewhere we can only stop waiting.
        """
        try:
            try:
                with acting.deadline(seconds + ASYNC_SLACK):
                    mark = leftovers.new_mark()
                    answer = self._handler(module, args, async_seconds=math.ceil(seconds), mark=mark).run(task_vars=self._vars)
                    if answer.get("ansible_job_id") and not answer.get("finished"):
                        answer = self._await_job(str(answer["ansible_job_id"]), os.path.dirname(str(answer["results_file"])))
                    if answer.get("timed_out"):
                        self._low_level_execute_command(leftovers.end_command(mark))
            except AnsibleActionFail as exc:
                # Only known by trying: some handlers declare it on the class, others when they run. Refused before anything is done.
                if NO_ASYNC not in str(exc):
                    raise
                with acting.deadline(seconds):
                    answer = self._handler(module, args, async_seconds=0).run(task_vars=self._vars)
        except acting.TimeUp:
            return {"failed": True, "msg": f"No answer within {seconds:g} s."}, False
        except AnsibleError as exc:
            # The connection may have broken after the module began: what is true now is for the measurement to say.
            return {"failed": True, "msg": str(exc)}, False
        return answer, not answer.get("timed_out")

    def _await_job(self, job: str, directory: str) -> dict[str, t.Any]:
        pause = 0.1
        while True:
            status = self._job(job, directory, "status")
            if status.get("finished"):
                break
            time.sleep(pause)
            pause = min(pause * 2, 2.0)
        self._job(job, directory, "cleanup")
        killed = status.get("failed") and "child_pid" in status and "rc" not in status
        return {**status, "timed_out": bool(killed)}

    def _job(self, job: str, directory: str, mode: str) -> dict[str, t.Any]:
        # Not through the action plugin async_status: it asks the password file for the home directory, the job asked $HOME.
        try:
            answer: dict[str, t.Any] = self._execute_module(
                module_name="ansible.legacy.async_status", module_args={"jid": job, "mode": mode, "_async_dir": directory},
                task_vars=self._vars,
            )
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return answer

    def _handler(self, module: str, args: t.Mapping[str, t.Any], *, async_seconds: int, mark: str = "") -> ActionBase:
        """The action plugin that runs a module, as Ansible itself would choose it; never in check mode."""
        task = self._task.copy()
        task.action, task.args, task.check_mode = module, dict(args), False
        task.async_val, task.poll = async_seconds, 0
        if mark:
            task.environment = [*(task.environment or ()), {leftovers.VARIABLE: mark}]
        return self._shared_loader_obj.action_loader.get(
            self._handler_of(module), task=task, connection=self._connection, play_context=self._play_context,
            loader=self._loader, templar=self._templar, shared_loader_obj=self._shared_loader_obj,
        )

    def _handler_of(self, module: str) -> str:
        """The name of the action plugin that runs a module."""
        loader = self._shared_loader_obj.action_loader
        found = self._shared_loader_obj.module_loader.find_plugin_with_context(module)
        if not found.resolved and not loader.has_plugin(module):
            raise BadInput(f"Module {module} was not found.", hint="Give its full name and install its collection.")
        return str((found.action_plugin if found.resolved else None) or (module if loader.has_plugin(module) else "ansible.legacy.normal"))


def _ending(
    action: actions.Action, given: t.Mapping[str, t.Any] | None, *, working: float,
) -> tuple[actions.Action, float]:
    """The action with how its change ends, and for how many seconds it is made; 0 where nothing on the host takes it back.

    Args:
        working: how long making and measuring it may take.
    """
    if given is None:
        return action, 0.0
    expires = parse_duration(given["expires"], name="temporary.expires") if given["expires"] else 0.0
    if given["expires"]:
        arming.check_seconds(expires, working=working)
    if expires and not given["command"]:
        raise BadInput("temporary.expires: there is no temporary.command that takes the change back.", hint="Give it as a list of words.")
    if expires:
        identity = arming.identity_of(action.identity, seconds=expires, command=given["command"], undo=given["undo"])
        action = dataclasses.replace(action, identity=identity, id="")
    ends = temporary.Temporary(
        way_back=given["way_back"], ends=temporary.UNIT if expires else temporary.NOBODY, survives=given["survives"], lasts=expires,
        undo=given["undo"], command=tuple(given["command"]) if expires else (), stays=given["stays"],
    )
    return temporary.with_temporary(action, ends), expires
