"""Program versions: made of a dspy program, kept in a registry, and fitted to a running one.

    dspy program --program_of--> Program --ProgramRegistry.put--> <digest>.json, .sig
    digest --ProgramRegistry.get: digest, signature, JSON--> Program --fitted--> what each predictor is told

What is imported here is light; dspy, cryptography and obstore are when they are first needed.
"""

from headrace.programs.opening import open_registry
from headrace.programs.registry import ProgramRegistry
from headrace.programs.saving import program_of
from headrace.programs.signing import Signer, Verifier, public_key_of

__all__ = ["ProgramRegistry", "Signer", "Verifier", "open_registry", "program_of", "public_key_of"]
