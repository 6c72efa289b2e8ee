# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident verify` of a bundle: what is proven, what is not, and what is wrong, in words."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, verify

from ..terminal import words
from . import attested, bag, checkpoints, consistency, model, places, sealing, signing, times, timestamp

PROVEN, UNPROVEN, BROKEN = "proven", "not proven", "broken"
_MOST = 20


@dataclasses.dataclass(frozen=True)
class Statement:
    """One thing that was looked at: what, how it stands, in words, and what is wrong with it or not proven, file by file."""

    what: str
    status: str
    text: str
    problems: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What check() found.

    Attributes:
        status: BROKEN when anything is; PROVEN when an allowed signer vouches for all of it; else UNPROVEN.
        times: until when the seals' signatures existed, as a trusted authority says.
    """

    incident: str
    bundle: Path
    status: str
    statements: tuple[Statement, ...]
    seals: int
    files: int
    events: int
    signers: tuple[str, ...]
    times: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {**dataclasses.asdict(self), "bundle": str(self.bundle)}


def check(
    bundle: Path, *, allowed: Path | None, authority: Path | None, own: Path | None = None, asked: str | None = None,
) -> Verdict:
    """Check a bundle. Nothing in it is changed, no link in it is followed, and nothing in it raises.

    Args:
        allowed: the verifier's allowed_signers.
        authority: the certificates of the time-stamping authority he trusts.
        own: the incident's folder when it is in a store: what was added since the last seal, by the incident going on, is then
            not yet covered instead of foreign. Its custody chain, beside the bag, is checked as well.
        asked: the id of the incident that it should be of.
    """
    found = _Check(bundle, allowed, authority, own, asked)
    try:
        return found.all()
    except (OSError, ValueError, TypeError, RecursionError) as exc:
        return found.given_up(exc)


class _Check:
    def __init__(self, bundle: Path, allowed: Path | None, authority: Path | None, own: Path | None, asked: str | None) -> None:
        self._bundle = bundle
        self._allowed = allowed
        self._authority = authority
        self._own = own
        self._asked = asked
        self._incident = ""
        self._seen = (0, 0)
        self._digests: Mapping[str, str] = {}
        self._stated = consistency.Statements(bundle)
        self._statements: list[Statement] = []
        self._events = 0
        self._signers: list[str] = []
        self._times: list[str] = []

    def all(self) -> Verdict:
        bundle = self._bundle
        strange = self._strange()
        if strange:
            # Opening a pipe would wait for ever, and a link to a device never ends: nothing is opened.
            self._say("files", BROKEN, "A bundle has nothing but regular files: none of it was opened.", strange)
            return self._verdict(BROKEN)
        self._incident = _incident_id(bundle)
        walked = bag.walk(bundle, "data")
        seals = sealing.seals(bundle)
        self._seen = (len(seals), len(walked.files))
        listed, wrong = bag.read_manifest(bundle / bag.MANIFEST) if seals else ({}, [])
        self._digests = digests = bag.digests(bundle, walked.files)
        self._identity(sealed=bool(seals))
        covered = self._files(walked, listed, wrong, digests, sealed=bool(seals))
        if seals:
            self._tags(seals)
        self._chains()
        said = f"{words.count(self._stated.count, 'file')} as the chains state them, blobs as their names do."
        self._say("kept files", PROVEN, said, self._stated.problems(digests, goes_on=self._own is not None or not seals))
        unstated = self._stated.unstated(digests)
        if unstated:
            some = f"{words.count(len(unstated), 'file')} that no chain states"
            self._say("unstated files", UNPROVEN, f"{some}: left by a run that was killed, or put there.", named=unstated)
        self._custody()
        vouched = self._seals(seals, listed)
        statuses = {statement.status for statement in self._statements}
        return self._verdict(BROKEN if BROKEN in statuses else PROVEN if vouched and covered and not unstated else UNPROVEN)

    def given_up(self, exc: Exception) -> Verdict:
        """The verdict on a bundle that is made so that checking it fails."""
        why = f"{exc.filename}: {exc.strerror}" if isinstance(exc, OSError) and exc.filename else f"{type(exc).__name__}: {exc}"
        self._say("check", BROKEN, "It could not be checked to its end.", [why])
        return self._verdict(BROKEN)

    def _verdict(self, status: str) -> Verdict:
        seals, files = self._seen
        return Verdict(
            incident=self._incident or self._asked or "", bundle=self._bundle, status=status, statements=tuple(self._statements),
            seals=seals, files=files, events=self._events, signers=tuple(dict.fromkeys(self._signers)), times=tuple(self._times),
        )

    def _strange(self) -> list[str]:
        """Whatever is not a regular file or directory with a name of ours, anywhere; names beside data may be anything."""
        bundle = self._bundle
        found = [f"{bundle.name} is a symbolic link"] if self._own is not None and bundle.is_symlink() else []
        for entry in sorted(bundle.iterdir()):
            mode = entry.lstat().st_mode
            if stat.S_ISDIR(mode):
                found += bag.walk(bundle, entry.name).strange if entry.name in ("data", "seal", places.CUSTODY) else []
            elif stat.S_ISLNK(mode):
                found.append(f"{entry.name} is a symbolic link to {os.readlink(entry)}")
            elif not stat.S_ISREG(mode):
                found.append(f"{entry.name} is not a regular file")
            elif entry.name in ("data", "seal", places.CUSTODY):
                found.append(f"{entry.name} is not a directory")
        return found

    def _identity(self, *, sealed: bool) -> None:
        """The bag calls itself by its events' incident, and that is the one that was asked for."""
        problems = []
        if self._asked and self._incident != self._asked:
            problems.append(f"{self._asked} was asked for, and the events are those of {self._incident or 'none'}")
        if sealed:
            said = bag.read_info(self._bundle / bag.BAG_INFO).get("External-Identifier", "")
            if said != self._incident:
                problems.append(f"{bag.BAG_INFO} says {said or 'nothing'}, and the events are those of {self._incident or 'none'}")
        if problems:
            self._say("incident", BROKEN, "It is not what it is called.", problems)

    def _say(self, what: str, status: str, text: str, problems: Iterable[str] = (), *, named: Iterable[str] = ()) -> None:
        """Say how something stands: broken when there are problems. What is only `named` leaves the status as it is.

        Args:
            text: what is so where there are no problems; of what is not proven in any case.
        """
        # Names and values of a bundle are somebody else's words: they must not move the cursor of who reads this.
        wrong = [*problems]
        found = [words.one_line(problem, limit=400) for problem in [*wrong, *named]]
        shown = found[:_MOST] + ([f"and {len(found) - _MOST} more"] if len(found) > _MOST else [])
        said = f"{words.count(len(wrong), 'problem')}." if wrong and status == PROVEN else text
        self._statements.append(Statement(what, BROKEN if wrong else status, said, tuple(shown)))

    def _files(
        self, walked: bag.Walked, listed: Mapping[str, str], wrong: Sequence[str], digests: Mapping[str, str], *, sealed: bool,
    ) -> bool:
        """Every file as the manifest says, none missing, none added. Whether the manifest covers all of them."""
        problems = [*wrong]
        if not sealed:
            self._say("files", UNPROVEN, "There is no seal: nothing says which files belong here and how they were.", problems)
            return False
        problems += [f"{path} is missing" for path in sorted(set(listed) - set(walked.files))]
        problems += [f"{path} was changed" for path, digest in sorted(listed.items()) if path in digests and digests[path] != digest]
        problems += [f"the manifest names {path}, outside data" for path in sorted(listed) if not path.startswith("data/")]
        added = sorted(set(walked.files) - set(listed))
        since = [path for path in added if self._own is not None and self._goes_on(path, digests)]
        problems += [f"{path} was added" for path in added if path not in since]
        if since and not problems:
            files = words.count(len(since), "file")
            self._say("files", UNPROVEN, f"What the last seal covers is unchanged; {files} came since and is not covered yet: seal again.")
            return False
        self._say("files", PROVEN, f"{words.count(len(listed), 'file')} as the manifest says, none missing, none added.", problems)
        return not problems

    def _goes_on(self, path: str, digests: Mapping[str, str]) -> bool:
        """Whether a file is what an open incident writes: its chains and checkpoints are checked, its blobs are their own hash."""
        blob = consistency.BLOB.match(path)
        if blob:
            return digests[path] == blob.group(2)
        return path.startswith(("data/events/", "data/checkpoints/", "data/runs/", "data/hosts/", "data/source/", "data/report/"))

    def _tags(self, seals: Sequence[tuple[int, Path]]) -> None:
        bundle = self._bundle
        listed, problems = bag.read_manifest(bundle / bag.TAG_MANIFEST)
        problems = [*problems, *(
            f"{path} {'was changed' if digest else 'is missing'}" for path, digest in bag.digests(bundle, sorted(listed)).items()
            if digest != listed[path]
        )]
        for name in ("bagit.txt", bag.BAG_INFO, bag.MANIFEST):
            if name not in listed:
                problems.append(f"{bag.TAG_MANIFEST} does not name {name}")
        if bag.digests(bundle, ["bagit.txt"])["bagit.txt"] != hashlib.sha256(bag.BAGIT.encode()).hexdigest():
            problems.append("bagit.txt does not declare BagIt 1.0")
        number = seals[-1][0]
        top = {"bagit.txt", bag.BAG_INFO, bag.MANIFEST, bag.TAG_MANIFEST, bag.VERIFY, "data", "seal", places.CUSTODY}
        problems += [f"{entry.name!r} was added beside data" for entry in sorted(bundle.iterdir()) if entry.name not in top]
        for part in (places.CUSTODY, "seal"):
            walked = bag.walk(bundle, part) if (bundle / part).is_dir() else bag.Walked((), ())
            problems += [f"{path} was added" for path in walked.files if path not in listed and not sealing.of_last(path, number)]
        self._say("bag", PROVEN, f"The bag's own files are as the tag manifest of seal {number:04d} says.", problems)

    def _chains(self) -> None:
        """The chains of the incident, its runs and the custody, and every checkpoint against them."""
        data = self._bundle / "data"
        seen: dict[str, dict[int, str]] = {}
        odd = []
        taken = list(checkpoints.read(data))
        for item in taken:
            if item.count < 0:
                odd.append(f"{item.path.name} is not a checkpoint")
            seen.setdefault(item.origin, {})[item.count] = item.head
        name = f"{checkpoints.PREFIX}/{self._incident}"
        heads = seen.pop(f"{name}/events", {})
        self._chain("events", "the incident's events", data, places.EVENTS, heads, seen=self._stated.event)
        runs = data / "runs"
        for path in sorted(runs.iterdir()) if runs.is_dir() else ():
            heads = seen.pop(f"{name}/runs/{path.name}", {})
            self._chain(f"run {path.name}", "the run's record", path, layout.RECORD, heads, seen=self._stated.of_run(path.name).see)
        if self._own is not None:
            # Of a run that is not collected yet the record is elsewhere.
            seen = {origin: heads for origin, heads in seen.items() if not origin.startswith(f"{name}/runs/")}
        odd += [f"a checkpoint of {words.one_line(origin, limit=200)} belongs to nothing here" for origin in seen if origin]
        self._checkpoints(taken, odd)

    def _custody(self) -> None:
        """The custody chain in the bag, and the one beside it that goes on; the seals are those that they saw made."""
        if layout.segments(self._bundle, places.CUSTODY):
            self._chain("custody", "the custody chain", self._bundle, places.CUSTODY, {}, self._unlike(self._bundle, "the custody chain"))
        if self._own is not None:
            name = "the custody chain beside the bag"
            problems = attested.beside(self._own, self._bundle, self._incident)
            problems += [] if problems else self._unlike(self._own, name)
            self._say("custody beside the bag", PROVEN, f"{name}: every line in its place, and the seals are those that it saw.", problems)

    def _unlike(self, root: Path, name: str) -> list[str]:
        return attested.problems(self._bundle, attested.read(root), name)

    def _chain(
        self, what: str, label: str, root: Path, name: str, heads: Mapping[int, str], more: Sequence[str] = (), *,
        seen: Callable[[reader.Event], object] | None = None,
    ) -> None:
        try:
            report = verify.check(root, name, heads=heads, digest=self._digest, seen=seen)
        except OSError as exc:
            self._say(what, BROKEN, f"{label} cannot be read", [f"{exc.filename}: {exc.strerror}"])
            return
        self._events += report.events
        problems = [
            f"{name}/{problem.segment:06d}.jsonl{f', line {problem.line}' if problem.line else ''}: {problem.message}"
            for problem in report.problems if problem.status == verify.BROKEN
        ]
        strange = report.run not in ("", root.name) if name == layout.RECORD else report.run != self._incident
        if strange:
            problems.append(f"they say that they belong to {words.one_line(report.run, limit=100)}")
        problems += more
        whole = f"{words.count(report.events, 'event')}, every line in its place and unchanged"
        unfinished = " Its last writer has not closed it." if report.status == verify.INCOMPLETE else ""
        self._say(what, PROVEN, f"{label}: {whole}.{unfinished}", problems)

    def _digest(self, path: Path) -> str:
        """A blob's SHA-256: every file of the payload was read once already."""
        return self._digests.get(str(path.relative_to(self._bundle))) or bag.digest(path)

    def _checkpoints(self, taken: Sequence[checkpoints.Checkpoint], odd: Sequence[str]) -> None:
        signed, problems, unknown = 0, list(odd), 0
        for item in taken:
            signature = item.path.with_name(item.path.name + ".sig")
            if not signature.is_file():
                continue
            found = signing.check(item.path, signature, allowed=self._allowed)
            if not found.good:
                problems.append(f"the signature of {item.path.name} is not good: {found.why}")
            signed += bool(found.principal)
            unknown += not found.principal
        said = f"{words.count(len(taken), 'checkpoint')} taken while the incident ran, {signed} signed by an allowed signer"
        self._say("checkpoints", PROVEN if taken and signed == len(taken) else UNPROVEN, f"{said}.", problems)

    def _seals(self, seals: Sequence[tuple[int, Path]], listed: Mapping[str, str]) -> bool:
        """Every seal against its own copies, and that later ones only add. Whether the last one is by an allowed signer."""
        vouched = False
        tags, _wrong = bag.read_manifest(self._bundle / bag.TAG_MANIFEST) if seals else ({}, [])
        for position, (number, path) in enumerate(seals):
            last = position == len(seals) - 1
            problems = [f"seal {position + 1:04d} is missing"] if number != position + 1 else []
            problems += self._copies(path, last=last)
            mine, wrong = bag.read_manifest(path / bag.MANIFEST)
            problems += [f"{path.name}: {text}" for text in wrong]
            if not last:
                problems += [
                    f"{name} of seal {number:04d} is neither as it was nor kept as a version" for name, digest in sorted(mine.items())
                    if listed.get(name) != digest and not _kept(name, digest, listed, number)
                ]
                problems += attested.changed_since([(number, path)], tags)
            vouched = self._seal(number, path, problems)
        return vouched

    def _copies(self, path: Path, *, last: bool) -> list[str]:
        """The seal's copy of the manifests: of the last seal, the bag's own; of an earlier one, what its tag manifest says."""
        problems = []
        tags, _wrong = bag.read_manifest(path / bag.TAG_MANIFEST)
        copies = bag.digests(path, list(sealing.COPIES))
        for name in (bag.MANIFEST, bag.BAG_INFO):
            if tags.get(name) != copies[name]:
                problems.append(f"{path.name}/{name} is not the one that the seal's tag manifest names")
        if last:
            there = bag.digests(self._bundle, list(sealing.COPIES))
            problems += [f"{name} is not the one that seal {path.name} is over" for name in sealing.COPIES if there[name] != copies[name]]
        return problems

    def _seal(self, number: int, path: Path, problems: list[str]) -> bool:
        data = path / bag.TAG_MANIFEST
        signatures = sorted(entry for entry in path.iterdir() if entry.name.endswith(".sig") and entry.is_file())
        said, vouched, strangers = [], False, []
        token_of = {entry: self._token(entry, entry.with_name(entry.name + ".tsr"), problems) for entry in signatures or [data]}
        for signature in signatures:
            token = token_of[signature]
            at = token.at.strftime("%Y%m%d%H%M%SZ") if token and token.good and token.at else ""
            found = signing.check(data, signature, allowed=self._allowed, at=at)
            if not found.good:
                problems.append(f"{signature.name} is not a good signature over seal {number:04d}: {found.why}")
            elif found.principal:
                vouched = True
                self._signers.append(found.principal)
                said.append(f"signed by {found.principal} ({found.key})")
            elif self._allowed is None:
                said.append(f"signed with {found.key}, and nothing here says whose that is: {found.why}")
            else:
                strangers.append(found.why)
        if strangers and not vouched:
            problems += strangers
        said += [f"also {text}" for text in strangers if vouched]
        if not signatures:
            said.append("sealed by hashes alone: nobody's key vouches for it, and whoever can write here can make them again")
        proven = [token for token in token_of.values() if token and token.good and token.at]
        if proven:
            at_text = times.text(min(token.at for token in proven if token.at))
            self._times.append(at_text)
            said.append(f"it existed at {at_text}, says the authority you trust")
        elif any(token_of.values()):
            said.append(f"a time token is there but proves nothing yet: {next(token.why for token in token_of.values() if token)}")
        else:
            said.append("no time token: its times are what its maker said")
        self._say(f"seal {number:04d}", PROVEN if vouched else UNPROVEN, "; ".join(said) + ".", problems)
        return vouched and not problems

    def _token(self, data: Path, token: Path, problems: list[str]) -> timestamp.Token | None:
        if not token.is_file():
            return None
        found = timestamp.check(data, token, authority=self._authority)
        if not found.good and (self._authority is not None or found.at is None):
            problems.append(f"{token.name} proves no time: {found.why}")
        return found


def _kept(name: str, digest: str, listed: Mapping[str, str], number: int) -> bool:
    """Whether an earlier version of a file made from the events is kept."""
    if name not in sealing.DERIVED:
        return False
    file_name = name.rpartition("/")[2]
    return any(
        value == digest and path.startswith("data/versions/") and path.endswith(f"/{file_name}") and _at_least(path.split("/")[2], number)
        for path, value in listed.items()
    )


def _at_least(name: str, number: int) -> bool:
    return bool(re.fullmatch(r"[0-9]{4}", name)) and int(name) >= number


def _incident_id(bundle: Path) -> str:
    """The incident's id, as its first event says it."""
    for event in reader.read(bundle / "data", places.EVENTS):
        return str(event.get("run", ""))
    return ""


def state(bundle: Path) -> model.State:
    """The incident that a bundle is of."""
    return model.fold(reader.read(bundle / "data", places.EVENTS))
