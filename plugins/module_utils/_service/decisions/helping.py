# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an application is restarted for a database, or its pool raised, and why.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ..._core.words import number

#: What puts a raised size of a pool back.
RESTORE_POOL = "restore_pool"


def help_plan(
    requests: t.Iterable[t.Mapping[str, t.Any]], *, services: t.Sequence[t.Mapping[str, t.Any]], restart: str, pool_size: t.Any,
    pool_raised: bool,
) -> dict[str, t.Any]:
    """What is done for an application: `raises_pool`, `restarts`, whether any of it (`acts`), the `reason` of a restart and the `names`.

    Args:
        requests: what other hosts of the run asked for. With no connection slot left only the application can free one.
        services: those of the host, as entries of its list. Of several those are meant that say which pool they have: nobody else holds
            connections, as far as anybody has said.
        restart: `auto` restarts when it was asked for, `always` anyway, `never` only for a pool that was raised.
        pool_size: connections that its pool is to have; 0 leaves the pool alone.
        pool_raised: whether its pool was raised in this run, which takes effect with a restart.
    """
    asked = [one for one in requests if one.get("verb") == "restart_service"]
    names = [str(one["name"]) for one in services if len(services) == 1 or one.get("pool")]
    restarts = bool(names) and (pool_raised or restart == "always" or (restart == "auto" and bool(asked)))
    raises = number(pool_size) > 0
    if asked and asked[0]["reason"]:
        reason = str(asked[0]["reason"])
    elif pool_raised:
        reason = "The size of its connection pool was raised."
    else:
        reason = "Its restart was asked for (service_restart=always)."
    return {"raises_pool": raises, "restarts": restarts, "acts": raises or restarts, "reason": reason, "names": names}


def pool_share(size: t.Any, *, instances: t.Any) -> int:
    """How many connections the pools of a host want together: one in each of its instances."""
    return number(size) * number(instances)


def pool_request(
    size: t.Any, *, total: int, capacities: t.Iterable[t.Any], limit: t.Any, write: t.Sequence[str], key: str, file: str,
) -> dict[str, t.Any]:
    """How a pool is raised: `setting`, `module` with `args`, and why it must not be (`forbidden`).

    All pools of the run together must fit into what the servers give. A server whose limit is not known gives nothing.

    Args:
        size: connections that the pool is to have.
        total: what all pools of the run want.
        capacities: how many connections each server gives to applications.
        limit: the operator's word on that, which goes before; empty where there is none. null gives nothing.
        write: the command that sets it, with `{size}` for the size; empty sets a line KEY=SIZE of a file.
        key: the key in the file.
        file: path of the file.
    """
    room = min((number(one) for one in capacities), default=0) if limit == "" else number(limit)
    forbidden = [f"all pools together want {total} connections, the server gives {room}"] if total > room else []
    if write:
        call = {
            "module": "ansible.builtin.command", "args": {"argv": [str(word).replace("{size}", str(size)) for word in write]},
        }
    else:
        call = {"module": "ansible.builtin.lineinfile", "args": {"path": file, "regexp": f"^{re.escape(key)}=", "line": f"{key}={size}"}}
    return {"setting": key or " ".join(str(word) for word in write), "forbidden": forbidden, **call}


def pool_reads(reads: t.Sequence[str], *, key: str, file: str) -> list[str]:
    """The command that prints the size of a pool as it is set: the caller's own, or one that prints a line KEY=SIZE of a file."""
    return [str(word) for word in reads] or ["sed", "-n", f"s/^{_literal(key)}=//p", file]


def pool_before(said: t.Mapping[str, t.Any], *, reads: t.Sequence[str]) -> dict[str, t.Any]:
    """What a look at the size of a pool tells: whether it is `known`, and the `size`, null where the file has no such line.

    Args:
        said: what the command of pool_reads() returned.
        reads: the caller's own command. Where there is none, a file was read: then no output means that it has no such line, and the whole
            value must be the number. An expression such as ${DB2_POOL} has one in it, and another size.
    """
    text = str(said.get("stdout") or "")
    if said.get("failed") or said.get("unreachable") or said.get("rc") != 0:
        return {"known": False, "size": None}
    found = _plain(text) if reads else _whole(text)
    return {"known": found is not None or (not reads and not text.strip()), "size": found}


def pool_is(said: t.Mapping[str, t.Any], *, size: t.Any, reads: t.Sequence[str], known: bool = True) -> bool:
    """Whether a look at the size of a pool tells this.

    Args:
        size: null where nothing is set.
        known: false for a look that does not tell the size, as that one before did not.
    """
    return pool_before(said, reads=reads) == {"known": known, "size": None if size is None else number(size)}


def pool_is_small(said: t.Mapping[str, t.Any], *, size: t.Any, reads: t.Sequence[str]) -> bool:
    """Whether a look does not tell that the pool has this size or a larger one. What is not a plain number, or cannot be read, does not."""
    return (pool_before(said, reads=reads)["size"] or 0) < number(size)


def pool_put_back(results: t.Iterable[t.Mapping[str, t.Any]]) -> bool:
    """Whether any of these results of act put a size back, and did not only remove a unit."""
    return any(action["touched"] and "only_unit" not in action["detail"] for one in results for action in one.get("actions") or ())


