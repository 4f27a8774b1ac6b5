"""Whether a model fits on some GPUs, in which format, and what would fit if it does not. Pure.

`placement.py` has the formula and its assumptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from assistant.errors import ProfileError
from assistant.serving.gpus import GIB, Gpu
from assistant.serving.placement import OFFLOADING, Plan, Wish, best
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
    """Yield one plan of each kind that would fit whole: another format, a shorter window, fewer at once, more GPUs."""
    profile, form, gpus = chosen.profile, chosen.format, chosen.gpus
    whole = replace(wish, format=None, gpu_layers=None)
    others = [one for one in profile.formats if one != form and (wish.engine is None or wish.engine in one.engines)]
    windows = range(chosen.window_tokens, _SMALLEST_WINDOW - 1, -_WINDOW_STEP)
    shorter = [replace(whole, window_tokens=n) for n in windows]
    yield from _first(best(profile, one, gpus, asked) for asked in shorter for one in others)
    yield from _first(
        best(profile, form, gpus, replace(whole, sequences=n)) for n in range(chosen.sequences - 1, 0, -1)
    )
    yield from _first(best(profile, form, gpus, asked) for asked in shorter[1:])
    yield from _first(best(profile, form, more, whole) for more in _more_gpus(gpus))


def _first(plans: Iterable[Plan]) -> list[Plan]:
    return list(islice((one for one in plans if one.fits and one.is_whole), 1))


def _more_gpus(gpus: Sequence[Gpu]) -> Iterator[tuple[Gpu, ...]]:
    """Yield more GPUs of the largest kind that is there, then usual ones, smaller first."""
    if gpus:
        largest = max(gpu.memory_bytes for gpu in gpus)
        yield from ((Gpu(largest),) * n for n in _COUNTS if n > len(gpus))
    usual = sorted(((n, gb) for n in _COUNTS for gb in _USUAL_GB), key=lambda one: (one[0] * one[1], one[0]))
    yield from ((Gpu(gb * GIB),) * n for n, gb in usual)
