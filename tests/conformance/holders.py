# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds which rights: a case is a module's driver, run by somebody who has exactly the rights that it is given.

The rights are those of plugins/module_utils/_<subject>/rights.py. A right that a case cannot take away is named in `unproven`, with the
reason; nothing else leaves one out.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.oncall.incident.plugins.module_utils._core.rights import ACL, CAPABILITY, ROOT, SQL, Right

from tests.conformance.drivers import access, certificate, host, maintenance, postgresql, redis_servers, release, services
from tests.conformance.kit import Args, Driver, Result
from tests.support import pki
from tests.support.holds import Systemd
from tests.support.need import need
from tests.support.redis_servers import SOURCES, RedisServer, any_binary, cluster, find_binary, start_replica, start_sentinel
from tests.support.run_module import start_module
from tests.support.until import until
from tools.rights_page import EVERYWHERE, NEEDS

Run = Callable[..., Result]
#: A user who owns nothing.
STRANGER = 65533
_TIMER = "root on this host, or a rule of polkit, for the timer of a hold"


class Case(ABC):
    """One module, asked for some of what it answers.

    Attributes:
        driver: makes the real target.
        proves: the checks or verbs that it is run for; empty for all of the module's.
        only: the rights that are taken away; empty for all of them.
        unproven: by grant, why it cannot be taken away here.
    """

    driver: ClassVar[type[Driver]]
    proves: ClassVar[tuple[str, ...]] = ()
    only: ClassVar[tuple[str, ...]] = ()
    unproven: ClassVar[Mapping[str, str]] = {}

    def __init__(self, driver: Any) -> None:
        self.on = driver

    def scene(self) -> AbstractContextManager[Any]:
        """See Driver; with what makes every right count."""
        found: AbstractContextManager[Any] = self.on.scene()
        return found

    def args(self) -> dict[str, Any]:
        """What it is run with beside the driver's arguments."""
        return {}

    def places(self) -> Mapping[str, Sequence[Path]]:
        """Files and directories by grant."""
        return {}

    @abstractmethod
    def holding(self, rights: Sequence[Right]) -> AbstractContextManager[Run]:
        """Give somebody exactly these rights, and run the module as that one."""

    def as_whom(self, rights: Sequence[Right], args: Mapping[str, Any]) -> Run:
        """Run it here, or, where the module needs root and has not got it, as a stranger to this host."""
        if any(right.kind == ROOT for right in rights) or not any(right.kind == ROOT for right in rights_of(type(self))):
            return lambda **more: self.on.run(**{**args, **more})
        given = {**self.on.args(), **args}
        return lambda **more: start_module(self.on.module, user=STRANGER, **{**given, **more}).result()


class OfPostgresql(Case):
    """A role of its own. On this database nobody is let in for nothing."""

    #: What stands in angle brackets in the grants.
    names: ClassVar[Mapping[str, str]] = {
        "<database>": "postgres", "<tables>": postgresql.TABLES[0], "<tables of the probe>": "public.probed",
        "<schema of pg_stat_statements>": "closed",
    }

    @contextmanager
    def holding(self, rights: Sequence[Right]) -> Iterator[Run]:
        server = self.on.server
        server.execute("CREATE ROLE exact LOGIN")
        server.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
        try:
            for right in rights:
                if right.kind == SQL:
                    grant = re.sub("<[^>]+>", lambda found: self.names[found.group()], right.grant)
                    server.execute(f"GRANT {grant} TO exact")
            yield self.as_whom(rights, {"login_user": "exact", **self.args()})
        finally:
            server.execute("GRANT CONNECT ON DATABASE postgres TO PUBLIC")
            server.execute("DROP OWNED BY exact; DROP ROLE exact")


