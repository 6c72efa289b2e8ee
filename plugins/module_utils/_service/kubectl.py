# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a cluster by kubectl. Only reads, and keeps nothing of what a container's environment or a Secret has.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import json
import re
import typing as t

from .._core.errors import Blind
from .._module.programs import Ran, Run
from .decisions.kubernetes import Cluster
from .instances import NoSuchService

#: The words in which the API says that a right is missing.
_MAY_NOT = re.compile(r'cannot (?P<verb>\w+) resource "(?P<resource>[\w/-]+)" in API group "(?P<group>[\w.-]*)"')
_EVERYWHERE = "at the cluster scope"
_WITHIN = "--request-timeout=10s"
Object = t.Mapping[str, t.Any]


class NotPermitted(Blind):
    """The cluster answers, and does not let us see it."""

    kind = "not_permitted"


def objects(cluster: Cluster, *words: str, run: Run) -> list[Object]:
    """What `kubectl get WORDS` gives, one or many.

    Raises:
        Blind: it cannot be looked at.
    """
    text = said(cluster, "get", *words, "--output=json", run=run)
    try:
        found = json.loads(text)
        items = found["items"] if "items" in found else [found]
        return [one for one in items if one["metadata"]["name"]]
    except (ValueError, TypeError, KeyError) as exc:
        raise Blind(
            f"kubectl get {' '.join(words)} did not answer with objects.", hint="Look at its output by hand.", said=text[:300],
        ) from exc


def objects_beside(cluster: Cluster, *words: str, run: Run) -> tuple[list[Object], dict[str, Blind]]:
    """What `kubectl get WORDS` gives of several kinds, and by resource why one of them may not be read: the others come all the same.

    Raises:
        Blind: it cannot be looked at at all.
    """
    argv = ["get", *words, "--output=json"]
    ran = run(cluster.argv(_WITHIN, *argv))
    if not ran.problem:
        return objects(cluster, *words, run=lambda _argv: ran), {}
    lines = [line for line in ran.err.splitlines() if line.strip()]
    matches = [(_MAY_NOT.search(line), line) for line in lines]
    refused = {found.group("resource"): refusal(cluster, argv, Ran(err=line, problem=line)) for found, line in matches if found}
    if not refused or len(refused) < len(lines):
        raise refusal(cluster, argv, ran)
    there = objects(cluster, *words, run=lambda _argv: Ran(out=ran.out)) if ran.out.strip() else []
    return there, refused


def said(cluster: Cluster, *words: str, run: Run) -> str:
    """What a command of kubectl prints.

    Raises:
        Blind: it failed.
    """
    ran = run(cluster.argv(_WITHIN, *words))
    if ran.problem:
        raise refusal(cluster, words, ran)
    return ran.out


def refusal(cluster: Cluster, words: t.Sequence[str], ran: Ran) -> Blind:
    """Why kubectl gave no answer."""
    what = " ".join(("kubectl", *([f"--namespace={cluster.namespace}"] if cluster.namespace else []), *words[:2]))
    if ran.missing:
        return Blind(f"{what}: {ran.problem}.", hint="Install kubectl where the modules of this host run, or set where.command.")
    found = _MAY_NOT.search(ran.err)
    if found:
        verb, resource, group = found.group("verb", "resource", "group")
        plural, _slash, below = resource.partition("/")
        name = f"{plural}.{group}" if group else plural
        everywhere = _EVERYWHERE in ran.err
        # Of what is in a namespace; a node is in none.
        space = ("" if plural == "nodes" else " --all-namespaces") if everywhere else (
            f" --namespace={cluster.namespace}" if cluster.namespace else "")
        asks = f"kubectl auth can-i {verb} {name}{f' --subresource={below}' if below else ''}{space}"
        return NotPermitted(
            f"{what}: this user may not {verb} {name}{f'/{below}' if below else ''}{' of the whole cluster' if everywhere else ''}.",
            hint=f"Grant that right; {asks} tells whether it is there.", verb=verb, resource=resource, group=group,
        )
    if "(NotFound)" in ran.err:
        return NoSuchService(f"{what}: {ran.problem}", hint="Correct the name or the namespace of the service, or bring it back.")
    return Blind(f"{what}: {ran.problem}", hint="Correct where.context, where.kubeconfig or the way to the cluster.")
