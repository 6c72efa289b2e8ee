# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the daemon is called and told to people, and whether it may be restarted.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.words import command_words, words_list

#: What may ban on the host, by the role's backend.
_DAEMONS = {"auto": "fail2ban or CrowdSec", "crowdsec": "CrowdSec", "fail2ban": "fail2ban"}
#: Backends with fail2ban's socket and jails.
_FAIL2BAN = ("auto", "fail2ban")
DEFAULT_SOCKET = "/var/run/fail2ban/fail2ban.sock"
_MAX_ERROR = 300


def places(
    backend: str, *, subject: str, socket: str, client_command: t.Union[str, t.Sequence[str]],
    ports: t.Union[str, t.Sequence[t.Any], None] = None, protocol: str = "tcp",
    logs: t.Union[str, t.Sequence[str], None] = None, journal: bool = False,
) -> dict[str, t.Any]:
    """What is looked at, and where, for people.

    Args:
        backend: auto, fail2ban, crowdsec, or none where no daemon bans.
        subject: what is looked at beside the daemon.
        socket: of fail2ban; empty is the usual one.
        client_command: the daemon's client; empty is the usual one.
        ports: of the service, a list or text with commas; None where they are not looked at.
        protocol: of the ports.
        logs: files with failed logins, a list or text with commas, empty for the usual ones; None where none is read.
        journal: whether the journal is read.
    """
    daemon, words = _DAEMONS.get(backend), command_words(client_command)
    targets = [socket or DEFAULT_SOCKET] if backend in _FAIL2BAN else []
    targets += [" ".join(words)] if words else []
    if ports is not None:
        targets.append(f"{protocol} port {ports if isinstance(ports, str) else ', '.join(map(str, ports))}")
    if logs is not None:
        targets += words_list(logs) or ["the usual authentication logs"]
    targets += ["the journal"] if journal else []
    return {"what": " and ".join([*([daemon] if daemon else []), subject]), "targets": targets}


def config_refusals(tested: t.Mapping[str, t.Any]) -> list[str]:
    """Why the daemon must not be touched: its configuration does not validate.

    Args:
        tested: result of the command that validates it.
    """
    if tested.get("rc", 1) == 0:
        return []
    said = str(tested.get("stderr") or tested.get("stdout") or tested.get("msg") or "").strip()
    return [f"its configuration does not validate: {_shortened(said)}"]


def _shortened(text: str) -> str:
    """A text of at most about 300 characters, cut between words."""
    return text if len(text) <= _MAX_ERROR + 5 else f"{text[:_MAX_ERROR - 3].rsplit(' ', 1)[0]}..."
