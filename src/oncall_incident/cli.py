# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line. What a command needs is imported when it runs, so that --help answers at once."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from . import texts
from .commands import evidence, incidents
from .errors import Stop
from .exits import Exit
from .running import ansible_cfg, collection
from .running.collection import Collection

#: What somebody types who wants to say that an incident has reached something, and its milestone.
_MILESTONES = {
    "resolve": "resolved", "resolved": "resolved", "ack": "acknowledged", "acknowledge": "acknowledged", "mitigate": "mitigated",
}


class _Commands(TyperGroup):
    """The commands; a milestone that is taken for one is explained, since what is spelled like it does something else."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0] if args else ""
        if name in _MILESTONES and name not in self.commands:
            hint = f"To say it of an incident: incident milestone INCIDENT {_MILESTONES[name]}."
            raise Stop(f"There is no command {name}.", hint=hint)
        return super().resolve_command(ctx, args)


# click's plain help: typer's boxes leave too little of 80 columns for the text.
app = typer.Typer(
    name="incident", cls=_Commands, help=texts.MAIN, epilog=texts.epilog(), no_args_is_help=True, rich_markup_mode=None,
    add_completion=True, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else there.")]
Record = Annotated[str, typer.Argument(metavar="RECORD", help="A run's directory, its id (or how it begins), or latest.")]
Evidence = Annotated[str, typer.Argument(metavar="BUNDLE|RECORD", help="An incident's id, bundle or tar; a run's id or directory; latest.")]
Many = list[str] | None


def main() -> None:
    """The entry point: every foreseen problem ends in one message and its exit status."""
    _speak_any_text()
    try:
        app(prog_name="incident")
    except Stop as stop:
        _end(stop)
    except BrokenPipeError:
        # The reader of our output went away; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(Exit.FAILED))
    except Exception as exc:
        meant = _foreseen(exc)
        if meant is None:
            raise
        _end(meant)


def _speak_any_text() -> None:
    """A path or an argument that is not UTF-8 is spelled out on the screen; saying so must not fail what was done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _end(stop: Stop) -> None:
    _complain(stop)
    if "--json" in sys.argv:
        typer.echo(json.dumps(_as_data(stop)))
    sys.exit(int(stop.status))


def _foreseen(exc: Exception) -> Stop | None:
    """What the collection's own errors mean for a command: nothing could be written, or an input is not usable."""
    errors = sys.modules.get("ansible_collections.oncall.incident.plugins.module_utils._core.errors")
    if errors is None or not isinstance(exc, errors.IncidentError):
        return None
    return Stop(exc.message, hint=exc.hint or "", status=Exit.NOT_RECORDED if "record" in exc.kind else Exit.USAGE)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the versions of everything that takes part.")] = False,
) -> None:
    """The options of `incident` itself."""
    if version:
        from .commands.version import text

        typer.echo(text(_find()))
        raise typer.Exit


