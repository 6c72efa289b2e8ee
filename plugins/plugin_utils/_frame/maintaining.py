# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role maintenance hands to its actions: where the switch is, what puts it on and off, and how it ends by itself.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from ...module_utils._core.actions import Action
from ...module_utils._core.durations import parse_duration
from ...module_utils._core.errors import BadInput
from ...module_utils._core.suggest import suggest
from ...module_utils._core.temporary import NOBODY, UNIT
from ...module_utils._maintenance import web
from ...module_utils._maintenance.decisions.notes import first_line
from ...module_utils._probe.decisions.web import probes_of
from . import arming

FLAG, API = METHODS = ("flag", "api")
ON, OFF = VERBS = ("maintenance_on", "maintenance_off")
#: Whose maintenance may be taken off: this person's or run's, or anybody's.
ANY = "any"
#: Where notes are.
NOTES = "/var/lib/oncall-incident"
_API_KEYS = ("url", "method", "on", "off")
_API_METHODS = ("POST", "PUT", "PATCH", "DELETE")

#: Ends with 0 where the file is not there or is not ours: then there is nothing to take back.
_REMOVE = """test -e "$1" || exit 0
line=$(head -n 1 -- "$1") || exit 1
test "$line" = "$2" || exit 0
rm -f -- "$1"
"""
#: The same before the call. The header is read where it is needed: neither a unit nor a list of processes shows it. An API that answers
#: and does nothing is a failure: the note stays, and it is tried again.
_CALL = """import http.client, json, os, socket, ssl, sys, time, urllib.parse, urllib.request
path, line, method, url, body, header, users, seconds = sys.argv[1:]
try:
    with open(path, encoding="utf-8", errors="replace") as note:
        there = note.readline().rstrip("\\n")
except FileNotFoundError:
    sys.exit(0)
if there != line:
    sys.exit(0)
headers = {"Content-Type": "application/json"}
if header:
    with open(header, encoding="utf-8") as secret:
        name, _colon, value = secret.read().strip().partition(":")
    headers[name.strip()] = value.strip()
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args): return None
request = urllib.request.Request(url, data=body.encode(), headers=headers, method=method)
urllib.request.build_opener(Stay).open(request, timeout=60).close()
def still_on(url, host, port, certs, ca):
    parts = urllib.parse.urlsplit(url)
    tls = parts.scheme == "https"
    try:
        way = socket.create_connection((host or parts.hostname, port or parts.port or (443 if tls else 80)), timeout=5)
        if tls:
            context = ssl.create_default_context(**({"capath" if os.path.isdir(ca) else "cafile": ca} if ca else {}))
            if not certs:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            way = context.wrap_socket(way, server_hostname=parts.hostname)
        asked = http.client.HTTPConnection(parts.netloc, timeout=5)
        asked.sock = way
        asked.request("GET", (parts.path or "/") + ("?" + parts.query if parts.query else ""))
        said = asked.getresponse()
        return said.status == 503 and said.getheader("Retry-After")
    except (OSError, ValueError, http.client.HTTPException):
        return True
users, end = json.loads(users), time.monotonic() + float(seconds)
while [one for one in users if still_on(*one)]:
    if time.monotonic() > end:
        sys.exit("the API took it off, and users still see maintenance")
    time.sleep(0.5)
os.unlink(path)
"""
#: Seconds that users may see maintenance after the API was called.
_SEEN = 30
_PYTHON = """for one in python3 /usr/bin/python3 /usr/libexec/platform-python; do
  command -v "$one" >/dev/null 2>&1 && exec "$one" -I -c "$0" "$@"
done
exit 127
"""


def switch(
    method: t.Any, *, name: str, flag: str = "", scope: str = "", scopes: t.Mapping[str, t.Any] | None = None,
    api: t.Mapping[str, t.Any] | None = None, note: str = "", header: str = "", header_file: str = "",
    public: t.Sequence[t.Any] | None = None, health: t.Sequence[t.Any] | None = None, bypass: t.Sequence[t.Any] | None = None,
) -> dict[str, t.Any]:
    """Where maintenance is switched.

    Args:
        method: FLAG or API.
        name: of what is in maintenance, for people.
        flag: path of the file whose presence is maintenance.
        scope: a feature of it; empty for all.
        scopes: by the feature's name its `flag`, or `api` with the keys that differ, and the probes `public`, `health` and `bypass` of it.
        api: `url`, `method`, `on` and `off`, the bodies.
        note: path of the file that says whose it is, for an API; empty for one below NOTES.
        header: the API's header, a secret; `header_file` is a file that holds it.
        public, health, bypass: probes: what users see, what must stay as it is, and how operators look behind the page.

    Returns:
        `name`, `path`, `api` (empty for a flag), `has_api`, `subject`, the probes, and `unended`, why it cannot end by itself.

    Raises:
        BadInput: names the variable.
    """
    if method not in METHODS:
        raise _bad("maintenance_method", f"{method!r} is not a method. {suggest(str(method), METHODS)}", f"There are {', '.join(METHODS)}.")
    known = dict(scopes or {})
    if scope and scope not in known:
        there = f"There are {', '.join(known)}." if known else "maintenance_scopes is empty."
        raise _bad("maintenance_scope", f"there is no scope {scope!r}. {suggest(scope, list(known))}", there)
    called = f"{name}: {scope}" if scope else name
    probes = {"public": list(public or ()), "health": list(health or ()), "bypass": list(bypass or ())}
    own: dict[str, t.Any] = {}
    if scope:
        own, probes = _scoped(scope, known[scope], probes, needs="api" if method == API else "flag")
    if method == API:
        path = _path(note or f"{NOTES}/maintenance-{re.sub('[^A-Za-z0-9._-]+', '-', called)}.json", "maintenance_note")
        found = _api({**dict(api or {}), **dict(own.get("api") or {})})
        unended = "the API's header is a variable here, and the host's timer has none" if header and not header_file else ""
        return {
            "name": called, "path": path, "api": found, "has_api": True, "subject": f"maintenance {path}", "unended": unended, **probes,
        }
    path = _path(str(own.get("flag") or flag), "maintenance_scopes" if scope else "maintenance_flag")
    known_by = {"subject": f"maintenance {path}", "unended": ""}
    return {"name": called, "path": path, "api": {}, "has_api": False, **known_by, **probes}