class OfRedis(Case):
    """A user with an access control list of its own."""

    pattern: ClassVar[str] = "*"
    #: See Right.on.
    kind: ClassVar[str] = ""

    @property
    def servers(self) -> list[RedisServer]:
        """Where the user is."""
        return [self.on.server]

    @contextmanager
    def holding(self, rights: Sequence[Right]) -> Iterator[Run]:
        held = [right for right in rights if right.kind == ACL and (not self.kind or right.on == self.kind or right.grant in EVERYWHERE)]
        rules = [right.grant.replace("<pattern>", self.pattern) for right in held]
        for server in self.servers:
            server.execute("ACL", "SETUSER", "exact", "reset", "on", ">exact-password", *rules)
        try:
            yield self.as_whom(rights, {"login_user": "exact", "login_password": "exact-password", **self.args()})
        finally:
            for server in self.servers:
                server.execute("ACL", "DELUSER", "exact")


@contextmanager
def cached(server: Any) -> Iterator[None]:
    """While the server evicts what is used least, as a cache does."""
    server.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    server.execute("CONFIG", "SET", "maxmemory", "100mb")
    try:
        yield
    finally:
        server.execute("CONFIG", "SET", "maxmemory-policy", "noeviction")
        server.execute("CONFIG", "SET", "maxmemory", "0")


class PgHealth(OfPostgresql):
    """All checks."""

    driver = postgresql.PgHealth

    @contextmanager
    def scene(self) -> Iterator[None]:
        server = self.on.server
        server.execute("CREATE TABLE public.probed (id int)")
        server.execute("CREATE SCHEMA closed; ALTER EXTENSION pg_stat_statements SET SCHEMA closed")
        try:
            with self.on.scene():
                yield
        finally:
            server.execute("ALTER EXTENSION pg_stat_statements SET SCHEMA public; DROP SCHEMA closed")
            server.execute("DROP TABLE public.probed")

    def args(self) -> dict[str, Any]:
        from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health import CHECKS

        return {"asked": list(CHECKS), "probe_query": "SELECT pg_catalog.count(*) >= 0 FROM public.probed"}


class PgRestartCheck(OfPostgresql):
    """Whether anybody depends on it."""

    driver = postgresql.PgRestartCheck

    def args(self) -> dict[str, Any]:
        # A stranger may not enter the directory of the socket.
        return {"login_unix_socket": "", "login_host": "127.0.0.1"}


class PgTerminate(OfPostgresql):
    """End sessions."""

    driver = postgresql.PgTerminateLongQueries
    proves = ("terminate",)


class PgMaintain(OfPostgresql):
    """Analyze tables."""

    driver = postgresql.PgMaintain
    proves = ("analyze",)

    def args(self) -> dict[str, Any]:
        return {"objects": [{"operation": "analyze", "name": postgresql.TABLES[0]}]}


class RedisHealth(OfRedis):
    """All checks of a server with keys in another database."""

    driver = redis_servers.RedisHealth
    unproven: ClassVar = {
        **dict.fromkeys(("+cluster|info", "+cluster|nodes"), "the server is of no cluster; the case of a node takes it away"),
        "+pfcount": "the server tells of a pause; the case of one that does not takes it away",
    }

    @contextmanager
    def scene(self) -> Iterator[None]:
        server = self.on.server
        server.execute("CONFIG", "SET", "latency-monitor-threshold", "100")
        server.execute("SET", "page:1", "x", "EX", 600, db=3)
        try:
            with self.on.scene():
                yield
        finally:
            server.execute("FLUSHALL")
            server.execute("CONFIG", "SET", "latency-monitor-threshold", "0")

    def args(self) -> dict[str, Any]:
        from ansible_collections.oncall.incident.plugins.module_utils._redis.health import CHECKS

        return {"asked": list(CHECKS), "sample_seconds": "200ms", "pings": 1}


class _Node(redis_servers.RedisHealth):
    @classmethod
    @contextmanager
    def stage(cls) -> Iterator[RedisServer]:
        need(any_binary(), SOURCES["valkey"])
        with cluster(nodes=1) as (server,):
            yield server


class RedisHealthOfNode(OfRedis):
    """The checks of a cluster."""

    driver = _Node
    only = ("+cluster|info", "+cluster|nodes")

    def args(self) -> dict[str, Any]:
        return {"asked": ["availability", "writes", "cluster"], "sample_seconds": "200ms", "pings": 1}


class _Untold(redis_servers.RedisHealth):
    @classmethod
    @contextmanager
    def stage(cls) -> Iterator[RedisServer]:
        found = find_binary("redis")
        need(found, SOURCES["redis"])
        with RedisServer.start(found) as server:
            need("paused_actions" not in server.execute("INFO", "clients"), "a server that does not tell of a pause of writes")
            yield server