@app.command(help=texts.RUN, short_help="Run a scenario.", epilog=texts.epilog())
def run(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A scenario's name, or the path of a playbook.")],
    passed: Annotated[Many, typer.Argument(metavar="-- ARGUMENT", help="Further arguments for ansible-playbook.")] = None,
    inventory: Annotated[
        Many, typer.Option("-i", "--inventory", metavar="PATH", help="Inventory: a file, a directory, or hosts with a comma."),
    ] = None,
    limit: Annotated[str | None, typer.Option("-l", "--limit", metavar="HOSTS", help="Only these hosts of the inventory.")] = None,
    extra_vars: Annotated[Many, typer.Option("-e", "--extra-vars", metavar="VARS", help="key=value, inline YAML, or @file.")] = None,
    check: Annotated[bool, typer.Option("-C", "--check", help="Only look and plan; touches nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Approve the plan without being asked; recorded with your name.")] = False,
    timeout: Annotated[str | None, typer.Option("--timeout", metavar="TIME", help="Stop everything after 90s, 15m, 2h.")] = None,
    tags: Annotated[
        str | None, typer.Option("-t", "--tags", metavar="TAGS", help="Phases: investigate, mitigate, verify; and further tags."),
    ] = None,
    skip_tags: Annotated[str | None, typer.Option("--skip-tags", metavar="TAGS", help="Leave out tasks with these tags.")] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", metavar="NAME", help="Remote user.")] = None,
    private_key: Annotated[str | None, typer.Option("--private-key", metavar="FILE", help="SSH key.")] = None,
    ask_pass: Annotated[bool, typer.Option("-k", "--ask-pass", help="Ask for the connection password.")] = False,
    become: Annotated[bool, typer.Option("-b", "--become", help="Become root (or become_user) on the hosts.")] = False,
    ask_become_pass: Annotated[bool, typer.Option("-K", "--ask-become-pass", help="Ask for the become password.")] = False,
    vault_password_file: Annotated[Many, typer.Option("--vault-password-file", metavar="FILE", help="Vault password.")] = None,
    vault_id: Annotated[Many, typer.Option("--vault-id", metavar="ID@SOURCE", help="Vault identity.")] = None,
    ask_vault_password: Annotated[bool, typer.Option("-J", "--ask-vault-password", help="Ask for the vault password.")] = False,
    forks: Annotated[int | None, typer.Option("-f", "--forks", min=1, metavar="N", help="Hosts at the same time.")] = None,
    pass_env: Annotated[
        Many, typer.Option("--pass-env", metavar="NAME", envvar="INCIDENT_PASS_ENV", help="Pass this environment variable on to Ansible."),
    ] = None,
    verbose: Annotated[
        int, typer.Option(
            "-v", "--verbose", count=True, show_default=False,
            help="Show ansible-playbook's own output too, with whatever secrets it shows; -vvv: more.",
        ),
    ] = 0,
    incident: Annotated[
        str | None, typer.Option("--incident", metavar="INCIDENT", envvar="INCIDENT_ID", help="The incident it is for; its own otherwise."),
    ] = None,
    html: Annotated[
        str | None, typer.Option("--html", metavar="FILE", help="Write all checks there as a page, the worst first; best with health."),
    ] = None,
    prometheus: Annotated[
        str | None, typer.Option("--prometheus", metavar="FILE", help="Write all checks there for node-exporter's textfile collector."),
    ] = None,
    as_json: Json = False,
) -> None:
    """See texts.RUN."""
    found = _bind()
    from .commands.run import run_and_show
    from .running.passwords import ask
    from .running.request import Request, seconds

    asking = [name for name, wanted in (("vault", ask_vault_password), ("ssh", ask_pass), ("become", ask_become_pass)) if wanted]
    options, answers = ask(asking, vault_ids=vault_id or [])
    asked = Request(
        scenario=scenario, inventories=inventory or [], limit=limit, extra_vars=extra_vars or [], yes=yes, check=check,
        timeout=seconds(timeout), tags=_list(tags), skip_tags=_list(skip_tags), vault_password_files=vault_password_file or [],
        vault_ids=vault_id or [], private_key=private_key, user=user, become=become, ask=options, secrets=answers, forks=forks,
        verbosity=verbose, passed=passed or [], pass_env=pass_env or [], incident=incident,
    )
    raise typer.Exit(int(run_and_show(asked, found=found, as_json=as_json, html=html, prometheus=prometheus)))


