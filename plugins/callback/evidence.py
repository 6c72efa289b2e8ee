# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder: a thin face of plugin_utils/_record."""

from __future__ import annotations

DOCUMENTATION = r"""
name: evidence
type: aggregate
short_description: Record everything a run saw and did, redacted and hash-chained
version_added: 0.1.0
author: oncall.incident contributors (@oncall-incident)
description:
  - Writes the events of a run as JSON lines, each with the SHA-256 of the line before, as they happen.
    Findings, actions and plans in results become events of their own.
  - Findings that are not ok, and the plan of a check, are printed as well, since Ansible prints neither.
  - Secrets are removed before a line is hashed. Removed are the values of extra vars, environment variables, inventory and
    play variables whose names say that they are secrets; everything that came out of a vault; connection passwords; what
    tasks with C(no_log) registered; passwords in URLs and connection strings, and common token shapes.
    Each leaves a token such as C([redacted:6f1d2a90b3c4]); within a run the same secret has the same token.
  - Before a task starts on a host, its intent is on disk. When an event cannot be written, a message on stderr says why and the
    Ansible process ends with exit status 97 before the next task, whatever Ansible is told about callback errors.
  - When the plays that carry a phase tag (C(investigate), C(mitigate), C(verify)) matched no host at all, the process ends with
    exit status 98, since nothing was measured.
requirements:
  - Enable it in C(ansible.cfg) with C(callbacks_enabled = oncall.incident.evidence), or by the environment variable
    C(ANSIBLE_CALLBACKS_ENABLED).
notes:
  - A secret under a harmless name that no vault holds is not recognised before something shows it under a telling name.
  - A password that is also a public name of the system (C(postgres), C(root), C(admin)) is masked where its key or its place
    says that it is a password, and nowhere else.
options:
  home:
    description: The recorder's directory. Runs are kept in its C(runs) subdirectory, and beside it the key of the redaction tokens.
    type: path
    env:
      - name: INCIDENT_HOME
    ini:
      - section: callback_evidence
        key: home
  run_dir:
    description: The directory of this run. When not set, a new one is made under O(home).
    type: path
    env:
      - name: INCIDENT_RUN_DIR
    ini:
      - section: callback_evidence
        key: run_dir
  run_id:
    description: The run's id. When not set, it is the name of the run's directory.
    type: str
    env:
      - name: INCIDENT_RUN_ID
    ini:
      - section: callback_evidence
        key: run_id
  on_error:
    description:
      - What to do when an event cannot be written.
      - V(stop) ends the Ansible process with exit status 97.
      - V(continue) goes on, keeps trying, and records how many events were lost when it can again.
    type: str
    choices: [stop, continue]
    default: stop
    env:
      - name: INCIDENT_RECORD_ON_ERROR
    ini:
      - section: callback_evidence
        key: on_error
  redact_names:
    description: Names of further variables, keys and environment variables whose values are secrets.
    type: list
    elements: str
    default: []
    env:
      - name: INCIDENT_REDACT_NAMES
    ini:
      - section: callback_evidence
        key: redact_names
  redact_patterns:
    description:
      - Further regular expressions; what matches one of them is removed, or only its group C(secret) when it has one.
    type: list
    elements: str
    default: []
    env:
      - name: INCIDENT_REDACT_PATTERNS
    ini:
      - section: callback_evidence
        key: redact_patterns
"""

EXAMPLES = r"""
# ansible.cfg
# [defaults]
# callbacks_enabled = oncall.incident.evidence
#
# [callback_evidence]
# home = /var/lib/oncall-incident
# redact_names = shop_pepper, customer_iban

# ANSIBLE_CALLBACKS_ENABLED=oncall.incident.evidence ansible-playbook oncall.incident.db_recovery
"""

import atexit
import dataclasses
import functools
import os
import platform
import sys
import time
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__ as ansible_version
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, provenance, shown
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import EXIT_NO_HOSTS
from ansible_collections.oncall.incident.plugins.plugin_utils._record.lift import Lifted, lift, which_item
from ansible_collections.oncall.incident.plugins.plugin_utils._record.phases import PHASES
from ansible_collections.oncall.incident.plugins.plugin_utils._record.recorder import Recorder, say, stop_process
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor, token_key, use
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment
from ansible_collections.oncall.incident.plugins.plugin_utils._secret_sources import SecretSources

