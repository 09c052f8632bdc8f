"""The doctor for several hosts: each diagnosed, and what they have in common said once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from builder.adapters.tls.doctor import Options, examine
from builder.adapters.tls.together import together
from builder.errors import BuilderError, NetworkError
from builder.progress import Progress
from builder.trust.causes import CAUSES
from builder.trust.clients import affected
from builder.trust.diagnosis import Diagnosis, sentence_of
from builder.trust.names import unrelated
from builder.trust.reached import Target

_LONGEST = 20.0
_AT_ONCE = 8


def examine_all(targets: Sequence[Target], options: Options, progress: Progress) -> tuple[Diagnosis, ...]:
    """In their order. Raises what `examine` raises, NetworkError where one takes more than 20 s."""
    found: list[Diagnosis] = []
    with progress.task("doctor", total=len(targets)) as task:
        for begin in range(0, len(targets), _AT_ONCE):
            some = targets[begin : begin + _AT_ONCE]
            answers = together([lambda t=t: _one(t, targets, options) for t in some], _LONGEST)  # type: ignore[misc]
            for target, answer in zip(some, answers, strict=True):
                if isinstance(answer, BuilderError):
                    raise answer
                if answer is None:
                    raise NetworkError("the host could not be diagnosed", where=str(target), seen="no end within 20 s")
                found.append(answer)
                task.advance(1)
    return tuple(_intercepted(found))


def _one(target: Target, targets: Sequence[Target], options: Options) -> Diagnosis | BuilderError:
    others = tuple(f"https://{t}" for t in targets if t != target)[:4]
    if options.against is None and others:
        options = dataclasses.replace(options, against=others)
    try:
        return examine(target, options)
    except BuilderError as error:
        return error


def _intercepted(found: Sequence[Diagnosis]) -> Iterator[Diagnosis]:
    """Hosts that have nothing in common but an unknown issuer: somebody on the way signs for all of them."""
    for one in found:
        same = [o.target.host for o in found if o is not one and _same_issuer(one, o)]
        if not same or CAUSES[one.cause].id == "captive-portal":
            yield one
            continue
        hosts = ", ".join(dict.fromkeys((one.target.host, *same)))
        store = next((s.name for s in one.stores if s.decisive and not s.verifies), "the store")
        fields = {"issuer": _issuer(one), "store": store, "hosts": hosts}
        sentence = sentence_of("interception", one.target, **fields)
        yield dataclasses.replace(one, cause="interception", sentence=sentence, clients=affected("interception"))


def _same_issuer(one: Diagnosis, other: Diagnosis) -> bool:
    known = one.issuer and other.issuer
    return bool(known) and _issuer(one) == _issuer(other) and unrelated(one.target.host, other.target.host)


def _issuer(one: Diagnosis) -> str:
    assert one.issuer is not None  # noqa: S101 - the caller has looked
    return one.issuer.subject if one.issuer.self_issued else one.issuer.issuer
