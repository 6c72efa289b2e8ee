# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a phase looks and as whom, as one sentence.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

#: Ways in that lead through the managed host itself; by all others the controller asks.
ON_HOST = ("host", "container")
#: How many targets a sentence names.
MOST_TARGETS = 5
_USERINFO = re.compile(r"(?<=//)[^/@\s]*@")


@dataclasses.dataclass(frozen=True)
class Way:
    """How the target is reached.

    Attributes:
        via: host, controller, container, ssh_tunnel or kubernetes.
        host: the inventory's name of the managed host.
        user: on that host; empty where it is not known.
        container, ssh, kubernetes, namespace, context: where the way leads.
    """

    host: str
    via: str = "host"
    user: str = ""
    container: str = ""
    ssh: str = ""
    kubernetes: str = ""
    namespace: str = ""
    context: str = ""

    def describe(self) -> str:
        """The way in words: `from db1 as postgres`, `from localhost, via ssh_tunnel ops@bastion.example.org`."""
        if self.via in ON_HOST:
            start = f"from {self.host}" + (f" as {self.user}" if self.user else "")
        else:
            start = "from localhost"
        return ", ".join([start, *self._through()])

    def _through(self) -> list[str]:
        if self.via == "ssh_tunnel":
            return [f"via ssh_tunnel {self.ssh}"]
        if self.via == "container":
            return [f"via container {self.container}"]
        if self.via == "kubernetes":
            namespace = f" in namespace {self.namespace}" if self.namespace else ""
            context = f" of context {self.context}" if self.context else ""
            return [f"via kubernetes {self.kubernetes}{namespace}{context}"]
        return []


def sentence(what: str, *, logins: t.Sequence[t.Mapping[str, t.Any]] = (), targets: t.Sequence[t.Any] = (), way: Way) -> str:
    """What is looked at, where, as whom and by which way.

    Args:
        what: the subject, for example `PostgreSQL`.
        logins: in the order in which they are tried, each with host, port, unix_socket, user, database and tls. What a later one does not
            state is the first one's, as in the modules.
        targets: addresses, paths and the like, as text or as dictionaries with host and port, or path.
    """
    told = [_login(login, main=logins[0], way=way) for login in logins]
    places = [", else ".join(told)] if told else []
    named = list(dict.fromkeys(_target(target) for target in targets))
    places += named[:MOST_TARGETS]
    if len(named) > MOST_TARGETS:
        places.append(f"{len(named) - MOST_TARGETS} more")
    return f"{what}{' at ' + ', '.join(places) if places else ''} ({way.describe()})"


def _login(login: t.Mapping[str, t.Any], *, main: t.Mapping[str, t.Any], way: Way) -> str:
    stated = {key: value for key, value in login.items() if value not in (None, "")}
    # A login that names a place means that one, not the main login's socket or host beside it.
    inherited = {key: value for key, value in main.items()
                 if not (key in ("host", "unix_socket") and ("host" in stated or "unix_socket" in stated))}
    found = {**inherited, **stated}
    where = str(found.get("unix_socket") or "")
    if not where and found.get("host"):
        where = _bracketed(str(found["host"]))
    where = where or (way.container if way.via == "container" else "") or "local socket"
    port = f":{found['port']}" if found.get("port") else ""
    user = f"{found['user']}@" if found.get("user") else ""
    database = f"/{found['database']}" if found.get("database") else ""
    return f"{user}{where}{port}{database}{' with TLS' if found.get('tls') else ''}"


def _target(target: t.Any) -> str:
    if not isinstance(target, t.Mapping):
        return _USERINFO.sub("", str(target))
    if target.get("path"):
        return str(target["path"])
    address = str(target.get("host") or target.get("address") or target.get("label") or "?")
    return _USERINFO.sub("", f"{_bracketed(address)}:{target['port']}" if target.get("port") else address)


def _bracketed(host: str) -> str:
    """An IPv6 address as it stands before a port."""
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
