"""What must hold of every plan, whatever the model and the GPUs."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from assistant.serving.gpus import GIB, Gpu, describe, parse_gpus
from assistant.serving.placement import best
from assistant.serving.plan import plan
from assistant.serving.plan_record import Plan, Wish
from assistant.serving.profile import Format, Profile, list_profiles, load_profile

PROFILES = list_profiles()


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """A packaged model, or one of any other shape."""
    if draw(st.booleans()):
        return draw(st.sampled_from(PROFILES))
    kv_heads = draw(st.integers(1, 16))
    weights = draw(st.floats(0.01, 500))
    formats = (
        Format(name="bf16", engines=("vllm", "transformers"), weights_gb=weights, memory_gb=draw(sizes)),
        Format(name="q4_0", engines=("llama.cpp", "ollama"), weights_gb=weights / 3.6, memory_gb=draw(sizes)),
    )
    return replace(
        load_profile("huozi3"),
        layers=draw(st.integers(1, 80)),
        kv_heads=kv_heads,
        heads=kv_heads * draw(st.integers(1, 8)),
        head_dim=draw(st.sampled_from((64, 96, 128))),
        window_tokens=draw(st.integers(512, 131_072)),
        formats=formats,
    )


sizes = st.none() | st.floats(0.1, 600)
machines = st.lists(st.sampled_from((8, 11.5, 16, 24, 40, 48, 80, 141)).map(lambda gb: Gpu(int(gb * GIB))), max_size=10)
whole_machines = machines.filter(bool)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Profile, Format, list[Gpu], Wish]:
    profile = draw(profiles())
    form = draw(st.sampled_from(profile.formats))
    wish = Wish(
        window_tokens=draw(st.none() | st.integers(512, profile.window_tokens)),
        sequences=draw(st.integers(1, 40)),
        engine=draw(st.sampled_from(form.engines)),
    )
    return profile, form, draw(whole_machines), wish


def worth(made: Plan) -> tuple[bool, int, int]:
    return made.fits, made.gpu_layers, made.windows


@given(case=cases(), more=whole_machines)
def test_more_gpus_never_hold_less_when_some_are_added(
    case: tuple[Profile, Format, list[Gpu], Wish], more: list[Gpu]
) -> None:
    profile, form, gpus, wish = case

    assert worth(best(profile, form, [*gpus, *more], wish)) >= worth(best(profile, form, gpus, wish))


@given(case=cases(), gb=st.integers(1, 100))
def test_a_larger_gpu_never_holds_less_when_all_are(case: tuple[Profile, Format, list[Gpu], Wish], gb: int) -> None:
    profile, form, gpus, wish = case
    larger = [Gpu(gpu.memory_bytes + gb * GIB) for gpu in gpus]

    assert worth(best(profile, form, larger, wish)) >= worth(best(profile, form, gpus, wish))


@given(case=cases(), data=st.data())
def test_a_shorter_window_never_fits_less_when_it_is_shortened(
    case: tuple[Profile, Format, list[Gpu], Wish], data: st.DataObject
) -> None:
    profile, form, gpus, wish = case
    longer = best(profile, form, gpus, wish)
    tokens = data.draw(st.integers(512, longer.window_tokens)) if longer.window_tokens > 512 else 512
    shorter = best(profile, form, gpus, replace(wish, window_tokens=tokens))

    assert shorter.fits >= longer.fits
    assert shorter.gpu_layers >= longer.gpu_layers


@given(case=cases())
def test_what_fits_is_within_the_memory_when_it_is_said_to_fit(case: tuple[Profile, Format, list[Gpu], Wish]) -> None:
    profile, form, gpus, wish = case
    made = best(profile, form, gpus, wish)
    if not made.fits:
        return

    assert made.load.needed <= made.load.usable
    assert made.windows >= made.sequences
    assert made.n_gpus <= len(gpus)
    if made.n_gpus:
        assert made.load.usable <= max(gpu.memory_bytes for gpu in gpus)
    held = made.load.weights * made.n_gpus + made.main_memory
    assert held >= made.weights * 0.999


@given(case=cases())
def test_tensor_parallel_divides_the_heads_when_vllm_runs_it(case: tuple[Profile, Format, list[Gpu], Wish]) -> None:
    profile, form, gpus, wish = case
    made = best(profile, form, gpus, wish)
    if made.engine != "vllm":
        return

    assert profile.heads % made.n_gpus == 0
    assert profile.kv_heads % made.n_gpus == 0 or made.n_gpus % profile.kv_heads == 0


@given(profile=profiles(), gpus=machines, sequences=st.integers(1, 300))
def test_every_alternative_fits_and_changes_something_when_offered(
    profile: Profile, gpus: list[Gpu], sequences: int
) -> None:
    made = plan(profile, gpus, Wish(sequences=sequences))

    for other in made.alternatives:
        assert other.fits
        assert other.is_whole or not made.fits
        assert other.alternatives == ()
        assert other.command[:4] == ("huozi", "model", "serve", profile.name)
        assert (other.format, other.window_tokens, other.sequences, describe(other.gpus)) != (
            (made.format, made.window_tokens, made.sequences, describe(made.gpus))
        )


@given(gpus=machines)
def test_gpus_are_read_back_when_they_are_described(gpus: list[Gpu]) -> None:
    ordered = sorted((gpu.memory_bytes for gpu in gpus), reverse=True)

    assert [gpu.memory_bytes for gpu in parse_gpus(describe(gpus))] == ordered
