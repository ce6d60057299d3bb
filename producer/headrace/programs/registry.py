"""The registry of program versions: files named by their content, which nobody changes, checked at each read.

    programs/<digest>.json        the artefact
    programs/<digest>.sig         its signatures, base64, one a line; those of new keys come first
    names/<module>/<version>      the digest, written once: a version never becomes another program

The artefact is written first and its name last, so that a writer that is killed leaves nothing that a name leads to.
"""

from typing import Final

from headrace.programs.blobs import Blobs
from headrace.programs.signing import MOST_SIGNATURES, Signer, Verifier
from headrace_schemas.names import is_valid_name
from headrace_schemas.programs import Program, ProgramError, digest_of, is_digest

__all__ = ["ProgramRegistry"]

_PROGRAMS: Final = "programs"
_NAMES: Final = "names"


class ProgramRegistry:
    """Keeps program versions.

    Args:
        blobs: where.
        signer: signs what is put; None: it stays unsigned.
        verifier: what is got must be signed by one of its keys; None: unsigned versions are accepted.
    """

    def __init__(self, blobs: Blobs, *, signer: Signer | None = None, verifier: Verifier | None = None) -> None:
        self._blobs = blobs
        self._signer = signer
        self._verifier = verifier

    def put(self, program: Program) -> str:
        """Keep a program under its digest and its name, and return the digest; again adds a new key's signature only.

        Raises:
            ProgramError: too_large or invalid; taken: its module has another program of that version; unreachable.
        """
        data = program.encoded()
        digest = digest_of(data)
        self._blobs.put_once(f"{_PROGRAMS}/{digest}.json", data)
        self._sign(digest)
        name = _name(program.module, program.version)
        if not self._blobs.put_once(name, digest.encode("ascii")) and self._blobs.get(name) != digest.encode("ascii"):
            raise ProgramError(
                "taken",
                f"{program.module} {program.version}: the registry has another program of that version; "
                "a version is never replaced, give this one a new name",
            )
        return digest

    def sign(self, digest: str, *, whoever_signed: bool = False) -> bool:
        """Add the signer's signature to a program that is there; tell whether it was missing.

        Args:
            digest: of the program.
            whoever_signed: also where the verifier refuses it. Else only what it accepts is signed: who can write the
                registry must not get a text of his own signed by this.

        Raises:
            ProgramError: as `read`; invalid: it is no program.
        """
        data = self._data(digest) if whoever_signed else self.read(digest)[0]
        Program.decoded(data)
        return self._sign(digest)

    def _sign(self, digest: str) -> bool:
        if self._signer is None:
            return False
        name, made = f"{_PROGRAMS}/{digest}.sig", self._signer.sign(digest)  # the same each time, says RFC 8032
        if self._blobs.put_once(name, made):
            return True
        there = (self._blobs.get(name) or b"").split()[:MOST_SIGNATURES]
        if made in there:
            return False
        self._blobs.put(name, b"\n".join([made, *there[: MOST_SIGNATURES - 1]]))
        return True

    def get(self, digest: str) -> Program:
        """Return a program, checked.

        Raises:
            ProgramError: missing, unreachable, digest, unsigned, signature, invalid or too_large.
        """
        return Program.decoded(self.read(digest)[0])

    def read(self, digest: str) -> tuple[bytes, bytes | None]:
        """Return the bytes of a program and its signatures, both right; they may be no program still.

        The signature is not looked for where none is asked for.

        Raises:
            ProgramError: missing, unreachable, digest, unsigned, signature or too_large.
        """
        data = self._data(digest)
        if self._verifier is None:
            return data, None
        signature = self._blobs.get(f"{_PROGRAMS}/{digest}.sig")
        if signature is None:
            raise ProgramError("unsigned", f"program {digest[:12]}: not signed, and registry.verify_keys is set")
        if not self._verifier.is_good(digest, signature):
            raise ProgramError("signature", f"program {digest[:12]}: signed by none of registry.verify_keys")
        return data, signature

    def _data(self, digest: str) -> bytes:
        if not is_digest(digest):
            raise ProgramError("missing", "a program's digest is 64 hex digits")
        data = self._blobs.get(f"{_PROGRAMS}/{digest}.json")
        if data is None:
            raise ProgramError("missing", f"program {digest[:12]}: not in the registry")
        if digest_of(data) != digest:
            raise ProgramError("digest", f"program {digest[:12]}: the registry's file was changed")
        return data

    def find(self, module: str, version: str) -> str:
        """Return the digest of a module's version.

        Raises:
            ProgramError: missing or unreachable.
        """
        found = self._blobs.get(_name(module, version))
        digest = "" if found is None else found.decode("ascii", "replace").strip()
        if not is_digest(digest):
            raise ProgramError("missing", f"{module} {version}: not in the registry")
        return digest

    def versions(self, module: str) -> dict[str, str]:
        """Return a module's versions and their digests.

        Raises:
            ProgramError: unreachable.
        """
        if not is_valid_name(module):
            return {}
        return {version: self.find(module, version) for version in self._blobs.names(f"{_NAMES}/{module}")}

    def modules(self) -> list[str]:
        """Return the modules that have versions.

        Raises:
            ProgramError: unreachable.
        """
        return self._blobs.names(_NAMES)


def _name(module: str, version: str) -> str:
    for part in (module, version):
        if not is_valid_name(part):
            raise ProgramError("invalid", f"{part!r}: no name of letters, digits, _ . -")
    return f"{_NAMES}/{module}/{version}"