@app.command(help=texts.UNDO, short_help="Take back an incident's temporary changes.", epilog=texts.epilog())
def undo(
    incident: Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id, or how it begins, its folder, or latest.")],
    ids: Annotated[Many, typer.Argument(metavar="[ID]", help="Only these changes; incident status shows the ids.")] = None,
    inventory: Annotated[
        Many, typer.Option("-i", "--inventory", metavar="PATH", help="Inventory: a file, a directory, or hosts with a comma."),
    ] = None,
    extra_vars: Annotated[Many, typer.Option("-e", "--extra-vars", metavar="VARS", help="key=value, inline YAML, or @file.")] = None,
    check: Annotated[bool, typer.Option("-C", "--check", help="Only look and plan; touches nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Approve the plan without being asked; recorded with your name.")] = False,
    timeout: Annotated[str | None, typer.Option("--timeout", metavar="TIME", help="Stop everything after 90s, 15m, 2h.")] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", metavar="NAME", help="Remote user.")] = None,
    private_key: Annotated[str | None, typer.Option("--private-key", metavar="FILE", help="SSH key.")] = None,
    become: Annotated[bool, typer.Option("-b", "--become", help="Become root (or become_user) on the hosts.")] = False,
    vault_password_file: Annotated[Many, typer.Option("--vault-password-file", metavar="FILE", help="Vault password.")] = None,
    pass_env: Annotated[
        Many, typer.Option("--pass-env", metavar="NAME", envvar="INCIDENT_PASS_ENV", help="Pass this environment variable on to Ansible."),
    ] = None,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, show_default=False, help="Show Ansible's own output too.")] = 0,
    as_json: Json = False,
) -> None:
    """See texts.UNDO."""
    found = _bind()
    from .commands.undo import undo_and_show
    from .running.request import Request, seconds

    asked = Request(
        scenario="undo", inventories=inventory or [], extra_vars=extra_vars or [], yes=yes, check=check, timeout=seconds(timeout),
        vault_password_files=vault_password_file or [], private_key=private_key, user=user, become=become, verbosity=verbose,
        pass_env=pass_env or [], incident=incident,
    )
    raise typer.Exit(int(undo_and_show(asked, named=ids or [], found=found, as_json=as_json)))


@app.command("in-force", help=texts.IN_FORCE, short_help="Look which temporary changes are in force.")
def in_force(
    inventory: Annotated[
        Many, typer.Option("-i", "--inventory", metavar="PATH", help="Inventory: a file, a directory, or hosts with a comma."),
    ] = None,
    limit: Annotated[str | None, typer.Option("-l", "--limit", metavar="HOSTS", help="Only these hosts of the inventory.")] = None,
    extra_vars: Annotated[Many, typer.Option("-e", "--extra-vars", metavar="VARS", help="key=value, inline YAML, or @file.")] = None,
    timeout: Annotated[str | None, typer.Option("--timeout", metavar="TIME", help="Stop looking after 90s, 15m.")] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", metavar="NAME", help="Remote user.")] = None,
    private_key: Annotated[str | None, typer.Option("--private-key", metavar="FILE", help="SSH key.")] = None,
    become: Annotated[bool, typer.Option("-b", "--become", help="Become root (or become_user) on the hosts.")] = False,
    vault_password_file: Annotated[Many, typer.Option("--vault-password-file", metavar="FILE", help="Vault password.")] = None,
    pass_env: Annotated[
        Many, typer.Option("--pass-env", metavar="NAME", envvar="INCIDENT_PASS_ENV", help="Pass this environment variable on to Ansible."),
    ] = None,
    as_json: Json = False,
) -> None:
    """See texts.IN_FORCE."""
    found = _bind()
    from .commands.in_force import in_force_and_show
    from .running.request import Request, seconds

    asked = Request(
        scenario="in-force", inventories=inventory or [], limit=limit, extra_vars=extra_vars or [], timeout=seconds(timeout),
        vault_password_files=vault_password_file or [], private_key=private_key, user=user, become=become, pass_env=pass_env or [],
    )
    raise typer.Exit(int(in_force_and_show(asked, found=found, as_json=as_json)))


