# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an application is switched to another release, and why it must not be.

This module util is PRIVATE to the collection: it may change at any time.

Each switch is one command that compares first: where something else runs than what was looked at, it changes nothing.
"""

from __future__ import annotations

import json
import math
import posixpath
import typing as t

from ..._core.actions import DONE, PLANNED
from ..._core.durations import parse_duration
from ..._service.decisions.compose import compose_argv
from .releases import short
from .where import GIT, IMAGE, KUBERNETES, SYMLINK, Where

#: The verbs of a switch, and of what undoes it.
SWITCH, FORWARD = "switch_release", "forward_release"

Looked = t.Mapping[str, t.Any]

# A link is replaced by rename(2), so that there is one at every moment: ln -sf of older coreutils removes it first.
_SWITCH_LINK = """
[ "$(readlink -- "$1")" = "$2" ] || { echo "$1 leads elsewhere than before: somebody has switched it" >&2; exit 3; }
[ -d "$4" ] || { echo "$4 is not there" >&2; exit 1; }
new=$1.incident-$$
ln -s -- "$3" "$new" && mv -fT -- "$new" "$1" || { rm -f -- "$new"; exit 1; }"""
# As long as it is being made, a mark beside it keeps everybody from taking it for a release.
_BUILD = """
if ! [ -d "$4" ] || [ -e "$6" ]; then
: >"$6" || exit 1
if ! [ -d "$4" ]; then
git -c core.hooksPath=/dev/null -C "$5" worktree add --quiet --detach -- "$4" "$7" >&2 || { rm -f -- "$6"; exit 1; }
fi
new=$4; mark=$6; shift 7
(cd -- "$new" && { [ $# -eq 0 ] || "$@"; }) >&2 || { echo "$new could not be built: $mark marks it" >&2; exit 1; }
rm -f -- "$mark" || exit 1
fi"""
_IN_ENV_FILE = """
file=$(readlink -f -- "$1") && [ -f "$file" ] || { echo "$1 is not there" >&2; exit 1; }
[ "$(sed -n "s/^$2=//p" "$file")" = "$3" ] || { echo "$1 sets $2 to something else than before" >&2; exit 3; }
sed -i -e "s|^$2=.*|$2=$4|" "$file" || exit 1
[ "$(sed -n "s/^$2=//p" "$file")" = "$4" ] || exit 1
shift 4
exec "$@\""""
_IN_OVERRIDE = """
[ "$(cat -- "$1" 2>/dev/null)" = "$2" ] || { echo "$1 is not what it was" >&2; exit 3; }
new=$1.incident-$$
printf '%s\\n' "$3" >"$new" && mv -fT -- "$new" "$1" || { rm -f -- "$new"; exit 1; }
shift 3
exec "$@\""""


def switch(
    looked: Looked, *, method: str, where: t.Mapping[str, t.Any], compatible: t.Any, timeout: str, back: bool = False,
    forbidden: t.Optional[t.Sequence[str]] = None,
) -> dict[str, t.Any]:
    """What the action plugin act needs to switch an application to the release that it should run.

    Args:
        looked: the result of the module release_health, its failure too.
        compatible: the operator's word that the release runs with the schema as it is.
        timeout: how long it may take until the new release is well.
        back: an earlier switch is undone: that release ran with the schema as it is.
        forbidden: why it must not be switched, by what the caller knows.
    """
    place = Where.of(method, where)
    running, wanted = [str(one) for one in looked.get("running") or ()], str(looked.get("wanted") or "")
    against = [str(one) for one in looked.get("against") or ()]
    if looked.get("failed") or "running" not in looked:
        against = [f"what runs could not be looked at: {looked.get('msg') or 'nobody looked'}"]
    if looked.get("schema") and not back and not compatible:
        against.append(str(looked["schema"]))
    if len(running) > 1 and not against:
        against.append(f"{len(running)} releases run at once: {', '.join(short(one) for one in running)}")
    against = [*(forbidden or ()), *against]
    release: t.Mapping[str, t.Any] = next((one for one in looked.get("releases") or () if one["id"] == wanted), {})
    argv = [] if against or not wanted else _argv(place, looked, release, timeout=timeout)
    name, before = said(release, wanted), running[0] if running else ""
    way_back = f"it is switched forward to {short(before)} again" if before else "another release must be named by hand: none ran before"
    good = f", which was measured good at {release['good_at']}" if release.get("good_at") else ""
    return {
        "target": {"method": method, "of": place.subject, "release": wanted, "instead_of": ", ".join(running)},
        "release": wanted, "forbidden": against or ([] if wanted else ["there is no release to go to"]),
        "args": {"argv": argv or ["false"]},
        "reason": f"Release {', '.join(short(one) for one in running) or 'none'} runs. It goes to {name}{good}.",
        "way_back": way_back,
        "undo": {"verb": FORWARD, "method": method, "of": place.subject, "before": before, "set": wanted} if before else {},
    }


def runs(measured: Looked, *, release: str, well: bool = True) -> bool:
    """Whether a look at the releases says that this one runs, and nothing else.

    Args:
        well: it must be well too: not broken, and the one that is named.
    """
    running = [one for one in measured.get("findings") or () if one["check"] == "release_running"]
    return measured.get("running") == [release] and (not well or all(one["status"] == "ok" for one in running))


def undoable(changes: t.Iterable[t.Mapping[str, t.Any]], *, method: str, where: t.Mapping[str, t.Any]) -> list[t.Mapping[str, t.Any]]:
    """The switches of earlier runs that are of this application. A look at another one would say nothing about them."""
    subject = Where.of(method, where).subject if where else ""
    return [one for one in changes if (one["temporary"]["undo"].get("method"), one["temporary"]["undo"].get("of")) == (method, subject)]


def was_switched(result: Looked) -> bool:
    """Whether the result of act says that the release was switched, or in check mode would be, so that its service must take it."""
    return any(one["outcome"] in (DONE, PLANNED) for one in result.get("actions") or ())


def subject_of(where: t.Mapping[str, t.Any], *, method: str) -> str:
    """What is switched: the subject of its actions, and of what is noted of its releases."""
    return f"release of {Where.of(method, where).subject}"


def said(release: t.Mapping[str, t.Any], identity: str) -> str:
    """A release for people."""
    name = str(release.get("name") or "")
    return f"{name} ({short(identity)})" if name and name != identity else short(identity) or "none"


def _argv(place: Where, looked: Looked, release: t.Mapping[str, t.Any], *, timeout: str) -> list[str]:
    state, wanted = looked.get("state") or {}, str(looked["wanted"])
    if place.method in (SYMLINK, GIT):
        return _link(place, state, release, wanted)
    if place.method == IMAGE:
        return _image(place, state, wanted, timeout=timeout)
    if place.method == KUBERNETES:
        number = str(release.get("name", "")).rpartition(" ")[2]
        where = ["--namespace", place.namespace, "rollout", "undo", f"deployment/{place.name}", f"--to-revision={number}"]
        return [*place.kubectl, *where]
    return [word.replace("{release}", wanted) for word in place.rollback]


def _link(place: Where, state: t.Mapping[str, str], release: t.Mapping[str, t.Any], wanted: str) -> list[str]:
    text, root = str(state.get("text", "")), str(state.get("root", ""))
    directory = str(release.get("name") or wanted) if place.method == GIT else wanted
    absolute = posixpath.join(root, directory)
    # A link that was relative stays so: what it is mounted as elsewhere may be another path.
    beside = text and not text.startswith("/") and not directory.startswith("/") and posixpath.dirname(str(state.get("target", ""))) == root
    new = posixpath.join(posixpath.dirname(text), directory) if beside else absolute
    script, words = _SWITCH_LINK, [place.path, text, new, absolute]
    if place.method == GIT:
        mark = posixpath.join(posixpath.dirname(absolute), f".{posixpath.basename(absolute)}.building")
        # The positional words are shifted away by a build, so it runs in a shell of its own.
        script = f"({_BUILD}\n) || exit 1\n{script}"
        words += [place.repository, mark, wanted, *place.build]
    return ["/bin/sh", "-c", script, "sh", *words]


def _image(place: Where, state: t.Mapping[str, str], wanted: str, *, timeout: str) -> list[str]:
    seconds = str(math.ceil(0.8 * parse_duration(timeout, name="timeout")))
    # What was scaled stays so: `up` would go back to what the file says.
    scaled = ["--scale", f"{place.service}={state.get('count', '1')}"]
    # Compose 1 has no such options, and pulls only what is not there.
    waits = [] if state.get("compose", "").startswith("1.") else ["--pull", "never", "--wait", "--wait-timeout", seconds]
    up = compose_argv(place.command, directory=place.directory, files=place.files, words=[
        "up", "--detach", "--no-deps", *waits, *scaled, place.service,
    ])
    if place.variable:
        setting = str(state.get("setting", ""))
        return ["/bin/sh", "-c", _IN_ENV_FILE, "sh", str(state.get("env_file", "")), place.variable, setting, wanted, *up]
    content = json.dumps({"services": {place.service: {"image": wanted}}})
    return ["/bin/sh", "-c", _IN_OVERRIDE, "sh", place.override, str(state.get("setting", "")).rstrip("\n"), content, *up]
