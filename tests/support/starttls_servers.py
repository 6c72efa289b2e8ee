# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers that ask for TLS in the middle of their protocol: Debian's Dovecot, vsftpd, slapd, Prosody and MariaDB.

Each runs from a temporary directory on free ports of the loopback, and is ended with its children.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from demo.ports import free_port, free_ports
from tests.support.need import need, need_files
from tests.support.pki import Issued
from tests.support.until import until

#: What each protocol of the configuration below is run by, and Debian's package of it.
_DOVECOT_PROGRAMS = {
    "/usr/lib/dovecot/imap-login": "dovecot-imapd", "/usr/lib/dovecot/pop3-login": "dovecot-pop3d",
    "/usr/lib/dovecot/lmtp": "dovecot-lmtpd",
    "/usr/lib/dovecot/managesieve-login": "dovecot-managesieved", "/usr/lib/dovecot/submission-login": "dovecot-submissiond",
}
_DOVECOT = """
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log
listen = 127.0.0.1
protocols = imap pop3 lmtp sieve submission
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
mail_location = maildir:{base}/mail
submission_relay_host = 127.0.0.1
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={base}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service managesieve-login {{
  inet_listener sieve {{
    port = {sieve}
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = {smtp}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""
_VSFTPD = """
listen=YES
listen_address=127.0.0.1
listen_port={ftp}
background=NO
anonymous_enable=YES
ssl_enable=YES
allow_anon_ssl=YES
rsa_cert_file={cert}
rsa_private_key_file={key}
secure_chroot_dir={base}
seccomp_sandbox=NO
"""
_SLAPD = """
pidfile {base}/pid
TLSCertificateFile {cert}
TLSCertificateKeyFile {key}
"""
_PROSODY = """
run_as_root = true
daemonize = false
pidfile = "{base}/pid"
data_path = "{base}"
log = {{ info = "{base}/log" }}
modules_enabled = {{ "tls", "saslauth" }}
modules_disabled = {{ "s2s", "offline" }}
c2s_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {xmpp} }}
s2s_ports = {{ }}
c2s_require_encryption = true
VirtualHost "localhost"
  ssl = {{ key = "{key}"; certificate = "{cert}" }}
"""


@contextlib.contextmanager
def dovecot(issued: Issued) -> Iterator[dict[str, int]]:
    """Ports by protocol: imap, pop3, sieve, smtp (submission), lmtp, and imaps with TLS from the start."""
    # Each protocol is a package of its own: without one of them Dovecot does not start.
    need_files(_DOVECOT_PROGRAMS)
    names = ("imap", "imaps", "pop3", "sieve", "smtp", "lmtp")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    with _server("dovecot", ["-F", "-c", "{base}/conf"], {"conf": _DOVECOT}, issued, ports, package="dovecot-imapd and its kin"):
        yield ports


@contextlib.contextmanager
def vsftpd(issued: Issued) -> Iterator[dict[str, int]]:
    """Port of ftp."""
    ports = {"ftp": free_port()}
    with _server("vsftpd", ["{base}/conf"], {"conf": _VSFTPD}, issued, ports, package="vsftpd"):
        yield ports


@contextlib.contextmanager
def slapd(issued: Issued) -> Iterator[dict[str, int]]:
    """Port of ldap."""
    ports = {"ldap": free_port()}
    argv = ["-f", "{base}/conf", "-h", "ldap://127.0.0.1:{ldap}", "-d", "0"]
    with _server("slapd", argv, {"conf": _SLAPD}, issued, ports, package="slapd"):
        yield ports


@contextlib.contextmanager
def prosody(issued: Issued) -> Iterator[dict[str, int]]:
    """Port of xmpp; its domain is localhost."""
    ports = {"xmpp": free_port()}
    with _server("prosody", ["--config", "{base}/conf.cfg.lua"], {"conf.cfg.lua": _PROSODY}, issued, ports, package="prosody"):
        yield ports


@contextlib.contextmanager
def mariadb(issued: Issued) -> Iterator[dict[str, int]]:
    """Port of mysql."""
    ports = {"mysql": free_port()}
    argv = [
        "--no-defaults", "--datadir={base}/data", "--socket={base}/s", "--port={mysql}", "--bind-address=127.0.0.1", "--ssl-cert={cert}",
        "--ssl-key={key}", "--user=root", "--skip-grant-tables", "--pid-file={base}/pid",
    ]
    with _server("mariadbd", argv, {"data/keep": ""}, issued, ports, package="mariadb-server-core"):
        yield ports


@contextlib.contextmanager
def _server(
    program: str, argv: list[str], files: dict[str, str], issued: Issued, ports: dict[str, int], *, package: str,
) -> Iterator[None]:
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    need(path, f"{program} (Debian's {package})")
    need(os.geteuid() == 0, f"root, for {program}")
    assert path is not None
    base = Path(tempfile.mkdtemp(prefix="st-", dir="/tmp"))
    # Their children give up root and still read what is theirs.
    base.chmod(0o755)
    try:
        cert, key = issued.write(base)
        known = {"base": base, "cert": cert, "key": key, **ports}
        for name, text in files.items():
            (base / name).parent.mkdir(exist_ok=True)
            (base / name).write_text(text.format(**known))
        (base / "data" / "keep").unlink(missing_ok=True)
        with (base / "out").open("wb") as out:
            process = subprocess.Popen(
                [path, *(word.format(**known) for word in argv)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )
        try:
            def listens() -> bool:
                assert process.poll() is None, (base / "out").read_text(errors="replace")[-2000:]
                return all(_accepts(port) for port in ports.values())

            until(listens, what=f"{program} to listen", seconds=60)
            yield
        finally:
            _end(process)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Politely first, so that its children go as well; then the whole group."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        pass
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=20)
