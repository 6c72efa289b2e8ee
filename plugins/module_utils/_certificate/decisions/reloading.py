# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom to reload, and whom not: nobody is to load a file that is wrong where what is served is not.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.actions import DONE, PLANNED
from ..._core.findings import CRITICAL
from .lineages import STALE, Lineage, certificate_file, server_of

Result = t.Mapping[str, t.Any]


def reloads(served: Result, *, renewed: Result, lineages: t.Sequence[Lineage], live: str, service: str) -> dict[str, t.Any]:
    """Which servers to reload: those that serve something older than what is on the disk, and those whose certificate is renewed or to be.

    Args:
        served: what cert_expiry returned before anything was renewed; empty or skipped where there was nothing to look at.
        renewed: what cert_renew returned; empty or skipped where there was nothing to renew.
        lineages: of the role.
        live: certbot's directory with the present certificates.
        service: what serves those that name no service of their own.

    Returns:
        `services` to reload, `why` in one text, and `refused`: servers that must not load what is on the disk, each with a `message`.
    """
    findings = served.get("findings", ())
    newer = [finding for finding in findings if finding["check"] == STALE and finding["detail"].get("file_is_newer")]
    new = _once(action["target"]["name"] for action in renewed.get("actions", ()) if action["outcome"] in (DONE, PLANNED))
    # What a renewal replaced is judged by the module that did it.
    replaced = [certificate_file(lineage, live=live) for lineage in lineages if lineage["name"] in new]
    refused = [found for finding in newer if finding["detail"]["file"] not in replaced
               for found in _refusal(finding, findings, service=service)]
    stale = [finding for finding in newer if finding["subject"] not in [one["server"] for one in refused]]
    servers = [finding["detail"].get("reload") or service for finding in stale]
    servers += [server_of(lineage, service=service) for lineage in lineages if lineage["name"] in new]
    left = [one["service"] for one in refused]
    return {"services": [server for server in _once(servers) if server and server not in left], "refused": refused, "why": _why(stale, new)}


def _refusal(finding: Result, findings: t.Sequence[Result], *, service: str) -> list[dict[str, t.Any]]:
    """Why a server must not load its file: something is critical about the file and not about what is served."""
    file, server = finding["detail"]["file"], finding["subject"]
    critical = [one for one in findings if one["status"] == CRITICAL and one["check"] not in (STALE, "expiring")]
    already = [one["check"] for one in critical if one["subject"] == server]
    wrong = _once(one["check"] for one in critical if one["subject"] == file and one["check"] not in already)
    if not wrong:
        return []
    name = finding["detail"].get("reload") or service
    return [{
        "file": file, "server": server, "checks": wrong, "service": name,
        "message": f"{name} is not reloaded: {file} is newer than what {server} serves, and wrong: {', '.join(wrong)}.",
    }]


def _why(stale: t.Sequence[Result], new: t.Sequence[str]) -> str:
    subjects = _once(finding["subject"] for finding in stale)
    told = [f"It serves an older certificate than the one on the disk: {', '.join(subjects)}."] if subjects else []
    told += [f"Its certificate is renewed: {', '.join(new)}."] if new else []
    return " ".join(told)


def _once(names: t.Iterable[t.Any]) -> list[str]:
    return list(dict.fromkeys(str(name) for name in names))