@app.command(help=texts.DRILL, short_help="Break staging hosts on purpose, recover them, keep score.")
def drill(
    name: Annotated[str, typer.Argument(metavar="[DRILL]", help="A drill's name, or a file's path; without one they are listed.")] = "",
    inventory: Annotated[
        Many, typer.Option("-i", "--inventory", metavar="PATH", help="Inventory with a group named drillable."),
    ] = None,
    limit: Annotated[str | None, typer.Option("-l", "--limit", metavar="HOSTS", help="Only these of the drillable hosts.")] = None,
    rounds: Annotated[Many, typer.Option("-r", "--round", metavar="ROUND", help="Only this round; may be repeated.")] = None,
    lifetime: Annotated[
        str, typer.Option("--lifetime", metavar="TIME", help="The hosts take faults back after this by themselves."),
    ] = "30m",
    severity: Annotated[
        str, typer.Option("-s", "--severity", metavar="LEVEL", help="Whose targets the times are held against.", show_default=False),
    ] = "",
    policy: Annotated[str, typer.Option("--policy", metavar="NAME|FILE", help="The severity policy.", show_default=False)] = "",
    extra_vars: Annotated[Many, typer.Option("-e", "--extra-vars", metavar="VARS", help="key=value, inline YAML, or @file.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Break the hosts without being asked.")] = False,
    validate: Annotated[bool, typer.Option("--validate", help="Only check the drill's file; touches nothing.")] = False,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="End the drill after this time; faults are taken back."),
    ] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", metavar="NAME", help="Remote user.")] = None,
    private_key: Annotated[str | None, typer.Option("--private-key", metavar="FILE", help="SSH key.")] = None,
    become: Annotated[bool, typer.Option("-b", "--become", help="Become root on the hosts.")] = False,
    vault_password_file: Annotated[Many, typer.Option("--vault-password-file", metavar="FILE", help="Vault password.")] = None,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, show_default=False, help="Show Ansible's own output too.")] = 0,
    as_json: Json = False,
) -> None:
    """See texts.DRILL."""
    found = _bind()
    from .commands.drill import drill_and_show, show_drills, validate_and_show
    from .running.request import Request, seconds

    if validate:
        if not name:
            raise Stop("--validate: no drill is named.", hint="Write incident drill --validate FILE, or the name of a drill.")
        raise typer.Exit(int(validate_and_show(name, found=found, policy=policy, as_json=as_json)))
    if not name:
        show_drills(found, as_json=as_json)
        return
    asked = Request(
        scenario=name, inventories=inventory or [], limit=limit, extra_vars=extra_vars or [], yes=yes, timeout=seconds(timeout),
        vault_password_files=vault_password_file or [], private_key=private_key, user=user, become=become, verbosity=verbose,
    )
    raise typer.Exit(int(drill_and_show(
        asked, found=found, lifetime=lifetime, rounds=rounds or [], severity=severity, policy=policy, as_json=as_json,
    )))


@app.command()
def scenarios(as_json: Json = False) -> None:
    """List the scenarios."""
    found = _find()
    from .commands.scenarios import show_scenarios

    show_scenarios(found.path, as_json=as_json)


@app.command(help=texts.INIT, short_help="Make an inventory from five answers.")
def init(
    directory: Annotated[
        str, typer.Argument(metavar="[DIRECTORY]", help="Where the inventory is written; it must not be there yet."),
    ] = "inventories/prod",
    answers: Annotated[
        str | None, typer.Option("--answers", metavar="FILE", help="The answers as YAML, for when nobody can be asked; - reads it."),
    ] = None,
) -> None:
    """See texts.INIT."""
    found = _bind()
    from .commands.init import init_and_show

    raise typer.Exit(int(init_and_show(Path(directory).expanduser(), given=answers, found=found)))


