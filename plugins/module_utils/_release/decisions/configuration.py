# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of configuration differ from those that are kept, without showing their secrets, and which of them may be put back.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import difflib
import posixpath
import re
import typing as t

from ..._core import why
from ..._core.acting import Candidate, Sight
from ..._core.actions import NOT_NEEDED, REFUSED, Action
from ..._core.errors import BadInput
from ..._core.findings import CRITICAL, OK, WARNING, Finding, Skipped
from ..._core.judging import Judged, judge_look
from ..._core.limits import Budget
from ..._core.recorded import Basis

VERB = "restore_file"
VERBS = (VERB,)
#: What the verdict goes by where a call names nothing.
DECISIVE = ("config_files",)
FILES, VALID = CHECKS = ("config_files", "config_valid")
_MOST_LINES, _MOST_OF_A_LINE = 200, 300
_HIDDEN = "********"
#: A name that tells of a secret, with what separates it from its value: KEY=value, key: value, <key>value, "key" value.
_SECRET = re.compile(
    r"(?i)([\w.-]*(?:passw|passphrase|pwd|secret|token|api[_-]?key|credential|private|auth|dsn|salt|cookie|[_-]key|\bkey)[\w.-]*[\"']?\s*(?:[=:>]|\s)\s*)(.+)"
)
_IN_URL = re.compile(r"(\w+://[^\s:/@]*:)[^\s@]+@")
#: A line of a key or a certificate.
_ENCODED = re.compile(r"[A-Za-z0-9+/=_-]{40,}")


@dataclasses.dataclass(frozen=True)
class ConfigFile:
    """A listed file.

    Attributes:
        path: absolute.
        now: digest of what is there; empty where nothing is.
        kept: digest of what is kept of it.
        against: why it must not be put back; empty where it may.
        diff: from what is there to what is kept, without secrets.
    """

    path: str
    now: str = ""
    kept: str = ""
    against: str = ""
    diff: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether it is as it is kept."""
        return bool(self.kept) and self.now == self.kept


def sight(*, files: t.Sequence[ConfigFile], resource: str, source: str, max_files: int, spent: int) -> Sight[ConfigFile]:
    """Which files would be put back.

    Args:
        source: where they are kept, for the reason.
        max_files: how many may be, of which a run has spent some.
    """
    budget = Budget(max_count=max_files, spent=spent)
    return Sight(
        candidates=[_candidate(one, resource, source) for one in files], limits=(budget.limit(max_files, name="max_files"),),
        basis=Basis("config_restore", {"files": files, "resource": resource, "source": source, "max_files": max_files, "spent": spent}),
    )


def _candidate(one: ConfigFile, resource: str, source: str) -> Candidate[ConfigFile]:
    identity = {"path": one.path, "from": one.now[:16] or "absent", "to": one.kept[:16]}
    action = Action(
        verb=VERB, resource=resource, identity=identity, target={"path": one.path}, name=one.path,
        reason=f"It differs from what {source} has." if one.now else f"It is not there, and {source} has it.",
        detail={"diff": list(one.diff)} if one.diff else {},
    )
    if one.against:
        action = action.with_outcome(REFUSED, why=why.FORBIDDEN, error=one.against)
    elif one.same:
        action = action.with_outcome(NOT_NEEDED, why=why.ALREADY_SO)
    return Candidate(target=one, action=action)


def judge_config(
    files: t.Sequence[ConfigFile], *, trouble: str, valid: t.Optional[bool], said: str, asked: t.Optional[t.Sequence[str]],
) -> Judged:
    """Whether the listed files are as they are kept, and the configuration is valid.

    Args:
        trouble: why nothing could be compared.
        valid: what the command says that validates it; None where there is none.
        said: what it said.
    """
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    for one in files:
        if one.against:
            skipped.append(Skipped(FILES, f"cannot_look: {one.path}: {one.against}", "Name the file itself, and let it be read."))
            continue
        status = OK if one.same else WARNING if one.now else CRITICAL
        hint = "" if one.same else f"It differs in {_lines(one)} lines from what is kept." if one.now else "It is not there."
        findings.append(Finding(FILES, status, observed=one.now[:16] or None, threshold=one.kept[:16], subject=one.path, hint=hint,
                                detail={"diff": list(one.diff)} if one.diff else {}))
    if trouble:
        skipped.append(Skipped(FILES, f"cannot_look: {trouble}", "Correct the archive, its checksum, or the list of paths."))
    if valid is not None:
        findings.append(Finding(VALID, OK if valid else CRITICAL, observed=valid, hint="" if valid else f"It is not valid: {said}"))
    return Judged(judge_look(findings, skipped, asked=asked), {}, Basis("config_health", {
        "files": files, "trouble": trouble, "valid": valid, "said": said, "asked": asked,
    }))


def _lines(one: ConfigFile) -> int:
    return sum(line[:1] in "+-" for line in one.diff)


def diff(path: str, now: str, kept: str) -> tuple[str, ...]:
    """What putting a file back changes, line by line, without secrets and bounded."""
    found = [
        masked(line)[:_MOST_OF_A_LINE] for line in difflib.unified_diff(
            now.splitlines(), kept.splitlines(), f"{path} now", f"{path} kept", lineterm="", n=1,
        )
    ]
    more = len(found) - _MOST_LINES
    return (*found[:_MOST_LINES], *((f"... and {more} more lines",) if more > 0 else ()))


def masked(line: str) -> str:
    """A line of configuration without what may be a secret. Too much is hidden rather than too little."""
    hidden = _IN_URL.sub(rf"\1{_HIDDEN}@", line)
    hidden = _SECRET.sub(rf"\1{_HIDDEN}", hidden)
    return hidden if hidden[:3] in ("---", "+++") else _ENCODED.sub(_HIDDEN, hidden)


def check_paths(paths: t.Sequence[str], *, root: str) -> list[str]:
    """The listed paths.

    Raises:
        BadInput: one is not absolute, is not below the root, goes through `..`, or stands there twice.
    """
    if not root.startswith("/"):
        raise BadInput(f"root: {root} is not an absolute path.", hint="Give it from / on.")
    base = posixpath.normpath(root)
    for path in paths:
        if not path.startswith("/") or posixpath.normpath(path) != path:
            raise BadInput(f"paths: {path} is not an absolute path in its plain form.", hint="Give it from / on, without .. and //.")
        if base != "/" and not path.startswith(f"{base}/"):
            raise BadInput(f"paths: {path} is not below {base}.", hint="Name files below root.")
    if not paths or len(set(paths)) != len(paths):
        raise BadInput("paths: each file must be named once, and one at least.", hint="List the files that may be put back.")
    return list(paths)
