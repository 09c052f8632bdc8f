"""conda's download of a package, its hash verified; a stand-in of builder's tests."""

import hashlib
from pathlib import Path

from conda import CondaError
from conda.base.context import context
from conda.gateways.connection.session import get_session


class ChecksumMismatchError(CondaError):
    def __init__(self, url, expected, seen):
        super().__init__("checksum mismatch of %s: expected %s, seen %s" % (url, expected, seen))  # noqa: UP031


class CondaHTTPError(CondaError):
    pass


def download(url, target_full_path, md5=None, sha256=None, size=None, progress_update_callback=None):  # noqa: PLR0917
    download_inner(url, target_full_path, md5, sha256, size, progress_update_callback)


def download_inner(url, target_full_path, md5, sha256, size, progress_update_callback):  # noqa: PLR0917
    timeout = context.remote_connect_timeout_secs, context.remote_read_timeout_secs
    response = get_session(url).get(url, stream=True, timeout=timeout)
    if not response.ok:
        raise CondaHTTPError("HTTP %s %s for url <%s>" % (response.status_code, response.reason, url))  # noqa: UP031
    digest = hashlib.sha256()
    with Path(target_full_path).open("wb") as file:
        for chunk in response.iter_content(1 << 16):
            digest.update(chunk)
            file.write(chunk)
    if sha256 and digest.hexdigest() != sha256:
        raise ChecksumMismatchError(url, sha256, digest.hexdigest())
