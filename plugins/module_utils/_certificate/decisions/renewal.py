# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates are renewed, by which command, and whether what came of it may be served: decisions.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import posixpath
import re
import typing as t

from ..._core import ranges
from ..._core.durations import format_duration
from ..._core.errors import BadInput
from ..._core.findings import OK
from ..._core.limits import Budget
from .model import Cert, path_up
from .names import missing
from .time import ACME, BY_RENEWAL, Thresholds

RENEW, SETTLE = "renew_certificate", "settle_renewal"

#: Names of lineages become names of directories, and words of a command line.
_NAME = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9._*@-]*\Z")
#: A CA's clock may be ahead of ours by as much and the certificate is still taken for valid: seconds.
_AHEAD = 60.0


@dataclasses.dataclass(frozen=True)
class Lineage:
    """One certificate that is renewed in place, again and again.

    Attributes:
        name: certbot's name of it, or the caller's.
        certificate, key: where the server reads them: PEM, the leaf first.
        names: what the new certificate must be for; empty takes the names of the present one.
        command: what renews it, complete.
        keep: files, links and directories that the command may change. They are backed up and restored.
        validate: what asks the server whether its configuration is usable; empty when there is nothing to ask.
        lock: file that whoever else renews it holds a lock on meanwhile; empty when none is known.
        force: renewed even when it is not due, since the caller said so.
        thresholds: when it counts as due: at the warning.
    """

    name: str
    certificate: str
    key: str
    names: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    validate: tuple[str, ...] = ()
    lock: str = ""
    force: bool = False
    thresholds: Thresholds = BY_RENEWAL[ACME]

    def wanted_names(self, present: t.Sequence[Cert]) -> tuple[str, ...]:
        """The names that a new certificate must be for."""
        if self.names or not present:
            return self.names
        return (*present[0].dns_names, *present[0].ip_addresses)


def renewals(count: int, *, spent: int) -> Budget:
    """How many certificates a run may renew.

    Raises:
        BadInput: below zero.
    """
    ranges.require({"max_renewals": count, "spent": spent})
    return Budget(max_count=count, spent=spent)


def due_thresholds(*, days: float, percent: float) -> Thresholds:
    """When a certificate is due: so many days or so much of its lifetime before its end, whichever comes later in time.

    Raises:
        BadInput: below zero, or more than all of the lifetime.
    """
    ranges.require({"due_days": days, "due_percent": percent})
    return Thresholds(warning_days=days, warning_percent=percent, critical_days=0.0, critical_percent=0.0)


def lineages_from(
    found: t.Sequence[t.Mapping[str, t.Any]], *, config_dir: str, certbot: t.Sequence[str], certbot_args: t.Sequence[str],
    validate: t.Sequence[str], force: t.Sequence[str], thresholds: Thresholds,
) -> list[Lineage]:
    """The lineages that the arguments describe.

    Raises:
        BadInput: two of one name, a name that is none, a path that is not absolute, a name to force that is not there.
    """
    known = [str(one["name"]) for one in found]
    for name in known:
        if not _NAME.match(name):
            raise BadInput(
                f"lineages: {name!r} is not the name of a certificate.", hint="Use letters, digits, dots, dashes.", argument="lineages",
            )
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise BadInput(f"lineages: {', '.join(twice)} is there twice.", hint="Name each once.", argument="lineages")
    strangers = sorted(set(force) - set(known))
    if strangers:
        raise BadInput(
            f"force: {', '.join(strangers)} is not among the lineages ({', '.join(known) or 'there are none'}).",
            hint="Name certificates that are listed.", argument="force",
        )
    return [
        _lineage(one, config_dir=config_dir, certbot=certbot, certbot_args=certbot_args, validate=validate,
                 force=str(one["name"]) in force, thresholds=thresholds)
        for one in found
    ]