class RedisHealthUntold(OfRedis):
    """Writes of a server that does not tell whether it holds them back."""

    driver = _Untold
    only = ("+pfcount",)

    def args(self) -> dict[str, Any]:
        return {"asked": ["availability", "writes"], "sample_seconds": "200ms", "pings": 1}


class _Sentinel(redis_servers.RedisHealth):
    @classmethod
    @contextmanager
    def stage(cls) -> Iterator[RedisServer]:
        need(any_binary(), SOURCES["valkey"])
        with RedisServer.start() as primary, start_sentinel(primary, quorum=1) as sentinel:
            # What it needs there is taken away by other cases.
            primary.execute("ACL", "SETUSER", "exact", "reset", "on", ">exact-password", "allkeys", "allcommands")
            until(lambda: sentinel.execute("SENTINEL", "CKQUORUM", "mymaster"), what="the sentinel to know its quorum")
            yield sentinel


class RedisHealthOfSentinel(OfRedis):
    """What a Sentinel says of the server that it watches."""

    driver = _Sentinel
    kind = "a Sentinel"
    only = ("+sentinel|masters", "+sentinel|replicas", "+sentinel|sentinels", "+sentinel|ckquorum")

    def args(self) -> dict[str, Any]:
        return {"asked": ["sentinel", "nodes"], "sample_seconds": "200ms", "pings": 1}


class _Replicated(redis_servers.RedisProbe):
    @classmethod
    @contextmanager
    def stage(cls) -> Iterator[RedisServer]:
        need(any_binary(), SOURCES["valkey"])
        with RedisServer.start() as server, start_replica(server):
            yield server


class RedisProbeReplicated(OfRedis):
    """Write a key that a replica gets too."""

    driver = _Replicated
    only = ("+wait",)


class RedisProbe(OfRedis):
    """Write, read and delete a key."""

    driver = redis_servers.RedisProbe
    unproven: ClassVar = {"+wait": "no replica is attached to this server; the case of a replicated one takes it away"}


class RedisRestartOfCache(OfRedis):
    """What a restart would lose of a cache in another database."""

    driver = redis_servers.RedisRestartCheck
    unproven: ClassVar = {"+config|get": "a cache may be lost, whether or not it is saved; the case of saved keys needs it"}

    @contextmanager
    def scene(self) -> Iterator[None]:
        server = self.on.server
        with cached(server), self.on.scene():
            for number in range(20):
                server.execute("SET", f"page:{number}", "x", "EX", 600, db=3)
            try:
                yield
            finally:
                server.execute("FLUSHALL")


class RedisRestartOfSaved(OfRedis):
    """What a restart would lose of keys that the server saves."""

    driver = redis_servers.RedisRestartCheck
    unproven: ClassVar = dict.fromkeys(
        ("+select", "+randomkey", "+pttl", "+scan", "+type", "~*"), "what is saved need not be a cache; the case of a cache needs it",
    )

    @contextmanager
    def scene(self) -> Iterator[None]:
        server = self.on.server
        server.execute("CONFIG", "SET", "save", "3600 1000")
        with self.on.scene():
            server.execute("SET", "order:1", "x")
            try:
                yield
            finally:
                server.execute("FLUSHALL")
                server.execute("CONFIG", "SET", "save", "")


class RedisClientKill(OfRedis):
    """End idle clients."""

    driver = redis_servers.RedisClientKill


class RedisCacheClear(OfRedis):
    """Clear a pattern."""

    driver = redis_servers.RedisCacheClear
    proves = ("clear_pattern",)
    pattern = "page:*"
    unproven: ClassVar = {"+select": "the keys are in database 0"}


class RedisCacheFlush(OfRedis):
    """Clear a database."""

    driver = redis_servers.RedisCacheClear
    proves = ("flush_database",)
    unproven: ClassVar = {"+select": "the keys are in database 0"}

    @contextmanager
    def scene(self) -> Iterator[None]:
        with cached(self.on.server), self.on.scene():
            yield

    def args(self) -> dict[str, Any]:
        return {"pattern": None, "flush": True, "expected_keys": 5}


