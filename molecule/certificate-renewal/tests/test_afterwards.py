# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: every address serves what the authority issued, and the site's configuration is as it was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.drilled import Lab

LAB = Lab(__file__)
NAME = "www.example.org"
#: Two of IPv4, one of IPv6.
ADDRESSES = LAB.hosts["web1"]["site_addresses"]
LIVE = f"/etc/letsencrypt/live/{NAME}"


def served(address: str) -> str:
    """What one address serves, seen from the other host, and verified by it: serial number as the authority writes it."""
    at = f"[{address}]:443" if ":" in address else f"{address}:443"
    shown = LAB.host("acme1").run(
        f"openssl s_client -connect {at} -servername {NAME} -verify_hostname {NAME} -verify_return_error -CAfile /etc/pebble/root.pem"
        " </dev/null",
    )
    assert shown.rc == 0 and "Verify return code: 0 (ok)" in shown.stdout, shown.stdout + shown.stderr
    leaf = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", shown.stdout, re.DOTALL)
    assert leaf is not None
    looked = LAB.host("acme1").run(f"echo '{leaf.group()}' | openssl x509 -noout -serial -checkend 6000000")
    assert looked.rc == 0, f"{address} serves a certificate that ends soon: {looked.stdout}"
    return looked.stdout.splitlines()[0].partition("=")[2].lower().lstrip("0")


def journal() -> list[str]:
    """What the authority wrote down."""
    lines: list[str] = LAB.host("acme1").run("journalctl --unit pebble --output cat --no-pager").stdout.splitlines()
    return lines


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_site_serves_what_the_authority_issued_last(address: str) -> None:
    issued = [found.group(1) for line in journal() if (found := re.search(r"Issued certificate serial ([0-9a-f]+)", line))]
    assert served(address) == issued[-1].lstrip("0")


def test_the_site_has_all_of_its_addresses() -> None:
    for name in ("web1", "acme1"):
        found = LAB.host(name).run(f"getent ahosts {NAME} | cut -d' ' -f1 | sort -u").stdout.split()
        assert sorted(found) == sorted(ADDRESSES)


def test_the_configuration_is_as_it_was() -> None:
    web = LAB.host("web1")
    assert web.run("sha256sum --check --quiet /root/nginx.sha256").rc == 0
    assert web.run("find /etc/nginx -type f | wc -l").stdout == web.run("wc -l < /root/nginx.sha256").stdout
    assert web.run("nginx -t").rc == 0


def test_the_server_was_reloaded_and_never_restarted() -> None:
    """The same start, and other workers than those that were there before the drill."""
    LAB.check_never_restarted("web1", "nginx")
    workers = LAB.said("web1", "pgrep --parent $(systemctl show --property=MainPID --value nginx)").split()
    before = LAB.said("web1", "cat /root/nginx.workers").split()
    assert workers and before and not set(workers) & set(before)


def test_the_authority_was_never_restarted() -> None:
    LAB.check_never_restarted("acme1", "pebble")


def test_every_key_is_readable_for_whom_it_was_and_fits() -> None:
    web = LAB.host("web1")
    keys = web.run(f"stat --format='%a %U:%G' /etc/letsencrypt/archive/{NAME}/privkey*.pem").stdout.splitlines()
    assert len(keys) > 1 and set(keys) == {"640 root:www-data"}
    of_key = web.run(f"openssl pkey -in {LIVE}/privkey.pem -pubout").stdout
    assert of_key and of_key == web.run(f"openssl x509 -in {LIVE}/fullchain.pem -noout -pubkey").stdout
    links = web.run(f"readlink {LIVE}/cert.pem {LIVE}/chain.pem {LIVE}/fullchain.pem {LIVE}/privkey.pem").stdout.split()
    assert len({re.sub(r"\D", "", Path(link).name) for link in links}) == 1, links


def test_certbot_can_still_renew() -> None:
    assert LAB.host("web1").run("certbot certificates").stdout.count(f"Certificate Name: {NAME}") == 1
    assert LAB.host("web1").run(f"ls /etc/letsencrypt/renewal/{NAME}.conf /etc/letsencrypt/archive").stdout.split()[-1] == NAME


def test_nothing_of_a_fault_is_left() -> None:
    LAB.check_nothing_left()
    web = LAB.host("web1")
    # Of every certificate that certbot ever kept, none is of another issuer, and none has expired.
    issuers = web.run(
        f"for one in /etc/letsencrypt/archive/{NAME}/cert*.pem; do openssl x509 -noout -issuer -checkend 0 -in $one; done",
    )
    assert {re.sub(r"Pebble Intermediate CA \w+", "Pebble", line) for line in issuers.stdout.splitlines()} == {
        "issuer=CN = Pebble", "Certificate will not expire",
    }
    assert web.run("find /var/www/html -path '*/acme-challenge/*' -type f").stdout == ""
    assert web.run("systemctl is-active ssh").stdout.strip() == "active"
