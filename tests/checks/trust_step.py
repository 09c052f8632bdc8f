"""The step that makes the trust layer, run as a build runs it, on images that trust somebody already."""

from __future__ import annotations

import fcntl
import io
import subprocess
import tarfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from image_lab import Lab, Link, root
from tests_root import ROOT

from builder.models.base import ImageId
from builder.models.catalog import Family
from builder.models.lockfile import parse_lock
from builder.models.plan import Layer
from builder.stages.plan_trust import trust_layer
from builder.trust.bundle import Bundle, PemSource, make_bundle

EPOCH = 1_700_000_000
STALE = root("Distrusted Since")
PKI = "/etc/pki/ca-trust"
SHIPPED = "/usr/share/pki/ca-trust-source/ca-bundle.trust.p11-kit"

UPDATE_CA_TRUST = f"""#!/bin/sh
set -eu
to={PKI}/extracted
extract() {{ trust extract --overwrite "$@"; }}
extract --comment --format=openssl-bundle --filter=certificates $to/openssl/ca-bundle.trust.crt
for use in tls:server-auth email:email objsign:code-signing; do
    extract --comment --format=pem-bundle --filter=ca-anchors --purpose=${{use#*:}} $to/pem/${{use%:*}}-ca-bundle.pem
done
extract --format=java-cacerts --filter=ca-anchors --purpose=server-auth $to/java/cacerts
"""
"""What the RHEL family's own does, in its order, with p11-kit's own `trust`: a stand-in for the script alone."""


def make_stale_rootfs(folder: Path) -> Path:
    """Debian 11 with its own, old roots in all its stores, and p11-kit; kept between runs.

    Raises CalledProcessError, FileNotFoundError.
    """
    kept = folder / "stale.tar"
    with (folder / "stale-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest-xdist: one worker makes it, the others wait
        if not kept.exists():
            fresh = folder / "stale-fresh.tar"
            packages = "--include=python3,ca-certificates,openssl,p11-kit,p11-kit-modules"
            old = 'Acquire::Check-Valid-Until "false"'  # past its end of life
            argv = ["mmdebstrap", "--quiet", "--variant=minbase", packages, "--aptopt", old]
            subprocess.run([*argv, "bullseye", str(fresh)], check=True, capture_output=True, text=True)
            fresh.rename(kept)
    return kept


def rhel_like(lab: Lab, *, tool: bool = True) -> ImageId:
    """That Debian with the places of RHEL 9, a root of its own in each, and its tool for them."""
    shipped = f"[p11-kit-object-v1]\ntrusted: true\nx-distrusted: false\n{STALE}"
    places = f"{PKI}/source:{Path(SHIPPED).parent}"
    module = f"module: p11-kit-trust.so\npriority: 1\ntrust-policy: yes\nx-init-reserved: paths='{places}'\n"
    extracted = {f"{PKI}/extracted/pem/{name}-ca-bundle.pem": STALE for name in ("tls", "email", "objsign")}
    return lab.image(
        {
            "/etc/ssl/certs": Link("../pki/tls/certs"),
            "/usr/lib/ssl/cert.pem": Link("/etc/pki/tls/cert.pem"),  # where RHEL's OpenSSL looks
            "/etc/pki/tls/cert.pem": Link(f"{PKI}/extracted/pem/tls-ca-bundle.pem"),
            "/etc/pki/tls/certs/ca-bundle.crt": Link(f"{PKI}/extracted/pem/tls-ca-bundle.pem"),
            "/etc/pki/java/cacerts": Link(f"{PKI}/extracted/java/cacerts"),
            f"{PKI}/extracted/java/cacerts": "old",
            f"{PKI}/extracted/openssl/ca-bundle.trust.crt": STALE,
            **extracted,
            f"{PKI}/source/anchors/site-of-before.pem": STALE,
            f"{PKI}/source/README": "what this folder is for",
            SHIPPED: shipped,
            "/etc/ca-certificates.conf": "# Debian's own, and of no account here\n",
            "/usr/share/p11-kit/modules/p11-kit-trust.module": module,
            **({"/usr/bin/update-ca-trust": UPDATE_CA_TRUST} if tool else {}),
        }
    )


def bundle_of(*pems: str) -> Bundle:
    return make_bundle(tuple(PemSource(where="a test", text=pem) for pem in pems), at=EPOCH)


def planned(family: Family) -> Layer:
    """The trust layer of the quickstart, on a base of a family."""
    lock = parse_lock((ROOT / "recipes/quickstart.lock").read_text(), "recipes/quickstart.lock")
    return trust_layer(lock, "/opt/env", python="3.9", family=family)


def with_trust(lab: Lab, base: ImageId, bundle: Bundle, family: Family, env: dict[str, str]) -> ImageId:
    """The base with the trust layer that its step makes there."""
    layer = planned(family)
    argv = ["/usr/bin/env", f"EPOCH={EPOCH}", "/bin/sh", "/.builder/step"]
    argv += [f"{link.path}={link.target}" for link in layer.links]
    steps = files("builder.templates") / "steps"
    given = {name: (steps / name).read_text() for name in ("common", "trust")}
    given |= {"step": (steps / layer.action.value).read_text(), "in/ca-bundle.pem": bundle.pem}
    given |= {f"files/{file.mode:04o}{file.path}": file.content for file in layer.files}
    image = replace(lab, rootfs=base).image({f"/.builder/{path}": text for path, text in given.items()})
    api = lab.client.api
    container = api.create_container(image, command=argv, network_disabled=True)["Id"]
    made = api.create_container(base, command=["true"])["Id"]
    try:
        api.start(container)
        assert api.wait(container, timeout=120)["StatusCode"] == 0, api.logs(container).decode()
        chunks, _ = api.get_archive(container, "/out")
        api.put_archive(made, "/", _below_out(b"".join(chunks)))
        found: str = api.commit(made, changes=[f"ENV {name}={value}" for name, value in env.items()])["Id"]
    finally:
        for one in (container, made):
            api.remove_container(one, force=True)
    lab.made.append(found)
    return found  # type: ignore[return-value]


def _below_out(data: bytes) -> bytes:
    """An archive of /out as one of /: what COPY makes of it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as there, tarfile.open(fileobj=buffer, mode="w") as here:
        for member in there:
            if path := member.name.partition("/")[2]:
                file = there.extractfile(member) if member.isfile() else None
                member.name, member.pax_headers = path, {}  # which would still have the old name
                if member.islnk():
                    member.linkname = member.linkname.partition("/")[2]
                here.addfile(member, file)
    return buffer.getvalue()
