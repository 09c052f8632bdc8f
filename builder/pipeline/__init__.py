"""From recipe to tag: wires the adapters and chains the verbs. A value travels one way.

recipe -> lock -> fetch -> plan -> render -> build -> check -> seal -> tag
"""

from builder.pipeline.chain import VERBS, Foreseen, Options, Outcomes, foresee, run
from builder.pipeline.last import last_image, last_report, last_seal
from builder.pipeline.prove import Proven, Wanted, prove
from builder.pipeline.verbs import (
    Described,
    bundle_of,
    check_rendering,
    checked,
    describe,
    described,
    locked,
    mutated,
    tagged,
)
from builder.pipeline.workplace import Workplace

__all__ = [
    "VERBS",
    "Described",
    "Foreseen",
    "Options",
    "Outcomes",
    "Proven",
    "Wanted",
    "Workplace",
    "bundle_of",
    "check_rendering",
    "checked",
    "describe",
    "described",
    "foresee",
    "last_image",
    "last_report",
    "last_seal",
    "locked",
    "mutated",
    "prove",
    "run",
    "tagged",
]