class _Unsaved(redis_servers.RedisRepair):
    """A server whose save failed: a directory has the file's place."""

    @contextmanager
    def scene(self) -> Iterator[None]:
        place = self.server.data / "dump.rdb"
        place.unlink(missing_ok=True)
        place.mkdir()
        # The server tries again by itself, and on a busy machine its save is there before ours.
        (_name, saves) = self.server.execute("CONFIG", "GET", "save").popitem()
        self.server.execute("CONFIG", "SET", "save", "")
        try:
            self.server.execute("BGSAVE")
            until(lambda: self.server.execute("INFO", "persistence")["rdb_last_bgsave_status"] == "err", what="a save to fail")
            place.rmdir()
            yield
        finally:
            self.server.execute("CONFIG", "SET", "save", saves)

    def args(self) -> Args:
        return {**self.server.args(), "operation": "save"}


class RedisSave(OfRedis):
    """Save again."""

    driver = _Unsaved
    proves = ("save",)
    only = ("+time", "+bgsave")


class _Orphan(redis_servers.RedisRepair):
    """A replica whose primary is gone, and the one that took over."""

    @classmethod
    @contextmanager
    def stage(cls) -> Iterator[tuple[RedisServer, RedisServer]]:
        need(any_binary(), SOURCES["valkey"])
        with RedisServer.start() as primary, start_replica(primary) as replica, start_replica(primary) as heir:
            primary.stop()
            heir.execute("REPLICAOF", "NO", "ONE")
            until(lambda: replica.execute("INFO", "replication")["master_link_status"] == "down", what="the link to be down")
            yield replica, heir

    def __init__(self, stage: tuple[RedisServer, RedisServer]) -> None:
        super().__init__(stage[0])
        self.heir = stage[1]

    @contextmanager
    def scene(self) -> Iterator[None]:
        before = self.server.execute("INFO", "replication")
        try:
            yield
        finally:
            self.server.execute("REPLICAOF", before["master_host"], before["master_port"])

    def args(self) -> Args:
        return {**self.server.args(), "operation": "repoint_replica", "primary_host": "127.0.0.1", "primary_port": self.heir.port}


class RedisRepoint(OfRedis):
    """Give a replica another primary. Its user is one of both servers."""

    driver = _Orphan
    proves = ("repoint_replica",)

    @property
    def servers(self) -> list[RedisServer]:
        return [self.on.server, self.on.heir]


class RedisRaise(OfRedis):
    """Let more clients in."""

    driver = redis_servers.RedisRepair
    proves = ("raise_maxclients",)


class RedisRestore(OfRedis):
    """Let as many clients in as before."""

    driver = redis_servers.RedisRestore
    proves = ("restore_maxclients",)


class OfUser(Case):
    """A plain user of this host: files and sockets are his or root's, and capabilities are his or nobody's."""

    @property
    def prefix(self) -> list[str]:
        """What runs a program where the target is."""
        return []

    def known(self) -> dict[str, Any]:
        """Arguments that the driver adds by itself."""
        return {}

    def environ(self) -> Mapping[str, str] | None:
        """More of the environment."""
        return None

    @contextmanager
    def holding(self, rights: Sequence[Right]) -> Iterator[Run]:
        places, held = self.places(), [right.grant for right in rights]
        for grant, paths in places.items():
            for path in paths:
                os.chown(path, STRANGER if grant in held else 0, STRANGER if grant in held else 0)
                os.chmod(path, 0o700 if path.is_dir() else 0o600)
        capabilities = [right.grant for right in rights if right.kind == CAPABILITY]
        given = {**self.known(), **self.on.args(), **self.args()}

        def run(*, check: bool = False, **more: Any) -> Result:
            return start_module(
                self.on.module, check=check, prefix=self.prefix, env=self.environ(), user=STRANGER, capabilities=capabilities,
                **{**given, **more},
            ).result()

        yield run


