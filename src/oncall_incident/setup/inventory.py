# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory of the answers: hosts and variables as data, and as files. Secrets are only looked up."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import Stop
from ..exits import Exit
from .answers import HERE, Application, Database, Probe, Reach

#: The variables of the environment that hold the passwords.
DB_PASSWORD, PROBE_PASSWORD = "ONCALL_DB_PASSWORD", "ONCALL_PROBE_PASSWORD"
_HEAD = "# Written by incident init. The variables are those of role {role}: docs/variables.md shows how to see all of them.\n"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}


@dataclasses.dataclass(frozen=True)
class Answers:
    """All that is known so far.

    Attributes:
        kept: what was said of answers that were kept although they did not work, by question.
    """

    reach: Reach = dataclasses.field(default_factory=Reach)
    database: Database | None = None
    application: Application = dataclasses.field(default_factory=Application)
    health: str = ""
    probe: Probe = dataclasses.field(default_factory=Probe)
    kept: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def passwords(self) -> list[str]:
        """The variables that must be in the environment of a run."""
        if self.database is None or self.database.socket:
            return []
        return [DB_PASSWORD, *([PROBE_PASSWORD] if self.probe.user else [])]


def files(answers: Answers) -> dict[str, str]:
    """The text of each file by its path in the inventory."""
    db, app = _db(answers), _app(answers)
    groups = {name: {"hosts": hosts} for name, (hosts, _) in (("db", db), ("app", app))}
    kept = "".join(f"# Kept although it did not work, {key}: {' '.join(said.split())}\n" for key, said in answers.kept.items())
    found = {"hosts.yml": _HEAD.format(role="ROLE") + kept + _text({group: hosts for group, hosts in groups.items() if hosts["hosts"]})}
    for name, (_, values), role in (("db", db, "postgres"), ("app", app, "service")):
        if values:
            found[f"group_vars/{name}.yml"] = _HEAD.format(role=role) + _text(values)
    return found


def write(answers: Answers, place: Path) -> None:
    """Write the files into a directory that is not there yet, or is empty.

    Raises:
        Stop: something is there, or it cannot be written.
    """
    refuse_to_overwrite(place)
    try:
        for name, text in files(answers).items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as exc:
        raise Stop(f"Cannot write {exc.filename or place}: {exc.strerror}.", hint="Name another directory.", status=Exit.USAGE) from exc


def refuse_to_overwrite(place: Path) -> None:
    """Where something is, nothing is written.

    Raises:
        Stop: the directory has something in it, or is a file.
    """
    try:
        taken = place.exists() and (not place.is_dir() or any(place.iterdir()))
    except OSError as exc:
        raise Stop(f"Cannot look into {place}: {exc.strerror}.", hint="Name another directory.") from exc
    if taken:
        raise Stop(f"{place} is there already, and nothing is overwritten.", hint="Name another directory, or remove this one first.")


def _db(answers: Answers) -> tuple[dict[str, Any], dict[str, Any]]:
    reach, database, probe = answers.reach, answers.database, answers.probe
    if not reach.via or database is None:
        return {}, {}
    values: dict[str, Any] = {"postgres_via": reach.via}
    if reach.via == "container":
        values["postgres_container_name"] = reach.name
    if reach.via == "kubernetes":
        values |= {"postgres_kubernetes_namespace": reach.namespace, "postgres_kubernetes_target": reach.name}
    if database.socket:
        values["postgres_login_unix_socket"] = database.socket
    elif reach.via in ("controller", "host"):
        values["postgres_login_host"] = database.host
    values |= {"postgres_login_port": database.port, "postgres_login_user": database.user, "postgres_login_db": database.name}
    if not database.socket:
        values["postgres_login_password"] = _looked_up(DB_PASSWORD)
    if probe.user:
        values |= {"postgres_probe_query": probe.query, "postgres_probe_login_user": probe.user}
        if not database.socket:
            values["postgres_probe_login_password"] = _looked_up(PROBE_PASSWORD)
    name = reach.name.rpartition("/")[2] if reach.via == "kubernetes" else reach.host or database.host or "database"
    if reach.via == "controller" and name in _LOOPBACK:
        # Under such a name it would be taken for the machine that tasks are delegated to.
        return _hosts(HERE, HERE), values
    # Colons in a name are something else to Ansible.
    return _hosts("database" if ":" in name else name, reach.host), values


def _app(answers: Answers) -> tuple[dict[str, Any], dict[str, Any]]:
    app = answers.application
    if not app.runtime:
        return {}, {}
    name = app.identity.rpartition("/")[2]
    entry: dict[str, Any] = {"name": name, "runtime": app.runtime}
    if app.identity != name:
        entry["identity"] = app.identity
    if app.where:
        entry["where"] = dict(app.where)
    if answers.health:
        entry["health"] = [{"name": f"{name} health", "url": answers.health}]
    return _hosts(name if app.runtime == "kubernetes" else app.host, app.host), {"services": [entry]}


def _hosts(name: str, host: str) -> dict[str, Any]:
    """One host; this machine under a name that a run takes for what it is."""
    if name == HERE:
        # What this machine says of itself belongs to the incident.
        return {"this-machine": {**_LOCAL, "evidence_local": True}}
    return {name: dict(_LOCAL) if host == HERE else None}


def _looked_up(variable: str) -> str:
    return f"{{{{ lookup('ansible.builtin.env', '{variable}') }}}}"


class _Dumper(yaml.SafeDumper):
    """Templates in double quotes, and nothing where there is no value."""


_Dumper.add_representer(str, lambda dumper, value: dumper.represent_scalar(
    "tag:yaml.org,2002:str", value, style='"' if "{{" in value else None))
_Dumper.add_representer(type(None), lambda dumper, _value: dumper.represent_scalar("tag:yaml.org,2002:null", ""))


def _text(values: Mapping[str, Any]) -> str:
    text: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return text
