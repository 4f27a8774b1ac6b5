"""Whether a model fits on some GPUs, in which format, and what would fit if it does not. Pure.

`placement.py` has the formula and its assumptions.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from assistant.errors import ProfileError
from assistant.serving.gpus import GIB, Gpu
from assistant.serving.placement import best
from assistant.serving.plan_record import OFFLOADING, Plan, Wish
from assistant.serving.profile import Format, Profile
from retrieval.errors import Message

_COUNTS = (1, 2, 4, 8, 16)
_USUAL_GB = (24, 48, 80)
_WINDOW_STEP = 256
_SMALLEST_WINDOW = 512


def plan(profile: Profile, gpus: Sequence[Gpu], wish: Wish | None = None) -> Plan:
    """Plan how to run a model.

    Where no format is asked for, it is the profile's first that fits whole on the GPUs, else the first of which some
    layers do.

    Args:
        profile: The model.
        gpus: What there is; none: main memory alone.
        wish: What is asked for.

    Raises:
        ProfileError: If the model has no such format or window, or the engine does not run it.
    """
    wish = wish or Wish()
    _check_window(profile, wish)
    tried = [best(profile, form, gpus, wish) for form in _forms(profile, wish)]
    whole = next((one for one in tried if one.fits and one.is_whole), None)
    chosen = whole or next((one for one in tried if one.fits), None) or tried[0]
    if chosen.fits and (chosen.is_whole or wish.gpu_layers is not None):
        return chosen
    return replace(chosen, alternatives=tuple(_alternatives(chosen, wish)))


def _forms(profile: Profile, wish: Wish) -> tuple[Format, ...]:
    forms = profile.formats if wish.format is None else (profile.format(wish.format),)
    runnable = tuple(form for form in forms if wish.engine is None or wish.engine in form.engines)
    if wish.gpu_layers is not None:
        runnable = tuple(form for form in runnable if any(one in OFFLOADING for one in form.engines))
    if runnable:
        return runnable
    names = "; ".join(f"{form.name}: {', '.join(form.engines)}" for form in profile.formats)
    what, who = wish.format or profile.name, wish.engine or "llama.cpp"
    raise ProfileError(
        Message(
            en=f"{who} does not run {what}. {profile.name} has {names}.",
            zh=f"{who} 不能运行 {what}。{profile.name} 可用：{names}。",
        )
    )


def _check_window(profile: Profile, wish: Wish) -> None:
    if wish.window_tokens is not None and wish.window_tokens > profile.window_tokens:
        asked, most = wish.window_tokens, profile.window_tokens
        raise ProfileError(
            Message(
                en=f"A window of {asked} tokens is more than the {most} of {profile.name}.",
                zh=f"窗口 {asked} 超过了 {profile.name} 的 {most} 个词元。",
            ),
            hint=Message(en="Give a smaller --window.", zh="请把 --window 调小。"),
        )


def _alternatives(chosen: Plan, wish: Wish) -> Iterator[Plan]:
    """Yield one plan of each kind that would fit: another format, fewer at once, a shorter window, more GPUs.

    All are whole, except where nothing fits here but some layers of a GGUF format.
    """
    profile, form, gpus = chosen.profile, chosen.format, chosen.gpus
    whole = replace(wish, format=None, gpu_layers=profile.layers, window_tokens=chosen.window_tokens)
    forms = [one for one in profile.formats if one != form and (wish.engine is None or wish.engine in one.engines)]
    others = [other for one in forms for other in _widest(profile, one, gpus, whole)]
    # Of the widest windows the preferred format's.
    yield from sorted(others, key=lambda one: -one.window_tokens)[:1]
    if not others and not chosen.fits:
        in_part = replace(whole, gpu_layers=None)
        yield from islice((one for form in forms if (one := best(profile, form, gpus, in_part)).fits), 1)
    if 0 < chosen.windows < chosen.sequences:
        yield from _first([best(profile, form, gpus, replace(whole, sequences=chosen.windows))])
    yield from _widest(profile, form, gpus, whole)
    yield from _first(best(profile, form, more, whole) for more in _more_gpus(gpus))


def _widest(profile: Profile, form: Format, gpus: Sequence[Gpu], whole: Wish) -> list[Plan]:
    """Return the plan with the largest window that fits whole, if any does."""
    assert whole.window_tokens is not None
    tokens = [*range(_SMALLEST_WINDOW, whole.window_tokens, _WINDOW_STEP), whole.window_tokens]
    # What fits with some window fits with every shorter one.
    n_fit = bisect(tokens, 0, key=lambda n: not best(profile, form, gpus, replace(whole, window_tokens=n)).fits)
    return _first(best(profile, form, gpus, replace(whole, window_tokens=n)) for n in tokens[max(0, n_fit - 1) : n_fit])


def _first(plans: Iterable[Plan]) -> list[Plan]:
    return list(islice((one for one in plans if one.fits and one.is_whole), 1))


def _more_gpus(gpus: Sequence[Gpu]) -> Iterator[tuple[Gpu, ...]]:
    """Yield more GPUs of the largest kind that is there, then usual ones, smaller first."""
    if gpus:
        largest = max(gpu.memory_bytes for gpu in gpus)
        yield from ((Gpu(largest),) * n for n in _COUNTS if n > len(gpus))
    usual = sorted(((n, gb) for n in _COUNTS for gb in _USUAL_GB), key=lambda one: (one[0] * one[1], one[0]))
    yield from ((Gpu(gb * GIB),) * n for n, gb in usual)