class CertExpiry(OfUser):
    """Certificates in a file."""

    driver = certificate.CertExpiry
    proves = ("unreadable",)

    @contextmanager
    def scene(self) -> Iterator[None]:
        with self.on.scene():
            self.file = Path(self.on.nobody).parent / "fullchain.pem"
            self.file.write_bytes(pki.to_pem(*self.on.issuer.issue("www.example.org").chain))
            open_to_all(self.file.parent)
            yield

    def args(self) -> dict[str, Any]:
        return {"endpoints": [], "ca_path": None, "files": [str(self.file)]}

    def places(self) -> Mapping[str, Sequence[Path]]:
        return {"<certificate>: read": [self.file]}


class CertRenew(OfUser):
    """Put new certificates in the place of old ones."""

    driver = certificate.CertRenew
    proves = ("renew_certificate",)

    @contextmanager
    def scene(self) -> Iterator[None]:
        with self.on.scene():
            open_to_all(self.on.place)
            for path in [self.on.place, *self.on.place.rglob("*")]:
                os.chmod(path, 0o755 if path.is_dir() else 0o644)
            (self.on.place / "backups").mkdir()
            yield

    def places(self) -> Mapping[str, Sequence[Path]]:
        live = self.on.place / "live"
        return {
            "<certificate>: read and write": sorted(live.rglob("fullchain.pem")),
            "<key>: read and write": sorted(live.rglob("privkey.pem")),
            "<backup_dir>: read and write": [self.on.place / "backups"],
        }


class DiskHealth(OfUser):
    """A file system below a directory that others may not enter."""

    driver = host.DiskHealth

    def places(self) -> Mapping[str, Sequence[Path]]:
        return {"<directories above the path>: search": [self.on.place.parent]}


class DiskSurvey(OfUser):
    """Files that are deleted and still open, and growth since two hours."""

    driver = host.DiskSurvey
    unproven: ClassVar = {
        "<directories above the path>: search": "the capabilities of another check allow it too; the case of disk_health takes it away",
    }

    @property
    def samples(self) -> Path:
        path: Path = self.on.place.parent / "samples.json"
        return path

    def args(self) -> dict[str, Any]:
        from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.disk import CHECKS

        return {"asked": list(CHECKS), "sample": "100ms", "samples": str(self.samples)}

    def places(self) -> Mapping[str, Sequence[Path]]:
        return {"<file of `samples`, and its directory>: write": [self.samples]}

    @contextmanager
    def scene(self) -> Iterator[None]:
        with self.on.scene():
            open_to_all(self.on.place.parent)
            usage = os.statvfs(self.on.place)
            sample = [time.time() - 7200, usage.f_blocks * usage.f_frsize, usage.f_bavail * usage.f_frsize]
            self.samples.write_text(json.dumps({str(self.on.place): [sample]}))
            yield


class ServiceHealth(OfUser):
    """Containers of an engine whose socket is root's."""

    driver = services.ServiceHealth
    unproven: ClassVar = {
        "root on the service's host, or the user whose daemon of pm2 it is":
            "this service is a container; tests/integration/service/test_pm2.py takes it away from a service of pm2",
    }

    def places(self) -> Mapping[str, Sequence[Path]]:
        return {"/var/run/docker.sock: read and write": [self.on.engine.place / "docker.sock"]}


class DiskClean(OfUser):
    """Remove files."""

    driver = host.DiskClean
    proves = ("remove_file",)

    def places(self) -> Mapping[str, Sequence[Path]]:
        return {"<directories of the rules, and files that are emptied>: write": [self.on.place]}


class ReleaseHealth(OfUser):
    """A link, and the directory of the releases."""

    driver = release.ReleaseHealth

    def places(self) -> Mapping[str, Sequence[Path]]:
        return {"<directory of the releases>: read": [self.on.releases]}


class ConfigHealth(OfUser):
    """Listed files."""

    driver = release.ConfigHealth

    def places(self) -> Mapping[str, Sequence[Path]]:
        return {"<listed files, and the archive>: read": self.on.config.files}


class ConfigRestore(OfUser):
    """Put files back."""

    driver = release.ConfigRestore

    def scene(self) -> AbstractContextManager[Any]:
        return self._of_stranger()

    @contextmanager
    def _of_stranger(self) -> Iterator[None]:
        with self.on.scene():
            kept = self.on.config.place / "kept"
            kept.mkdir()
            for path in (kept, *self.on.config.files):
                os.chown(path, STRANGER, STRANGER)
            yield

    def places(self) -> Mapping[str, Sequence[Path]]:
        return {"<directories of the listed files>: write": [self.on.config.etc]}


