# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident verify`: of a bundle, or of a run's record."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path

import typer
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, stated, verify
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import CannotRecord

from ..errors import Stop
from ..evidence import checks, places, settings, signing
from ..evidence.incident import Incident
from ..evidence.store import Store
from ..exits import Exit
from ..record.choose import LATEST, run_directory
from ..terminal.words import count

_STATUS = {verify.OK: Exit.RECOVERED, verify.BROKEN: Exit.FAILED, verify.INCOMPLETE: Exit.NOT_RECOVERED}
_STYLE = {verify.OK: "bold green", verify.BROKEN: "bold red", verify.INCOMPLETE: "bold yellow"}
_MEANING = {
    verify.OK: "every line is there, unchanged and in its place",
    verify.BROKEN: "it was changed after it was written",
    verify.INCOMPLETE: "what is there is unchanged, but its last writer did not finish",
}
_UNSTATED = "what it states is unchanged, but there are files of hosts that it does not state"
_MOST = 20
_PROOF = {checks.PROVEN: Exit.RECOVERED, checks.BROKEN: Exit.FAILED, checks.UNPROVEN: Exit.NOT_RECOVERED}
_LOOKS = {checks.PROVEN: "bold green", checks.BROKEN: "bold red", checks.UNPROVEN: "bold yellow"}
_SAID = {
    checks.PROVEN: "it is as it was when a signer whom you trust sealed it",
    checks.BROKEN: "it was changed after it was made, or is not what it says",
    checks.UNPROVEN: "nothing is wrong with what is there, but no signer whom you trust vouches for all of it",
}


def verify_and_show(given: str, *, allowed_signers: str | None, tsa_ca: str | None, as_json: bool) -> Exit:
    """Check a bundle or a record, say what was found, give the exit status."""
    configured = settings.load()
    bundle, own = _bundle(given, configured.home)
    if bundle is None:
        return _record(given, as_json=as_json)
    allowed = signing.allowed_signers(allowed_signers, home=configured.home, environ=configured.environ)
    authority = configured.authority_certificates(tsa_ca)
    store = Store(configured.home)
    asked = own.name if own is not None and store.has(own) else None
    with contextlib.ExitStack() as stack:
        if bundle.is_file():
            from ..evidence import exporting

            bundle = exporting.unpack(bundle, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="incident-verify-"))))
            # Ours is named by the incident; "bundle" is what somebody's own tar of one is called.
            asked = bundle.name if bundle.name != "bundle" else None
        verdict = checks.check(bundle, allowed=allowed, authority=authority, own=own, asked=asked)
    if own is not None and store.notes_looks(own):
        with contextlib.suppress(CannotRecord, Stop):  # a store that cannot be written can still be read
            Incident(own).custody("verified", {"found": verdict.status})
    if as_json:
        typer.echo(json.dumps({"exit_status": int(_PROOF[verdict.status]), **verdict.as_dict()}))
    else:
        _show(verdict)
    return _PROOF[verdict.status]


def _bundle(given: str, home: Path) -> tuple[Path | None, Path | None]:
    """The bundle or archive that is meant, and the incident's folder when it is in a store; (None, None): it is a run."""
    path = Path(given).expanduser().absolute()
    if path.is_file():
        from ..evidence import exporting

        if exporting.is_archive(path):
            return path, None
    folder = places.folder_of(path)
    if folder is not None:
        return places.bundle(folder), folder
    if places.is_bundle(path) or (path / "bagit.txt").is_file():
        return path, None
    store = Store(home)
    known = store.names()
    # "latest" and a beginning stay a run's where there is one.
    meant = given in known or (given.startswith("INC-") and any(name.startswith(given) for name in known))
    if meant or (given == LATEST and known and not layout.runs_dir(home).is_dir()):
        folder = store.find(given).folder
        return places.bundle(folder), folder
    return None, None


def _show(verdict: checks.Verdict) -> None:
    from rich.console import Console
    from rich.text import Text

    out = Console(highlight=False, soft_wrap=True)
    said = _SAID[verdict.status]
    out.print(Text.assemble((verdict.status, _LOOKS[verdict.status]), f"  {verdict.incident or verdict.bundle.name}: {said}"))
    for statement in verdict.statements:
        out.print(Text.assemble(("  " + f"{statement.status:<11}", _LOOKS[statement.status]), f"  {statement.what}: {statement.text}"))
        for problem in statement.problems:
            out.print(Text(f"               {problem}", style="red"))
    out.print(Text(f"  {verdict.bundle}", style="dim"))


def _record(record: str, *, as_json: bool) -> Exit:
    path = run_directory(record, environ=os.environ, cwd=Path.cwd())
    try:
        report = stated.check_run(path)
    except OSError as exc:
        raise Stop(f"{exc.filename or path}: {exc.strerror}.", hint="Check who may read the record.") from exc
    if as_json:
        typer.echo(json.dumps({"record": str(path), **report.as_dict()}))
        return _STATUS[report.status]
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    only_unstated = report.status == verify.INCOMPLETE and all(problem.kind == stated.UNSTATED for problem in report.problems)
    meaning = _UNSTATED if only_unstated else _MEANING[report.status]
    console.print(Text.assemble((report.status, _STYLE[report.status]), f"  {report.run or path.name}: {meaning}"))
    for problem in report.problems[:_MOST]:
        where = f"record/{problem.segment:06d}.jsonl" if problem.segment else "record"
        console.print(Text(f"  {where}{f', line {problem.line}' if problem.line else ''}: {problem.message}"))
    if len(report.problems) > _MOST:
        console.print(Text(f"  and {len(report.problems) - _MOST} more"))
    numbers = f"{count(report.events, 'event')} in {count(report.segments, 'segment')} and {count(report.blobs, 'blob')}"
    console.print(Text(f"  checked {numbers}; head {report.head}", style="dim"))
    for number in report.recovered:
        console.print(Text(f"  segment {number} was left open by its writer and closed by the one after it", style="dim"))
    return _STATUS[report.status]
