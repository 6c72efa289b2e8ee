# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cert_expiry against real TLS servers on the loopback: one test for each finding, and what must be no finding."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.asking import Asking
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.targets import targets_from
from ansible_collections.oncall.incident.plugins.module_utils._certificate.endpoint import Means
from ansible_collections.oncall.incident.plugins.module_utils._certificate.fetch import Fetcher
from ansible_collections.oncall.incident.plugins.module_utils._certificate.look import Request
from ansible_collections.oncall.incident.plugins.module_utils._certificate.look import look as look_at
from ansible_collections.oncall.incident.plugins.module_utils._probe.handshake import Contexts
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from demo.ports import free_ports
from tests.support import pki
from tests.support.advice import advised
from tests.support.nginx import Host, Nginx
from tests.support.pki import DAY, Authority
from tests.support.run_module import run_module
from tests.support.tls_servers import HttpServer, TlsServer, context_for, http_proxy

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def root() -> Authority:
    """A CA that the tests trust."""
    return pki.root()


@pytest.fixture(scope="module")
def middle(root: Authority) -> Authority:
    """The CA below it that issues."""
    return root.intermediate()


@pytest.fixture
def look(root: Authority, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run the module with the test's root trusted."""
    ca_path = str(root.write(tmp_path / "root.pem"))

    def run(*endpoints: Any, **more: Any) -> dict[str, Any]:
        result = run_module("cert_expiry", **{"ca_path": ca_path, "endpoints": list(endpoints), **more})
        assert "failed" not in result or more.get("fail_on"), result
        return result

    return run


def problems(result: dict[str, Any]) -> dict[str, str]:
    """Status by check of what is not ok, without what could not be looked at."""
    blind = {item["check"] for item in result["skipped_checks"] if item["kind"] == "could_not_look"}
    return {
        one["check"]: one["status"] for one in result["findings"]
        if one["status"] != "ok" and not (one["status"] == "unknown" and one["check"] in blind and "reason" in one["detail"])
    }


def finding(result: dict[str, Any], check: str) -> dict[str, Any]:
    """The one finding of a check."""
    (found,) = [one for one in result["findings"] if one["check"] == check]
    return dict(found)


def only(result: dict[str, Any]) -> dict[str, Any]:
    """The one certificate of a result."""
    (found,) = result["certificates"]
    return dict(found)


def by_target(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The certificates of a result."""
    return {one["target"]: one for one in result["certificates"]}


def test_a_good_server(look: Callable[..., dict[str, Any]], middle: Authority, root: Authority) -> None:
    issued = middle.issue(HERE)
    with TlsServer(context_for(issued)) as server:
        result = look(server.at)
    assert result["status"] == "ok" and result["recovery"] == "" and result["changed"] is False
    found = only(result)
    assert found["verified"] is True and found["serial"] == issued.serial and found["address"] == server.at
    assert [element["position"] for element in found["chain"]] == ["leaf", "intermediate"]
    assert found["verified_not_after"] == found["earliest_not_after"] == found["not_after"]
    assert found["san"] == [HERE] and found["key_type"] == "ec" and found["key_bits"] == 256
    assert result["next_expiry"]["target"] == server.at
    assert f"| {server.at} | ok |" in result["table"]
    assert result["checks"]["incomplete_chain"] == result["checks"]["untrusted"] == result["checks"]["unreachable"] == "ok"


def test_expired_and_the_date_is_told(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    with TlsServer(context_for(middle.issue(HERE, ends=-2 * DAY))) as server:
        result = look(server.at)
    assert problems(result) == {"expired": "critical"} and result["recovery"] == "renew"
    found = only(result)
    assert found["verified"] is False and "expired" in found["verify_reason"]
    assert found["not_after"] == finding(result, "expired")["detail"]["not_after"] and found["days_left"] == pytest.approx(-2, abs=0.1)


@pytest.mark.parametrize(("left", "lasts", "status"), [
    (20, 200, "warning"), (4, 6, None), (5, 90, "critical"), (31, 90, None), (29, 90, "warning"), (0.5, 6, "critical"),
])
def test_expiring(
    look: Callable[..., dict[str, Any]], middle: Authority, left: float, lasts: int, status: str | None,
) -> None:
    with TlsServer(context_for(middle.issue(HERE, ends=left * DAY, lasts=lasts * DAY))) as server:
        result = look(server.at)
    assert problems(result) == ({"expiring": status} if status else {})
    assert only(result)["verified"] is True


def test_an_intermediate_about_to_expire(look: Callable[..., dict[str, Any]], root: Authority) -> None:
    middle = root.intermediate(ends=3 * DAY, lasts=400 * DAY)
    with TlsServer(context_for(middle.issue(HERE))) as server:
        result = look(server.at)
    assert problems(result) == {"expiring": "critical"} and result["recovery"] == "fix_chain"
    assert finding(result, "expiring")["detail"]["position"] == "intermediate"
    assert only(result)["earliest_not_after"] == only(result)["chain"][1]["not_after"]


def test_an_expired_intermediate_in_the_only_chain(look: Callable[..., dict[str, Any]], root: Authority) -> None:
    """What community.crypto.get_certificate calls not expired, with a "verified chain" beside it."""
    middle = root.intermediate(ends=-DAY)
    with TlsServer(context_for(middle.issue(HERE))) as server:
        result = look(server.at)
    assert problems(result) == {"expired": "critical"} and result["recovery"] == "fix_chain"
    assert only(result)["verified"] is False and only(result)["verified_not_after"] is None


def test_an_expired_root_that_nobody_needs(look: Callable[..., dict[str, Any]], root: Authority) -> None:
    """The server still serves a cross-signed certificate whose root has expired; the trusted one verifies."""
    old_root = pki.root("Old Root", ends=-DAY)
    cross = pki.make(subject="Test Root", issuer=old_root, ca=True, key=root.key, ends=-DAY)
    issued = root.issue(HERE)
    with TlsServer(context_for(issued, chain=(issued.cert, cross.cert, old_root.cert))) as server:
        result = look(server.at)
    assert problems(result) == {}
    assert only(result)["verified"] is True and only(result)["earliest_not_after"] < only(result)["verified_not_after"]


def test_not_yet_valid(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    with TlsServer(context_for(middle.issue(HERE, starts=2 * DAY))) as server:
        result = look(server.at)
    assert problems(result) == {"not_yet_valid": "critical"} and result["recovery"] == "fix_clock"


def test_incomplete_chain(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    issued = middle.issue(HERE)
    with TlsServer(context_for(issued, chain=[issued.cert])) as server:
        result = look(server.at)
    assert problems(result) == {"incomplete_chain": "critical"} and result["recovery"] == "fix_chain"
    assert only(result)["verified"] is False and only(result)["not_after"]


def test_incomplete_chain_is_proven_by_a_neighbour(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    """Another server of the same call serves the intermediate that this one lacks."""
    issued = middle.issue(HERE)
    with TlsServer(context_for(issued, chain=[issued.cert])) as server, TlsServer(context_for(issued)) as good:
        result = look(server.at, good.at)
    assert problems(result) == {"incomplete_chain": "critical"}
    assert finding(result, "incomplete_chain")["detail"]["proven"] is True
    assert [one["verified"] for one in result["certificates"] if one["target"] == server.at] == [False]


def test_incomplete_chain_is_proven_by_what_the_certificate_names(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    answers: dict[str, Any] = {"/ca.der": pki.to_der(middle.cert)}
    with HttpServer(answers) as http:
        issued = middle.issue(HERE, ca_issuers=f"{http.url}/ca.der")
        with TlsServer(context_for(issued, chain=[issued.cert])) as server:
            unasked = look(server.at)
            assert http.asked == []
            result = look(server.at, fetch_issuers=True)
    assert http.asked == ["/ca.der"]
    assert finding(unasked, "incomplete_chain")["detail"]["proven"] is False
    assert finding(result, "incomplete_chain")["detail"]["proven"] is True


def test_name_mismatch(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    with TlsServer(context_for(middle.issue("www.example.org", "*.api.example.org"))) as server:
        result = look(
            {"host": server.at, "server_name": "shop.example.org", "label": "shop"},
            {"host": server.at, "server_name": "www.example.org", "label": "www"},
            {"host": server.at, "server_name": "v1.api.example.org", "label": "api"},
            {"host": server.at, "names": ["www.example.org"], "label": "stated"},
            {"host": server.at, "names": ["www.example.org", "a.b.api.example.org"], "label": "deep"},
        )
    assert {one["subject"] for one in result["findings"] if one["check"] == "name_mismatch"} == {"shop", "deep"}
    assert result["recovery"] == "fix_name"
    assert all(one["verified"] for one in result["certificates"])


def test_untrusted_and_what_a_private_ca_needs(middle: Authority, root: Authority, tmp_path: Path) -> None:
    with TlsServer(context_for(middle.issue(HERE))) as server:
        other = pki.root("Another Root").write(tmp_path / "other.pem")
        bad = run_module("cert_expiry", endpoints=[server.at], ca_path=str(other))
        mine = {"host": server.at, "ca_path": str(root.write(tmp_path / "r.pem"))}
        good = run_module("cert_expiry", endpoints=[mine], ca_path=str(other))
    assert problems(bad) == {"untrusted": "critical"} and bad["recovery"] == "replace_ca"
    assert only(bad)["verified"] is False
    assert problems(good) == {} and only(good)["verified"] is True


def test_a_directory_of_cas_is_made_as_the_hint_says(middle: Authority, root: Authority, tmp_path: Path) -> None:
    place = tmp_path / "trusted"
    with TlsServer(context_for(middle.issue(HERE))) as server:
        refused = run_module("cert_expiry", endpoints=[server.at], ca_path=str(place))
        assert refused["argument"] == "ca_path" and advised(refused["hint"]) == ["openssl rehash"]
        place.mkdir()
        root.write(place / "root.pem")
        assert problems(run_module("cert_expiry", endpoints=[server.at], ca_path=str(place))) == {"untrusted": "critical"}
        subprocess.run(["openssl", "rehash", place], check=True, timeout=60)
        assert problems(run_module("cert_expiry", endpoints=[server.at], ca_path=str(place))) == {}


def test_self_signed(look: Callable[..., dict[str, Any]]) -> None:
    issued = pki.make(subject=HERE, names=[HERE])
    with TlsServer(context_for(issued)) as server:
        bad = look(server.at)
        meant = look({"host": server.at, "allow_self_signed": True})
    assert problems(bad) == {"self_signed": "critical"} and bad["recovery"] == "replace_ca"
    assert problems(meant) == {} and only(meant)["verified"] is False


def test_weak_key(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    with TlsServer(context_for(middle.issue(HERE, key=pki.weak_rsa_key()))) as server:
        result = look(server.at)
    assert set(problems(result)) == {"weak_key"} and result["recovery"] == "renew"
    assert finding(result, "weak_key")["observed"] == 1024


def test_weak_signature(look: Callable[..., dict[str, Any]], root: Authority) -> None:
    middle = root.intermediate(key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
    with TlsServer(context_for(middle.issue(HERE, hash_name="sha1"))) as server:
        result = look(server.at)
    assert set(problems(result)) == {"weak_signature"} and finding(result, "weak_signature")["observed"] == "sha1"


def test_unreachable_in_all_its_forms_and_the_good_one_is_there(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    def hangs_up(_sock: Any) -> bool:
        return False

    def speaks_ssh(sock: Any) -> bool:
        sock.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        return False

    context = context_for(middle.issue(HERE))
    with (
        TlsServer(context) as good, TlsServer(None) as silent, TlsServer(context, talk=hangs_up) as closing,
        TlsServer(context, talk=speaks_ssh) as ssh, TlsServer(context) as gone,
    ):
        gone.close()
        result = look(good.at, silent.at, closing.at, ssh.at, gone.at, "nowhere.invalid:443", timeout="8s")
    dead = {silent.at, closing.at, ssh.at, gone.at, "nowhere.invalid:443"}
    assert {one["subject"] for one in result["findings"] if one["check"] == "unreachable"} == dead
    assert {one["target"]: one["status"] for one in result["certificates"]}[good.at] == "ok"
    reasons = {one["target"]: one["reason"] for one in result["certificates"]}
    assert reasons[silent.at] == "no answer within 8 s" and reasons[gone.at] == "connection refused"
    assert result["checks"]["expired"] == "unknown", "what was not seen is not ok"


def test_max_seconds_is_a_wall(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    with TlsServer(context_for(middle.issue(HERE))) as good, TlsServer(None) as silent:
        result = look(good.at, *[{"host": silent.at, "label": f"silent {n}"} for n in range(30)], workers=2, timeout="4s", max_seconds="9s")
    assert {one["target"]: one["status"] for one in result["certificates"]}[good.at] == "ok"
    late = [one for one in result["certificates"] if "not looked at" in one["reason"]]
    assert late and all(one["status"] == "unknown" for one in late) and result["checks"]["unreachable"] == "critical"


@pytest.mark.parametrize(("ahead", "status"), [(0, None), (120, "warning"), (-3600, "critical")])
def test_clock_skew(look: Callable[..., dict[str, Any]], middle: Authority, ahead: float, status: str | None) -> None:
    with TlsServer(context_for(middle.issue(HERE)), date=ahead) as server:
        result = look({"host": server.at, "http": True})
    assert problems(result) == ({"clock_skew": status} if status else {})
    assert result["checks"]["clock_skew"] == (status or "ok") and result["recovery"] == ("fix_clock" if status else "")
    if status:
        assert finding(result, "clock_skew")["observed"] == pytest.approx(ahead, abs=15)


def test_a_server_that_does_not_tell_its_clock_is_not_healthy_in_that(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    with TlsServer(context_for(middle.issue(HERE))) as server:
        result = look({"host": server.at, "http": True}, timeout="15s")
    assert problems(result) == {} and result["checks"]["clock_skew"] == "unknown"


def test_stale_in_memory_and_the_reload(look: Callable[..., dict[str, Any]], middle: Authority, tmp_path: Path) -> None:
    old, new = middle.issue(HERE, ends=3 * DAY, lasts=90 * DAY), middle.issue(HERE, starts=-DAY / 2)
    with TlsServer(context_for(old)) as server:
        path, _key = old.write(tmp_path)
        pair = {"endpoint": server.at, "file": str(path), "reload": "systemctl reload nginx"}
        before = look(pairs=[pair])
        new.write(tmp_path)
        stale = look(pairs=[pair])
        server.context = context_for(new)
        after = look(pairs=[pair])
    assert before["checks"]["stale_in_memory"] == "ok" and before["recovery"] == "renew"
    found = finding(stale, "stale_in_memory")
    assert found["status"] == "critical" and "systemctl reload nginx" in found["hint"]
    assert found["observed"] == old.serial and found["threshold"] == new.serial
    assert found["detail"]["reload"] == "systemctl reload nginx" and stale["recovery"] == "reload"
    assert problems(after) == {} and after["checks"]["stale_in_memory"] == "ok"


def test_a_file_that_is_older_than_what_is_served(look: Callable[..., dict[str, Any]], middle: Authority, tmp_path: Path) -> None:
    old, new = middle.issue(HERE, starts=-2 * DAY), middle.issue(HERE)
    path, _key = old.write(tmp_path)
    with TlsServer(context_for(new)) as server:
        result = look(pairs=[{"endpoint": server.at, "file": str(path)}])
    assert problems(result) == {"stale_in_memory": "warning"} and result["recovery"] == ""
    assert finding(result, "stale_in_memory")["detail"]["file_is_newer"] is False


def test_the_expected_serial_is_waited_for(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    old, new = middle.issue(HERE, ends=3 * DAY, lasts=90 * DAY), middle.issue(HERE)
    waiting = {"checks": ["stale_in_memory", "expired", "expiring"], "hold": "0s", "timeout": "20s", "interval": "100ms"}
    with TlsServer(context_for(old)) as server:
        expecting = {"host": server.at, "expect_serial": ":".join(new.serial[i:i + 2] for i in range(0, len(new.serial), 2)).lower()}
        before = look(expecting)
        vain = look(expecting, wait_for={**waiting, "timeout": "1s"}, fail_on="critical")
        server.context = context_for(new)
        after = look(expecting, wait_for=waiting, baseline=before["checks"])
    assert problems(before) == {"stale_in_memory": "critical", "expiring": "critical"} and before["recovery"] == "reload"
    assert vain["failed"] and vain["error"] == "not_recovered" and vain["polls"] >= 2
    assert after["held"] is True and after["new"] == {} and after["remaining"] == {}


def test_too_long_lived(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    public = "2.23.140.1.2.1"
    with (
        TlsServer(context_for(middle.issue(HERE, lasts=397 * DAY, policies=[public]))) as long,
        TlsServer(context_for(middle.issue(HERE, lasts=90 * DAY, policies=[public]))) as short,
        TlsServer(context_for(middle.issue(HERE, lasts=2000 * DAY))) as private,
    ):
        result = look(long.at, short.at, private.at)
    assert {one["subject"] for one in result["findings"] if one["check"] == "too_long_lived"} == {long.at}
    assert problems(result) == {"too_long_lived": "warning"}


def test_every_address_behind_a_name(middle: Authority, root: Authority, tmp_path: Path) -> None:
    """A pool of which one server was not renewed; the resolver is the test's."""
    old, new = middle.issue("pool.example.org", ends=-DAY), middle.issue("pool.example.org")
    with TlsServer(context_for(new)) as first, TlsServer(context_for(old), host="127.0.0.2", port=first.port) as second:
        def resolver(name: str, port: int) -> Any:
            assert name == "pool.example.org"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in (HERE, "127.0.0.2", "127.0.0.3")]

        ca_path = str(root.write(tmp_path / "root.pem"))
        targets = targets_from({"endpoints": [
            {"host": "pool.example.org", "port": first.port, "resolve": "all", "expect_serial": new.serial},
            {"host": "pool.example.org", "port": first.port, "label": "first"},
        ], "ca_path": ca_path})
        fetcher = Fetcher(timeout=5)
        request = Request(
            targets=targets, means=Means(contexts=Contexts(), timeout=5), asking=Asking(fetcher=fetcher, acme=fetcher), resolver=resolver,
        )
        result = look_at(request).as_result()
    name = f"pool.example.org:{first.port}"
    found = {one["target"]: one["problems"] for one in result["certificates"]}
    assert found == {
        f"{name} at {first.at}": [], f"{name} at {second.at}": ["expired", "stale_in_memory"],
        f"{name} at 127.0.0.3:{first.port}": ["unreachable"], "first": [],
    }


def test_ipv6(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    try:
        server = TlsServer(context_for(middle.issue("::1")), host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with server:
        result = look(server.at, {"host": "www.example.org", "address": "::1", "port": server.port, "names": ["::1"]})
    assert problems(result) == {}
    assert {one["address"] for one in result["certificates"]} == {server.at}


def test_the_name_that_is_asked_for_decides(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    """SNI: one address, two certificates."""
    default = context_for(middle.issue("default.example.org"))
    other = context_for(middle.issue("other.example.org"))
    asked: list[str | None] = []

    def choose(tls: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        asked.append(name)
        if name == "other.example.org":
            tls.context = other

    default.sni_callback = choose
    with TlsServer(default) as server:
        result = look(
            {"host": "other.example.org", "address": HERE, "port": server.port}, {"host": server.at, "names": ["default.example.org"]},
        )
    assert problems(result) == {} and set(asked) == {None, "other.example.org"}


def test_through_a_proxy(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    with TlsServer(context_for(middle.issue("localhost"))) as server:
        with http_proxy(password="s3cret-proxy") as (url, asked):
            good = look(f"localhost:{server.port}", proxy=url, proxy_username="oncall", proxy_password="s3cret-proxy")
            no_login = look(f"localhost:{server.port}", proxy=url)
        with http_proxy(refuse=b"HTTP/1.1 403 Forbidden by policy") as (url, _asked):
            refused = look({"host": f"localhost:{server.port}", "proxy": url})
        with TlsServer(context_for(middle.issue(HERE))) as no_proxy:
            wrong = look(f"localhost:{server.port}", proxy=f"http://{no_proxy.at}")
    assert problems(good) == {} and asked[0] == f"localhost:{server.port}"
    assert "s3cret-proxy" not in str(good)
    assert "407" in finding(no_login, "unreachable")["observed"] and "403" in finding(refused, "unreachable")["observed"]
    assert problems(wrong) == {"unreachable": "critical"}


def test_a_server_that_wants_a_certificate_of_its_clients(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    """TLS 1.2 ends such a handshake; what the server is has been seen by then."""
    context = context_for(middle.issue(HERE), maximum_version=ssl.TLSVersion.TLSv1_2, verify_mode=ssl.CERT_REQUIRED)
    with TlsServer(context) as server:
        result = look(server.at)
    found = only(result)
    assert problems(result) == {} and len(found["chain"]) == 2
    assert found["verified"] is None and "wants a certificate" in found["verify_reason"]
    assert result["checks"]["untrusted"] == "unknown" and (result["status"], result["healthy"]) == ("unknown", None)


def test_an_old_protocol_is_looked_at_all_the_same(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    with pytest.warns(DeprecationWarning):
        old = ssl.TLSVersion.TLSv1
        context = context_for(middle.issue(HERE, key=ec.generate_private_key(ec.SECP384R1())), minimum_version=old, maximum_version=old)
    with TlsServer(context) as server:
        result = look(server.at)
    assert only(result)["serial"] and only(result)["protocol"] == "TLSv1"
    assert only(result)["verified"] is None and "protocol version" in only(result)["verify_reason"]
    assert finding(result, "unusable")["status"] == "critical" and "default settings" in finding(result, "unusable")["hint"]
    assert result["status"] == "critical" and result["healthy"] is False


@pytest.mark.parametrize(("served", "seen"), [("AES128-SHA", True), ("ECDHE-ECDSA-NULL-SHA:ADH-AES128-SHA", False)])
def test_a_server_without_a_cipher_in_common_is_not_ok(
    look: Callable[..., dict[str, Any]], middle: Authority, served: str, seen: bool,
) -> None:
    """Whether its certificate can be seen all the same or not."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048) if seen else None
    context = context_for(middle.issue(HERE, key=key), maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(f"{served}:@SECLEVEL=0")
    with TlsServer(context) as server:
        result = look(server.at)
    assert finding(result, "unusable")["status"] == "critical" and bool(only(result)["serial"]) is seen
    assert (result["status"], result["recovery"], only(result)["key_types"]) == ("critical", "fix_tls", [])


def test_nginx_with_a_certificate_for_each_key_type(look: Callable[..., dict[str, Any]], middle: Authority, tmp_path: Path) -> None:
    """The one that this host's library does not prefer has expired: some clients see that one only."""
    keys = {"rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048), "ecdsa": ec.generate_private_key(ec.SECP256R1())}
    issued = {"ecdsa": middle.issue(HERE, key=keys["ecdsa"]), "rsa": middle.issue(HERE, key=keys["rsa"], ends=-DAY)}
    paths = {kind: one.write(tmp_path, name=kind) for kind, one in issued.items()}
    tls_port, http_port = free_ports(2)
    nginx = Nginx(tmp_path / "nginx", [Host(HERE, *paths["ecdsa"])], tls_port=tls_port, http_port=http_port)
    second = "ssl_certificate {}; ssl_certificate_key {};".format(*paths["rsa"])
    nginx.configuration.write_text(nginx.configuration.read_text().replace("location / {", f"{second}\n        location / {{"))
    nginx.start()
    try:
        at = f"{HERE}:{tls_port}"
        result = look(at)
        preferred = look(at, key_types=[])
        pairs = look(pairs=[{"endpoint": at, "file": str(paths[kind][0])} for kind in paths])
    finally:
        nginx.stop()
    assert {one["target"]: (one["serial"], one["problems"], len(one["chain"])) for one in result["certificates"]} == {
        at: (issued["ecdsa"].serial, [], 2), f"{at} (rsa)": (issued["rsa"].serial, ["expired"], 2),
    }
    (first,) = (one for one in result["certificates"] if one["target"] == at)
    assert {one["key_type"]: (one["answer"], one["target"]) for one in first["key_types"]} == {
        "rsa": ("served", f"{at} (rsa)"), "ecdsa": ("served", at),
    }
    assert (result["status"], result["recovery"]) == ("critical", "renew") and finding(result, "expired")["subject"] == f"{at} (rsa)"
    assert (preferred["status"], only(preferred)["key_types"]) == ("ok", [])
    assert "stale_in_memory" not in problems(pairs) and pairs["checks"]["stale_in_memory"] == "ok"


@pytest.mark.parametrize(("settings", "answer"), [
    ({}, "none"), ({"maximum_version": ssl.TLSVersion.TLSv1_2}, "none"), ({"minimum_version": ssl.TLSVersion.TLSv1_3}, "not_asked"),
])
def test_a_server_with_one_certificate_says_so_where_it_can_be_asked(
    look: Callable[..., dict[str, Any]], middle: Authority, settings: dict[str, Any], answer: str,
) -> None:
    with TlsServer(context_for(middle.issue(HERE), **settings)) as server:
        result = look(server.at)
    found = {one["key_type"]: one for one in only(result)["key_types"]}
    assert (found["ecdsa"]["answer"], found["rsa"]["answer"]) == ("served", answer)
    assert ("TLS 1.3 only" in found["rsa"]["reason"]) is (answer == "not_asked")
    assert (result["status"], result["healthy"]) == ("ok", True)


def test_the_certificate_of_the_other_key_type_is_judged_in_full(
    look: Callable[..., dict[str, Any]], middle: Authority, tmp_path: Path,
) -> None:
    """Its chain too: what is missing from it the other certificate has."""
    second = middle.issue("other.example.org", key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
    context = context_for(middle.issue(HERE))
    context.load_cert_chain(*second.write(tmp_path, chain=[second.cert]))
    with TlsServer(context) as server:
        result = look(server.at)
    found = by_target(result)
    assert found[server.at]["problems"] == [] and set(found[f"{server.at} (rsa)"]["problems"]) == {"incomplete_chain", "name_mismatch"}
    assert finding(result, "incomplete_chain")["detail"]["proven"] is True and found[f"{server.at} (rsa)"]["protocol"] == "TLSv1.2"


def test_a_missing_trust_store_of_one_target_leaves_the_others_their_verdict(
    look: Callable[..., dict[str, Any]], middle: Authority, tmp_path: Path,
) -> None:
    path, _key = middle.issue(HERE).write(tmp_path)
    missing = str(tmp_path / "gone.pem")
    with TlsServer(context_for(middle.issue(HERE))) as good, TlsServer(context_for(middle.issue(HERE))) as other:
        result = look(good.at, {"host": other.at, "ca_path": missing}, files=[{"path": str(path), "ca_path": missing}])
    found = by_target(result)
    assert (found[good.at]["status"], found[good.at]["verified"]) == ("ok", True)
    for target in (other.at, str(path)):
        assert (found[target]["status"], found[target]["problems"]) == ("unknown", ["untrusted"]) and found[target]["serial"]
        assert missing in found[target]["verify_reason"] and "no such file" in found[target]["verify_reason"]
    assert (result["status"], result["recovery"]) == ("unknown", "")


def test_fail_on(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    with TlsServer(context_for(middle.issue(HERE, ends=20 * DAY, lasts=90 * DAY))) as server:
        assert "failed" not in look(server.at, fail_on="critical")
        result = look(server.at, fail_on="warning")
    assert result["failed"] and result["error"] == "unhealthy" and result["certificates"] and "expiring" in result["msg"]


@pytest.mark.parametrize(("args", "said"), [
    ({}, "nothing to look at"),
    ({"endpoints": ["gopher://x"]}, "gopher"),
    ({"endpoints": [{"host": "x", "startls": "smtp"}]}, "unknown startls"),
    ({"endpoints": [{"host": "x", "expect_serial": 12}]}, "as text"),
    ({"endpoints": ["x"], "ca_path": "/nonexistent/ca.pem"}, "ca_path"),
    ({"endpoints": ["x"], "critical_days": 40}, "critical_days"),
    ({"endpoints": ["x"], "proxy": "http://user:secret@proxy.example.org"}, "proxy_username"),
    ({"contents": ["-----BEGIN PRIVATE KEY-----"]}, "private key"),
    ({"endpoints": ["x"], "workers": 0}, "workers"),
    ({"endpoints": ["x"], "timeout": "0s"}, "timeout"),
])
def test_bad_arguments_are_told_before_anything_is_touched(args: dict[str, Any], said: str) -> None:
    result = run_module("cert_expiry", **args)
    assert result["failed"] and result["error"] == "bad_input" and said in result["msg"]


def test_check_mode_looks_as_well(look: Callable[..., dict[str, Any]], middle: Authority) -> None:
    with TlsServer(context_for(middle.issue(HERE))) as server:
        result = look(server.at, check=True)
    assert result["status"] == "ok" and result["changed"] is False
