"""Environment variables that switch verification off, wherever they are set. One entry each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from builder.audit import urls
from builder.audit.conda_value import Verdict, judge
from builder.audit.finding import Hit
from builder.audit.options import option_hits
from builder.audit.text import Fragment

_FALSE: Final = ("false", "0", "no", "off", "n", "")


def is_false(value: str) -> bool:
    """As npm, apt, yarn and others read a switch."""
    return value.strip().strip("'\"").lower() in _FALSE


def is_true(value: str) -> bool:
    """The opposite of `is_false` in the same spellings."""
    return value.strip().strip("'\"").lower() in ("true", "1", "yes", "on", "y")


@dataclass(frozen=True)
class Watched:
    """A variable that is a switch: the rule that it breaks, and with which values."""

    rule: str
    breaks: Callable[[str], bool]
    says: str = ""
    """What wins, in general."""


_FILES: Final = "a variable beats every file, but for a `#!final` one"
_HOSTS: Final = "a variable beats the configuration files"


def _conda_off(value: str) -> bool:
    text = value.partition("!important")[0]
    return judge(text, variables=None).verdict is Verdict.OFF


def _conda_error(value: str) -> bool:
    text = value.partition("!important")[0]
    return judge(text, variables=None).verdict is Verdict.ERROR


def _mamba_off(value: str) -> bool:
    return value.strip().lower() in ("<false>", *_FALSE)


def _always(value: str) -> bool:  # noqa: ARG001
    return True


WATCHED: Final[Mapping[str, tuple[Watched, ...]]] = {
    "CONDA_SSL_VERIFY": (Watched("CONDA001", _conda_off, _FILES), Watched("CONDA002", _conda_error, _FILES)),
    "CONDA_VERIFY_SSL": (Watched("CONDA001", _conda_off, _FILES), Watched("CONDA002", _conda_error, _FILES)),
    "MAMBA_SSL_VERIFY": (Watched("CONDA001", _mamba_off, _HOSTS),),
    "MAMBA_OFFLINE": (Watched("MAMBA001", is_true),),
    "CONDA_PLUGINS_AUTO_ACCEPT_TOS": (Watched("CONDA012", is_true, "this variable accepts the terms"),),
    "PIP_TRUSTED_HOST": (Watched("PIP001", lambda v: bool(v.strip()), _HOSTS),),
    "UV_INSECURE_HOST": (Watched("UV001", lambda v: bool(v.strip()), _HOSTS),),
    "GIT_SSL_NO_VERIFY": (Watched("GIT001", _always, "set at all, whatever the value: it beats http.sslVerify"),),
    "NODE_TLS_REJECT_UNAUTHORIZED": (Watched("NODE001", lambda v: v.strip() == "0"),),
    "NPM_CONFIG_STRICT_SSL": (Watched("NPM001", is_false, _HOSTS),),
    "YARN_ENABLE_STRICT_SSL": (Watched("NPM001", is_false, _HOSTS),),
    "YARN_STRICT_SSL": (Watched("NPM001", is_false, _HOSTS),),
    "PYTHONHTTPSVERIFY": (Watched("PY003", lambda v: v.strip() == "0"),),
    "GOINSECURE": (Watched("GO001", lambda v: bool(v.strip())),),
    "GOSUMDB": (Watched("GO001", lambda v: v.strip() == "off"),),
}
"""By name; npm reads its own in small letters as well."""

INDEXES: Final[Mapping[str, str]] = {
    "PIP_INDEX_URL": "PIP002",
    "PIP_EXTRA_INDEX_URL": "PIP002",
    "UV_INDEX_URL": "PIP002",
    "UV_DEFAULT_INDEX": "PIP002",
    "UV_INDEX": "PIP002",
    "UV_EXTRA_INDEX_URL": "PIP002",
    "NPM_CONFIG_REGISTRY": "NPM002",
    "YARN_NPM_REGISTRY_SERVER": "NPM002",
    "CONDA_CHANNELS": "CONDA010",
    "CONDA_DEFAULT_CHANNELS": "CONDA010",
    "CONDA_CHANNEL_ALIAS": "CONDA010",
}
"""Variables that hold addresses of packages, and the rule for plain http in them."""

BUNDLES: Final = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "NPM_CONFIG_CAFILE",
)
"""Variables that name a file of certificates."""


def variable_hits(name: str, value: str, whole: Fragment, *, wins: str = "") -> Iterator[Hit]:
    """What setting this variable breaks; `whole` is the assignment as it stands."""
    folded = name.upper() if name.lower().startswith("npm_config_") else name
    if name.startswith("CONDA_"):  # conda folds the rest of the name
        folded = name.upper()
    for watched in WATCHED.get(folded, ()):
        if watched.breaks(value):
            seen = f"{name}={value}"
            yield Hit(rule=watched.rule, at=whole.at(0), seen=seen, wins=wins or watched.says, alone=True)
    if rule := INDEXES.get(folded):
        yield from urls.plain(whole, rule, wins)
    yield from option_hits(name, value, whole, wins)