def _scoped(
    scope: str, given: t.Any, probes: t.Mapping[str, list[t.Any]], *, needs: str,
) -> tuple[dict[str, t.Any], dict[str, list[t.Any]]]:
    """A feature's own switch, and its probes. What users see of the rest must stay as it is."""
    if not isinstance(given, t.Mapping) or not given.get(needs) or not given.get("public"):
        raise _bad("maintenance_scopes", f"{scope} lacks {needs} or public.", f"Give its {needs}, and what users ask of it.")
    unknown = [key for key in given if key not in (needs, *probes)]
    if unknown:
        raise _bad("maintenance_scopes", f"{scope}: there is no key {unknown[0]}.", f"There are {needs}, {', '.join(probes)}.")
    health = list(given.get("health") or [*probes["health"], *probes["public"]])
    return dict(given), {"public": list(given["public"]), "health": health, "bypass": list(given.get("bypass") or ())}


def _bad(variable: str, message: str, hint: str) -> BadInput:
    return BadInput(f"{variable}: {message}".rstrip(), hint=hint)


def _path(text: str, variable: str) -> str:
    if not text.startswith("/") or text.endswith("/") or "\n" in text:
        said = f"{text!r} is not the absolute path of a file." if text else "it is empty."
        raise _bad(variable, said, "Give the absolute path of the file.")
    return text


def _api(given: dict[str, t.Any]) -> dict[str, t.Any]:
    unknown = [key for key in given if key not in _API_KEYS]
    if unknown:
        guess = suggest(str(unknown[0]), _API_KEYS)
        raise _bad("maintenance_api", f"there is no key {unknown[0]}. {guess}", f"There are {', '.join(_API_KEYS)}.")
    missing = [key for key in ("url", "on", "off") if given.get(key) is None]
    if missing:
        raise _bad("maintenance_api", f"{missing[0]} is missing.", "Give url, and the bodies on and off.")
    method = str(given.get("method") or "POST").upper()
    if method not in _API_METHODS:
        raise _bad("maintenance_api", f"method {method} is not allowed.", f"There are {', '.join(_API_METHODS)}.")
    if given["on"] == given["off"]:
        raise _bad("maintenance_api", "on and off are the same.", "Give the body that puts it on, and the one that takes it off.")
    url = web.checked_url(str(given["url"]), name="maintenance_api: url")
    return {"url": url, "method": method, "on": given["on"], "off": given["off"]}


def put_on(
    where: t.Mapping[str, t.Any], *, seen: t.Mapping[str, t.Any], host: str, run: str, who: str, expires: str, header_file: str = "",
) -> dict[str, t.Any]:
    """What puts maintenance on.

    Args:
        where: what switch() gave.
        seen: the result of maintenance_health before.
        host: the inventory host.
        expires: after how long it ends by itself; empty for nobody.
        header_file: a file on the host with the API's header.

    Returns:
        `target`, `reason`, `temporary` (as act takes it), and `text`, what the switch writes down.
    """
    target = {"maintenance": where["name"], **({"api": where["api"]["url"]} if where["api"] else {"flag": where["path"]})}
    mark = hashlib.sha256(json.dumps([run, host, where["path"]]).encode()).hexdigest()[:12]
    undo = {"verb": OFF, "mark": mark, "path": where["path"], "api": where["api"].get("url", "")}
    unended = where["unended"]
    command = _way_back(where, mark, header_file)
    seconds = parse_duration(expires, name="maintenance_expires") if expires and not unended else 0.0
    way_back = f"{where['path']} is removed" if not where["api"] else f"{where['api']['url']} is called with the body off"
    if where["api"] and seconds and not _users(where):
        way_back += ", and nobody asks then what users see, since each public URL has a secret"
    if expires and unended:
        way_back = f"{way_back} by incident undo, since {unended}"
    identity = arming.identity_of(target, seconds=seconds, command=command, undo=undo) if seconds else target
    reason = "Users get 503 with Retry-After from now on, and the health URL stays as it is."
    if seen.get("on"):
        reason = f"It is on already, {seen.get('whose')}."
    action = Action(verb=ON, resource=f"host:{host}", identity=identity, target=target, reason=reason, outcome="done")
    ends = {
        "way_back": way_back, "ends": UNIT if seconds else NOBODY, "lasts": seconds, "undo": undo,
        "armed_as": arming.unit_name(action.id) if seconds else "",
    }
    statuses = {name: code for name, code in (seen.get("statuses") or {}).items() if code is not None}
    return {
        "target": target, "reason": reason,
        "temporary": {"way_back": way_back, "undo": undo, "expires": expires if seconds else "", "command": command if seconds else []},
        "text": {
            "mark": mark, "run": run, "who": who, "lasts": seconds, "statuses": statuses,
            "change": {**action.as_dict(), "temporary": ends},
        },
    }


