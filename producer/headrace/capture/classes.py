"""The class that is swapped in for one object's own: the same object, which does a little more.

One subclass for each instance, so that `isinstance`, the type's name, `named_predictors()`, saving, loading and stream
listeners see what they saw before. Copies and pickles have the plain class again: what an optimizer, BestOfN or another
process makes of the program is not this service's traffic.
"""

from __future__ import annotations

import copyreg
import functools
from typing import TYPE_CHECKING, Any, Final

from headrace.capture.places import as_told, give_prompt, place_of, told_here

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable

__all__ = ["base_of", "swapped"]

_BASE: Final = "_headrace_base"


def base_of(kind: Any) -> Any:
    """Return the class that another was swapped in for; itself where it was not."""
    return getattr(kind, _BASE, kind)


def swapped(base: Any, only: weakref.ref[Any], members: dict[str, Any]) -> type:
    """Return a subclass of `base` for one object, with further members."""

    @functools.wraps(base.__init__)
    def init(self: Any, /, *args: Any, **kwargs: Any) -> None:
        if type(self) is made and self is not only():  # another one, made by type(module)(...)
            self.__class__ = base
        base.__init__(self, *args, **kwargs)

    members = {
        "__init__": init,
        "__reduce_ex__": functools.partialmethod(_reduced, base),
        "deepcopy": _reverting(base, base.deepcopy),
        _BASE: base,
        **members,
    }
    own = [name for name in ("__copy__", "__deepcopy__") if hasattr(base, name)]
    members |= {name: _reverting(base, getattr(base, name)) for name in own}
    kept = ("__module__", "__qualname__", "__doc__", "__firstlineno__")
    members |= {name: getattr(base, name) for name in kept if hasattr(base, name)}
    made: type = type(base)(base.__name__, (base,), members)
    return made


def _reduced(self: Any, base: Any, protocol: Any) -> Any:
    """Return what `__reduce_ex__` does, with the plain class in place of the swapped-in one."""
    kind = type(self)
    reduced = base.__reduce_ex__(self, protocol)
    if isinstance(reduced, str):
        return reduced
    make, args, *rest = reduced
    args = tuple(base if arg is kind else arg for arg in args)
    # pickle insists that what these two make has the object's own class, so they are spelt out.
    if make is copyreg.__newobj__:  # type: ignore[attr-defined]  # known to pickle only
        make = base.__new__
    elif make is copyreg.__newobj_ex__:  # type: ignore[attr-defined]
        make, args = functools.partial(base.__new__, base, *args[1], **args[2]), ()
    if rest and place_of(self) is not None:
        rest[0] = as_told(rest[0], told_here(self))
    return (base if make is kind else make, args, *rest)


def _reverting(base: Any, copying: Callable[..., Any]) -> Callable[..., Any]:
    """Return a copying method whose copies have the plain class."""

    @functools.wraps(copying)
    def copy(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        copied = copying(self, *args, **kwargs)
        if type(copied) is type(self) and copied is not self:
            copied.__class__ = base
            if place_of(self) is not None:
                give_prompt(copied, told_here(self))
        return copied

    return copy
