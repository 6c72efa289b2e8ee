# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a custody chain says of the seals: which there were, over what, signed by whom. A seal cannot say this of itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, verify
from ansible_collections.oncall.incident.plugins.plugin_utils._record.safe import safe_name

from . import bag, places, signing

#: Of a seal's directory, what its signers put there; the rest of an earlier seal is in the next one's tag manifest.
_PARTS = (places.CUSTODY, "seal")


@dataclasses.dataclass
class Attested:
    """One seal as the chain has it: the SHA-256 of its tag manifest, and who signed."""

    digest: str
    signed: list[str]


def read(root: Path) -> dict[int, Attested]:
    """The seals by number, from the custody chain under `root` (the bag, or the incident's folder)."""
    found: dict[int, Attested] = {}
    for event in reader.read(root, places.CUSTODY):
        number, digest = event.get("number"), event.get("tagmanifest_sha256")
        if not isinstance(number, int) or not isinstance(digest, str):
            continue
        if event.get("action") == "sealed":
            found[number] = Attested(digest, _names(event.get("signed")))
        elif event.get("action") == "signed" and number in found:
            found[number].signed += _names([event.get("signer")])
    return found


def problems(bundle: Path, attested: Mapping[int, Attested], where: str) -> list[str]:
    """Where the seals that are there are not those that a chain saw.

    Args:
        where: the chain, in words.
    """
    wrong = []
    for number, seal in sorted(attested.items()):
        path = bundle / "seal" / f"{number:04d}"
        if not path.is_dir() or path.is_symlink():
            wrong.append(f"seal {number:04d}, which {where} saw made, is missing: this is an older state")
            continue
        if bag.digests(path, [bag.TAG_MANIFEST])[bag.TAG_MANIFEST] != seal.digest:
            wrong.append(f"seal {number:04d} is not over what {where} saw sealed")
            continue
        for name in seal.signed:
            signature = path / f"{safe_name(name)}.sig"
            if not signature.is_file() or signature.is_symlink():
                wrong.append(f"the signature of {name}, which {where} saw, was removed from seal {number:04d}")
            elif not signing.check(path / bag.TAG_MANIFEST, signature, allowed=None).good:
                wrong.append(f"the signature of {name} on seal {number:04d} is no longer the one that {where} saw made")
    return wrong


def changed_since(seals: Sequence[tuple[int, Path]], now: Mapping[str, str]) -> list[str]:
    """What earlier seals cover of custody and seals, and is no longer so.

    Args:
        seals: those whose tag manifests are compared.
        now: digests by path.
    """
    wrong = []
    for number, path in seals:
        covered, _wrong = bag.read_manifest(path / bag.TAG_MANIFEST)
        wrong += [
            f"{name} was {'changed' if name in now else 'removed'} since seal {number:04d}" for name, digest in sorted(covered.items())
            if name.startswith(tuple(f"{part}/" for part in _PARTS)) and now.get(name) != digest
        ]
    return list(dict.fromkeys(wrong))


def beside(folder: Path, bundle: Path, incident: str) -> list[str]:
    """Where the custody chain beside the bag is broken, or is not the one whose beginning is in the bag."""
    walked = bag.walk(folder, places.CUSTODY)
    if walked.strange:
        return list(walked.strange)
    report = verify.check(folder, places.CUSTODY)
    wrong = [
        f"{places.CUSTODY}/{problem.segment:06d}.jsonl{f', line {problem.line}' if problem.line else ''}: {problem.message}"
        for problem in report.problems if problem.status == verify.BROKEN
    ]
    if report.run not in ("", incident):
        wrong.append(f"it says that it belongs to {report.run}")
    inside = [str(path.relative_to(bundle)) for _number, path in layout.segments(bundle, places.CUSTODY)]
    there, copied = bag.digests(folder, inside), bag.digests(bundle, inside)
    return wrong + [f"{name} is not the one that is in the bag" for name in inside if there[name] != copied[name]]


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []
