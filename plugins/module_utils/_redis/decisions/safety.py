# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restart of a Redis server would lose, and which primary a replica may be given.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

OK = "ok"


@dataclasses.dataclass(frozen=True)
class RestartView:
    """What was seen of a server. None: it cannot be seen, and then counts as there.

    Attributes:
        role: master or slave, as INFO says it.
        link_up: whether a replica has its primary.
        changes: since the last save to disk.
        save_ok: whether the last background save worked.
        saves: whether save points are set (CONFIG save).
        aof: whether the append-only file is on.
        aof_ok: whether its last write worked.
        replicas: how many are attached.
        keys: how many keys it has.
        saved: whether what it holds now is what it saved or loaded, so that its file has it.
        no_cache: why its keys are not shown to be a cache, which may be lost; None where nobody looked, empty when they are.
        hidden: whether that is because they could not be looked at.
        clients: how many are connected, we among them.
        used: bytes of memory that its data take.
    """

    role: t.Optional[str] = None
    link_up: t.Optional[bool] = None
    changes: t.Optional[int] = None
    save_ok: t.Optional[bool] = None
    saves: t.Optional[bool] = None
    aof: t.Optional[bool] = None
    aof_ok: t.Optional[bool] = None
    replicas: t.Optional[int] = None
    keys: t.Optional[int] = None
    saved: t.Optional[bool] = None
    no_cache: t.Optional[tuple[str, ...]] = None
    hidden: bool = False
    clients: t.Optional[int] = None
    used: t.Optional[int] = None

    def as_dict(self) -> dict[str, t.Any]:
        """For results."""
        return dataclasses.asdict(self)

    @property
    def only_in_memory(self) -> bool:
        """Whether it has keys that, as far as can be seen, nothing on disk has and no save will write."""
        copied = self.role == "slave" and self.link_up
        return self.keys != 0 and not (self.aof or self.saves or self.saved or copied)


#: In what is against a repair: it could not be ruled out.
NOT_SEEN = "cannot be seen"
#: Nobody answered.
UNSEEN = RestartView()


def view_from(info: t.Mapping[str, str], *, save: t.Optional[str]) -> RestartView:
    """The view that INFO's fields (persistence, replication, keyspace) and the setting `save` give.

    Args:
        info: by field name.
        save: the setting; None when it may not be read.
    """
    def number(name: str) -> t.Optional[int]:
        try:
            return int(info.get(name, ""))
        except ValueError:
            return None

    def is_ok(name: str) -> t.Optional[bool]:
        return info[name] == OK if name in info else None

    aof, keys = number("aof_enabled"), _keys(info) if "role" in info else None
    # Whoever was a replica has loaded what its primary sent, which may be in no file.
    # rdb_saves counts those that were begun.
    written = (number("rdb_saves") or 0) > 0 and info.get("rdb_bgsave_in_progress") == "0" and is_ok("rdb_last_bgsave_status") is True
    loaded = (number("rdb_last_load_keys_loaded") or 0) >= (keys or 0) and number("second_repl_offset") == -1
    return RestartView(
        role=info.get("role"),
        link_up=info["master_link_status"] == "up" if "master_link_status" in info else None,
        changes=number("rdb_changes_since_last_save"),
        save_ok=is_ok("rdb_last_bgsave_status"),
        saves=None if save is None else bool(save.strip().strip('"')),
        aof=None if aof is None else bool(aof),
        aof_ok=is_ok("aof_last_write_status"),
        replicas=number("connected_slaves"),
        keys=keys,
        saved=None if keys is None else number("rdb_changes_since_last_save") == 0 and (written or loaded),
        clients=number("connected_clients"), used=number("used_memory"),
    )


class Obstacle(t.NamedTuple):
    """Why the server must not be restarted now.

    Attributes:
        text: in a sentence.
        seen: whether it was seen, and not only could not be ruled out.
    """

    text: str
    seen: bool = True


