#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge TLS certificates, as they are served and as they are stored."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cert_expiry
short_description: Check TLS certificates as served and as stored
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Looks at many servers and files at the same time and returns a verdict, that is findings with a status each, what could not be
    judged, and every certificate with its dates. It only reads.
  - A dead server or a broken file is a result, and never hides the results of the others. The module fails for bad arguments, a missing
    library, or when O(fail_on) says so.
  - RV(recovery) says in one word what is to be done, for the whole and in RV(certificates[].recovery) for each target.
  - "The checks are
    C(expired), C(expiring), C(not_yet_valid) (of the certificate and of every element of its chain that counts),
    C(incomplete_chain) (intermediates are not served), C(untrusted), C(self_signed), C(name_mismatch),
    C(weak_key), C(weak_signature), C(revoked) (with O(check_revocation)),
    C(unreachable), C(unreadable) (a server or a file that shows no certificate, or a file of which servers pass over a part),
    C(unusable) (a client with default settings cannot connect, for example since only TLS 1.0 is offered),
    C(clock_skew) (the clock of an HTTP server against ours),
    C(stale_in_memory) (a server does not serve what is in its file, see O(pairs)),
    C(too_long_lived) (a public certificate lives longer than the CA/Browser Forum allowed when it was issued),
    C(renew_advised) (the CA asks for it, see O(ari))."
  - Dates are shown whether or not a certificate verifies. RV(certificates[].verified) is V(true) only where OpenSSL verified the chain
    in a handshake of its own, and V(null) where nobody could judge. Names are judged apart, by C(name_mismatch).
  - An expired root or cross-signed certificate that is served but not needed is not a finding where another chain verifies.
  - A server may have a certificate for each key type, and serves to each client what it takes. Both are asked for, see O(key_types).
    The one that is not served by default is a target of its own then, called C(host:port (rsa)) or C(host:port (ecdsa)).
notes:
  - What a server serves is shown by Python 3.10 and newer. Older ones see it with servers that speak TLS 1.2; with others only the
    certificate itself is seen, and C(incomplete_chain) is in RV(skipped_checks).
  - Java key stores need C(pyjks). A kubeconfig is read with PyYAML where that is there.
  - Missing intermediates are fetched only with O(fetch_issuers).
