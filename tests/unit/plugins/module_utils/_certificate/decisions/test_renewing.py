# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is renewed, what is settled, and the same decision again from its record."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.model import Cert
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.renewal import Lineage
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.renewing import Earlier, Held, Patience, sight
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget

from tests.support.decided import decided_again

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)  # noqa: UP017
DAY = datetime.timedelta(days=1)
WWW = Lineage("www", "/live/www.pem", "/live/www.key", command=("certbot",), keep=("/live",))


def cert(name: str, *, until: float, since: float = -60, **more: Any) -> Cert:
    """A certificate with its dates in days from now."""
    return Cert(
        subject="CN=a", issuer="CN=i", subject_id="a", issuer_id="i", serial="01", fingerprint=name, dns_names=("www.example.org",),
        not_before=NOW + since * DAY, not_after=NOW + until * DAY, **more,
    )


OLD, GOOD = cert("old", until=-1), cert("good", until=90, since=0)
ISSUER = dataclasses.replace(cert("issuer", until=900), subject_id="i", issuer_id="r", is_ca=True)
EARLIER = Earlier("/backups/www/1", NOW.timestamp() - 60, before=(OLD,))


@pytest.mark.parametrize(("held", "wanted", "said"), [
    (Held(WWW, (GOOD,)), {}, ""),
    (Held(WWW), {"renew_certificate": "planned"}, "no readable certificate"),
    (Held(WWW, (OLD, ISSUER)), {"renew_certificate": "planned"}, "It expired"),
    (Held(WWW, (OLD,), failures=2), {"renew_certificate": "planned"}, "It expired"),
    (Held(WWW, (OLD,), failures=3), {"renew_certificate": "refused"}, "It expired"),
    (Held(WWW, (GOOD,), earlier=EARLIER), {"settle_renewal": "planned"}, "usable and kept"),
    (Held(WWW, (OLD,), earlier=EARLIER), {"settle_renewal": "planned", "renew_certificate": "planned"}, "left the certificate as it was"),
    (Held(WWW, (OLD,), earlier=dataclasses.replace(EARLIER, key_problem="It is another's.")),
     {"settle_renewal": "planned", "renew_certificate": "planned"}, "put back"),
    (Held(WWW, (GOOD,), earlier=dataclasses.replace(EARLIER, before=(OLD, ISSUER))),
     {"settle_renewal": "planned", "renew_certificate": "planned"}, "put back"),  # its issuer is missing
    (Held(WWW, (OLD,), earlier=dataclasses.replace(EARLIER, at_work=True)), {"settle_renewal": "planned"}, "it still runs"),
])
def test_each_decision_is_made_again(held: Held, wanted: dict[str, str], said: str) -> None:
    found = sight((held,), "host:web1", NOW, Budget(max_count=2), Patience(3, 3600.0))
    actions = [one.action for one in found.candidates]
    assert {one.verb: one.outcome for one in actions} == wanted and (not said or said in actions[0].reason)
    assert decided_again(found.basis, approved=None).actions == {one.id: one.outcome for one in actions}


def test_the_limit_holds_again() -> None:
    held = tuple(Held(dataclasses.replace(WWW, name=f"www{number}"), (OLD,)) for number in range(3))
    found = sight(held, "host:web1", NOW, Budget(max_count=2), Patience(3, 3600.0))
    assert set((decided_again(found.basis, approved=None).actions or {}).values()) == {"refused"}
    chosen = [found.candidates[0].action.id]
    assert sorted((decided_again(found.basis, approved=chosen).actions or {}).values()) == ["planned", "refused", "refused"]


def test_many_certificates_have_room_in_a_record() -> None:
    held = tuple(Held(dataclasses.replace(WWW, name=f"www{number}.example.org"), (OLD, ISSUER, ISSUER)) for number in range(60))
    found = sight(held, "host:web1", NOW, Budget(max_count=100), Patience(3, 3600.0))
    assert found.basis is not None and found.basis.as_reading()["complete"]
