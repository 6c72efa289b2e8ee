# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the certificates that a host renews mean: where to look, what to renew, and how their servers are asked.

A lineage is an entry of the role's variable certificate_lineages.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.actions import PLANNED
from ..._core.errors import BadInput
from ..._core.words import command_words, words_list

Lineage = t.Mapping[str, t.Any]
#: What the role knows of a lineage and the renewing module does not take, or not as it is.
_OF_THE_ROLE = ("endpoints", "service", "validate", "reload_command")
STALE = "stale_in_memory"


def certificate_file(lineage: Lineage, *, live: str) -> str:
    """The file of a lineage, by default certbot's.

    Args:
        live: certbot's directory with the present certificates.
    """
    return str(lineage.get("certificate") or f"{live}/{lineage['name']}/fullchain.pem")


def server_of(lineage: Lineage, *, service: str) -> str:
    """The service that serves a lineage, by default this one."""
    return str(lineage.get("service") or service)


def targets(
    lineages: t.Sequence[Lineage], *, live: str, service: str, pairs: t.Sequence[t.Any],
    files: t.Union[str, t.Sequence[t.Any]], endpoints: t.Union[str, t.Sequence[t.Any]],
) -> dict[str, t.Any]:
    """Where certificates are looked for.

    Args:
        live: certbot's directory with the present certificates.
        service: what serves those that name no service of their own.
        pairs: further servers, each with its file.
        files: further files, a list or text with commas.
        endpoints: further servers, a list or text with commas.

    Returns:
        `pairs`: the file of each lineage with every endpoint that serves it, and the further pairs. `files`: those of lineages that nobody
        serves here, and the further files. `places` and `what`: everywhere, for people.
    """
    all_pairs: list[t.Any] = []
    all_files: list[t.Any] = []
    for lineage in lineages:
        file = {"path": certificate_file(lineage, live=live), "names": lineage.get("names") or []}
        served_at = lineage.get("endpoints") or []
        all_pairs += [{"endpoint": endpoint, "file": file, "reload": server_of(lineage, service=service)} for endpoint in served_at]
        all_files += [] if served_at else [file]
    all_pairs += pairs
    all_files += words_list(files)
    places = [*(pair["endpoint"] for pair in all_pairs), *words_list(endpoints), *(pair["file"] for pair in all_pairs), *all_files]
    return {"pairs": all_pairs, "files": all_files, "places": places, "what": "Certificates" if places else "Certificates (none is named)"}


def renewable(
    lineages: t.Sequence[Lineage], *, service: str, validate: t.Sequence[str], inside: t.Sequence[str],
) -> dict[str, t.Any]:
    """What the renewing module takes.

    Args:
        service: what serves those that name no service of their own.
        validate: command that asks this service whether it would start with its files.
        inside: how a command is run where this service lives, its name last; empty on the host.

    Returns:
        `lineages`, each with a command of its own where another service serves it, which is asked in its own words or not at all.
        `validate`: the command for the others. `servers`: those that must load what is renewed; an empty name loads it by itself.
    """
    found = []
    for lineage in lineages:
        server, asks = server_of(lineage, service=service), command_words(lineage.get("validate") or [])
        taken = {key: value for key, value in lineage.items() if key not in _OF_THE_ROLE}
        if "validate" in lineage or server != service:
            taken["validate"] = [*inside[:-1], server, *asks] if inside and asks else asks
        found.append(taken)
    servers = dict.fromkeys(server_of(lineage, service=service) for lineage in lineages)
    return {
        "lineages": found, "validate": [*inside, *command_words(validate)] if validate else [],
        "servers": [server for server in servers if server],
    }


def unloadable(due: t.Mapping[str, t.Any], *, seen: t.Sequence[t.Mapping[str, t.Any]], lineages: t.Sequence[Lineage], service: str) -> str:
    """Why nothing may be renewed: a server that must load what is due cannot be looked at, so nobody could tell whether it did.

    Args:
        due: what the renewing module would do; without its actions everything may be due.
        seen: what was found of each server, a result with the server as its `item`; one with an `error` could not be looked at.
        lineages: of the role.
        service: what serves those that name no service of their own.

    Returns:
        A sentence for people; empty where nothing stands in the way.
    """
    names = {action["target"]["name"] for action in due.get("actions", ()) if action["outcome"] == PLANNED}
    wanted = {server_of(one, service=service) for one in lineages if "actions" not in due or one["name"] in names}
    said = [
        f"{one['item']}: {str(one.get('msg', '')).rstrip('.')}." for one in seen if one.get("error") and one["item"] in wanted
    ]
    return (
        f"Nothing is renewed, since what serves it could not be reloaded. {' '.join(said)} Set certificate_service_runtime and "
        "certificate_service_name to what runs the server. Where it loads new files by itself, or you reload it by hand, set "
        "certificate_service_name to an empty text: then nothing is reloaded."
    ) if said else ""


def server_commands(
    lineages: t.Sequence[Lineage], *, server: str, service: str, validate: t.Sequence[str], reload_command: t.Sequence[str],
) -> dict[str, list[str]]:
    """How a server is asked and reloaded. What is stated for one service is nothing to another.

    Args:
        server: which one.
        service: the service that the commands are for.
        validate: command that asks the service whether it would start with its files.
        reload_command: command that reloads the service.
    """
    if server == service:
        return {"validate": command_words(validate), "reload_command": command_words(reload_command)}
    theirs = [lineage for lineage in lineages if lineage.get("service") == server]
    return {
        key: next((command_words(lineage[key]) for lineage in theirs if lineage.get(key)), []) for key in ("validate", "reload_command")
    }


def verify_checks(checks: t.Union[str, t.Sequence[str]], *, pairs: t.Sequence[t.Any]) -> list[str]:
    """The checks that must hold: without a pair nobody can be stale.

    Args:
        checks: that were asked for, a list or text with commas.
        pairs: servers, each with its file.

    Raises:
        BadInput: no check is left. The certificates would be called well without a look at them.
    """
    found = [check for check in dict.fromkeys(words_list(checks)) if pairs or check != STALE]
    if not found:
        only = f" but {STALE}, and no server has its file beside it" if words_list(checks) else ""
        raise BadInput(
            f"certificate_verify_checks names no check{only}.", hint="Name the checks that must hold, for example expired,unreachable.",
        )
    return found