def pool_temporary(
    size: t.Any, *, before: t.Mapping[str, t.Any], request: t.Mapping[str, t.Any], back: t.Mapping[str, t.Any], expires: str,
) -> dict[str, t.Any]:
    """How the raised size of a pool ends, for the option `temporary` of act, and why it must not be raised (`forbidden`).

    Args:
        size: connections that the pool is to have.
        before: of pool_before().
        request: of pool_request().
        back: of pool_back().
        expires: after how long it is put back; empty for nobody.
    """
    old, forbidden = before["size"], list(request["forbidden"])
    subject = {"setting": str(back["setting"]), "file": str(back["file"])}
    if not before["known"] or not back["argv"]:
        # A number that was never there must not be written by anybody.
        said = "not set" if before["known"] else "not a plain number, or could not be read"
        against = [f"the size from before is {said}, and nothing could put that back after {expires}"] if expires else []
        return {"way_back": f"What {request['setting']} was before must be set by hand: it is {said}", "expires": "",
                "command": [], "undo": {}, "forbidden": forbidden + against}
    said, number_said = (f"is set to {old} again", str(old)) if old is not None else ("is taken out again", "not set")
    return {
        "way_back": f"{request['setting']} {said}; the application takes it at its next start",
        "expires": expires, "command": list(back["argv"]) if expires else [], "forbidden": forbidden,
        "undo": {"verb": RESTORE_POOL, **subject, "before": old, "goes_back_to": number_said, "set": number(size)},
    }


def pool_back(
    before: t.Optional[t.Any], *, size: t.Any, reads: t.Sequence[str], write: t.Sequence[str], key: str, file: str,
) -> dict[str, t.Any]:
    """The command that puts the size of a pool back, only where it still is ours (`argv`), and what it is about: `setting`, `file`, `lock`.

    It ends with 0 where the old size is there afterwards, or somebody has set another one since. Where the size cannot be read, or is no
    plain number, it fails: what cannot be seen is not somebody else's.

    Args:
        before: the size from before; null where there was no line in the file. A command can take nothing out: then there is no `argv`.
        size: ours.
        reads: the command that prints the size as it is set.
        write: the command that sets it, with `{size}` for the size; empty sets a line KEY=SIZE of a file.
        key: the key in the file.
        file: path of the file.
    """
    old, ours = None if before is None else number(before), number(size)
    if write:
        setting = key or " ".join(str(word) for word in write)
        if old is None:
            return {"setting": setting, "file": "", "lock": f"pool {setting}", "argv": []}
        reading = shlex.join(str(word) for word in reads)
        writing = shlex.join(str(word).replace("{size}", str(old)) for word in write)
        of_file = list(reads) == pool_reads([], key=key, file=file)
        script = _BY_COMMAND.format(
            reads=reading, ours=ours, writes=writing, old=old, other="*-[0-9]*" + (_NOT_A_VALUE if of_file else ""))
        return {"setting": setting, "file": "", "lock": f"pool {setting}", "argv": ["/bin/sh", "-c", script]}
    name = _literal(key)
    edit = f"s/^{name}={ours}$/{name}={old}/" if old is not None else f"/^{name}={ours}$/d"
    script = _IN_FILE.format(
        file=shlex.quote(file), reads=shlex.quote(f"s/^{name}=//p"), ours=ours, edit=shlex.quote(edit), old="" if old is None else old,
    )
    return {"setting": key, "file": file, "lock": f"pool {key} of {file}", "argv": ["/bin/sh", "-c", script]}


def _literal(key: str) -> str:
    """A text as a basic regular expression of sed means it."""
    return re.sub(r"([].*[^$/\\])", r"\\\1", key)


#: What is in no value of a file that is a number: as a pattern of the shell.
_NOT_A_VALUE = r"""|*[!0-9\"\'[:space:]]*"""
_WHOLE = re.compile(r"""\s*(?P<quote>["']?)(?P<size>[0-9]+)(?P=quote)\s*""")
_BY_COMMAND = """size() {{
said=$({reads}) || {{ echo 'the size cannot be read' >&2; return 1; }}
case $said in {other}) set -- ;; *) set -- $(printf %s "$said" | tr -cs 0-9 ' ') ;; esac
[ $# -eq 1 ] || {{ echo "the size is not a plain number: $said" >&2; return 1; }}
echo "$1" | sed 's/^0*\\(.\\)/\\1/'
}}
now=$(size) || exit 1
[ "$now" = {ours} ] || exit 0
{writes} || exit 1
for pause in 1 2 4 8; do now=$(size) && [ "$now" = {old} ] && exit 0; sleep $pause; done
echo "the size is $now after it was set to {old}" >&2
exit 1"""
# sed -i gives a symbolic link a file of its own in its place, so the file itself is named.
_IN_FILE = """file=$(readlink -f -- {file}) && [ -f "$file" ] || {{ echo {file} is not there >&2; exit 1; }}
now=$(sed -n {reads} "$file") || exit 1
[ "$now" = {ours} ] || case $now in *'
'*) echo {file} has several such lines >&2; exit 1 ;; *) exit 0 ;; esac
sed -i -e {edit} "$file" || exit 1
[ "$(sed -n {reads} "$file")" = "{old}" ]"""


def _whole(text: str) -> t.Optional[int]:
    """The number that a value of a file is, in quotes or without."""
    found = _WHOLE.fullmatch(text)
    return int(found.group("size")) if found else None


def _plain(text: str) -> t.Optional[int]:
    """The one number in a text."""
    found = re.findall(r"[0-9]+", text)
    return int(found[0]) if len(found) == 1 and not re.search(r"-[0-9]", text) else None