def _way_back(where: t.Mapping[str, t.Any], mark: str, header_file: str) -> list[str]:
    if not where["api"]:
        return ["/bin/sh", "-c", _REMOVE, "maintenance", where["path"], first_line(mark)]
    api = where["api"]
    off, users = json.dumps(api["off"]), json.dumps(_users(where))
    return [
        "/bin/sh", "-c", _PYTHON, _CALL, where["path"], first_line(mark), api["method"], api["url"], off, header_file, users, str(_SEEN),
    ]


def _users(where: t.Mapping[str, t.Any]) -> list[list[t.Any]]:
    """What the host's timer asks afterwards: the URLs of users that hold no secret, since a plan shows its command."""
    requests = [one.request for one in probes_of(where["public"])] if where["public"] else []
    return [
        [one.url, *(one.connect_to or ("", 0)), one.validate_certs, one.ca] for one in requests if not one.secrets and "@" not in one.url
    ]


def take_off(
    where: t.Mapping[str, t.Any], *, seen: t.Mapping[str, t.Any], run: str, who: str, whose: str = "",
) -> dict[str, t.Any]:
    """What takes maintenance off that this run has not put on, or has.

    Args:
        where: what switch() gave.
        seen: the result of maintenance_health before.
        run, who: this run, and the person.
        whose: ANY, or the run whose maintenance is taken off; empty for this person's and this run's.

    Returns:
        `target`, `reason`, `forbidden`, `mark`, `change` (empty where none is known), `run` (of who put it on).
    """
    note = dict(seen.get("note") or {})
    target = {"maintenance": where["name"], **({"api": where["api"]["url"]} if where["api"] else {"flag": where["path"]})}
    mark, made_by = str(note.get("mark") or ""), str(note.get("run") or "")
    if mark:
        target["of"] = mark
    ours = bool(mark) and ((bool(run) and made_by == run) or (bool(who) and note.get("who") == who))
    named = whose == ANY or (bool(mark) and bool(whose) and whose == made_by)
    forbidden = []
    if seen.get("on") and not ours and not named:
        told = f"maintenance_whose={made_by}" if made_by else f"maintenance_whose={ANY}"
        forbidden = [f"somebody else has put it on, {seen.get('whose')}; -e {told} takes it off all the same"]
    return {
        "target": target, "reason": f"It is on {seen.get('whose')}." if seen.get("on") else "It is not on.", "forbidden": forbidden,
        "mark": mark, "change": _known(note.get("change")), "run": made_by,
    }


def is_of(seen: t.Mapping[str, t.Any], *, mark: str, api: str = "") -> bool:
    """Whether maintenance is on by the one that made this mark.

    Args:
        seen: a result of maintenance_health.
        api: URL of the API by which it was put on. Its note may be gone while users see maintenance: nobody else has put it on then.
    """
    note = seen.get("note") or {}
    return bool(mark) and (note.get("mark") == mark or bool(api and seen.get("on") and not note.get("there")))


def is_switched_here(change: t.Mapping[str, t.Any], *, where: t.Mapping[str, t.Any]) -> bool:
    """Whether an earlier action was made by this switch.

    Args:
        where: what switch() gave.
    """
    undo = (change.get("temporary") or {}).get("undo") or {}
    return bool((undo.get("path"), undo.get("api")) == (where["path"], where["api"].get("url", "")))


def _known(change: t.Any) -> dict[str, t.Any]:
    """The action that a note names, where it is one: a file on a host may say anything."""
    try:
        action = Action.from_dict(change)
    except (BadInput, AttributeError, TypeError):
        return {}
    known = action.temporary or {}
    undo = known.get("undo")
    if action.verb != ON or not isinstance(undo, t.Mapping) or undo.get("verb") != OFF:
        return {}
    unit = str(known.get("armed_as") or "")
    return action.as_dict() if not unit or unit == arming.unit_name(action.id) else {}
