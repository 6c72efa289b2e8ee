# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make another module speak the action contract; documentation in plugins/modules/act.py."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._core import actions
from ..module_utils._core.acting import APPROVED_SPEC, read_approved
from ..module_utils._core.durations import parse_duration
from ..module_utils._core.errors import BadInput, IncidentError
from ..plugin_utils._frame import acting, leftovers

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
            "module": {"type": "str", "required": True},
            "args": {"type": "dict", "default": {}},
            "needed": {"type": "raw", "default": True},
            "limit": {"type": "int", "default": 1},
            "spent": {"type": "int", "default": 0},
            "approved": APPROVED_SPEC,
            "forbidden": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "str", "default": "60s"},
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
            action = self._act(params)
        except IncidentError as exc:
            return {**result, "changed": False, "failed": True, **exc.as_result()}
        check_mode = bool(self._task.check_mode)
        result.update(actions.result([action], check_mode=check_mode, limits={action.verb: params["limit"]}))
        if actions.failed_actions([action]):
            why = action.detail.get("why", "")
            result.update(failed=True, error=f"outcome_{action.outcome}", msg=f"{action.verb}: outcome {action.outcome}, {why}.")
        return result

    def _act(self, params: t.Mapping[str, t.Any]) -> actions.Action:
        measure = params["measure"]
        times = {
            "timeout": parse_duration(params["timeout"], name="timeout"),
            "measure": parse_duration(measure["timeout"], name="measure.timeout"),
            "interval": parse_duration(measure["interval"], name="measure.interval"),
            "hold": parse_duration(measure["hold"], name="measure.hold"),
        }
        if times["timeout"] <= 0:
            raise BadInput("timeout: 0 would mean no limit.", hint="Give a time above zero, for example 60s.")
        resource = params["resource"] or f"host:{self._vars.get('inventory_hostname', '')}"
        action = actions.Action(
            verb=params["verb"], resource=resource, identity=params["target"], target=params["target"], reason=params["reason"],
            name=acting.named(params["target"]),
        )
        approved = read_approved(params["approved"])
        settling: dict[str, t.Any] = {
            "limit": params["limit"], "spent": params["spent"], "forbidden": params["forbidden"],
            "approved": None if approved is None else [one.id for one in approved],
            "check_mode": bool(self._task.check_mode),
        }
        if params["forbidden"] and self._task.args.get("needed", True) is True:
            # What must not be done is not looked at either: it may not even be what the caller means.
            return t.cast(actions.Action, acting.decide(action, needed=True, **settling))
        before = self._measure_once(measure)
        action = dataclasses.replace(action, detail={"before": acting.brief(before)})
        cannot_look = "" if self._looked(before) else acting.complaint(before)
        settled = acting.decide(action, needed=self._needed(before, cannot_look), cannot_look=cannot_look, **settling)
        if settled is not None:
            return settled
        start = time.monotonic()
        answer, answered = self._run_bounded(params["module"], params["args"], times["timeout"])
        action = action.with_outcome(actions.UNKNOWN, acted_for=round(time.monotonic() - start, 3), module=acting.brief(answer))
        identity = (lambda measured: self._value("identity", measured=measured)) if measure["identity"] else None
        measurement = acting.await_condition(
            lambda: self._measure_once(measure), lambda measured: self._holds("until", before=before, measured=measured, answer=answer),
            timeout=times["measure"], interval=times["interval"], hold=times["hold"], identity=identity, looked=self._looked,
        )
        return acting.judge(action, measurement, answered=answered, hold=times["hold"])

    # Expressions. They are taken from the task as written: only the author's own text is trusted, and Ansible refuses to
    # evaluate anything that came from a host.

    def _needed(self, before: t.Mapping[str, t.Any], cannot_look: str) -> bool:
        needed = self._task.args.get("needed", True)
        if isinstance(needed, bool):
            return needed
        if cannot_look:
            return True
        try:
            return self._evaluate(needed, before=before)
        except AnsibleError as exc:
            raise BadInput(
                f"needed cannot be judged: {exc}", hint="It may use `before`, the result of the measurement.", before=acting.brief(before),
            ) from exc

    def _looked(self, measured: t.Mapping[str, t.Any]) -> bool:
        if not self._task.args["measure"].get("looked"):
            return acting.could_look(measured)
        try:
            return self._holds("looked", measured=measured)
        except AnsibleError:  # a measurement that failed has no such field
            return False

    def _holds(self, name: str, **known: t.Any) -> bool:
        return self._evaluate(self._task.args["measure"][name], **known)

    def _value(self, name: str, **known: t.Any) -> str:
        outer = self._templar.available_variables
        self._templar.available_variables = {**self._vars, **known}
        try:
            # As text: what is templated lazily must not be compared later, among other variables.
            return json.dumps(self._templar.evaluate_expression(self._task.args["measure"][name]), sort_keys=True, default=str)
        finally:
            self._templar.available_variables = outer

    def _evaluate(self, expression: t.Any, **known: t.Any) -> bool:
        outer = self._templar.available_variables
        self._templar.available_variables = {**self._vars, **known}
        try:
            return bool(self._templar.evaluate_conditional(expression))
        finally:
            self._templar.available_variables = outer

    # Modules.

    def _measure_once(self, measure: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        try:
            found: dict[str, t.Any] = self._handler(measure["module"], measure["args"], async_seconds=0).run(task_vars=self._vars)
        except AnsibleError as exc:
            return {"failed": True, "msg": str(exc)}
        return found

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
        loader = self._shared_loader_obj.action_loader
        found = self._shared_loader_obj.module_loader.find_plugin_with_context(module)
        if not found.resolved and not loader.has_plugin(module):
            raise BadInput(f"Module {module} was not found.", hint="Give its full name and install its collection.")
        name = (found.action_plugin if found.resolved else None) or (module if loader.has_plugin(module) else "ansible.legacy.normal")
        return loader.get(
            name, task=task, connection=self._connection, play_context=self._play_context, loader=self._loader,
            templar=self._templar, shared_loader_obj=self._shared_loader_obj,
        )
