# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator asked for, checked before anything starts."""

from __future__ import annotations

import codecs
import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.suggest import suggest
from ansible_collections.oncall.incident.plugins.plugin_utils._record.phases import MITIGATE, PHASES
from ansible_collections.oncall.incident.plugins.plugin_utils._record.utf8 import clean

from ..errors import Stop
from . import extravars


@dataclasses.dataclass(frozen=True)
class Request:
    """The arguments of `incident run`, as typed.

    Attributes:
        timeout: seconds for everything, the question included; None for no limit.
        secrets: prompt pattern -> answer, for ansible's password questions; never on a command line.
        tags: what --tags named: phases, and further tags.
        passed: what follows `--`.
        incident: the incident it is for; None for one of its own.
    """

    scenario: str
    inventories: Sequence[str] = ()
    limit: str | None = None
    extra_vars: Sequence[str] = ()
    yes: bool = False
    check: bool = False
    timeout: float | None = None
    tags: Sequence[str] = ()
    skip_tags: Sequence[str] = ()
    vault_password_files: Sequence[str] = ()
    vault_ids: Sequence[str] = ()
    private_key: str | None = None
    user: str | None = None
    become: bool = False
    ask: Sequence[str] = ()
    secrets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    forks: int | None = None
    verbosity: int = 0
    passed: Sequence[str] = ()
    pass_env: Sequence[str] = ()
    incident: str | None = None

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases asked for, in their order; all of them unless --tags names some."""
        chosen = tuple(phase for phase in PHASES if phase in self.tags)
        return chosen or PHASES

    @property
    def further_tags(self) -> tuple[str, ...]:
        """Tags that are not phases; they go to every execution."""
        return tuple(tag for tag in self.tags if tag not in PHASES)

    def ansible_arguments(self) -> list[str]:
        """The arguments every execution has in common, without tags, check mode and variables."""
        arguments: list[str] = []
        for option, values in (
            ("-i", self.inventories), ("--limit", [self.limit] if self.limit else []),
            ("--skip-tags", self.skip_tags), ("--vault-password-file", self.vault_password_files), ("--vault-id", self.vault_ids),
            ("--private-key", [self.private_key] if self.private_key else []), ("--user", [self.user] if self.user else []),
            ("--forks", [str(self.forks)] if self.forks else []),
        ):
            for value in values:
                arguments += [option, value]
        arguments += ["--become"] if self.become else []
        arguments += list(self.ask)
        arguments += ["-" + "v" * self.verbosity] if self.verbosity else []
        return arguments + list(self.passed)


#: After `--` these would change what is planned, approved or measured, or put secrets on the command line.
_REFUSED_LONG = (
    "--check", "--tags", "--skip-tags", "--start-at-task", "--step", "--list-tasks", "--list-tags", "--list-hosts", "--syntax-check",
    "--extra-vars", "--inventory", "--inventory-file", "--limit", "--version", "--help", "--ask-pass", "--ask-become-pass",
    "--ask-vault-password", "--ask-vault-pass",
)
_REFUSED_SHORT = frozenset("CteilhkKJ")
_FLAGS_LONG = frozenset({"--diff", "--become", "--force-handlers", "--flush-cache"})
_FLAGS_SHORT = frozenset("Dbv")


def seconds(timeout: str | None) -> float | None:
    """The --timeout in seconds.

    Raises:
        Stop: it is not a duration.
    """
    if timeout is None:
        return None
    try:
        value = parse_duration(timeout, name="--timeout")
    except BadInput as exc:
        raise Stop(exc.message, hint=exc.hint or "") from exc
    if value <= 0:
        raise Stop(f"--timeout: {timeout} leaves no time.", hint="Give a duration above zero, for example 15m.")
    return value


def check_text(request: Request, *, cwd: Path, environ: Mapping[str, str]) -> None:
    """What goes to Ansible is UTF-8, also in files of variables and as escapes: it would get something else than was typed, or nothing.

    Args:
        environ: the variables that are passed on.

    Raises:
        Stop: something is not.
    """
    given: list[tuple[str, Iterable[str | None]]] = [
        ("-i", request.inventories), ("--limit", [request.limit]), ("--tags", request.tags),
        ("--skip-tags", request.skip_tags), ("--user", [request.user]), ("--private-key", [request.private_key]),
        ("--vault-password-file", request.vault_password_files), ("--vault-id", request.vault_ids), ("--", request.passed),
        ("SCENARIO", [request.scenario]), ("The current directory", [str(cwd)]),
    ]
    given += [(f"The environment variable {name}", [value]) for name, value in environ.items()]
    for option, values in given:
        for value in values:
            if value is not None and clean(value) != value:
                raise _not_utf8(option, "" if option.startswith("The environment") else clean(value))
    for value in request.extra_vars:
        # A variable may be a secret: its name says enough.
        wrong = extravars.not_utf8(value, cwd=cwd)
        if wrong is not None:
            raise _not_utf8("-e", wrong)


def _not_utf8(option: str, said: str) -> Stop:
    return Stop(
        f"{option}{f' {said}' if said else ''}: this is not UTF-8.",
        hint="Write it in UTF-8; rename a file or directory, unset a variable that is not needed.",
    )


def check_passed(arguments: Sequence[str]) -> None:
    """Refuse what must not reach ansible-playbook behind our back.

    Raises:
        Stop: an option that belongs before the `--`, or that would break the run, or a bare word (a second playbook).
    """
    value_expected = False
    for argument in arguments:
        if value_expected:
            value_expected = False
            continue
        name, equals, _ = argument.partition("=")
        if argument.startswith("--") and len(argument) > 2:
            refused = any(option.startswith(name) for option in _REFUSED_LONG)
            value_expected = not equals and name not in _FLAGS_LONG
        elif argument.startswith("-") and len(argument) > 1:
            flags = argument[1:].lstrip("".join(_FLAGS_SHORT))
            refused = flags[:1] in _REFUSED_SHORT and bool(flags)
            value_expected, name = len(flags) == 1, argument[:2] if not refused else "-" + flags[0]
        else:
            raise Stop(
                f"{argument}: incident run takes one scenario.",
                hint="Arguments for ansible-playbook go after --, for example: incident run db-recovery -i hosts -- --diff",
            )
        if refused:
            raise Stop(
                f"{name} cannot be passed through to ansible-playbook: it would change what is planned, approved or measured.",
                hint="incident run has its own options for what is meant by it; see incident run --help.",
            )


def check_tags(request: Request) -> None:
    """Refuse to skip a phase by its tag, and tags that are nearly a phase: they would choose all phases or none, without a word."""
    for tag in request.further_tags:
        if meant := suggest(tag.lower(), PHASES, likeness=0.75):
            raise Stop(f"--tags {tag}: no phase is called that.", hint=f"{meant}The phases are {', '.join(PHASES)}.")
    for tag in request.skip_tags:
        for name in tag.split(","):
            if name in PHASES:
                raise Stop(f"--skip-tags {name}: a phase is not skipped this way.", hint="Name the phases you want with --tags.")


def within(request: Request, *, scenario: str, phases: Sequence[str]) -> Request:
    """The request with the phases that a scenario has.

    Args:
        scenario, phases: its name, and what it has.

    Raises:
        Stop: --tags names a phase that it has not.
    """
    if strangers := [tag for tag in request.tags if tag in PHASES and tag not in phases]:
        raise Stop(f"--tags {strangers[0]}: {scenario} has no such phase.", hint=f"It has {', '.join(phases)}.")
    if set(request.phases) <= set(phases):
        return request
    return dataclasses.replace(request, tags=[*phases, *request.tags])


def check_inventory(request: Request, *, configured: str | None, cwd: Path) -> None:
    """Refuse inventories that are not there, before Ansible turns them into a warning and an empty list of hosts."""
    for inventory in request.inventories:
        path = cwd / Path(inventory).expanduser()
        if "," not in inventory and not path.exists():
            raise Stop(
                f"-i {inventory}: there is no such inventory.",
                hint=f"Looked for {path}. Give a file or directory, or hosts with a comma: -i db1.example.org,",
            )
        for found in sorted(path.iterdir()) if path.is_dir() else [path]:
            # Ansible's reader of INI takes the mark for a part of the first line: [db] is the name of a host then. YAML may have one.
            if found.suffix not in (".yml", ".yaml", ".json") and _has_mark(found):
                raise Stop(
                    f"-i {inventory}: {found.name} begins with a byte order mark, which Ansible takes for a part of its first line.",
                    hint="Save it as UTF-8 without one.",
                )
    if not request.inventories and not configured and not Path("/etc/ansible/hosts").exists():
        raise Stop("No inventory is given, and none is configured.", hint="Say which systems: incident run SCENARIO -i inventories/prod")


def _has_mark(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    except OSError:
        return False


def check_answer(request: Request, *, can_ask: bool) -> None:
    """Refuse a run that would look for a minute or more and then find nobody to ask.

    Args:
        can_ask: the input is a terminal.
    """
    if MITIGATE in request.phases and not (request.yes or request.check or can_ask):
        raise Stop(
            "Nobody can be asked to approve the plan: the input is not a terminal.",
            hint="--yes approves it without a question, --check only shows it.",
        )


def check_files(request: Request, *, cwd: Path) -> None:
    """Refuse key and password files that cannot be read."""
    named = [("--private-key", request.private_key)] if request.private_key else []
    named += [("--vault-password-file", value) for value in request.vault_password_files]
    for option, value in named:
        path = cwd / Path(value or "").expanduser()
        if not os.access(path, os.R_OK):
            raise Stop(f"{option} {value}: the file is not there or not readable.", hint=f"Looked for {path}.")
