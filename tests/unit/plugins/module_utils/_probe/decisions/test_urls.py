# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the health URLs of an application say."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.urls import Answer, decide
from ansible_collections.oncall.incident.plugins.module_utils._probe.urls import Wanted


@pytest.mark.parametrize(("statuses", "healthy", "status"), [
    ([200, 204], True, "ok"), ([200, 503], False, "critical"), ([None, 503], False, "critical"), ([200, None], None, "unknown"),
])
def test_a_url_that_gives_no_answer_does_not_fail(statuses: list[int | None], healthy: bool | None, status: str) -> None:
    answers = [Answer(f"http://a/{place}", one, 0.1, "" if one else "refused") for place, one in enumerate(statuses)]
    found = decide(answers, expected=[200, 204], asked=["application"]).verdict
    assert (found.healthy, found.statuses(), found.asked) == (healthy, {"application": status}, ("application",))
    assert all(one.subject in one.hint for one in found.findings if one.status != "ok")


@pytest.mark.parametrize(("urls", "timeout", "named"), [
    ([], 1.0, "urls is empty"), (["ftp://a"], 1.0, "'ftp://a'"), (["http://a"], 0.0, "timeout"),
])
def test_what_cannot_be_asked_is_refused(urls: list[str], timeout: float, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        Wanted.of(urls, expected=[200], timeout=timeout, validate_certs=True)
