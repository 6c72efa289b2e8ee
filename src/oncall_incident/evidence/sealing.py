# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealing: manifests over everything, a copy of them in seal/NNNN, signatures over that copy, and a time token over those."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._module.lease import is_gone
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout
from ansible_collections.oncall.incident.plugins.plugin_utils._record.utf8 import cleaned

from .. import who
from ..errors import Stop
from ..exits import Exit
from ..private import replace_private, write_private
from . import attested, bag, checkpoints, collecting, consistency, instructions, model, places, signing, timeline, times, timestamp
from .incident import Incident
from .urls import public

#: Made from the rest at every seal; an earlier version is kept. Everything else never changes once sealed.
DERIVED = ("data/incident.json", "data/timeline.jsonl", "data/redactions.jsonl")
COPIES = (bag.MANIFEST, bag.TAG_MANIFEST, bag.BAG_INFO)
#: The names of files in the making, ours and those of spilled values.
_LEFT = re.compile(r"\.(?:.+\.\d+|[0-9a-f]{16}\.[0-9a-f]{8})\Z")
_UNFINISHED = re.compile(r"seal/\.[0-9]{4} has a name")
_NUMBER = re.compile(r"[0-9]{4}\Z")
#: Files that a seal names which are not what the chains state of them; verify names them all.
_MOST_NAMED = 20
UNSIGNED = "sealed by hashes alone: nobody's key vouches for it"
NO_AUTHORITY = "no time-stamping authority is configured: its times are this machine's"
SOFTWARE = "oncall.incident (https://galaxy.ansible.com/oncall/incident)"


@dataclasses.dataclass(frozen=True)
class Ready:
    """An incident that can be sealed.

    Attributes:
        before: its seals; number: the next one's.
        known: the digests of the files of its payload, but for the chain that is still being written.
        broken: which of them are not what the chains state, in words; unstated: of which none states anything.
    """

    before: tuple[tuple[int, Path], ...]
    number: int
    known: Mapping[str, str]
    broken: tuple[str, ...]
    unstated: tuple[str, ...]

    def without(self, path: str) -> Ready:
        """The same once a file was written: an interrupted seal may have left one there, and its digest is no longer known."""
        return dataclasses.replace(self, known={name: digest for name, digest in self.known.items() if name != path})


