"""Commands of the distributions' package managers: apt, dnf and yum."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from builder.audit.finding import Hit
from builder.audit.text import Fragment
from builder.audit.variables import is_false, is_true
from builder.audit.words import Words, flags, hit, valued, without

APT_OFF: Final = re.compile(r"Acquire::https?::(\S+::)?Verify-(Peer|Host)", re.IGNORECASE)
APT_UNSIGNED: Final = re.compile(
    r"APT::Get::AllowUnauthenticated|Acquire::Allow(Weak|Insecure|DowngradeToInsecure)Repositories", re.IGNORECASE
)


def apt(script: Fragment, words: Words) -> Iterator[Hit]:
    """Verification and signatures switched off by a flag or `-o`."""
    yield from flags(
        script,
        words,
        "APT002",
        ("--allow-unauthenticated", "--force-yes", "--allow-insecure-repositories", "--no-gpg-check"),
    )
    for i, word in enumerate(words):
        if word.text in ("-o", "--option"):
            span, option = words[i : i + 2], " ".join(w.text for w in words[i + 1 : i + 2])
        else:
            found = re.match(r"-o|--option=", word.text)
            span, option = (word,), word.text[found.end() :] if found else ""
        key, _, value = option.partition("=")
        if APT_OFF.fullmatch(key) and is_false(value):
            yield hit(script, "APT001", span, without(script, span))
        elif APT_UNSIGNED.fullmatch(key) and is_true(value):
            yield hit(script, "APT002", span, without(script, span))


def dnf(script: Fragment, words: Words) -> Iterator[Hit]:
    """The same, by a flag or `--setopt`."""
    yield from flags(script, words, "DNF002", ("--nogpgcheck", "--no-gpgchecks"))
    for option, value in valued(words, ("--setopt",)):
        key, _, given = value.text.rpartition("=")
        rule = {"sslverify": "DNF001", "gpgcheck": "DNF002"}.get(key.rpartition(".")[2])
        if rule and is_false(given):
            yield hit(script, rule, option, without(script, option))