class FailedLogins(OfUser):
    """A log."""

    driver = access.FailedLogins
    unproven: ClassVar = {
        "the system's journal: read": "the kit does not read the journal of this machine: "
                                      "tests/integration/fail2ban/test_looking.py::test_failed_logins_from_the_journal",
    }

    @contextmanager
    def scene(self) -> Iterator[None]:
        with self.on.scene():
            open_to_all(self.on.log.parent)
            yield

    def places(self) -> Mapping[str, Sequence[Path]]:
        return {"<log>: read": [self.on.log]}


class MaintenanceHealth(OfUser):
    """A flag in a directory that others may not enter."""

    driver = maintenance.MaintenanceHealth

    @contextmanager
    def scene(self) -> Iterator[None]:
        with self.on.scene():
            for directory in self.on.shop.flag.parents[:3]:
                open_to_all(directory)
            yield

    def places(self) -> Mapping[str, Sequence[Path]]:
        return {"<flag, and its directory>: read": [self.on.shop.flag.parent]}


class PortHealth(OfUser):
    """Why the service turned somebody away."""

    driver = host.PortHealth
    proves = ("refusals",)
    unproven: ClassVar = {"the system's journal: read": "the kit does not read the journal of this machine: tests/unit reads what it says"}

    @contextmanager
    def scene(self) -> Iterator[None]:
        with self.on.scene(), tempfile.TemporaryDirectory() as made:
            self.log = Path(made) / "auth.log"
            self.log.write_text("")
            open_to_all(self.log.parent)
            yield

    def args(self) -> dict[str, Any]:
        return {"asked": ["refusals"], "clients": ["192.0.2.7"], "refusals_since": "1h", "journal": False, "logs": [str(self.log)]}

    def places(self) -> Mapping[str, Sequence[Path]]:
        return {"<log>: read": [self.log]}


class _OfFail2ban(OfUser):
    @contextmanager
    def scene(self) -> Iterator[None]:
        open_to_all(self.on.daemon.directory)
        with self.on.scene():
            yield

    @property
    def prefix(self) -> list[str]:
        found: list[str] = self.on.daemon.net.prefix
        return found

    def known(self) -> dict[str, Any]:
        return {"socket": str(self.on.daemon.socket), "client_command": self.on.daemon.client_command}

    def places(self) -> Mapping[str, Sequence[Path]]:
        return {"<socket of fail2ban>: read and write": [self.on.daemon.socket],
                "<database of fail2ban>: read": [self.on.daemon.database]}


class Fail2banHealth(_OfFail2ban):
    """The daemon, its jail and its rules."""

    driver = access.Fail2banHealth


class AccessHealth(_OfFail2ban):
    """Who is let in and who is kept out."""

    driver = access.AccessHealth


class Fail2banBan(_OfFail2ban):
    """Keep two out."""

    driver = access.Fail2banBan


class Fail2banUnban(_OfFail2ban):
    """Let two in."""

    driver = access.Fail2banUnban
    unproven: ClassVar = {_TIMER: "without a hold there is no timer; the case of a hold takes it away"}


class _Held(access.Fail2banUnban):
    """Two who are to be let in and kept from being banned again. The systemd is a double."""

    @contextmanager
    def scene(self) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as made, super().scene():
            open_to_all(Path(made))
            self.systemd = Systemd(Path(made), asks=True)
            try:
                yield
            finally:
                for address in self.args()["addresses"]:
                    self.daemon.client("set", "sshd", "delignoreip", address, check=False)

    def args(self) -> Args:
        return {**super().args(), "hold": "15m"}

    def run(self, *, check: bool = False, **more: Any) -> Result:
        return self.daemon.module(self.module, check=check, env=self.systemd.environ, **{**self.args(), **more})

    def world(self) -> Any:
        return super().world(), self.daemon.client("get", "sshd", "ignoreip"), self.systemd.calls()


