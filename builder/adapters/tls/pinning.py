"""The pin of a host: proposed once, from a connection that verifies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from builder.adapters.tls.case import Options
from builder.adapters.tls.doctor_many import examine_all
from builder.adapters.tls.stores import Store, find_stores
from builder.errors import BuilderError, NetworkError, RecipeError, UntrustedError
from builder.models.pin import Pin
from builder.progress import Progress
from builder.trust.certs import Cert, read
from builder.trust.commands import file_name
from builder.trust.diagnosis import Diagnosis
from builder.trust.pins import backups_for, key_text, organisation
from builder.trust.reached import Target
from builder.trust.reading import certificates_in


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A pin, and what a person should know before relying on it."""

    pin: Pin
    root: Cert
    backup: Cert
    leaf: Cert
    why: str
    """How the backup was chosen."""
    notes: tuple[str, ...]
    absent: tuple[tuple[Cert, str], ...]
    """Roots that the recipe's bundle lacks, and how to add each."""


@dataclass(frozen=True, kw_only=True)
class Pinning:
    """The question: which host, judged by whom, and which backup."""

    target: Target
    store: Store
    recipe: str | None = None
    """Whose bundle the store is."""
    backup: str | None = None
    """A fingerprint in the store, or a file; None: another root of the same organisation."""
    address: str | None = None
    progress: Progress

    def propose(self) -> Proposal:
        """The pin that the host has now.

        Verified with the store, or with the system's where a recipe's bundle lacks the root. Raises UntrustedError and
        NetworkError with the doctor's cause, RecipeError where no backup is known.
        """
        verified, stores = self._verified()
        leaf, root = verified.path[0], verified.path[-1]
        if not root.ca:
            what = "its certificate is its own root: what is pinned has to outlive the certificate"
            remedy = "have it issued by a root of your own, and trust that one"
            raise UntrustedError(what, where=str(self.target), seen=root.subject, remedy=remedy)
        backup, why = self._backup(root, stores)
        lacking = [c for c in (root, backup) if self.recipe and c not in self.store.anchors]
        strict = (verified.sentence,) if verified.cause == "strict" else ()
        caution = f"whoever is between us and {self.target} now would be pinned too: compare the root by another way"
        return Proposal(
            pin=self._pin(root, backup, leaf),
            root=root,
            backup=backup,
            leaf=leaf,
            why=why,
            notes=(*strict, caution),
            absent=tuple((c, self._how_to_add(c, by_doctor=c == root)) for c in lacking),
        )

    def _pin(self, root: Cert, backup: Cert, leaf: Cert) -> Pin:
        values = {"host": str(self.target), "root": root.sha256, "backup": backup.sha256, "key": key_text(leaf)}
        return Pin.model_validate(values)

    def _verified(self) -> tuple[Diagnosis, tuple[Store, ...]]:
        """A diagnosis that is good, and the stores that the backup may come from."""
        first = self._asked(self.store)
        if _good(first):
            return first, (self.store,)
        if self.recipe and first.answered and first.issuer:
            system = find_stores()[0]
            if _good(second := self._asked(system)):
                return second, (self.store, system)
        raise _refusal(first)

    def _asked(self, store: Store) -> Diagnosis:
        options = Options(stores=(store,), seek=True, address=self.address, against=())
        return examine_all((self.target,), options, self.progress)[0]

    def _backup(self, root: Cert, stores: tuple[Store, ...]) -> tuple[Cert, str]:
        """Another root, and how it was chosen; one of the first store where that has any."""
        if self.backup:
            return self._given(self.backup, root), "as --backup says"
        for store in stores:
            able = backups_for(root, (c for der in store.ders if (c := read(der))), at=_now())
            if able:
                of = "the only other root" if len(able) == 1 else f"of {len(able)} other roots"
                last = "" if len(able) == 1 else " the one that lasts longest"
                return able[0], f"{of} of the same organisation{last and ','}{last}"
        who = organisation(root)
        raise RecipeError(
            f"no backup root is known for {self.target}",
            where=self.store.name,
            seen=f"no other root of {who}" if who else f"{root.subject} names no organisation",
            remedy=f"ask those who run {self.target} which root they would move to, and name it: --backup SHA256|FILE "
            "(`builder certs show NAME --json` lists a bundle)",
        )

    def _given(self, text: str, root: Cert) -> Cert:
        """The root that --backup names."""
        if Path(text).is_file():
            certs, where = certificates_in(Path(text).read_bytes(), text), text
        else:
            digest, where = text.replace(":", "").lower(), self.store.name
            certs = tuple(c for der in self.store.ders if (c := read(der)) and c.sha256 == digest)
        if len(certs) != 1:
            seen, remedy = f"{len(certs)} certificates by {text}", "a SHA-256 in the bundle, or a file with one root"
            raise RecipeError("--backup wants one root", where=where, seen=seen, remedy=remedy)
        (found,) = certs
        if not (found.ca and found.self_issued) or found == root or found.not_after <= _now():
            seen = f"{found.subject}, until {found.not_after:%Y-%m-%d}"
            remedy = "a root (a CA that is its own issuer) that is not the pinned one and has not expired"
            raise RecipeError("this is no backup root", where=where, seen=seen, remedy=remedy)
        return found

    def _how_to_add(self, cert: Cert, *, by_doctor: bool) -> str:
        file = f"site/{file_name(cert)}.crt"
        get = f"run `builder doctor {self.target} --recipe {self.recipe} --pem > recipes/{file}`"
        if not by_doctor:
            given = self.backup if self.backup and Path(self.backup).is_file() else "its certificate"
            get = f"put {given} into recipes/{file}"
        return f"{get}, and let the recipe say `trust: {{extra: [{file}]}}`"


def _good(found: Diagnosis) -> bool:
    return found.cause in ("verifies", "strict")


def _refusal(found: Diagnosis) -> BuilderError:
    """The doctor's cause and remedies, as an error."""
    remedy = "; ".join(r.what for r in found.remedies) or None
    kind = UntrustedError if found.answered else NetworkError
    return kind(found.sentence, where=str(found.target), seen="; ".join(found.also) or None, remedy=remedy)


def _now() -> datetime:
    return datetime.now(timezone.utc)
