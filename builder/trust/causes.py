"""Every cause that the doctor can name: its sentence, who has to act, and what the libraries say of it. Data.

OpenSSL's codes and the library's word are for the cross-check alone; no cause is named because of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Side = Literal["nobody", "client", "server", "network"]


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What is wrong, in one sentence with fields in braces."""

    id: str
    sentence: str
    side: Side
    """Who has to act: this machine, those who run the server, or those who run what is between."""
    cure: str = ""
    """What the server's side does, where no change here can make it verify."""
    codes: tuple[int, ...] = ()
    """What OpenSSL says [M, 3.0]; empty: it accepts."""
    library: bool = True
    """Whether `x509.verification` refuses as well."""
    answered: bool = True
    """False: nothing could be asked, because no conversation came about."""


_TABLE: Final = (
    Cause(id="verifies", sentence="The certificate of {host} verifies.", side="nobody", library=False),
    Cause(
        id="clock-behind",
        sentence="The clock of this machine is {drift} behind: the certificate of {host} is good, from {date} on.",
        side="client",
        cure="set the clock",
        codes=(9,),
    ),
    Cause(
        id="clock-ahead",
        sentence="The clock of this machine is {drift} ahead: the certificate of {host} was good until {date}.",
        side="client",
        cure="set the clock",
        codes=(10,),
    ),
    Cause(
        id="expired-leaf",
        sentence="The certificate of {host} expired on {date}.",
        side="server",
        cure="renew the certificate {subject}",
        codes=(10,),
    ),
    Cause(
        id="expired-intermediate",
        sentence="The intermediate certificate {subject} that {host} sends expired on {date}.",
        side="server",
        cure="send the renewed certificate of {subject}",
        codes=(10,),
    ),
    Cause(
        id="expired-root",
        sentence="The chain of {host} ends in {subject}, a root in {store} that expired on {date}: the store is old.",
        side="client",
        cure="take a newer store: update the package ca-certificates, or certifi",
        codes=(10,),
    ),
    Cause(
        id="not-yet-valid",
        sentence="The certificate {subject} of {host} is valid only from {date} on, and the clock of this "
        "machine agrees "
        "with the others.",
        side="server",
        cure="use the certificate from {date} on, and the one before it until then",
        codes=(9,),
    ),
    Cause(
        id="host-mismatch",
        sentence="The server that answers for {host} has a certificate for {names}, not for that name.",
        side="server",
        cure="issue a certificate with {host} among its subject alternative names",
        codes=(62,),
    ),
    Cause(
        id="ip-mismatch",
        sentence="The certificate is for {names}, not for the IP address {host}.",
        side="server",
        cure="issue a certificate with the IP address {host} among its subject alternative names",
        codes=(64,),
    ),
    Cause(
        id="no-san",
        sentence="The certificate of {host} has its name as common name alone, without subject alternative names.",
        side="server",
        cure="issue the certificate with {host} as a subject alternative name",
    ),
    Cause(
        id="missing-intermediate",
        sentence="{host} does not send the intermediate certificate {missing}, which leads to a trusted root.",
        side="server",
        cure="send {missing} after the server's own certificate (`fullchain.pem`, not `cert.pem`)",
        codes=(20,),
    ),
    Cause(
        id="unknown-root",
        sentence="{issuer}, who issued the certificate of {host}, is unknown to {store}, and {host} does not send it.",
        side="client",
        cure="get the certificate of {issuer} from those who run {host}; `builder doctor {host} --try FILE` says "
        "whether it is the one",
        codes=(20,),
    ),
    Cause(
        id="root-sent-along",
        sentence="The chain of {host} ends in {subject}, a root that {host} sends along and {store} does not have: "
        "a private authority, or a proxy that signs anew.",
        side="client",
        cure="have the certificate made anew: as it is, it would not verify once trusted either",
        codes=(19,),
    ),
    Cause(
        id="interception",
        sentence="A proxy on the way re-signs TLS: {issuer}, unknown to {store}, vouches for unrelated hosts "
        "({hosts}).",
        side="client",
        cure="get the certificate of {issuer} from those who run {host}; `builder doctor {host} --try FILE` says "
        "whether it is the one",
        codes=(18, 19, 20),
    ),
    Cause(
        id="self-signed",
        sentence="The certificate of {host} is signed by itself, and {store} does not have it.",
        side="client",
        cure="have the certificate made anew: as it is, it would not verify once trusted either",
        codes=(18,),
    ),
    Cause(
        id="bad-signature",
        sentence="The signature on {subject} is not that of {issuer}, as that one is known here: {detail}.",
        side="server",
        cure="install the certificate again as its issuer gave it, with the intermediates of that issue",
        codes=(7, 20),
    ),
    Cause(
        id="signature-unchecked",
        sentence="The signature on {subject} cannot be checked: an algorithm unknown here, or {host} sends a tangle.",
        side="server",
        cure="have {subject} signed with ECDSA or RSA and SHA-256, and send the chain alone",
        codes=(2, 7, 18, 19, 20),
    ),
    Cause(
        id="anchor-without-issuer",
        sentence="{store} holds {subject}, an intermediate, without its root {issuer}.",
        side="client",
        cure="get the certificate of {issuer} from those who run {host}; `builder doctor {host} --try FILE` says "
        "whether it is the one",
        codes=(2, 20),
        library=False,
    ),
    Cause(
        id="pinned-leaf",
        sentence="{store} holds the certificate of {host} itself, which is no root: a leaf is no anchor for most "
        "clients.",
        side="client",
        cure="get the certificate of {issuer} from those who run {host}; `builder doctor {host} --try FILE` says "
        "whether it is the one",
        codes=(2, 20, 21),
        library=False,
    ),
    Cause(
        id="extended-key-usage",
        sentence="{subject} may not be used for servers: its extended key usage is {detail}.",
        side="server",
        cure="issue it with the extended key usage serverAuth",
        codes=(26,),
    ),
    Cause(
        id="name-constraint",
        sentence="{subject} may not issue certificates for {detail}: its name constraints forbid it.",
        side="server",
        cure="have {detail} certified by an authority that may, or the constraints of {subject} widened",
        codes=(47, 48),
    ),
    Cause(
        id="path-length",
        sentence="{subject} may not have that many authorities below it: its path length {detail}.",
        side="server",
        cure="issue the certificate from an authority directly below {subject}, or give that one a greater path length",
        codes=(25,),
    ),
    Cause(
        id="issuer-is-no-ca",
        sentence="{subject} issued a certificate in the chain of {host} and is no authority (basicConstraints, "
        "keyUsage).",
        side="server",
        cure="issue {subject} as a CA (basicConstraints CA:TRUE, keyUsage keyCertSign), or sign with one that is",
        codes=(79, 24, 32),
    ),
    Cause(
        id="weak-key",
        sentence="The key of {subject} is too weak: {detail}.",
        side="server",
        cure="issue it with a key of RSA 2048 or EC P-256",
        codes=(66, 67),
        library=False,
    ),
    Cause(
        id="weak-signature",
        sentence="The signature on {subject} is made with {detail}, which no longer counts.",
        side="server",
        cure="have it signed with SHA-256",
        codes=(68,),
    ),
    Cause(
        id="strict",
        sentence="{subject} lacks {detail}: Python 3.13 and newer refuse the chain of {host}, others accept it.",
        side="server",
        cure="issue it again with {detail}",
    ),
    Cause(
        id="unreadable-certificate",
        sentence="What {host} sends as its certificate cannot be read: {detail}.",
        side="server",
        cure="install the certificate again, as PEM",
    ),
    Cause(
        id="captive-portal",
        sentence="A login page of this network answers in place of {host}: {detail}.",
        side="network",
        cure="open {detail} in a browser and log in",
    ),
    Cause(
        id="plain-http",
        sentence="{host} speaks plain HTTP on port {port}, where TLS is expected.",
        side="server",
        cure="use the port that has TLS, or http:// if that is really meant; or switch TLS on there",
    ),
    Cause(
        id="protocol-too-old",
        sentence="{host} speaks {detail} at most, which clients of today refuse.",
        side="server",
        cure="switch TLS 1.2 or 1.3 on, with ciphers of today (ECDHE)",
    ),
    Cause(
        id="chain-too-large",
        sentence="{host} sends more certificates than OpenSSL takes, which is 100 kB: {detail}.",
        side="server",
        cure="send the chain alone, and divide the names of the server's certificate over several",
    ),
    Cause(
        id="handshake-refused",
        sentence="{host} breaks the TLS handshake off: {detail}.",
        side="server",
        cure="look into the server's own log: it wants another name, a client's certificate or another version of TLS",
    ),
    Cause(
        id="not-tls",
        sentence="{host} answers on port {port} with something that is not TLS ({detail}).",
        side="server",
        cure="use the port that has TLS",
    ),
    Cause(
        id="reset-in-handshake",
        sentence="The connection to {host} breaks in the TLS handshake: {detail}.",
        side="network",
        cure="ask those who run the firewall or proxy: a filter that dislikes the name resets like this; "
        "or a server without any certificate",
    ),
    Cause(
        id="dns-failure",
        sentence="The name {host} does not resolve: {detail}.",
        side="network",
        cure="check the name, /etc/resolv.conf, and whether a proxy (HTTPS_PROXY) has to be used here",
        answered=False,
    ),
    Cause(
        id="connection-refused",
        sentence="Nothing listens on port {port} of {host}: the connection is refused.",
        side="network",
        cure="check the port, and that the server runs; or a firewall refuses, and a proxy (HTTPS_PROXY) has "
        "to be used",
        answered=False,
    ),
    Cause(
        id="unreachable",
        sentence="There is no way to {host}: {detail}.",
        side="network",
        cure="check this machine's network, and whether a proxy (HTTPS_PROXY) has to be used here",
        answered=False,
    ),
    Cause(
        id="time-out",
        sentence="{host} does not answer: {detail}.",
        side="network",
        cure="a firewall that drops packets looks like this: check whether a proxy (HTTPS_PROXY) has to be used here",
        answered=False,
    ),
    Cause(
        id="proxy-refused",
        sentence="The proxy {proxy} does not let {host} through: {detail}.",
        side="network",
        cure="check HTTPS_PROXY, or proxy_servers of the .condarc, and its login; put {host} into NO_PROXY if it is to "
        "be reached directly",
        answered=False,
    ),
)

CAUSES: Final = {cause.id: cause for cause in _TABLE}