def restart_obstacles(seen: RestartView, *, accept_data_loss: bool = False) -> list[Obstacle]:
    """Why the server must not be restarted now; empty when nothing would be lost that is not lost already.

    - Changes that are only in memory, while saving to disk fails: the restart would lose them.
    - Keys that nothing saves and that are not shown to be a cache.
    - No persistence and replicas attached: it would come back empty, and they would copy that.

    What cannot be seen counts as there. A replica with a working link has everything from its primary again.
    """
    if accept_data_loss:
        return []
    if seen == UNSEEN:
        return [Obstacle("the server does not answer us, so what only its memory holds cannot be seen", seen=False)]
    against = []
    if not (seen.role == "slave" and seen.link_up):
        against += _unsaved(seen)
    against += _memory_only(seen)
    against += _wiped(seen)
    return against


def restart_cost(seen: RestartView) -> str:
    """What a restart costs, whether or not that is accepted: what is lost, who is cut off, who copies again. Empty where nothing is seen.

    A server that saves at all saves once more when it is told to end, so that changes are lost only where saving fails.
    """
    told = []
    copied = seen.role == "slave" and seen.link_up
    if seen.keys and seen.only_in_memory:
        sure = "are lost, since nothing saves them" if seen.saves is False and seen.aof is False else "may be lost"
        told.append(f"{seen.keys} keys {sure}")
    elif seen.changes and not copied and _unsaved(seen):
        told.append(f"{seen.changes} changes since the last save are lost")
    others = (seen.clients or 0) - 1
    if others > 0:
        told.append(f"{others} other client{' is' if others == 1 else 's are'} cut off")
    if seen.replicas:
        size = f" of {seen.used} bytes" if seen.used else ""
        emptied = any(one.seen for one in _wiped(seen))
        one = seen.replicas == 1
        told.append(f"{seen.replicas} replica{'' if one else 's'} " + (
            f"{'is' if one else 'are'} emptied too" if emptied else f"may need a full copy{size}"))
    return ", ".join(told)


def _unsaved(seen: RestartView) -> list[Obstacle]:
    if seen.aof and seen.aof_ok:
        return []  # every change is in the append-only file
    if seen.changes == 0:
        return []
    if seen.changes is None:
        return [Obstacle("whether changes are unsaved cannot be seen", seen=False)]
    if seen.save_ok is None:
        return [Obstacle("whether the last save worked cannot be seen", seen=False)]
    if not seen.save_ok:
        return [Obstacle(f"{seen.changes} changes are unsaved and the last save failed")]
    if seen.aof and not seen.aof_ok and not seen.saves:
        return [Obstacle(f"{seen.changes} changes are in no save, and the append-only file cannot be written")]
    return []


def _memory_only(seen: RestartView) -> list[Obstacle]:
    if not seen.only_in_memory or seen.no_cache == ():
        return []
    keys = "its keys" if seen.keys is None else f"{seen.keys} keys"
    why = "; ".join(seen.no_cache or ("nobody looked",))
    if seen.saves is None or seen.aof is None or seen.keys is None:
        return [Obstacle(f"whether {keys} are kept on disk cannot be seen, and they are not shown to be a cache: {why}", seen=False)]
    return [Obstacle(f"nothing saves {keys} to disk, and they are not shown to be a cache: {why}", seen=not seen.hidden)]


def _wiped(seen: RestartView) -> list[Obstacle]:
    if seen.replicas is None:
        return [Obstacle("whether replicas are attached cannot be seen", seen=False)]
    if seen.replicas == 0 or seen.aof:
        return []
    if seen.aof is None or seen.saves is None:
        return [Obstacle("replicas are attached, and whether the server keeps anything on disk cannot be seen", seen=False)]
    if not seen.saves:
        return [Obstacle(f"persistence is off and {seen.replicas} replicas are attached, which would copy the empty server")]
    return []