options:
  asked:
    description: Default are all checks by which a target is judged.
  fail_on:
    default: never
  endpoints:
    description:
      - Servers, each as text or as a dictionary.
      - As text C(host), C(host:port), C([2001:db8::1]:443) or C(proto://host:port). Protocols with TLS from the start are C(tls),
        C(https), C(smtps), C(imaps), C(pop3s), C(ftps), C(ldaps), C(rediss), C(xmpps), C(amqps), C(mqtts); those that ask for TLS
        (STARTTLS) are C(smtp), C(submission), C(lmtp), C(imap), C(pop3), C(ftp), C(ldap), C(postgres), C(mysql), C(xmpp),
        C(xmpp-server), C(sieve).
      - "As a dictionary: C(host) (as above), C(port), C(server_name) or C(sni) (the name that is asked for; C(host) unless that is an
        address), C(starttls) (one of the protocols that ask for TLS), C(address) (connect there whatever C(host) resolves to),
        C(resolve) (V(first): the first address that answers; V(all): every address behind the name is a target of its own),
        C(names) (that the certificate must be for; the server name if absent), C(http) (whether it may be asked for its clock with a
        HEAD request; V(true) for C(https://) and the ports 443 and 8443), C(label) (its name in the result), C(expect_serial) and
        C(expect_fingerprint) (the certificate that it must serve: hexadecimal serial number, SHA-256; another one is
        C(stale_in_memory)), C(proxy), C(renewal), C(ca_path), C(allow_self_signed), C(acme_directory), and the thresholds."
    type: list
    elements: raw
    default: []
  files:
    description:
      - Files with certificates, each as a path or as a dictionary. A path may be a pattern with C(*), C(**), C(?) and C([...]).
      - PEM files are read in full, keys in them are passed over. A file with several chains is as many targets, called C(path#1) and
        so on.
      - They are read as OpenSSL reads them. A file that a server such as NGINX would refuse, for a block that is cut off or damaged
        wherever it is in the file, is C(unreadable).
      - "As a dictionary: C(path), C(exclude) (patterns), C(format) (V(auto), V(pem), V(der), V(pkcs12) or V(jks)), C(names),
        C(renewal), C(ca_path) (given, the chain must verify; without it files are not verified), C(allow_self_signed),
        C(acme_directory), and the thresholds."
    type: list
    elements: raw
    default: []
  contents:
    description:
      - Certificates as text, PEM or DER in Base64, each as text or as a dictionary with C(content), C(label) and what O(files) takes.
      - Private keys are refused.
    type: list
    elements: raw
    default: []
  kubeconfigs:
    description: Paths or patterns of kubeconfigs, whose embedded and named certificates are judged, each as O(files).
    type: list
    elements: raw
    default: []
  pairs:
    description:
      - Servers and the files that they should serve. A server that serves another certificate than its file holds is
        C(stale_in_memory), the most common outage after a renewal.
    type: list
    elements: dict
    default: []
    suboptions:
      endpoint:
        description: As an entry of O(endpoints).
        type: raw
        required: true
      file:
        description: As an entry of O(files), one file.
        type: raw
        required: true
      reload:
        description: What makes the server read its file again, for the hint and for playbooks.
        type: str
  renewal:
    description:
      - Who renews, which picks the thresholds. V(manual) is a warning at 30 days and 33 percent, V(acme) and V(cert-manager) at 21 days
        and 25 percent, since they begin to renew at 33; all are critical at 7 days and 10 percent.
    type: str
    choices: [manual, acme, cert-manager]
    default: manual
  warning_days:
    description:
      - Days left at which a certificate is a warning. Of days and percent of its lifetime the one that comes later in time decides,
        so that a certificate of six days with four left is fine, and one of 200 days with 20 left is not.
      - By O(renewal) if absent, here and in the others.
    type: float
  warning_percent:
    description: Share of the lifetime left at which it is a warning; see O(warning_days).
    type: float
  critical_days:
    description: Days left at which it is critical; see O(warning_days).
    type: float
  critical_percent:
    description: Share of the lifetime left at which it is critical; see O(warning_days).
    type: float
  ca_path:
    description:
      - A PEM file, or a directory made by C(openssl rehash), of CAs that are trusted instead of the system's.
      - A target whose own C(ca_path) is not usable is C(untrusted) with status V(unknown); the others are judged.
    type: path
  allow_self_signed:
    description: Take self-signed certificates as meant to be so.
    type: bool
    default: false
  key_types:
    description:
      - Ask servers for a certificate of each of these key types, as a client does that takes no other. RV(certificates[].key_types) has
        the answers.
      - They are asked in TLS 1.2, where a client's cipher suites name the key type. A server that speaks TLS 1.3 only is not asked.
      - It takes a connection more for each type that is not served anyhow. An empty list asks for none.
    type: list
    elements: str
    choices: [rsa, ecdsa]
    default: [rsa, ecdsa]
  check_revocation:
    description:
      - Ask whether certificates are revoked, by the OCSP answer that the server staples (seen in TLS 1.2), the OCSP responder, or the CRL
        that they name. What is not signed by the CA counts for nothing, and who does not answer is in RV(skipped_checks).
    type: bool
    default: false
  fetch_issuers:
    description:
      - Fetch intermediates that are not served from where the certificate says (AIA), to tell a chain that lacks them from one that
        nobody trusts.
    type: bool
    default: false
  ari:
    description:
      - Ask the CA whether it wants a certificate to be renewed (RFC 9773), for targets with O(renewal=acme) whose O(acme_directory) is
        given or known.
    type: bool
    default: true
  acme_directory:
    description: URL of the ACME server's directory. Those of Let's Encrypt and Google Trust Services are known.
    type: str
  acme_ca_path:
    description: As O(ca_path), for the ACME server itself.
    type: path
  proxy:
    description:
      - An HTTP proxy (C(http://host:port)) through which servers are reached. It resolves the names, unless all addresses are asked for.
    type: str
  proxy_username:
    description: Login for the proxy.
    type: str
  proxy_password:
    description: Password for the proxy.
    type: str
  passphrases:
    description: Passphrases of PKCS#12 files and Java key stores by path or pattern.
    type: dict
    default: {}
  clock_skew_warning:
    description: Difference of clocks that is a warning.
    type: str
    default: 1m
  clock_skew_critical:
    description: Difference of clocks that is critical.
    type: str
    default: 10m
  workers:
    description: How many targets are looked at at the same time.
    type: int
    default: 64
  timeout:
    description: How long one target may take, everything included.
    type: str
    default: 10s
  max_seconds:
    description: How long one look at all targets may take. What was not looked at by then is C(unreachable) with status V(unknown).
    type: str
    default: 5m
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
"""

EXAMPLES = r"""
- name: Look at web servers, mail, a database and files at once
  oncall.incident.cert_expiry:
    endpoints:
      - www.example.org
      - smtp://mx.example.org
      - ldaps://ldap.example.org
      - host: www.example.org
        resolve: all
      - host: postgres://192.0.2.10
        names: [db.example.org]
        ca_path: /etc/ssl/internal-ca.pem
    files:
      - /etc/letsencrypt/live/*/fullchain.pem
      - path: /etc/tomcat/server.p12
        warning_days: 45
    passphrases:
      /etc/tomcat/server.p12: "{{ tomcat_passphrase }}"
    renewal: acme
  register: certificates

- name: Show the certificates, next to expire first
  ansible.builtin.debug:
    msg: "{{ certificates.table }}"

- name: Tell whether a renewed certificate has reached the server's memory
  oncall.incident.cert_expiry:
    pairs:
      - endpoint: www.example.org
        file: /etc/letsencrypt/live/www.example.org/fullchain.pem
        reload: systemctl reload nginx
    fail_on: warning

- name: Wait until every address behind the name serves the new certificate
  oncall.incident.cert_expiry:
    endpoints:
      - host: www.example.org
        resolve: all
        expect_serial: 04B7C94F2A51E0C1B3A29D7E8F60152D3A4B
    wait_for:
      checks: [stale_in_memory, expired, expiring, incomplete_chain, name_mismatch, untrusted, unreachable]
      hold: 2s
      timeout: 1m
    fail_on: critical
"""

RETURN = r"""
contract:
  description: Names this form of result.
  type: str
  returned: success
  sample: oncall.incident/verdict/1
status:
  description: The worst status of the findings, V(ok), V(warning), V(unknown) or V(critical).
  type: str
  returned: success
  sample: critical
findings:
  description: What is not ok, one for each target and check, the worst first, and one for each check that is ok everywhere.
  type: list
  elements: dict
  returned: success
  contains:
    check:
      description: Name of the check.
      type: str
    status:
      description: V(ok), V(warning), V(unknown) or V(critical).
      type: str
    observed:
      description: What was measured; with status V(ok) the number of targets.
      type: raw
    threshold:
      description: The value that decided, null where there is none.
      type: raw
    unit:
      description: Unit of both.
      type: str
    hint:
      description: What to do about it; empty when ok.
      type: str
    subject:
      description: The target.
      type: str
    detail:
      description: Further data, among it which element of the chain it is about.
      type: dict
  sample:
    - check: expiring
      status: warning
      observed: 12.4
      threshold: 30.0
      unit: days
      hint: Renew it.
      subject: www.example.org:443
      detail: {position: leaf, not_after: "2026-12-06T20:00:00Z", percent_left: 13.8}
skipped_checks:
  description: What could not be judged, why, and of which targets. It never counts as ok.
  type: list
  elements: dict
  returned: success
checks:
  description: The worst status by check; V(unknown) for one that was skipped for a target. Usable as O(baseline) later.
  type: dict
  returned: success
  sample: {expired: ok, expiring: warning}
recovery:
  description:
    - What to do about the worst target, V(renew), V(reload), V(fix_chain), V(fix_name), V(fix_clock), V(fix_tls) or V(replace_ca);
      empty when nothing.
  type: str
  returned: success
  sample: renew
next_expiry:
  description: What expires next and has not yet, null when there is nothing.
  type: dict
  returned: success
  sample: {target: "www.example.org:443", position: leaf, not_after: "2026-12-06T20:00:00Z", days_left: 12.4}
certificates:
  description: Every target with what it shows, the next to expire first. All dates are UTC.
  type: list
  elements: dict
  returned: success
  contains:
    target:
      description: Names it, in findings too.
      type: str
    kind:
      description: V(endpoint), V(file), V(content) or V(kubeconfig).
      type: str
    address:
      description: The address that answered, or the path.
      type: str
    status:
      description: The worst status of its findings.
      type: str
    recovery:
      description: What to do about it, as RV(recovery).
      type: str
    problems:
      description: Names of its checks that are not ok.
      type: list
      elements: str
    reason:
      description: Why it shows no certificate; empty when it shows one.
      type: str
    renewal:
      description: Who renews it.
      type: str
    subject:
      description: Whose it is.
      type: str
    issuer:
      description: Who issued it.
      type: str
    san:
      description: The names and addresses that it is for.
      type: list
      elements: str
    serial:
      description: Serial number in hexadecimal, as C(openssl x509 -serial) prints it.
      type: str
    fingerprint_sha256:
      description: SHA-256 of the certificate, lower-case hexadecimal.
      type: str
    not_before:
      description: When it begins to be valid.
      type: str
    not_after:
      description: When it expires.
      type: str
    days_left:
      description: Days until then; negative when it has.
      type: float
    percent_left:
      description: Share of its lifetime that is left.
      type: float
    key_type:
      description: V(rsa), V(ec), V(ed25519), ...
      type: str
    key_bits:
      description: Length of the key.
      type: int
    signature_hash:
      description: Hash of its signature.
      type: str
    chain:
      description: What is served or stored, the certificate first, each element with the same dates and its position.
      type: list
      elements: dict
    earliest_not_after:
      description: When the first element of RV(certificates[].chain) expires, needed or not.
      type: str
    verified_not_after:
      description: When the first element of the chain that verified expires, null where none did or it can't be told.
      type: str
    verified:
      description: Whether OpenSSL verified the chain; null where nobody judged.
      type: bool
    verify_reason:
      description: The verifier's words, or why nobody judged.
      type: str
    chain_complete_view:
      description: Whether all that is served could be seen.
      type: bool
    protocol:
      description: Version of TLS that was spoken.
      type: str
    seconds:
      description: How long an endpoint took.
      type: float
    key_types:
      description:
        - What an endpoint answered for each of O(key_types), V(served), V(none) (it has no such certificate) or V(not_asked).
        - C(target) is the target that shows the certificate, C(reason) why it was not asked.
      type: list
      elements: dict
      sample: [{key_type: rsa, answer: none, target: "", reason: ""}]
table:
  description: The same as a table in Markdown, sorted by expiry.
  type: str
  returned: success
asked:
  description: The checks that had to be answered.
  returned: success
  type: list
  elements: str
healthy:
  description: Whether all of RV(asked) are C(ok). Null when that could not be seen, or nothing was asked.
  returned: success
  type: bool
remaining:
  description: The checks beside the awaited ones that are not ok, and not worse than at the start.
  returned: with O(baseline)
  type: dict
new:
  description: The checks that are worse than at the start.
  returned: with O(baseline)
  type: dict
held:
  description: Whether the awaited checks were good for as long as they should.
  returned: with O(wait_for)
  type: bool
waited:
  description: How long was waited, in seconds.
  returned: with O(wait_for)
  type: float
polls:
  description: How often was looked.
  returned: with O(wait_for)
  type: int
history:
  description: The status of each awaited check whenever one changed.
  returned: with O(wait_for)
  type: list
  elements: dict
not_recovered:
  description: Why it is not called recovered. Empty when it is.
  returned: with O(wait_for)
  type: str
reading:
  description:
    - What was decided from, of the target and of the call, so that the decision can be made again from a record. In C(invocation) where the
      module fails, since Ansible prints the rest.
    - At most 64 KiB. What is left out is named in C(left_out), and C(complete) is false then.
  returned: where it looked
  type: dict
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.verdict import CHECKS
from ansible_collections.oncall.incident.plugins.module_utils._certificate.expiry_args import expiry_spec, request_from
from ansible_collections.oncall.incident.plugins.module_utils._certificate.library import require_cryptography
from ansible_collections.oncall.incident.plugins.module_utils._certificate.look import look
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import Judged, answer, question_from
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(argument_spec=expiry_spec(), supports_check_mode=True)
    require_cryptography(module)
    leave(module, lambda: work(module.params))


def work(params: dict[str, t.Any]) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """The result, and what must fail the task all the same."""
    request = request_from(params)
    question = question_from(params, checks=CHECKS, default=None, what="The certificates")
    until = time.monotonic() + question.wait.timeout if question.wait else None

    def one_look() -> Judged:
        return look(request, seconds=None if until is None else until - time.monotonic(), asked=question.asked)

    return answer(question, one_look)


if __name__ == "__main__":
    main()
