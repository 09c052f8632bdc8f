"""conda's session: requests, with retries for the statuses that conda retries. A stand-in of builder's tests."""

from threading import local

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from conda.base.context import context

_sessions = local()


class CondaSession(Session):
    def __init__(self, auth=None):
        super().__init__()
        self.auth = auth
        retry = Retry(
            total=context.remote_max_retries,
            backoff_factor=context.remote_backoff_factor,
            status_forcelist=[413, 429, 500, 503],
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(max_retries=retry))
        self.headers["User-Agent"] = context.user_agent
        self.verify = context.ssl_verify


def get_session(url):
    """One session a thread; the address has no say, as no authentication is configured."""
    if not hasattr(_sessions, "session"):
        _sessions.session = CondaSession()
    return _sessions.session