@dataclasses.dataclass(frozen=True)
class Replication:
    """INFO replication of a server, and who watches it.

    Attributes:
        server: its run id.
        role: master or slave.
        link_up: whether a replica has its primary.
        primary: host:port of its primary, for a replica.
        replid, replid2: ids of the histories it has, hex.
        offset: how far in the first it is.
        second_offset: up to where the second is the same, -1 for none.
        keys: how many keys it has.
        cluster, sentinel: whether it is part of a cluster or watched by Sentinel; None when that cannot be seen.
    """

    server: str
    role: str
    link_up: bool = False
    primary: str = ""
    replid: str = ""
    replid2: str = ""
    offset: int = 0
    second_offset: int = -1
    keys: t.Optional[int] = None
    cluster: t.Optional[bool] = None
    sentinel: t.Optional[bool] = None

    def as_dict(self) -> dict[str, t.Any]:
        """For results."""
        return dataclasses.asdict(self)


def repoint_obstacles(replica: Replication, primary: Replication) -> list[str]:
    """Why the replica must not be given this primary; empty when it may.

    A replica that gets another primary throws its data away unless that primary continues the history that it has. See
    https://redis.io/docs/latest/operate/oss_and_stack/management/replication/ (replication ID and offset).
    """
    against = []
    if replica.role != "slave":
        against.append("it is not a replica, and a primary is never made one")
    elif replica.link_up:
        against.append(f"it has its primary {replica.primary}")
    if primary.role != "master":
        against.append("the named server is a replica itself")
    if primary.server == replica.server:
        against.append("the named server is itself")
    for who, which in ((replica, "it"), (primary, "the named server")):
        if who.sentinel is None:
            against.append(f"whether Sentinel manages {which} {NOT_SEEN}: allow +client|list and +pubsub|numsub to this user")
        elif who.cluster is None:
            against.append(f"whether Cluster manages {which} {NOT_SEEN}: INFO does not say it")
        elif who.cluster or who.sentinel:
            against.append(f"{'Cluster' if who.cluster else 'Sentinel'} manages {which}, and chooses primaries by itself")
    return against or _other_history(replica, primary)


def _other_history(replica: Replication, primary: Replication) -> list[str]:
    if replica.keys == 0:
        return []  # it has nothing that could be lost
    if replica.replid and replica.replid == primary.replid:
        if replica.offset <= primary.offset:
            return []
        return [f"it is further ({replica.offset}) than the named server ({primary.offset}): what that lacks would be lost"]
    if replica.replid and replica.replid == primary.replid2:
        if replica.offset <= primary.second_offset:
            return []
        return [f"it is further ({replica.offset}) than where the named server took over ({primary.second_offset})"]
    return ["its data are of another history than the named server's, and would be thrown away"]


def _keys(info: t.Mapping[str, str]) -> int:
    total = 0
    for name, value in info.items():
        if name[:2] == "db" and name[2:].isdecimal():
            counts = dict(part.partition("=")[::2] for part in value.split(","))
            total += int(counts["keys"]) if counts.get("keys", "").isdecimal() else 0
    return total


#: Descriptors the server keeps for itself beside clients (CONFIG_MIN_RESERVED_FDS in Redis' server.h).
RESERVED_DESCRIPTORS = 32


def descriptor_obstacle(wanted: int, *, hard_limit: t.Optional[int], privileged: bool) -> str:
    """Why the server's process cannot hold so many clients; empty when it can or when nobody here can tell.

    Args:
        wanted: clients.
        hard_limit: of open files of its process; None when it cannot be seen from here.
        privileged: whether it may raise that by itself.
    """
    if hard_limit is None or privileged or wanted + RESERVED_DESCRIPTORS <= hard_limit:
        return ""
    return (
        f"{wanted} clients need {wanted + RESERVED_DESCRIPTORS} open files, and the server's process may have {hard_limit}: "
        "raise LimitNOFILE of its service, which needs a restart"
    )