@app.command("vars", help=texts.VARS, short_help="Show the variables a scenario would run with.")
def variables(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A scenario's name, or the path of a playbook.")],
    inventory: Annotated[
        Many, typer.Option("-i", "--inventory", metavar="PATH", help="Inventory: a file, a directory, or hosts with a comma."),
    ] = None,
    limit: Annotated[str | None, typer.Option("-l", "--limit", metavar="HOSTS", help="Only these hosts of the inventory.")] = None,
    extra_vars: Annotated[Many, typer.Option("-e", "--extra-vars", metavar="VARS", help="key=value, inline YAML, or @file.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what nobody changed.")] = False,
    vault_password_file: Annotated[Many, typer.Option("--vault-password-file", metavar="FILE", help="Vault password.")] = None,
    vault_id: Annotated[Many, typer.Option("--vault-id", metavar="ID@SOURCE", help="Vault identity.")] = None,
    ask_vault_password: Annotated[bool, typer.Option("-J", "--ask-vault-password", help="Ask for the vault password.")] = False,
    pass_env: Annotated[
        Many, typer.Option("--pass-env", metavar="NAME", envvar="INCIDENT_PASS_ENV", help="Pass this environment variable on to Ansible."),
    ] = None,
    as_json: Json = False,
) -> None:
    """See texts.VARS."""
    found = _bind()
    from .commands.vars import vars_and_show
    from .running.passwords import ask_vault
    from .running.request import Request

    asked = Request(
        scenario=scenario, inventories=inventory or [], limit=limit, extra_vars=extra_vars or [], pass_env=pass_env or [],
        vault_password_files=vault_password_file or [], vault_ids=vault_id or [],
    )
    passwords = ask_vault(plain=ask_vault_password, vault_ids=vault_id or [])
    raise typer.Exit(int(vars_and_show(asked, found=found, vault_passwords=passwords, everything=everything, as_json=as_json)))


@app.command(help=texts.VERIFY, short_help="Recheck a bundle or a record.")
def verify(
    record: Evidence,
    allowed_signers: Annotated[
        str | None, typer.Option("--allowed-signers", metavar="FILE", help="Whom you trust to sign; ssh-keygen(1) has the form."),
    ] = None,
    tsa_ca: Annotated[str | None, typer.Option("--tsa-ca", metavar="FILE", help="The time-stamping authority's certificates, PEM.")] = None,
    as_json: Json = False,
) -> None:
    """See texts.VERIFY."""
    _bind()
    from .commands.verify import verify_and_show

    raise typer.Exit(int(verify_and_show(record, allowed_signers=allowed_signers, tsa_ca=tsa_ca, as_json=as_json)))


@app.command(help=texts.REPORT, short_help="Write the report of a run or an incident.")
def report(
    record: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECORD]", help="A run or an incident: its directory, its id (or how it begins), or latest.", show_default=False
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="An index of all incidents with their metrics.")] = False,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="html or markdown. Default: both files; Markdown on standard output."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write it here as well; - is standard output."),
    ] = None,
) -> None:
    """See texts.REPORT."""
    _bind()
    from .commands.report import report_and_show

    report_and_show(record, everything=everything, form=form, output=output)


@app.command(help=texts.METRICS, short_help="How long incidents took.")
def metrics(
    by: Annotated[
        str,
        typer.Option("--by", metavar="WHAT", help="severity, scenario, month, service, or incident for each of them."),
    ] = "severity",
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Only those that began since then: 2026-01-01, or 30d for the last 30 days."),
    ] = None,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table, json, csv or prometheus.")] = "table",
) -> None:
    """See texts.METRICS."""
    _bind()
    from .commands.metrics import metrics_and_show

    metrics_and_show(by=by, since=since, form=form)


def _find() -> Collection:
    settings = ansible_cfg.read(environ=os.environ, cwd=Path.cwd())
    return collection.find(configured=settings.get("collections_path"), home=Path.home())


def _bind() -> Collection:
    found = _find()
    collection.bind(found)
    return found


incidents.register(app, _bind)
evidence.register(app, _bind)


def _list(value: str | None) -> list[str]:
    return [part.strip() for part in (value or "").split(",") if part.strip()]


def _as_data(stop: Stop) -> dict[str, object]:
    name = "not_recorded" if stop.status == Exit.NOT_RECORDED else "bad_input"
    return {
        "outcome": name, "exit_status": int(stop.status), "sentence": stop.message, "reasons": [stop.hint] if stop.hint else [],
        "ansible_said": stop.detail.splitlines(),
    }


def _complain(stop: Stop) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("incident: ", "bold red"), stop.message))
    if stop.hint:
        console.print(Text(f"  {stop.hint}"))
    for line in stop.detail.splitlines():
        console.print(Text(f"  | {line}", style="dim"))
