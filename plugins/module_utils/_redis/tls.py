# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS to a server. Only what uses TLS imports this.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import socket
import ssl

from .._core.deadline import Deadline
from .._core.errors import BadInput
from .dial import Login, cannot


def context_of(login: Login) -> ssl.SSLContext:
    """What is checked of the server, and what is shown to it.

    Raises:
        BadInput: a certificate or key file is not usable.
    """
    try:
        context = ssl.create_default_context(cafile=login.ca_cert or None)
    except (OSError, ssl.SSLError) as exc:
        raise _unusable("ca_cert", login.ca_cert, exc) from None
    # The name is checked only with the certificate.
    context.check_hostname = login.validate_certs and login.check_hostname
    context.verify_mode = ssl.CERT_REQUIRED if login.validate_certs else ssl.CERT_NONE
    if login.client_cert:
        try:
            # An empty password instead of a prompt on the terminal: a module has none.
            context.load_cert_chain(login.client_cert, login.client_key or None, password=lambda: b"")
        except (OSError, ssl.SSLError) as exc:
            raise _unusable("client_cert", login.client_cert, exc) from None
    return context


def _unusable(argument: str, path: str, exc: Exception) -> BadInput:
    return BadInput(f"{argument}: {path} is not usable: {exc}", hint="Give a readable PEM file, and its own key.", argument=argument)


def agree(context: ssl.SSLContext, plain: socket.socket, login: Login, *, deadline: Deadline) -> socket.socket:
    """Agree on TLS over a connection, which is closed where that fails.

    Raises:
        CannotReach: facts: `error`, among them tls_failed, tls_not_offered, frozen, connection_lost.
    """
    try:
        plain.settimeout(max(deadline.remaining(), 0.001))
        return context.wrap_socket(plain, server_hostname=login.host or None)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as exc:
        plain.close()
        raise cannot("connection_lost", login, f"the server ended the connection while TLS was agreed on: {exc}") from None
    except ssl.SSLError as exc:
        plain.close()
        if "WRONG_VERSION_NUMBER" in str(exc) or "UNKNOWN_PROTOCOL" in str(exc):
            raise cannot("tls_not_offered", login, str(exc)) from None
        raise cannot("frozen" if "timed out" in str(exc) else "tls_failed", login, str(exc)) from None
    except socket.timeout:
        plain.close()
        raise cannot("frozen", login, "connected, and then nothing came to agree on TLS") from None
    except OSError as exc:
        # As when it is being restarted: a wait must be able to go on.
        plain.close()
        raise cannot("connection_lost", login, f"the server ended the connection while TLS was agreed on: {exc}") from None


def is_of_tls(exc: BaseException) -> bool:
    """Whether an error is one of TLS."""
    return isinstance(exc, ssl.SSLError)


def is_alert(exc: BaseException) -> bool:
    """Whether TLS failed, and did not merely end: a server that is being restarted ends it too."""
    return is_of_tls(exc) and not isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
