# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident seal`, `sign`, `push`, `export`, `import`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from . import texts
from .incidents import Id, Json, Many, _find

Keys = Annotated[Many, typer.Option("--sign-key", metavar="KEY", help="A key file, agent, or none; several sign all.")]


def register(app: typer.Typer, bind: Callable[[], Any]) -> None:
    """Add the commands.

    Args:
        bind: makes the collection importable.
    """

    @app.command(help=texts.SEAL, short_help="Seal an incident's bundle.")
    def seal(
        incident: Id, sign_key: Keys = None,
        seal_broken: Annotated[bool, typer.Option("--seal-broken", help=texts.SEAL_BROKEN)] = False,
        as_json: Json = False,
    ) -> None:
        """See texts.SEAL."""
        found = _find(bind, incident)
        from ..evidence import closing, settings
        from ..exits import Exit
        from ..reporting import document
        from . import show

        sealed, signers = closing.seal(
            found, configured=settings.load(found.home), sign_keys=sign_key or [], report=document.for_the_bag, broken=seal_broken,
        )
        show.show_sealed(found, sealed, signers, as_json=as_json)
        if len(sealed.signed) < len(signers):
            raise typer.Exit(int(Exit.FAILED))

    @app.command(help=texts.SIGN, short_help="Add a signature to the last seal.")
    def sign(incident: Id, sign_key: Keys = None, as_json: Json = False) -> None:
        """See texts.SIGN."""
        found = _find(bind, incident)
        from ..errors import Stop
        from ..evidence import sealing, settings, signing
        from . import show

        configured = settings.load(found.home)
        signers = configured.signers(sign_key or [], make=False)
        if not signers:
            raise Stop("There is no key to sign with.", hint="Name one with --sign-key.")
        made = sealing.add_signature(found, signers[0], authority=configured.authority)
        signing.remember(configured.home, signers[0])
        show.show_sealed(found, made, signers[:1], as_json=as_json)

    @app.command(help=texts.PUSH, short_help="Copy a sealed bundle elsewhere.")
    def push(
        incident: Id,
        to: Annotated[str | None, typer.Option("--to", metavar="URL", help="Where to; INCIDENT_PUSH_URL otherwise.")] = None,
        retain: Annotated[str | None, typer.Option("--retain", metavar="TIME", help="Lock objects so long (S3 Object Lock).")] = None,
        as_json: Json = False,
    ) -> None:
        """See texts.PUSH."""
        found = _find(bind, incident)
        from ..errors import Stop
        from ..evidence import pushing, settings

        configured = settings.load(found.home)
        url = to or configured.push_url
        if not url:
            raise Stop("There is no place to push to.", hint="Name one with --to, or set INCIDENT_PUSH_URL.")
        made = pushing.push(found, url, configured=configured, retain=settings.duration(retain, "--retain"))
        if as_json:
            import dataclasses

            typer.echo(json.dumps({"incident": found.id, **dataclasses.asdict(made)}))
            return
        locked = f", locked until {made.locked_until}" if made.locked_until else ""
        typer.echo(f"{found.id}: {made.files} files at {made.url} ({made.already} were there), read back{locked}")

    @app.command(help=texts.EXPORT, short_help="Export a bundle or a timeline.")
    def export(
        incident: Id,
        tar: Annotated[str | None, typer.Option("--tar", metavar="FILE", help="The sealed bundle as one file.")] = None,
        timesketch: Annotated[str | None, typer.Option("--timesketch", metavar="FILE", help="The timeline; - is standard output.")] = None,
    ) -> None:
        """See texts.EXPORT."""
        found = _find(bind, incident)
        from ..errors import Stop
        from ..evidence import exporting

        if not tar and not timesketch:
            raise Stop("Nothing to export was named.", hint="--tar FILE, or --timesketch FILE.")
        if timesketch:
            exporting.timesketch(found, timesketch)
        if tar:
            digest = exporting.tar(found, Path(tar).expanduser())
            typer.echo(f"{tar}: sha256 {digest}", err=True)

    importing = typer.Typer(help=texts.IMPORT, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(importing, name="import", short_help=texts.IMPORT)

    @importing.callback()
    def _import() -> None:
        """See texts.IMPORT."""

    @importing.command("awx", help=texts.IMPORT_AWX, short_help="An AWX job's events.")
    def awx(
        job: Annotated[int, typer.Argument(metavar="JOB", help="The job's number.")],
        url: Annotated[str, typer.Option("--url", metavar="URL", help="AWX, as in https://awx.example.org", envvar="INCIDENT_AWX_URL")],
        incident: Annotated[str | None, typer.Option("--incident", metavar="INCIDENT", help="Take it into this incident as well.")] = None,
        page_size: Annotated[int, typer.Option("--page-size", min=1, max=200, help="Events a page.")] = 200,
        as_json: Json = False,
    ) -> None:
        """See texts.IMPORT_AWX."""
        bind()
        from ..evidence import attaching, awx_import, settings
        from ..evidence.store import Store

        configured = settings.load()
        found = Store(configured.home).find(incident) if incident else None
        made = awx_import.run(job, url=url, home=configured.home, page_size=page_size)
        if found is not None:
            attaching.attach_run(found, made.run_dir)
        if as_json:
            typer.echo(json.dumps({**made.as_dict(), "incident": found.id if found else None}))
            return
        typer.echo(f"Imported job {job} as {made.run}: {made.events} events, {made.dropped} of them with something AWX had dropped.")
        for note in made.notes:
            typer.echo(f"  {note}")
        typer.echo(f"  record {made.run_dir}")
