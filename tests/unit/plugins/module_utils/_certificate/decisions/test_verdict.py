# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with what was seen, what to do about it, and the report."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.model import (
    ENDPOINT,
    FILE,
    UNREACHABLE,
    Renewal,
    Revocation,
    Seen,
    Trouble,
    Trust,
    path_up,
)
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.report import Group, decide, recovery_of
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.report import report as report_judged
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.targets import Terms
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.time import BY_RENEWAL
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.verdict import (
    CHECKS,
    Judged,
    Skew,
    compare_pair,
    expect,
    judge,
    needed,
)

from tests.support.plain_certs import cert

NOW = datetime.datetime(2026, 2, 1, tzinfo=datetime.timezone.utc)  # noqa: UP017
LEAF = cert(subject="CN=leaf", subject_id="leaf", issuer_id="middle", fingerprint="1", dns_names=("a.example.org",))
MIDDLE = cert(subject="CN=middle", subject_id="middle", issuer_id="root", fingerprint="2", days=3000, is_ca=True)
ROOT = cert(
    subject="CN=root", subject_id="root", issuer_id="root", fingerprint="3", days=7000, is_ca=True, self_issued=True, self_signed=True,
)
OLD_ROOT = cert(
    subject="CN=old", subject_id="old", issuer_id="old", fingerprint="4", days=10, is_ca=True, self_issued=True, self_signed=True,
)
TOMORROWS = cert(not_before=NOW + datetime.timedelta(days=1))
GOOD = Trust(verified=True, chain=(LEAF, MIDDLE, ROOT))


def report(judged: t.Sequence[Judged], *, now: datetime.datetime) -> dict[str, t.Any]:
    """The report as it appears in results."""
    said = report_judged(judged, now=now)
    return {**said.as_result(), **said.verdict.as_dict()}


def seen(*chain: t.Any, trust: Trust = GOOD, **more: t.Any) -> Seen:
    return Seen(target="a:443", kind=more.pop("kind", ENDPOINT), chain=chain or (LEAF, MIDDLE), trust=trust, **more)


def judged(what: Seen, *, names: t.Sequence[str] = (), now: datetime.datetime = NOW, terms: Terms | None = None) -> Judged:
    return judge(what, terms or Terms(thresholds=BY_RENEWAL["manual"]), names=names, now=now, skew=Skew())


def problems(found: Judged) -> dict[str, str]:
    return {finding.check: finding.status for finding in found.findings}


def test_all_is_well() -> None:
    found = judged(seen(), names=["a.example.org"])
    assert problems(found) == {} and found.status == "ok"
    assert {"expired", "expiring", "untrusted", "name_mismatch", "unreachable"} <= found.checks


def test_the_chain_that_verified_counts_and_not_what_else_is_served() -> None:
    assert problems(judged(seen(LEAF, MIDDLE, OLD_ROOT))) == {}
    assert [where for where, _cert in needed(seen(LEAF, MIDDLE, OLD_ROOT))] == ["leaf", "intermediate", "root"]


@pytest.mark.parametrize(("code", "trust", "chain", "found"), [
    (18, {}, (ROOT,), {"self_signed"}), (20, {}, (LEAF, MIDDLE), {"untrusted"}), (19, {}, (LEAF, MIDDLE, ROOT), {"untrusted"}),
    (21, {"completed": True}, (LEAF,), {"incomplete_chain"}), (21, {}, (LEAF,), {"untrusted"}),
    (66, {}, (LEAF, MIDDLE), {"weak_key"}), (67, {}, (LEAF, MIDDLE), {"weak_key"}), (68, {}, (LEAF, MIDDLE), {"weak_signature"}),
    (26, {}, (LEAF, MIDDLE), {"untrusted"}), (10, {}, (LEAF, MIDDLE), {"expired"}),
])
def test_verification_that_failed_is_always_a_finding(code: int, trust: t.Any, chain: t.Any, found: set[str]) -> None:
    assert set(problems(judged(seen(*chain, trust=Trust(verified=False, code=code, reason="why", **trust))))) == found


def test_a_certificate_that_is_not_the_targets_own_is_named() -> None:
    gone = cert(subject="CN=middle", subject_id="middle", issuer_id="root", fingerprint="2", days=-5, is_ca=True)
    (found,) = (one for one in judged(seen(LEAF, gone, trust=Trust())).findings if one.check == "expired")
    assert found.subject == "a:443" and found.hint.endswith("It is CN=middle.")


