# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cert_expiry on what hosts really have: Debian's cryptography, a Python that shows no served chain; and with many targets."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate import expiry_args
from ansible_collections.oncall.incident.plugins.module_utils._certificate.look import look
from ansible_collections.oncall.incident.plugins.module_utils._probe import handshake

from tests.support import pki
from tests.support.need import need
from tests.support.pki import DAY, Authority
from tests.support.run_module import ROOT, run_module
from tests.support.tls_servers import TlsServer, context_for

HERE = "127.0.0.1"
SYSTEM_PYTHON = "/usr/bin/python3"
#: The look without Ansible, in another Python: arguments on standard input, the result on standard output.
ELSEWHERE = """
import json, sys, warnings
warnings.simplefilter("error")
sys.path.insert(0, sys.argv[1])
from ansible_collections.oncall.incident.plugins.module_utils._certificate.expiry_args import expiry_spec, request_from
from ansible_collections.oncall.incident.plugins.module_utils._certificate.look import look
params = {name: option.get("default") for name, option in expiry_spec().items()}
seen = look(request_from({**params, **json.load(sys.stdin)}))
json.dump({**seen.as_result(), **seen.verdict.as_dict()}, sys.stdout)
"""


@pytest.fixture(scope="module")
def root() -> Authority:
    """A CA that the tests trust."""
    return pki.root()


def params(**stated: Any) -> dict[str, Any]:
    """A module's arguments with defaults."""
    return {**{name: option.get("default") for name, option in expiry_args.expiry_spec().items()}, **stated}