def _lineage(
    one: t.Mapping[str, t.Any], *, config_dir: str, certbot: t.Sequence[str], certbot_args: t.Sequence[str], validate: t.Sequence[str],
    force: bool, thresholds: Thresholds,
) -> Lineage:
    name = str(one["name"])
    own_command = [str(word).replace("{name}", name) for word in one.get("command") or ()]
    live = posixpath.join(config_dir, "live", name)
    certificate = str(one.get("certificate") or posixpath.join(live, "fullchain.pem"))
    key = str(one.get("key") or posixpath.join(live, "privkey.pem"))
    keep: tuple[str, ...] = (certificate, key)
    if not own_command:
        # certbot's own places: files in archive, links to them in live, and how to renew (its manual, "Where are my certificates?").
        keep = (live, posixpath.join(config_dir, "archive", name), posixpath.join(config_dir, "renewal", f"{name}.conf"))
    keep = tuple(dict.fromkeys((*keep, *(str(path) for path in one.get("keep") or ()))))
    for path in (certificate, key, *keep):
        if not path.startswith("/"):
            raise BadInput(f"lineages: {path!r} of {name} is not an absolute path.", hint="Begin it with a slash.", argument="lineages")
    return Lineage(
        name=name, certificate=certificate, key=key, names=tuple(one.get("names") or ()), keep=keep, force=force, thresholds=thresholds,
        command=tuple(own_command or certbot_command(name, certbot=certbot, args=certbot_args, config_dir=config_dir, force=force)),
        # certbot's own, so that its timer and a person do not meet (certbot documentation, "Lock Files").
        lock="" if own_command else posixpath.join(config_dir, ".certbot.lock"),
        validate=tuple(str(word) for word in (validate if one.get("validate") is None else one["validate"])),
    )


def certbot_command(name: str, *, certbot: t.Sequence[str], args: t.Sequence[str], config_dir: str, force: bool) -> list[str]:
    """The command that renews one lineage and no other.

    Without a terminal certbot waits for up to 8 minutes before it renews, unless it is told not to (certbot documentation,
    "Automated Renewals"): an incident has not the time.
    """
    place = [] if config_dir == "/etc/letsencrypt" else ["--config-dir", config_dir]
    told = ["--force-renewal"] if force else []
    return [*certbot, "renew", "--cert-name", name, "--non-interactive", "--no-random-sleep-on-renew", *told, *place, *args]


def why_due(lineage: Lineage, present: t.Sequence[Cert], *, now: datetime.datetime) -> str:
    """Why a certificate is renewed now; empty when it is not due."""
    if not present:
        return f"There is no readable certificate in {lineage.certificate}."
    leaf = present[0]
    left = leaf.left(now)
    status, _at = lineage.thresholds.judge(left=left, lifetime=leaf.lifetime)
    if left <= 0:
        return f"It expired {format_duration(-left)} ago."
    if status != OK:
        return f"It expires in {format_duration(left)}, of {format_duration(leaf.lifetime)}."
    return "Its renewal was asked for." if lineage.force else ""


def problems(
    lineage: Lineage, *, before: t.Sequence[Cert], after: t.Sequence[Cert], key_problem: str, now: datetime.datetime
) -> list[str]:
    """Why a new certificate must not be served; empty when it may.

    Args:
        before, after: what the file held and holds, the leaf first.
        key_problem: why the private key does not do; empty when it belongs to the certificate.
    """
    if not after:
        return [f"{lineage.certificate} holds no readable certificate"]
    leaf, found = after[0], []
    if leaf.is_ca:
        found.append("the first certificate of the file is a CA's")
    if key_problem:
        found.append(key_problem)
    absent = missing(lineage.wanted_names(before), leaf)
    if absent:
        found.append(f"it is not for {', '.join(absent)}")
    if leaf.left(now) <= 0:
        found.append(f"it expired {format_duration(-leaf.left(now))} ago")
    if (leaf.not_before - now).total_seconds() > _AHEAD:
        found.append(f"it is not valid yet, only in {format_duration((leaf.not_before - now).total_seconds())}")
    if before and not lineage.force and leaf.not_after <= before[0].not_after:
        found.append("it does not live longer than the one before")
    # Which roots clients have is not known here. A leaf alone where others came with it is surely too little.
    if len(path_up(before)) > 1 and len(path_up(after)) == 1 and not leaf.self_issued:
        found.append("the certificates between it and the root are missing from the file")
    return found