def test_a_leaf_alone_from_a_ca_that_says_where_its_certificate_is() -> None:
    alone = cert(subject_id="leaf", issuer_id="middle", ca_issuer_urls=("http://ca.example.org/",))
    assert set(problems(judged(seen(alone, trust=Trust(verified=False, code=20))))) == {"incomplete_chain"}


def test_what_nobody_judged_is_skipped_and_not_called_ok() -> None:
    found = judged(seen(trust=Trust(reason="no trust store")))
    assert problems(found) == {} and "untrusted" not in found.checks and ("untrusted", "no trust store", "") in found.skipped


def test_a_trust_store_that_is_missing_is_the_targets_own_trouble() -> None:
    found = judged(seen(trust=Trust(reason="ca_path: /x is not usable: no such file or directory.", hint="Give a PEM file.")))
    assert problems(found) == {"untrusted": "unknown"} and found.status == "unknown" and found.findings[0].hint == "Give a PEM file."
    assert {check for check, _reason, _hint in found.skipped} == {"incomplete_chain", "self_signed"}


def test_a_server_that_has_nothing_in_common_with_its_clients() -> None:
    found = judged(Seen(target="a", kind=ENDPOINT, trouble=Trouble(UNREACHABLE, "handshake failure", unusable=True)))
    assert problems(found) == {"unreachable": "critical", "unusable": "critical"} and recovery_of(found) == "fix_tls"


def test_a_file_of_which_a_part_is_passed_over() -> None:
    assert problems(judged(seen(kind=FILE, passed_over=1))) == {"unreadable": "warning"}


@pytest.mark.parametrize(("blind", "status"), [(False, "critical"), (True, "unknown")])
def test_trouble(blind: bool, status: str) -> None:
    found = judged(Seen(target="a", kind=ENDPOINT, trouble=Trouble(UNREACHABLE, "no answer", blind=blind)), names=["a"])
    assert problems(found) == {"unreachable": status}
    assert {check for check, _reason, _hint in found.skipped} >= {"expired", "untrusted", "name_mismatch"}


@pytest.mark.parametrize(("more", "code"), [
    ({"trust": Trust(verified=False, code=10), "chain": (cert(days=1), MIDDLE)}, "renew"),
    ({"skew": 900.0, "chain": (cert(days=1), MIDDLE), "trust": Trust(verified=False, code=10)}, "fix_clock"),
    ({"trust": Trust(verified=False, code=20)}, "replace_ca"), ({"trust": Trust(verified=False, code=20, completed=True)}, "fix_chain"),
    ({"revocations": (Revocation(True, "CRL x"),)}, "renew"), ({"renewal": Renewal(NOW, NOW)}, "renew"), ({"skew": 70.0}, "fix_clock"),
    ({"chain": (TOMORROWS,), "trust": Trust(verified=False, code=9)}, "fix_clock"),
    ({"chain": (TOMORROWS,), "trust": Trust(verified=False, code=9), "skew": 0.0}, "renew"),
    ({"trust": Trust(unusable=True, reason="no protocols available")}, "fix_tls"),
    ({"trust": Trust(reason="ca_path: /x is not usable: no such file or directory.", hint="Give a PEM file.")}, ""),
    ({}, ""),
])
def test_what_to_do(more: dict[str, t.Any], code: str) -> None:
    chain = more.pop("chain", (LEAF, MIDDLE))
    assert recovery_of(judged(seen(*chain, **more))) == code


def test_a_wrong_name_comes_before_a_missing_intermediate_and_after_a_renewal() -> None:
    bad = Trust(verified=False, code=20, completed=True)
    assert recovery_of(judged(seen(trust=bad), names=["b.example.org"])) == "fix_name"
    assert recovery_of(judged(seen(cert(days=1), MIDDLE, trust=bad), names=["b.example.org"])) == "renew"


def test_the_worst_target_decides_what_to_do() -> None:
    soon = judged(seen(cert(days=45), MIDDLE, trust=Trust(verified=True)))
    wrong = judged(seen(), names=["b.example.org"])
    result = report([soon, wrong], now=NOW)
    assert (result["status"], result["recovery"]) == ("critical", "fix_name")
    assert report([soon], now=NOW)["recovery"] == "renew" and report([judged(seen())], now=NOW)["recovery"] == ""


def test_a_pair() -> None:
    old = cert(fingerprint="old", serial="01")
    new = cert(fingerprint="new", serial="02", not_before=NOW)
    for served, stored, want, status in ((old, new, True, "warning"), (new, old, False, "warning"), (cert(days=33), new, True, "critical")):
        endpoint, file = judged(seen(served, trust=Trust(verified=True))), judged(
            seen(stored, kind=FILE, trust=Trust(), address="/etc/ssl/a.pem"),
        )
        compare_pair(endpoint, file, reload="systemctl reload x", now=NOW)
        found = [finding for finding in endpoint.findings if finding.check == "stale_in_memory"]
        assert [(finding.status, finding.detail["file_is_newer"]) for finding in found] == [(status, want)]
        assert "/etc/ssl/a.pem" in found[0].hint
        assert recovery_of(endpoint) == ("reload" if want else "")


