# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An execution of the scenario's playbook: its arguments, its environment, and watching it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout

from ..record.recording import Recording
from . import collection, environment, extravars, launch
from .collection import Collection
from .request import Request
from .scenarios import Scenario
from .stopping import Stopper
from .view import View

CALLBACK = "oncall.incident.evidence"
_DEFAULT_CALLBACK_PLUGINS = "~/.ansible/plugins/callback:/usr/share/ansible/plugins/callback"


class Executor:
    """Starts executions of one run.

    Args:
        settings: what the user's ansible.cfg and environment set, from ansible_cfg.read().
        home: the recorder's home.
        program: ansible-playbook.
    """

    def __init__(
        self, asked: Request, *, scenario: Scenario, found: Collection, settings: Mapping[str, str], record: Recording, home: Path,
        program: str, cwd: Path, view: View, stopper: Stopper,
    ) -> None:
        self._asked = asked
        self._scenario = scenario
        self._collection = found
        self._settings = settings
        self._record = record
        self._home = home
        self._program = program
        self._cwd = cwd
        self._view = view
        self._stopper = stopper
        #: Called with every look at the progress; must not raise.
        self.also: Callable[[], None] = lambda: None
        #: Variables of the wrapper's for each execution of the run.
        self.own: Mapping[str, Any] = {}
        self.began = ""  # when the incident began, in ISO 8601

    def run(
        self, directory: Path, *, tags: Sequence[str], check: bool, variables: Sequence[str], own: Mapping[str, Any], doing: str,
    ) -> launch.Ended:
        """Run the playbook once and show what its record says meanwhile.

        Args:
            directory: private to this execution; it is made.
            variables: ansible's arguments for the user's variables.
            own: the wrapper's variables, which win.
            doing: for the status line.
        """
        directory.mkdir(mode=0o700)
        mine = {"incident_run_id": self._record.run, "incident_record": "on", **self.own, **own}
        arguments = [
            *self._asked.ansible_arguments(), "--tags", ",".join([*tags, *self._asked.further_tags]), *variables,
            *extravars.own_file("own.json", mine, directory=directory), *(["--check"] if check else []),
        ]
        started = launch.Launch(
            program=self._program, playbook=self._scenario.playbook, arguments=arguments, environ=self._environ(directory),
            # ansible-runner switches host key checking off unless told; that is the user's to decide, in ansible.cfg too.
            forget=[] if "ANSIBLE_HOST_KEY_CHECKING" in os.environ else ["ANSIBLE_HOST_KEY_CHECKING"],
            secrets=self._asked.secrets, directory=directory, cwd=self._cwd,
        )
        view, record = self._view, self._record

        def tick() -> None:
            if self._stopper.reason:
                view.stopping()
            view.show_from(record)
            self.also()

        view.begin(doing)
        try:
            return launch.run(started, stopper=self._stopper, tick=tick, line=lambda text: view.line(record.redactor.text(text)))
        finally:
            view.end()

    def _environ(self, directory: Path) -> dict[str, str]:
        """What Ansible's process gets: the allowed part of ours, and what makes the collection and the recorder found."""
        asked, settings = self._asked, self._settings
        inventories = asked.inventories or [part.strip() for part in settings.get("inventory", "").split(",") if part.strip()]
        env = environment.allowed(os.environ, also=[*asked.pass_env, *environment.looked_up(inventories, cwd=self._cwd)])
        linked = collection.link(self._collection, directory) if self._collection.root is None else None
        enabled = [name.strip() for name in settings.get("callbacks_enabled", "").split(",") if name.strip()]
        if self.began:
            env["INCIDENT_BEGAN"] = self.began  # role evidence: from when on logs matter
        env.update({
            "ANSIBLE_COLLECTIONS_PATH": collection.search_path(
                self._collection, linked_root=linked, configured=settings.get("collections_path"),
            ),
            "ANSIBLE_CALLBACKS_ENABLED": ",".join(dict.fromkeys([*enabled, CALLBACK])),
            "ANSIBLE_CALLBACK_PLUGINS": settings.get("callback_plugins", _DEFAULT_CALLBACK_PLUGINS),
            # Modules would write their arguments to the target's syslog: a leak, and a change to what is being examined.
            "ANSIBLE_NO_TARGET_SYSLOG": settings.get("no_target_syslog", "true"),
            # An inventory with an error in it must not look like one without hosts.
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": settings.get("any_unparsed_is_failed", "true"),
            # What a module that failed decided from: ansible-core leaves it out by itself since 2.21.
            "ANSIBLE_INJECT_INVOCATION": "true",
            "ANSIBLE_NOCOWS": "1",
            "PATH": f"{Path(self._program).parent}{os.pathsep}{env.get('PATH', os.defpath)}",
            layout.HOME_VARIABLE: str(self._home), layout.RUN_DIR_VARIABLE: str(self._record.run_dir),
            layout.RUN_ID_VARIABLE: self._record.run,
        })
        return env