class Fail2banHold(_OfFail2ban):
    """Let two in and hold the door open. That a real systemd refuses too is shown where there is one:

    tests/integration/action/test_real_systemd.py::test_who_may_not_make_a_timer_is_told_what_it_takes
    """

    driver = _Held
    proves = ("unban",)
    only = (_TIMER,)

    def environ(self) -> Mapping[str, str] | None:
        found: Mapping[str, str] = self.on.systemd.environ
        return found

    @contextmanager
    def holding(self, rights: Sequence[Right]) -> Iterator[Run]:
        with super().holding(rights) as as_stranger:
            may = any(right.grant == _TIMER for right in rights)
            yield self.on.run if may else as_stranger


class FirewallRemove(OfUser):
    """Remove rules."""

    driver = access.FirewallRemove

    @property
    def prefix(self) -> list[str]:
        found: list[str] = self.on.net.prefix
        return found


def open_to_all(directory: Path) -> None:
    """Let everybody enter a directory; what is in it has rights of its own."""
    os.chmod(directory, 0o755)


def _cases() -> list[type[Case]]:
    here = [one for one in vars(sys.modules[__name__]).values() if inspect.isclass(one)]
    found = [one for one in here if issubclass(one, Case) and "driver" in vars(one)]
    return sorted(found, key=lambda one: (one.driver.module, one.__name__))


CASES = _cases()


def taken_from(case: type[Case]) -> list[Right]:
    """The rights that are taken away, one after the other."""
    return [right for right in rights_of(case) if not case.only or right.grant in case.only]


def rights_of(case: type[Case]) -> list[Right]:
    """The rights that the module needs for what the case asks of it."""
    needs = NEEDS[case.driver.module]
    asked = set(case.proves or needs.answers)
    known = [right for right in needs.rights if right.on in ("", getattr(case, "kind", ""))]
    return [right for right in known if not right.of or asked & set(right.of)]


#: Modules of the engines of which nothing is taken away, and why.
OUTSIDE = {
    "act": "it has no rights of its own: the modules that it runs have. What a look is denied is not acted on: "
           "tests/integration/action/test_act.py::test_what_cannot_be_looked_at_is_left_alone",
    "http_health": "only a probe from inside a container needs a right: tests/integration/http/test_from_inside.py::"
                   "test_without_root_it_is_unknown",
    "http_smoke": "it needs no right that could be taken away",
    "service_reach": "the kit has no services of other users: tests/integration/http/test_from_inside.py::"
                     "test_as_a_unit_with_its_own_environment",
}
#: Rights that no case takes away, by module and grant, and why.
ALONE = {
    ("disk_survey", "<directories above the path>: search"):
        "the capabilities of another check allow it too: disk_health, whose look is the same, is the case",
    **{(name, "the system's journal: read"): "the kit does not read the journal of this machine"
       for name in ("failed_logins", "port_health")},
    ("pg_terminate_long_queries", "a superuser, or the role that prepared the transaction"):
        "the kit's server takes no prepared transactions: tests/integration/pg/test_terminate.py plays them",
    **{(name, "/etc/crowdsec/local_api_credentials.yaml: read"):
       "the kit has no CrowdSec: tests/integration/fail2ban/test_crowdsec.py has one"
       for name in ("access_health", "fail2ban_ban", "fail2ban_health", "fail2ban_unban")},
    **{("redis_repair", grant): "no rights can be changed while a script blocks the server: "
       "tests/integration/redis/test_repair.py::test_what_blocks_the_server_is_ended takes it away before"
       for grant in ("+script|kill", "+function|kill")},
    **{("service_health", right.grant): "the kit has no cluster: "
       "tests/integration/kubernetes/test_services.py::test_each_right_is_taken_away_and_named has a double of one"
       for right in NEEDS["service_health"].rights if right.on == "Kubernetes"},
    **{("service_health", right.grant): "the kit's services are of Compose: "
       "tests/integration/service/test_pm2.py::test_the_daemon_of_another_user is without it"
       for right in NEEDS["service_health"].rights if right.when == "a service is of pm2"},
    ("redis_cache_clear", "+select"): "the kit's keys are in database 0; redis_restart_check takes it away",
}