RSA, CURVE = cert(fingerprint="r", serial="0A", key_type="rsa"), cert(fingerprint="c", serial="0B", key_type="ec")


def decided(*chains: t.Any, stored: t.Any = None, terms: Terms | None = None) -> dict[str, list[str]]:
    """Problems by target, of a server with a certificate for each key type and the file of one of them."""
    served = tuple(
        Seen(target=name, kind=ENDPOINT, chain=(chain,), trust=Trust(verified=True), beside="" if name == "a" else "a")
        for name, chain in zip(("a", "a (rsa)"), chains)  # noqa: B905
    )
    groups = [Group(terms or Terms(), (), served)]
    if stored is not None:
        groups.append(Group(Terms(), (), (Seen(target="f", kind=FILE, chain=(stored,)),)))
    said = decide(groups, [(0, "")] if stored is not None else [], skew=Skew(), now=NOW, asked=None).as_result()
    return {one["target"]: one["problems"] for one in said["certificates"] if one["target"] != "f"}


@pytest.mark.parametrize(("chains", "stored", "stale"), [
    ((CURVE, RSA), CURVE, []), ((CURVE, RSA), RSA, []), ((CURVE,), RSA, ["a"]),
    ((CURVE, RSA), cert(fingerprint="n", serial="0C", key_type="rsa", not_before=NOW), ["a (rsa)"]),
    ((CURVE, RSA), cert(fingerprint="n", serial="0C", key_type="ed25519", not_before=NOW), ["a"]),
])
def test_a_file_is_compared_with_what_is_served_of_its_key_type(chains: t.Any, stored: t.Any, stale: list[str]) -> None:
    assert [target for target, found in decided(*chains, stored=stored).items() if "stale_in_memory" in found] == stale


@pytest.mark.parametrize(("serial", "stale"), [("0A", []), ("0B", []), ("0C", ["a"])])
def test_the_certificate_that_is_expected_may_be_of_either_key_type(serial: str, stale: list[str]) -> None:
    found = decided(CURVE, RSA, terms=Terms(expect_serial=serial))
    assert [target for target, names in found.items() if "stale_in_memory" in names] == stale


@pytest.mark.parametrize(("terms", "status"), [
    ({"expect_serial": "01"}, []), ({"expect_serial": "02"}, ["critical"]), ({"expect_fingerprint": "1"}, []),
    ({"expect_fingerprint": "2"}, ["critical"]), ({}, []),
])
def test_what_is_expected(terms: dict[str, str], status: list[str]) -> None:
    found = judged(seen(), terms=Terms(**terms))
    expect(found)
    assert [finding.status for finding in found.findings] == status and ("stale_in_memory" in found.checks) is bool(terms)


def test_the_report() -> None:
    dead = judged(Seen(target="dead:1", kind=ENDPOINT, trouble=Trouble(UNREACHABLE, "a | b\nc")))
    result = report([judged(seen()), dead], now=NOW)
    assert [one["target"] for one in result["certificates"]] == ["a:443", "dead:1"]
    assert result["checks"]["expired"] == "unknown" and result["checks"]["unreachable"] == "critical"
    assert result["next_expiry"]["subject"] == "CN=leaf" and result["certificates"][1]["not_after"] is None
    assert "a \\| b c" in result["table"] and len(result["table"].splitlines()) == 4
    assert {finding["check"] for finding in result["findings"]} <= set(CHECKS)
    assert report([dead], now=NOW)["next_expiry"] is None


def test_a_thousand_targets_make_a_short_list_of_findings() -> None:
    result = report([judged(seen()) for _ in range(1000)], now=NOW)
    assert len(result["findings"]) < len(CHECKS) and result["status"] == "ok" and result["findings"][0]["observed"] == 1000
    assert "500 more are not shown" in result["table"]


def test_the_way_up_survives_rings_and_disorder() -> None:
    assert path_up((LEAF, OLD_ROOT, ROOT, MIDDLE)) == (LEAF, MIDDLE, ROOT)
    one, other = cert(subject_id="x", issuer_id="y", fingerprint="8"), cert(subject_id="y", issuer_id="x", fingerprint="9")
    assert path_up((one, other)) == (one, other) and path_up(()) == ()
