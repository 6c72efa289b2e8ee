# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cert_expiry and protocols that ask for TLS: real servers of every one, and servers that refuse, lie and never end."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.postgres import Server
from tests.support import pki, starttls_servers
from tests.support.pki import Authority, Issued
from tests.support.run_module import run_module
from tests.support.tls_servers import TlsServer, context_for


@pytest.fixture(scope="module")
def root() -> Authority:
    """A CA that the tests trust."""
    return pki.root()


@pytest.fixture(scope="module")
def issued(root: Authority) -> Issued:
    """What every server here serves, with an intermediate."""
    return root.intermediate().issue("localhost")


@pytest.fixture(scope="module")
def ca_path(root: Authority, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The CA as a file."""
    return str(root.write(tmp_path_factory.mktemp("ca") / "root.pem"))


@pytest.fixture(scope="module")
def ports(issued: Issued) -> Iterator[dict[str, int]]:
    """Dovecot, which speaks five of the protocols."""
    with starttls_servers.dovecot(issued) as found:
        yield found


def good(result: dict[str, Any], issued: Issued) -> bool:
    """Whether everything was seen and verified."""
    assert "failed" not in result, result
    assert [one["reason"] or one["problems"] for one in result["certificates"] if one["status"] != "ok"] == []
    return {(one["serial"], one["verified"], len(one["chain"])) for one in result["certificates"]} == {(issued.serial, True, 2)}


@pytest.mark.parametrize("protocol", ["imap", "pop3", "sieve", "smtp", "lmtp"])
def test_dovecot(ports: dict[str, int], issued: Issued, ca_path: str, protocol: str) -> None:
    result = run_module("cert_expiry", endpoints=[f"{protocol}://localhost:{ports[protocol]}"], ca_path=ca_path, timeout="30s")
    assert good(result, issued)


def test_tls_from_the_start(ports: dict[str, int], issued: Issued, ca_path: str) -> None:
    assert good(run_module("cert_expiry", endpoints=[f"imaps://localhost:{ports['imaps']}"], ca_path=ca_path, timeout="30s"), issued)


@pytest.mark.parametrize(("protocol", "server"), [
    ("ftp", starttls_servers.vsftpd), ("ldap", starttls_servers.slapd), ("xmpp", starttls_servers.prosody),
    ("mysql", starttls_servers.mariadb),
])
def test_other_servers(issued: Issued, ca_path: str, protocol: str, server: Callable[[Issued], Any]) -> None:
    with server(issued) as found:
        endpoint = {"host": "localhost", "port": found[protocol], "starttls": protocol}
        assert good(run_module("cert_expiry", endpoints=[endpoint], ca_path=ca_path, timeout="30s"), issued)


def test_postgresql(tls_server: Server) -> None:
    assert tls_server.ca_cert is not None
    endpoint = f"postgres://localhost:{tls_server.port}"
    result = run_module("cert_expiry", endpoints=[endpoint], ca_path=str(tls_server.ca_cert), timeout="30s")
    (found,) = result["certificates"]
    assert found["verified"] is True and found["serial"], found


def test_postgresql_without_tls(server18: Server) -> None:
    result = run_module("cert_expiry", endpoints=[f"postgres://localhost:{server18.port}"], timeout="30s")
    (found,) = result["certificates"]
    assert found["problems"] == ["unreachable"] and "switched off" in found["reason"]


def reply(*said: bytes) -> Callable[[socket.socket], bool]:
    """A server that says these things, each after hearing something; the first at once."""
    def talk(sock: socket.socket) -> bool:
        for number, piece in enumerate(said):
            if number:
                sock.recv(4096)
            sock.sendall(piece)
        return True

    return talk


def answer(said: bytes) -> Callable[[socket.socket], bool]:
    """A server that says one thing when it is spoken to."""
    def talk(sock: socket.socket) -> bool:
        sock.recv(4096)
        sock.sendall(said)
        return True

    return talk


def endless(sock: socket.socket) -> bool:
    """A banner without an end."""
    with contextlib.suppress(OSError):
        while True:
            sock.sendall(b"220-" + b"x" * 4000 + b"\r\n")
    return False


def mute(sock: socket.socket) -> bool:
    """Takes the connection and says nothing."""
    with contextlib.suppress(OSError):
        sock.recv(1)
        sock.recv(1)
    return False


@pytest.mark.parametrize(("protocol", "talk", "said"), [
    ("smtp", reply(b"220 mx\r\n", b"250 mx\r\n", b"502 no\r\n"), "refuses STARTTLS"),
    ("smtp", reply(b"220 mx\r\n", b"250 mx\r\n", b"220 go\r\n250 injected\r\n"), "more after its go-ahead"),
    ("smtp", endless, "more than 65536 bytes"),
    ("smtp", mute, "no answer within"),
    ("imap", reply(b"* BYE full\r\n"), "does not greet"),
    ("imap", reply(b"* OK\r\n", b"* CAPABILITY\r\na1 NO not here\r\n"), "refuses STARTTLS"),
    ("pop3", reply(b"+OK\r\n", b"-ERR\r\n"), "refuses STLS"),
    ("ftp", reply(b"220 hello\r\n", b"530 no\r\n"), "refuses AUTH TLS"),
    ("ldap", answer(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00"), "result 52"),
    ("ldap", answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak LDAP"),
    ("mysql", reply(b"\x10\x00\x00\x00\xff\x10\x04Too many conn"), "refuses the connection"),
    ("mysql", reply(b"SSH-2.0-OpenSSH_9.2\r\n" + bytes(9)), "does not speak"),
    ("xmpp", answer(b"<stream:stream><stream:features></stream:features>"), "does not offer"),
    ("sieve", reply(b'"IMPLEMENTATION" "x"\r\nOK\r\n', b"NO\r\n"), "refuses STARTTLS"),
    ("postgres", answer(b"E"), "does not speak"),
    ("lmtp", reply(b"554 go away\r\n"), "does not greet"),
])
def test_a_server_that_refuses_is_a_finding(issued: Issued, protocol: str, talk: Any, said: str) -> None:
    with TlsServer(context_for(issued), talk=talk) as server:
        result = run_module("cert_expiry", endpoints=[{"host": server.at, "starttls": protocol}], timeout="8s")
    (found,) = result["certificates"]
    assert found["problems"] == ["unreachable"] and said in found["reason"]


def test_a_chain_that_does_not_verify_is_asked_for_again_with_the_same_talk(issued: Issued, tmp_path: Path) -> None:
    """Two handshakes, so two talks."""
    other = pki.root("Other").write(tmp_path / "other.pem")
    with TlsServer(context_for(issued), talk=reply(b"220-a\r\n220 mx\r\n", b"250-x\r\n250 y\r\n", b"220 go\r\n")) as server:
        result = run_module(
            "cert_expiry", endpoints=[{"host": server.at, "starttls": "smtp", "names": ["localhost"]}], ca_path=str(other), key_types=[],
        )
        assert server.connections == 2
    (found,) = result["certificates"]
    assert found["problems"] == ["untrusted"] and found["serial"] == issued.serial
