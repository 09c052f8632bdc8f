"""How many mirrors there really are: two names that one backend answers for are one, and fail together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from builder.mirrors.catalogue import OFFICIAL, UPSTREAM, Mirrors
from builder.mirrors.probe import Finding
from builder.models.base import Model


class Backend(Model):
    """Mirrors that fail together."""

    names: tuple[str, ...]
    """In the order that they were named in."""
    why: tuple[str, ...] = ()
    """For each that joins another: how that is known."""


class Independence(Model):
    """The backends of one source."""

    source: str
    """A channel, an installer, `pypi`, ..."""
    backends: tuple[Backend, ...]
    silent: tuple[str, ...] = ()
    """Names that did not answer: nothing can be said of them."""

    @property
    def names(self) -> int:
        """How many names were asked about."""
        return sum(len(b.names) for b in self.backends) + len(self.silent)

    @property
    def warning(self) -> str | None:
        """What to tell whoever counted on the names."""
        shared = [b for b in self.backends if len(b.names) > 1]
        if not shared:
            return None
        which = "; ".join(f"{', '.join(b.names)} are one ({'; '.join(b.why)})" for b in shared)
        return f"{self.source}: {self.names} mirrors, {len(self.backends)} independent: {which}"


Link = tuple[str, str, str]
"""Two names, and why they are one."""


def by_data(mirrors: Mirrors, names: Sequence[str], source: str) -> Independence:
    """As far as the list of mirrors knows. `source` is a channel (`conda-forge`), an installer, `pypi`, `debian`..."""
    carrying = tuple(n for n in dict.fromkeys(names) if mirrors.carries(n, _asked(source)))
    return Independence(source=source, backends=_joined(carrying, _declared(mirrors, carrying, source)))


def by_answers(mirrors: Mirrors, findings: Iterable[Finding]) -> tuple[Independence, ...]:
    """By who answered in the end, at which address and with which certificate, and by the list of mirrors."""
    sources: dict[str, dict[str, list[Finding]]] = {}
    for finding in findings:
        sources.setdefault(family(finding.source), {}).setdefault(finding.mirror, []).append(finding)
    return tuple(_of_source(mirrors, source, found) for source, found in sources.items())


def family(source: str) -> str:
    """The channel of a subdir; anything else is its own."""
    return source.rpartition("/")[0] or source


def _of_source(mirrors: Mirrors, source: str, found: Mapping[str, Sequence[Finding]]) -> Independence:
    up = {name: [f for f in asked if f.up] for name, asked in found.items() if any(f.up for f in asked)}
    links = [link for field, word in _FIELDS.items() for link in _shared(up, field, word)]
    backends = _joined(tuple(up), [*links, *_declared(mirrors, tuple(up), source)])
    return Independence(source=source, backends=backends, silent=tuple(n for n in found if n not in up))


_FIELDS = {
    "hosts": "{} answers for {} and {}",
    "addresses": "at {} are {} and {}",
    "certificates": "certificate {:.8} is that of {} and {}",
}


def _shared(up: Mapping[str, Sequence[Finding]], field: str, word: str) -> Iterable[Link]:
    first: dict[str, str] = {}
    for name, findings in up.items():
        for value in dict.fromkeys(v for f in findings for v in getattr(f, field)):
            if first.setdefault(value, name) != name:
                yield first[value], name, word.format(value, first[value], name)


def _declared(mirrors: Mirrors, names: Sequence[str], source: str) -> Iterable[Link]:
    """What the list says: a name behind another that is named too, or two names behind a third."""
    first: dict[str, str] = {}
    for name in names:
        real = OFFICIAL if name == UPSTREAM and mirrors.is_official(_asked(source)) else name
        backend = mirrors.backend(real, source)
        if first.setdefault(backend, name) != name:
            behind = name if real != backend else first[backend]
            yield first[backend], name, f"behind {behind} is {backend}, says the list of mirrors"


def _joined(names: Sequence[str], links: Iterable[Link]) -> tuple[Backend, ...]:
    """Groups of names, each with the reasons that made it one."""
    group = {name: name for name in names}
    why: dict[str, list[str]] = {name: [] for name in names}
    for one, other, reason in links:
        keep, gone = sorted((group[one], group[other]), key=names.index)
        if keep != gone:
            why[keep] += [*why[gone], reason]
            group = {n: keep if g == gone else g for n, g in group.items()}
    heads = dict.fromkeys(group.values())
    return tuple(Backend(names=tuple(n for n in names if group[n] == h), why=tuple(why[h])) for h in heads)


def _asked(source: str) -> str:
    """A source that can be looked up: a channel by its noarch, which every channel has."""
    plain = ("pypi", "debian", "debian-security", "miniconda", "miniforge")
    return source if source in plain else f"{source}/noarch"