def elsewhere(python: str, **stated: Any) -> dict[str, Any]:
    """The look in another Python."""
    done = subprocess.run(
        [python, "-c", ELSEWHERE, str(ROOT / ".collections")], input=json.dumps(stated), capture_output=True, text=True, timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_cryptography_of_the_system(root: Authority, tmp_path: Path) -> None:
    """Debian 12 has version 38, whose names are older; nothing warns either."""
    importing = [SYSTEM_PYTHON, "-c", "import cryptography"]
    there = os.path.exists(SYSTEM_PYTHON) and subprocess.run(importing, capture_output=True, timeout=60, check=False).returncode == 0
    need(there, "Debian's python3-cryptography")
    middle = root.intermediate()
    issued = middle.issue(HERE, ends=-DAY, policies=["2.23.140.1.2.1"], crl="ldap://ca.example.org/", must_staple=True)
    path, _key = issued.write(tmp_path)
    with TlsServer(context_for(issued)) as server, TlsServer(context_for(middle.issue(HERE))) as good:
        result = elsewhere(
            SYSTEM_PYTHON, endpoints=[server.at, good.at], files=[str(path)], ca_path=str(root.write(tmp_path / "root.pem")),
            check_revocation=True,
        )
    assert {one["target"]: one["problems"] for one in result["certificates"]} == {
        server.at: ["expired"], good.at: [], str(path): ["expired"],
    }
    assert all(len(one["chain"]) == 2 and one["serial"] for one in result["certificates"])
    assert [one["verified"] for one in result["certificates"] if one["target"] == good.at] == [True]


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The look on a Python like 3.9, where nothing shows what was served."""
    monkeypatch.setattr(handshake, "_chain", lambda _secured, _method: ((), False))

    def run(**stated: Any) -> dict[str, Any]:
        request = expiry_args.request_from(params(**stated))
        seen = look(dataclasses.replace(request, means=dataclasses.replace(request.means, sees_chains=False)))
        return {**seen.as_result(), **seen.verdict.as_dict()}

    return run


@pytest.mark.parametrize(("trusted", "served"), [(True, 2), (False, 2), (False, 1)])
def test_a_chain_is_read_off_the_wire(
    blind: Callable[..., dict[str, Any]], root: Authority, tmp_path: Path, trusted: bool, served: int,
) -> None:
    issued = root.intermediate().issue(HERE)
    ca_path = str((root if trusted else pki.root("Other")).write(tmp_path / "ca.pem"))
    with TlsServer(context_for(issued, chain=issued.chain[:served])) as server:
        (found,) = blind(endpoints=[server.at], ca_path=ca_path)["certificates"]
    assert len(found["chain"]) == served and found["chain_complete_view"] is True and found["verified"] is trusted
    assert found["problems"] == ([] if trusted else ["untrusted" if served == 2 else "incomplete_chain"])


def test_a_chain_that_cannot_be_seen_is_said_to_be_that(blind: Callable[..., dict[str, Any]], root: Authority, tmp_path: Path) -> None:
    """TLS 1.3 encrypts it: the leaf is judged, the chain is not called complete."""
    context = context_for(root.intermediate().issue(HERE), minimum_version=ssl.TLSVersion.TLSv1_3)
    with TlsServer(context) as server:
        result = blind(endpoints=[server.at], ca_path=str(root.write(tmp_path / "ca.pem")))
    (found,) = result["certificates"]
    assert found["verified"] is True and found["chain_complete_view"] is False and len(found["chain"]) == 1
    assert result["checks"]["incomplete_chain"] == "unknown" and result["checks"]["untrusted"] == "ok"


def test_three_hundred_endpoints_some_of_them_dead(root: Authority, tmp_path: Path) -> None:
    """One task, bounded time, and every one of them has its own result."""
    issued, late = root.intermediate().issue(HERE), root.intermediate().issue(HERE, ends=-DAY)
    with (
        TlsServer(context_for(issued)) as good, TlsServer(context_for(late)) as expired, TlsServer(None) as silent,
        TlsServer(context_for(issued)) as gone,
    ):
        gone.close()
        kinds = {"good": good, "expired": expired, "silent": silent, "gone": gone}
        endpoints = [
            {"host": kinds[kind].at, "label": f"{kind} {number}"}
            for kind, count in (("good", 240), ("expired", 20), ("silent", 10), ("gone", 30)) for number in range(count)
        ]
        began = time.monotonic()
        result = run_module(
            "cert_expiry", endpoints=endpoints, ca_path=str(root.write(tmp_path / "ca.pem")), workers=32, timeout="15s", max_seconds="4m",
        )
        assert time.monotonic() - began < 270
    assert len(result["certificates"]) == 300
    expected = {"good": [], "expired": ["expired"], "silent": ["unreachable"], "gone": ["unreachable"]}
    wrong = {one["target"]: one["problems"] for one in result["certificates"] if one["problems"] != expected[one["target"].split()[0]]}
    assert wrong == {}
    assert len(result["findings"]) < 110 and result["recovery"] == "renew"


def test_a_resolver_that_hangs_holds_nobody_up(root: Authority, tmp_path: Path) -> None:
    release = threading.Event()

    def resolver(name: str, port: int) -> Any:
        release.wait(60)
        raise OSError("too late")

    with TlsServer(context_for(root.issue(HERE))) as server:
        request = expiry_args.request_from(params(
            endpoints=[server.at, "slow.example.org:443"], ca_path=str(root.write(tmp_path / "ca.pem")), timeout="6s",
        ))
        try:
            result = look(dataclasses.replace(request, resolver=resolver)).as_result()
        finally:
            release.set()
    assert {one["target"]: one["problems"] for one in result["certificates"]} == {server.at: [], "slow.example.org:443": ["unreachable"]}


def test_an_address_that_swallows_everything_leaves_time_for_the_next(root: Authority, tmp_path: Path) -> None:
    """A full queue drops what comes, as a firewall does."""
    with TlsServer(context_for(root.issue("a.example.org"))) as server, contextlib.ExitStack() as held:
        full = held.enter_context(socket.create_server(("127.0.0.2", server.port), backlog=0))
        for _ in range(4):
            sock = held.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())

        def resolver(_name: str, port: int) -> Any:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.2", HERE)]

        request = expiry_args.request_from(params(
            endpoints=[f"a.example.org:{server.port}"], ca_path=str(root.write(tmp_path / "ca.pem")), timeout="20s",
        ))
        (found,) = look(dataclasses.replace(request, resolver=resolver)).as_result()["certificates"]
    assert found["problems"] == [] and found["address"] == server.at


def test_what_a_certificate_says_cannot_disturb_the_report(root: Authority, tmp_path: Path) -> None:
    """Names are from outside: control characters and pipes in them stay out of terminals and tables."""
    evil = pki.make(subject="a|b\x1b[31m\nc", issuer=root, names=[HERE])
    with TlsServer(context_for(evil)) as server:
        result = run_module("cert_expiry", endpoints=[server.at], ca_path=str(root.write(tmp_path / "ca.pem")))
    assert result["certificates"][0]["subject"] == "CN=a|b?[31m?c" and "\x1b" not in str(result)

