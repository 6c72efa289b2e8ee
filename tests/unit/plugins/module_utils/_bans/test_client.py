# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket's protocol against a server that answers what it is told to: every way in which one can be odd or hang."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import tempfile
import threading
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.client import END, Clock, CommandRefused, connect
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import CannotReach


class UnknownJailException(KeyError):
    """As fail2ban has it."""


def ok(value: t.Any, protocol: int = 4) -> bytes:
    return pickle.dumps((0, value), protocol=protocol) + END


@contextlib.contextmanager
def server(*answers: bytes, silent: bool = False) -> t.Iterator[tuple[str, list[t.Any]]]:
    """A server that gives these answers in turn, after a pong; what it was asked is kept."""
    asked: list[t.Any] = []
    with tempfile.TemporaryDirectory(prefix="f2bc", dir="/tmp") as directory:
        path = os.path.join(directory, "s")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen(5)
        ended = threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _peer = listening.accept()
                with connection:
                    for answer in (ok("pong"), *answers):
                        data = b""
                        while not data.endswith(END):
                            chunk = connection.recv(65536)
                            if not chunk:
                                return
                            data += chunk
                        asked.append(pickle.loads(data[: -len(END)]))
                        if silent:
                            break
                        connection.sendall(answer)
                    ended.wait(30)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield path, asked
        finally:
            ended.set()
            listening.close()
            thread.join(10)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_the_protocol(protocol: int) -> None:
    with server(ok("1.1.0", protocol)) as (path, asked), connect(path=path, client_command=[], clock=Clock(10)) as client:
        assert client.version() == "1.1.0"
        assert client.via == "socket"
    assert asked == [["ping"], ["version"]]


def test_an_answer_in_pieces_that_quotes_the_end() -> None:
    """A log's line can hold the protocol's own end."""
    line = f"who is {END.decode()} there"
    with server(ok([line, "x" * 100000])) as (path, _asked), connect(path=path, client_command=[], clock=Clock(10)) as client:
        assert client.ask("get", "sshd", "banip")[0] == line


def test_an_error_is_told() -> None:
    reply = pickle.dumps((1, UnknownJailException("nix"))) + END
    with server(reply) as (path, _asked), connect(path=path, client_command=[], clock=Clock(10)) as client:
        with pytest.raises(CommandRefused, match="UnknownJailException: nix"):
            client.bans("nix")


@pytest.mark.parametrize("reply", [b"garbage" + END, b"\x80\x06N." + END, pickle.dumps((5, 1)) + END])
def test_an_answer_that_cannot_be_read_is_asked_again_by_the_client(reply: bytes, tmp_path: t.Any) -> None:
    double = tmp_path / "fail2ban-client"
    double.write_text("#!/bin/sh\necho 9.9.9\n")
    double.chmod(0o755)
    with server(reply) as (path, _asked), connect(path=path, client_command=[str(double)], clock=Clock(10)) as client:
        assert client.version() == "9.9.9"
        assert client.via == "client" and client.notes


def test_a_protocol_error_is_told() -> None:
    with server(pickle.dumps("ERROR: invalid load key") + END) as (path, _asked):
        with connect(path=path, client_command=[], clock=Clock(10)) as client, pytest.raises(CommandRefused, match="invalid load key"):
            client.version()


def test_what_changes_things_is_never_asked_twice(tmp_path: t.Any) -> None:
    double = tmp_path / "fail2ban-client"
    double.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    double.chmod(0o755)
    with server(b"garbage" + END) as (path, _asked), connect(path=path, client_command=[str(double)], clock=Clock(10)) as client:
        with pytest.raises(CannotReach) as caught:
            client.ask("set", "sshd", "unbanip", "192.0.2.7")
    assert caught.value.facts["reason"] == "protocol" and not (tmp_path / "ran").exists()


def test_a_hanging_server_is_given_up() -> None:
    with server(silent=True) as (path, _asked), pytest.raises(CannotReach) as caught:
        connect(path=path, client_command=[], clock=Clock(0.3))
    assert caught.value.facts["reason"] == "timeout"


def test_a_server_that_goes_away() -> None:
    with server() as (path, _asked), connect(path=path, client_command=[], clock=Clock(2)) as client:
        with pytest.raises(CannotReach):
            client.version()


def test_no_socket_and_nobody_behind_it(tmp_path: t.Any) -> None:
    with pytest.raises(CannotReach) as caught:
        connect(path=str(tmp_path / "nothing"), client_command=["fail2ban-client"], clock=Clock(2))
    assert caught.value.facts["reason"] == "no_socket"
    with tempfile.TemporaryDirectory(prefix="f2bc", dir="/tmp") as directory:
        path = os.path.join(directory, "s")
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(path)
        with pytest.raises(CannotReach) as caught:
            connect(path=path, client_command=[], clock=Clock(2))
    assert caught.value.facts["reason"] == "not_running", "that there is a file says nothing: systemd makes the socket before the server"