# These run in the controller's memory only; nothing is lost with the machine when their intent was not yet on its disk.
_HARMLESS_ACTIONS = frozenset({
    "ansible.builtin.assert", "ansible.builtin.debug", "ansible.builtin.fail", "ansible.builtin.gather_facts", "ansible.builtin.group_by",
    "ansible.builtin.include_role", "ansible.builtin.include_tasks", "ansible.builtin.include_vars", "ansible.builtin.set_fact",
    "ansible.builtin.set_stats", "ansible.builtin.setup", "ansible.builtin.slurp", "ansible.builtin.stat",
    "ansible.builtin.validate_argument_spec", "ansible.builtin.wait_for", "oncall.incident.recording", "oncall.incident.publish_plan",
    "oncall.incident.approved", "oncall.incident.place",
})
_CENSORED = "censored"

_Method = t.TypeVar("_Method", bound=t.Callable[..., t.Any])


def _guarded(method: _Method) -> _Method:
    """Ansible makes a warning of a callback's exception. A defect of ours must not cost the record silently."""

    @functools.wraps(method)
    def guarded(self: CallbackModule, *args: t.Any, **kwargs: t.Any) -> t.Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as exc:
            self.give_up(exc)
            return None

    return t.cast(_Method, guarded)


@dataclasses.dataclass
class _Intent:
    """A task that was started on a host and has not answered."""

    started: float
    phase: str
    action: str
    items: int = 0


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Turns Ansible's events into the record's. Ansible calls it from two threads, never at the same time."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "oncall.incident.evidence"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._recorder: Recorder | None = None
        self._redactor: Redactor | None = None
        self._sources: SecretSources | None = None
        self._run_dir = Path()
        self._play: dict[str, t.Any] = {}
        self._play_matched = True
        # Phases that a play was tagged with: whether any play of the phase matched a host.
        self._phase_matched: dict[str, bool] = {}
        self._intents: dict[tuple[str, str], _Intent] = {}

    @_guarded
    def set_options(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().set_options(*args, **kwargs)

    def give_up(self, exc: BaseException) -> None:
        """A defect: stop, or go on when told so."""
        if self._recorder is not None:
            self._recorder.failed(exc)
        else:
            stop_process(exc)

    # The run

    @_guarded
    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        file_name = str(getattr(playbook, "_file_name", "") or "playbook")
        home = Path(self.get_option("home")) if self.get_option("home") else layout.default_home(os.environ)
        run_dir, run = self._place(home, file_name)
        names = [name.lower() for name in self.get_option("redact_names")]
        key, kept = token_key(home, run)
        redactor = Redactor(key=key, names=names, extra_patterns=self.get_option("redact_patterns"))
        redactor.leave([run])
        redactor.learn_environment(os.environ)
        use(redactor)
        self._redactor = redactor
        self._sources = SecretSources(redactor, extra_names=names)
        self._sources.from_playbook(playbook)
        opening = {
            **_opening(file_name), "argv": redactor.argv(sys.argv), "on_error": self.get_option("on_error"),
            "redaction_key": "kept" if kept else "ephemeral",
        }
        self._run_dir, self._play, self._play_matched, self._phase_matched, self._intents = run_dir, {}, True, {}, {}
        self._recorder = Recorder(
            lambda: Segment.open(run_dir, run=run, redactor=redactor, opening=opening),
            keep_going=self.get_option("on_error") == "continue",
        )
        self._recorder.open()
        atexit.register(self._at_exit, os.getpid())
        path = self._recorder.segment.path if self._recorder.segment else layout.record_dir(run_dir)
        os.environ[layout.MARKER_VARIABLE] = f"{os.getpid()}:{run}:{path}"

    @_guarded
    def set_play_context(self, play_context: t.Any) -> None:
        if self._sources is not None:
            self._sources.from_connection(play_context)

    @_guarded
    def v2_playbook_on_vars_prompt(self, varname: str, private: bool = True, *args: t.Any, **kwargs: t.Any) -> None:
        if self._sources is not None and private:
            self._sources.add_name(varname)

    @_guarded
    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._settle_play()
        if self._sources is not None:
            self._sources.from_play(play)
        self._play = {"play": play.get_name(), "hosts": play.hosts, "phases": [phase for phase in PHASES if phase in play.tags]}
        self._play_matched = True
        self._write("play.start", self._play, sync=False)

    @_guarded
    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._play_matched = False
        self._write("no_hosts", self._play)

    @_guarded
    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        self._settle_play()
        self._write("stats", {"hosts": {host: stats.summarize(host) for host in sorted(stats.processed)}})
        blind = sorted(phase for phase, matched in self._phase_matched.items() if not matched)
        self._close("no_hosts" if blind else "normal")
        if blind:
            say(
                f"ERROR: No host matched any play of the phase {', '.join(blind)}: nothing was measured, so nothing is known "
                "to be healthy. Check the inventory, --limit and the play's host pattern.",
            )
            raise SystemExit(EXIT_NO_HOSTS)

    def _settle_play(self) -> None:
        """Ansible says that a play matched no host only after its start."""
        for phase in self._play.get("phases", ()):
            self._phase_matched[phase] = self._phase_matched.get(phase, False) or self._play_matched

    def _place(self, home: Path, file_name: str) -> tuple[Path, str]:
        """The run's directory and id: given by the wrapper, or new."""
        given, run = self.get_option("run_dir"), self.get_option("run_id")
        if given:
            return Path(given), run or Path(given).name
        run = run or layout.new_run_id(file_name, now=time.time())
        return layout.runs_dir(home) / run, run

    def _close(self, ended: str) -> None:
        if self._recorder is None:
            return
        lost = self._recorder.close({"ended": ended})
        os.environ.pop(layout.MARKER_VARIABLE, None)
        self._recorder = None
        note = f" {lost} events could not be written." if lost else ""
        self._display.display(f"Record: {self._run_dir}{note}")

    def _at_exit(self, pid: int) -> None:
        """A run that ends without its statistics: interrupted, or an error of Ansible's own."""
        if self._recorder is not None and os.getpid() == pid:
            self._close("aborted")

    # Tasks

    @_guarded
    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        self._task_start(task)

    @_guarded
    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        self._task_start(task, handler=True)

    @_guarded
    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        fields = self._task_fields(task)
        self._intents[(host.name, task._uuid)] = _Intent(started=time.monotonic(), phase=fields["phase"], action=fields["action"])
        hidden = task.no_log is not False and task.no_log is not None
        self._write(
            "intent",
            {
                "host": host.name, **fields, "check_mode": _as_flag(task.check_mode), **_delegation(task),
                "args": _CENSORED if hidden else _arguments(task),
            },
            sync=fields["action"] not in _HARMLESS_ACTIONS,
        )

    @_guarded
    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._result(result, "changed" if result.is_changed() else "ok")

    @_guarded
    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._result(result, "failed", ignored=bool(ignore_errors))

    @_guarded
    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self._result(result, "skipped")

    @_guarded
    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._result(result, "unreachable")

    @_guarded
    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        self._item(result, "changed" if result.result.get("changed") else "ok")

    @_guarded
    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        self._item(result, "failed")

    @_guarded
    def v2_runner_item_on_skipped(self, result: t.Any) -> None:
        self._item(result, "skipped")

    @_guarded
    def v2_runner_retry(self, result: t.Any) -> None:
        fields = self._task_fields(result.task)
        self._write("retry", {
            "host": result.host.name, **fields, "attempt": result.result.get("attempts"), "retries": result.result.get("retries"),
        }, sync=False)

    def _task_start(self, task: t.Any, handler: bool = False) -> None:
        more = {"handler": True} if handler else {}
        self._write("task.start", {**self._task_fields(task), "path": task.get_path() or "", **more}, sync=False)

    def _result(self, result: t.Any, status: str, **more: t.Any) -> None:
        """The end of a task on a host."""
        task, body = result.task, result.result
        intent = self._intents.pop((result.host.name, task._uuid), None)
        if self._sources is not None:
            self._sources.from_result(result.host.name, task, body, hidden=_is_hidden(task, body))
        if intent is not None:
            more["duration"] = round(time.monotonic() - intent.started, 4)
        members = body.get("results")
        if intent is not None and intent.items and isinstance(members, list) and len(members) == intent.items:
            # Each is an event already.
            body = {**body, "results": f"[{intent.items} items]"}
            members = None
        lifted, rest = lift(body, arguments=task.args)
        if isinstance(members, list):
            for number, member in enumerate(members):
                if isinstance(member, Mapping):
                    lifted += [(kind, {**payload, "item_index": number}) for kind, payload in lift(member)[0]]
        self._write_result(result, intent, status, rest, lifted, more)

    def _item(self, result: t.Any, status: str) -> None:
        """The end of one item of a loop; the task goes on."""
        body = result.result
        intent = self._intents.get((result.host.name, result.task._uuid))
        number = 0
        if intent is not None:
            number, intent.items = intent.items, intent.items + 1
        more: dict[str, t.Any] = {"item_index": number}
        variable = body.get("ansible_loop_var", "item")
        if variable in body:
            more["item"] = body[variable]
        lifted, rest = lift({key: value for key, value in body.items() if key not in (variable, "ansible_loop_var")})
        self._write_result(result, intent, status, rest, lifted, more)

    def _write_result(
        self, result: t.Any, intent: _Intent | None, status: str, rest: dict[str, t.Any], lifted: list[Lifted], more: dict[str, t.Any],
    ) -> None:
        task, host = result.task, result.host.name
        fields = self._task_fields(task, intent)
        check_mode = _as_flag(task.check_mode)
        if fields["action"] == "ansible.builtin.set_fact" and "ansible_facts" in rest:
            rest["ansible_facts"] = "[as in args]"
        self._write(
            "result",
            {
                "host": host, **fields, "status": status, "check_mode": check_mode, **more, **_delegation(task),
                "args": _CENSORED if _is_hidden(task, result.result) else _arguments(task), "result": rest,
            },
            sync=not lifted and (status not in ("ok", "skipped") or fields["action"] not in _HARMLESS_ACTIONS),
        )
        # Of two targets of a host, or two items of a loop, the one must never be taken for the other.
        source = {**{key: fields[key] for key in ("phase", "task", "task_id")}, **which_item(more)}
        for position, (kind, payload) in enumerate(lifted, start=1):
            self._write(kind, {"host": host, **source, "check_mode": check_mode, **payload}, sync=position == len(lifted))
            self._show(kind, payload, host)

    def _show(self, kind: str, payload: t.Mapping[str, t.Any], host: str) -> None:
        """Print what was found and what is planned, without its secrets: Ansible's own lines say neither."""
        for line in shown.lines(kind, payload, host=host):
            self._display.display(self._redactor.text(line) if self._redactor is not None else line)

    def _task_fields(self, task: t.Any, intent: _Intent | None = None) -> dict[str, t.Any]:
        """What every event of a task says of it. The intent knows already what does not change, and asking a task is slow."""
        if intent is None:
            tags = task.tags
            phase, action = next((phase for phase in PHASES if phase in tags), ""), str(task.resolved_action or task.action)
        else:
            phase, action = intent.phase, intent.action
        return {"play": self._play.get("play", ""), "phase": phase, "task": task.get_name(), "task_id": task._uuid, "action": action}

    def _write(self, kind: str, payload: t.Mapping[str, t.Any], *, sync: bool = True) -> None:
        if self._recorder is None:
            return
        if self._sources is not None and kind == "intent":  # by then Ansible has registered what the tasks before gave
            self._sources.learn_registered()
        self._recorder.event(kind, payload, sync=sync)


def _opening(file_name: str) -> dict[str, t.Any]:
    """What segment.open says, without the command line."""
    arguments = context.CLIARGS
    directory = Path(file_name).resolve().parent
    collection = Path(__file__).resolve().parents[2]
    return {
        "kind": "execution", "playbook": file_name,
        "versions": {
            "ansible_core": ansible_version, "python": platform.python_version(),
            "collection": provenance.collection_version(collection),
        },
        "source": provenance.git_revision(directory), "collection_source": provenance.git_revision(collection), **provenance.who(),
        "check_mode": bool(arguments.get("check")), "diff": bool(arguments.get("diff")), "limit": arguments.get("subset"),
        **{key: list(arguments.get(key) or ()) for key in ("tags", "skip_tags", "inventory")},
    }


def _arguments(task: t.Any) -> dict[str, t.Any]:
    """A task's arguments, without those that Ansible adds for its own modules; a role's documentation is not an argument either."""
    return {key: value for key, value in task.args.items() if not str(key).startswith("_ansible_") and key != "argument_spec"}


def _is_hidden(task: t.Any, body: t.Mapping[str, t.Any]) -> bool:
    return task.no_log is True or _CENSORED in body or bool(body.get("_ansible_no_log"))


def _as_flag(value: t.Any) -> bool:
    """A task's check_mode before it is templated: a template is taken for the real thing."""
    return value is True


def _delegation(task: t.Any) -> dict[str, str]:
    return {"delegate_to": str(task.delegate_to)} if task.delegate_to else {}