@dataclasses.dataclass(frozen=True)
class Sealed:
    """A seal that was made.

    Attributes:
        digest: SHA-256 of the tag manifest: what was signed.
        signed: identities whose signature is there.
        stamped: times that an authority vouches for.
        notes: what could not be done, in words.
    """

    number: int
    path: Path
    digest: str
    files: int
    signed: tuple[str, ...]
    stamped: tuple[str, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {**dataclasses.asdict(self), "path": str(self.path)}


def seals(bundle: Path) -> list[tuple[int, Path]]:
    """The seals of a bundle, in order."""
    where = bundle / "seal"
    # Names of a bundle from elsewhere: a file may be called so, and other digits than ours are digits to isdigit() as well.
    found = list(where.iterdir()) if where.is_dir() and not where.is_symlink() else []
    return sorted((int(entry.name), entry) for entry in found if _NUMBER.match(entry.name) and entry.is_dir() and not entry.is_symlink())


def last(incident: Incident) -> tuple[int, Path]:
    """The number and the directory of the last seal, which is over the bag as it is.

    Raises:
        Stop: the bag is not sealed, or was changed since.
    """
    found = seals(incident.bundle)
    if not found:
        raise Stop(f"{incident.id} is not sealed yet.", hint=f"incident seal {incident.id} does it.")
    number, path = found[-1]
    if (path / bag.TAG_MANIFEST).read_bytes() != (incident.bundle / bag.TAG_MANIFEST).read_bytes():
        raise Stop(
            f"Seal {number:04d} of {incident.id} is not over the bag as it is.",
            hint="incident verify says what differs; incident seal seals it again.",
        )
    return number, path


def of_last(path: str, number: int) -> bool:
    """Whether a file is of the last seal: it cannot be in the tag manifest that it signs."""
    directory, _slash, name = path.rpartition("/")
    known = {*COPIES, "seal.json", "allowed_signers"}
    return directory == f"seal/{number:04d}" and (name in known or name.endswith((".sig", ".tsr")))


def seal(
    incident: Incident, *, signers: Sequence[signing.Signer], authority: str | None, seconds: float = 30.0,
    state: model.State | None = None, ready: Ready | None = None, broken: bool = False,
) -> Sealed:
    """Seal an incident as it is now.

    Args:
        authority: URL of the time-stamping authority; None asks nobody.
        seconds: how long to wait for it.
        state: the incident as it is now, from somebody who read it while he held its lock, and still holds it.
        ready: what prepare() found, from somebody who has held the lock since.
        broken: as for prepare().

    Raises:
        Stop: a run goes on, or something that an earlier seal or the custody chain covers was changed.
        CannotRecord: it cannot be written.
    """
    with incident.locked():
        state = state or incident.state()
        ready = ready or prepare(incident, state, broken=broken)
        before, number, known = ready.before, ready.number, ready.known
        event: dict[str, Any] = {"number": number, "signers": [signer.identity for signer in signers]}
        if ready.broken:
            event["broken"] = list(ready.broken[:_MOST_NAMED])
        seq = incident.append(model.SEALED, event)
        model.add(state, {"type": model.SEALED, "seq": seq, **event})
        incident.close_segment(places.EVENTS)
        checkpoints.of_events(incident, signers[0] if signers else None)
        changed = _derive(incident, before, state)
        incident.custody("sealing", {"number": number})
        incident.close_segment(places.CUSTODY)
        _copy_custody(incident)
        files = bag.walk(incident.bundle, "data").files
        fresh = [path for path in files if path not in known or path in changed]
        entries = {**{path: value for path, value in known.items() if path in files}, **bag.digests(incident.bundle, fresh)}
        _write_tags(incident, number, entries, state.title)
        known_of = [f"sealed broken: {text}" for text in ready.broken] + [f"not proven: {text}" for text in ready.unstated]
        made = _make_seal(incident, number, len(entries), signers, authority, seconds, known_of)
        incident.custody("sealed", {
            "number": number, "tagmanifest_sha256": made.digest, "signed": list(made.signed), "time": list(made.stamped),
            "notes": list(made.notes),
        })
    return made


def prepare(incident: Incident, state: model.State, *, broken: bool = False) -> Ready:
    """Collect what belongs to the bag, and find out whether it can be sealed: before anything is written that says so.

    Args:
        state: the incident as it is now.
        broken: go on although files are not what the chains state of them; the seal says so, and `verify` finds it all the same.

    Raises:
        Stop: a run goes on, or something was changed since an earlier seal or since it was kept.
    """
    with incident.locked():
        require_intact(incident)
        _sweep(incident)
        _collect_runs(incident, state)
        before = seals(incident.bundle)
        known = _checked(incident, before)
        stated = consistency.Statements.read(incident.bundle)
        wrong = stated.problems(known)
        if wrong and not broken:
            more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise Stop(
                f"{incident.id}: {wrong[0]}{more}. It is not sealed.", status=Exit.FAILED,
                hint=f"Put the file back as it was: from a backup, or a copy that was pushed. incident verify {incident.id} names all of "
                "them. --seal-broken seals it as it is: the seal says so, and verify says broken for ever.",
            )
        return Ready(tuple(before), before[-1][0] + 1 if before else 1, known, tuple(wrong), tuple(stated.unstated(known)))


def require_intact(incident: Incident) -> None:
    """The custody chain is whole, and the seals are those that it saw made, over the custody and the seals that they cover.

    Raises:
        Stop: they are not; nothing that follows must cover that up.
    """
    before = seals(incident.bundle)
    strange = [text for part in (places.CUSTODY, "seal") if (incident.bundle / part).exists() for text in _strange(incident.bundle, part)]
    wrong = strange or [f"the custody chain: {text}" for text in attested.beside(incident.folder, incident.bundle, incident.id)]
    if not wrong:
        wrong = attested.problems(incident.bundle, attested.read(incident.folder), "the custody chain")
    if not wrong and before:
        now = bag.digests(incident.bundle, [path for part in (places.CUSTODY, "seal") for path in bag.walk(incident.bundle, part).files])
        wrong = attested.changed_since(before, now)
        last = before[-1][1]
        tags, _wrong = bag.read_manifest(last / bag.TAG_MANIFEST)
        copies = bag.digests(last, [bag.MANIFEST, bag.BAG_INFO])
        wrong += [f"seal/{last.name}/{name} was changed" for name, digest in copies.items() if tags.get(name) != digest]
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise Stop(
            f"{incident.id}: {wrong[0]}{more}.", status=Exit.FAILED,
            hint=f"incident verify {incident.id} says more; nothing is sealed or copied on top of it.",
        )


def _strange(bundle: Path, part: str) -> list[str]:
    """What must not be there; the directory of a seal that was not finished begins with a dot and is ours."""
    return [text for text in bag.walk(bundle, part).strange if not _UNFINISHED.match(text)]


def add_signature(incident: Incident, signer: signing.Signer, *, authority: str | None, seconds: float = 30.0) -> Sealed:
    """Another person signs the last seal.

    Raises:
        Stop: there is no seal, it is no longer the bag's, he signed already, or ssh-keygen refuses.
    """
    with incident.locked():
        require_intact(incident)
        number, path = last(incident)
        if (path / signer.file_name).exists():
            raise Stop(f"{signer.identity} signed seal {number:04d} already.", hint="Name another key, or set INCIDENT_SIGNER.")
        line = signing.allowed_line(signer)
        signing.sign(path / bag.TAG_MANIFEST, signer, to=path / signer.file_name)
        _allow(path, line)
        stamped, notes = _stamp([path / signer.file_name], authority, seconds)
        digest = bag.digest(path / bag.TAG_MANIFEST)
        incident.custody("signed", {"number": number, "signer": signer.identity, "tagmanifest_sha256": digest, "time": stamped})
    return Sealed(number, path, digest, 0, (signer.identity,), tuple(stamped), tuple(notes))


def _collect_runs(incident: Incident, state: model.State) -> None:
    for run in state.runs.values():
        run_dir = layout.runs_dir(incident.home) / run.run
        if run.ended is None and _alive(incident, run.run):
            raise Stop(
                f"The run {run.run} of {incident.id} still goes on.", hint="Wait until it ends, then try again.", status=Exit.NOT_RECORDED,
            )
        if layout.segments(run_dir):
            collecting.collect(incident, run.run, run_dir)


def _sweep(incident: Incident) -> None:
    """Remove half-written files of commands that were killed: nobody else writes now. What goes is said in the custody chain."""
    gone = []
    for directory, _folders, files in os.walk(incident.data):
        for name in files:
            path = Path(directory, name)
            if _LEFT.match(name) and not path.is_symlink():
                gone.append(str(path.relative_to(incident.data)))
                path.unlink()
    if gone:
        incident.custody("removed_unfinished", {"files": gone})


def _alive(incident: Incident, run: str) -> bool:
    """Whether the process that began a run is there; another machine's is taken for it when its record was not closed."""
    for event in incident.events():
        if event.get("type") == model.RUN_STARTED and event.get("record") == run and event.get("pid"):
            if event.get("controller") != os.uname().nodename:
                return False
            return not is_gone(int(event["pid"])) and int(event["pid"]) != os.getpid()
    return False


def _checked(incident: Incident, before: Sequence[tuple[int, Path]]) -> dict[str, str]:
    """The digests of what is there now; a re-seal must not cover up a change."""
    walked = bag.walk(incident.bundle, "data")
    if walked.strange:
        raise Stop(f"{incident.id}: {walked.strange[0]}.", hint="Find out who put it there, and remove it.", status=Exit.FAILED)
    live = {path for path in walked.files if path.startswith("data/events/")}
    sealed: dict[str, str] = {}
    if before:
        sealed, _wrong = bag.read_manifest(before[-1][1] / bag.MANIFEST)
    known = bag.digests(incident.bundle, [path for path in walked.files if path in sealed or path not in live])
    for path, value in sealed.items():
        if path in DERIVED:
            # A seal that was killed may have made it again already: then the version that was sealed is kept.
            path = _version(path, before[-1][0]) if _version(path, before[-1][0]) in known else path
        if known.get(path) != value:
            what = "changed" if path in known else "removed"
            raise Stop(
                f"{path} was {what} since seal {before[-1][0]:04d}.", status=Exit.FAILED,
                hint=f"incident verify {incident.id} says more; a new seal must not hide it.",
            )
    return known


def _version(path: str, number: int) -> str:
    """Where the version of a derived file that a seal covers is kept."""
    return f"data/versions/{number:04d}/{path.rpartition('/')[2]}"


def _derive(incident: Incident, before: Sequence[tuple[int, Path]], state: model.State) -> set[str]:
    """Rewrite what is made from the events, keep what an earlier seal covers, and say what changed."""
    if before:
        for path in DERIVED:
            there, kept = incident.bundle / path, incident.bundle / _version(path, before[-1][0])
            if there.is_file():
                layout.make_private(kept.parent)
                with contextlib.suppress(FileExistsError):
                    os.link(there, kept)
    for name, lines in (
        ("incident.json", [json.dumps(state.as_dict(), indent=1, sort_keys=True)]),
        ("timeline.jsonl", timeline.lines(incident.data)),
        ("redactions.jsonl", (json.dumps(entry, sort_keys=True) for entry in collecting.redactions(incident.data))),
    ):
        replace_private(incident.data / name, (f"{line}\n" for line in lines), sync=True)
    return set(DERIVED)


def _copy_custody(incident: Incident) -> None:
    """The closed part of the chain beside the bag goes into it; a later seal adds a file and changes none."""
    where = incident.bundle / places.CUSTODY
    layout.make_private(where)
    for _number, path in layout.segments(incident.folder, places.CUSTODY):
        if not (where / path.name).exists():
            part = incident.folder / f".{path.name}.{os.getpid()}"
            shutil.copyfile(path, part)
            part.replace(where / path.name)


def _write_tags(incident: Incident, number: int, entries: Mapping[str, str], title: str) -> None:
    bundle = incident.bundle
    count, head = checkpoints.end(incident.data, places.EVENTS)
    replace_private(bundle / "bagit.txt", bag.BAGIT)
    replace_private(bundle / bag.VERIFY, instructions.text())
    replace_private(bundle / bag.MANIFEST, bag.manifest(entries))
    replace_private(bundle / bag.BAG_INFO, bag.bag_info([
        ("External-Identifier", incident.id), ("External-Description", title), ("Bagging-Date", times.text(times.now())[:10]),
        ("Payload-Oxum", bag.oxum(bundle, list(entries))), ("Bag-Software-Agent", SOFTWARE), ("Seal-Number", str(number)),
        ("Events-Count", str(count)), ("Events-Head-SHA256", head), ("Clock-Source", "the controller's clock, UTC"),
    ]))
    tags = ["bagit.txt", bag.BAG_INFO, bag.MANIFEST, bag.VERIFY, *bag.walk(bundle, places.CUSTODY).files]
    if number > 1:
        tags += bag.walk(bundle, "seal").files
    replace_private(bundle / bag.TAG_MANIFEST, bag.manifest(bag.digests(bundle, tags)))


def _make_seal(
    incident: Incident, number: int, files: int, signers: Sequence[signing.Signer], authority: str | None, seconds: float,
    known: Sequence[str],
) -> Sealed:
    path = incident.bundle / "seal" / f"{number:04d}"
    part = path.with_name(f".{path.name}")
    shutil.rmtree(part, ignore_errors=True)
    layout.make_private(part)
    for name in COPIES:
        shutil.copyfile(incident.bundle / name, part / name)
    signed, notes = [], list(known[:_MOST_NAMED])
    for signer in signers:
        try:
            line = signing.allowed_line(signer)
            signing.sign(part / bag.TAG_MANIFEST, signer, to=part / signer.file_name)
            _allow(part, line)
            signed.append(signer)
        except Stop as stop:
            notes.append(f"not signed by {signer.identity}: {stop.message}")
    if not signed:
        notes.append(UNSIGNED)
    stamped, missing = _stamp([part / signer.file_name for signer in signed] or [part / bag.TAG_MANIFEST], authority, seconds)
    notes += missing
    digest = bag.digest(part / bag.TAG_MANIFEST)
    facts, _removed = incident.redactor.clean({
        "number": number, "at": times.text(times.now()), "by": who.user(), "namespace": signing.NAMESPACE, "tagmanifest_sha256": digest,
        "signers": [signer.identity for signer in signed], "time": stamped, "notes": notes,
        "authority": public(authority) if authority is not None else None,
    })
    write_private(part / "seal.json", json.dumps(cleaned(facts), indent=1, sort_keys=True) + "\n")
    os.rename(part, path)
    return Sealed(number, path, digest, files, tuple(signer.identity for signer in signed), tuple(stamped), tuple(notes))


def _allow(path: Path, line: str) -> None:
    """A copy for convenience: the verifier must bring his own."""
    with (path / "allowed_signers").open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")


def _stamp(targets: Sequence[Path], authority: str | None, seconds: float) -> tuple[list[str], list[str]]:
    if authority is None:
        return [], [NO_AUTHORITY]
    stamped, notes = [], []
    for target in targets:
        try:
            at = timestamp.stamp(target, url=authority, to=target.with_name(target.name + ".tsr"), seconds=seconds)
            stamped.append(times.text(at))
        except timestamp.NoToken as exc:
            notes.append(f"no time token: {exc}")
    return stamped, notes
