# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What contexts take, whatever the host's own configuration."""

from __future__ import annotations

import ssl
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._probe import handshake


class Lenient:
    """The library as Python 3.9 has it where OpenSSL's configuration allows old versions."""

    def __getattr__(self, name: str) -> t.Any:
        return getattr(ssl, name)

    @staticmethod
    def SSLContext(protocol: int) -> ssl.SSLContext:
        """A context that takes old versions."""
        made = ssl.SSLContext(protocol)
        made.minimum_version = ssl.TLSVersion.TLSv1
        return made


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_client_with_default_settings_speaks_no_old_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "ssl", Lenient())
    contexts = handshake.Contexts()
    assert contexts.verifying("").minimum_version == ssl.TLSVersion.TLSv1_2 and contexts.looking().minimum_version == ssl.TLSVersion.TLSv1


@pytest.mark.parametrize("key_type", ["rsa", "ecdsa"])
def test_a_context_for_one_key_type(key_type: str) -> None:
    context = handshake.Contexts().verifying("", key_type=key_type)
    taken = {one["auth"] for one in context.get_ciphers() if one["protocol"] != "TLSv1.3"}
    assert taken == {f"auth-{key_type}"} and context.maximum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(("content", "said"), [(None, "no such file or directory"), ("hello", "it is not a PEM file of certificates")])
def test_a_trust_store_of_no_use_is_told_in_words(tmp_path: t.Any, content: str | None, said: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadInput) as caught:
        handshake.Contexts().verifying(str(path))
    assert caught.value.message == f"ca_path: {path} is not usable: {said}."
