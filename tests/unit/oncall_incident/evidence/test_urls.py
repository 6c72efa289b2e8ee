# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a URL may be seen."""

from __future__ import annotations

import pytest

from oncall_incident.evidence import urls


@pytest.mark.parametrize(("url", "shown"), [
    ("https://tsa.example.org/tsr", "https://tsa.example.org/tsr"),
    ("https://ann:hunter2@tsa.example.org:8443/tsr", "https://tsa.example.org:8443/tsr"),
    ("https://hunter2@tsa.example.org", "https://tsa.example.org"),
    ("https://ann:hunt/er2@tsa.example.org/tsr", "https://tsa.example.org/tsr"),
    ("https://ann:hunt@er2@tsa.example.org/tsr", "https://tsa.example.org/tsr"),
    ("https://tsa.example.org/tsr?key=hunter2", "https://tsa.example.org/tsr"),
    ("http://127.0.0.1:8080/people/ann@example.org", "http://127.0.0.1:8080/people/ann@example.org"),
    ("s3://bucket/prefix", "s3://bucket/prefix"),
    ("/var/copies/a@b", "/var/copies/a@b"),
])
def test_what_is_shown_of_a_url(url: str, shown: str) -> None:
    assert urls.public(url) == shown


def test_the_login_is_taken_out_of_a_url() -> None:
    assert urls.split_login("http://ann:a%40b@192.0.2.1:80/x") == ("http://192.0.2.1:80/x", "YW5uOmFAYg==")
    assert urls.split_login("http://192.0.2.1:80/x") == ("http://192.0.2.1:80/x", "")
    assert urls.split_login("nothing") == ("nothing", "")
