"""A tiny Mixtral with huozi's vocabulary, for protocol tests: `python -m tests.tiny_mixtral FOLDER`.

Its shape, its 57,002 token ids and the way its tokenizer works are huozi's; its text is words of our samples in no
order. Nothing is trained or downloaded: the weights are seeded noise in which a few dimensions are set by hand, so
that tests can rely on how an answer ends:

- Every token stands on one of 24 steps, and the head prefers words of the next step. The last steps are `[1]` and
  `。`; then comes `<|endofutterance|>`. So an answer has about two dozen tokens, and cites its first source.
- Where a grammar forbids that end, `"`, `}` and `]` are preferred: JSON ends soon.
- A prompt that holds the word 长篇 (LONG) is answered without end, until `max_tokens` or the client stops it.
- After `<|endofutterance|>` comes `</s>`, so a client that sends no stop ids does not wait for 32,768 tokens.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).parents[1]
BEGIN, END = "<|beginofutterance|>", "<|endofutterance|>"
N_PIECES, BEGIN_ID, END_ID = 57_000, 57_000, 57_001
LONG = "长篇"
WINDOW_TOKENS = 32_768

HIDDEN, FEED_FORWARD, LAYERS, HEADS, KV_HEADS, HEAD_DIM, EXPERTS = 64, 128, 2, 4, 2, 64, 8
ROPE_THETA = 1e6

STEPS = 24
CONSTANT, STEP = 0, 1
STARTED, ENDED, LONG_SEEN, LONG_ASKED, NOISE = range(STEP + STEPS, STEP + STEPS + 5)
"""What the dimensions of the residual stream mean: a constant, 24 steps, two ends, two for LONG; the rest is noise."""
LAST_WORDS = {20: "[", 21: "1", 22: "]", 23: "。"}

Array = npt.NDArray[np.float32]


def build(folder: Path) -> Path:
    """Write the model and its tokenizer; a second call finds them there.

    Returns:
        The folder, which vLLM, transformers and llama.cpp's converter read.
    """
    if not (folder / "config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        pieces = vocabulary(sample_texts())
        write_tokenizer(folder, pieces)
        write_weights(folder, pieces)
        # Last: its presence says that the rest is whole.
        (folder / "config.json").write_text(json.dumps(_config(), indent=1))
    return folder


def sample_texts() -> list[str]:
    """Return the text of our own samples, in a fixed order."""
    paths = sorted([*(ROOT / "samples").glob("*.md"), *(ROOT / "scripts" / "sample_texts").iterdir()])
    return [re.sub(r"<[^>]*>", " ", path.read_text(encoding="utf-8")) for path in paths]


def vocabulary(texts: Sequence[str]) -> list[str]:
    """Return 57,000 pieces by id: specials, the 256 bytes, characters, then what joins them, likeliest first.

    Characters are those of GB 2312 and of Big5's common part, as in a trained vocabulary: rarer ones fall into bytes.
    """
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    characters = list(_characters())
    pieces += characters
    known = set(characters)
    counted = Counter(gram for text in texts for gram in _grams(text))
    frequent = sorted((gram for gram, n in counted.items() if n > 1), key=lambda gram: (-counted[gram], gram))
    pairs = (LONG, *frequent, *_pairs([char for char in frequent_characters(texts) if "一" <= char <= "鿿"]))
    for gram in dict.fromkeys(pairs):
        if len(pieces) == N_PIECES:
            break
        if all(char in known for char in gram):
            pieces.append(gram)
    assert len(pieces) == N_PIECES and len(set(pieces)) == N_PIECES
    return pieces


def frequent_characters(texts: Sequence[str]) -> list[str]:
    """Return the texts' characters, most frequent first."""
    counted = Counter("".join(texts))
    return sorted(counted, key=lambda char: (-counted[char], char))


def _characters() -> Iterator[str]:
    """Yield printable ASCII, sentencepiece's space mark, signs, kana and the common hanzi of both scripts."""
    yield from (chr(code) for code in range(0x21, 0x7F))
    yield "▁"
    seen: set[str] = set()
    for codec, leads in (("gb2312", range(0xA1, 0xF8)), ("big5", range(0xA4, 0xC7))):
        for lead in leads:
            for trail in range(0x40, 0xFF):
                char = bytes((lead, trail)).decode(codec, "ignore")
                if len(char) == 1 and char > "\xa0" and char.isprintable() and char not in seen:
                    seen.add(char)
                    yield char


def _grams(text: str) -> Iterator[str]:
    """Yield runs of two to four hanzi, and beginnings of Latin words with the space mark before them."""
    for run in re.findall(r"[一-鿿]+", text):
        for size in (2, 3, 4):
            yield from (run[start : start + size] for start in range(len(run) - size + 1))
    for word in re.findall(r"[A-Za-z]{2,12}", text):
        yield from ("▁" + word[:end] for end in range(1, len(word) + 1))
        yield from (word[:end] for end in range(2, len(word) + 1))


def _pairs(characters: Sequence[str]) -> Iterator[str]:
    """Yield pairs of characters, the frequent ones first, to fill the vocabulary."""
    for limit in range(1, len(characters)):
        for other in range(limit):
            yield characters[other] + characters[limit]
            yield characters[limit] + characters[other]


def write_tokenizer(folder: Path, pieces: Sequence[str]) -> None:
    """Write a byte-falling-back BPE tokenizer, built as Mixtral's is."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    ids = {piece: number for number, piece in enumerate(pieces)}
    model = models.BPE(vocab=ids, merges=list(_merges(pieces, ids)), unk_token="<unk>", fuse_unk=True)
    model.byte_fallback = True
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    specials = ("<unk>", "<s>", "</s>", BEGIN, END)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in specials])
    assert [tokenizer.token_to_id(token) for token in (BEGIN, END)] == [BEGIN_ID, END_ID]
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "additional_special_tokens": [BEGIN, END],
        "model_max_length": WINDOW_TOKENS,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))


def _merges(pieces: Sequence[str], ids: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Yield every way to join two known pieces into a third, in the order of the third's id."""
    for piece in pieces[259:]:
        for cut in range(1, len(piece)):
            if piece[:cut] in ids and piece[cut:] in ids:
                yield piece[:cut], piece[cut:]


def write_weights(folder: Path, pieces: Sequence[str]) -> None:
    """Write seeded weights, float32, under the names of Mixtral's checkpoints."""
    from safetensors.numpy import save_file

    noise = np.random.default_rng(57_001)
    words = _words(pieces)
    tensors = {
        "model.embed_tokens.weight": _embeddings(pieces, words, noise),
        "lm_head.weight": _head(pieces, words, noise),
        "model.norm.weight": np.ones(HIDDEN, np.float32),
    }
    for layer in range(LAYERS):
        tensors |= {f"model.layers.{layer}.{name}": tensor for name, tensor in _layer(layer, noise).items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _words(pieces: Sequence[str]) -> dict[int, int]:
    """Return the words that answers are made of, by token id: their step."""
    ids = {piece: number for number, piece in enumerate(pieces)}
    first = ids[LONG] + 1
    hanzi = [number for number in range(first, first + 1_500) if re.fullmatch("[一-鿿]+", pieces[number])]
    words = {number: n % min(LAST_WORDS) for n, number in enumerate(hanzi)}
    return words | {ids[text]: step for step, text in LAST_WORDS.items()}


def _embeddings(pieces: Sequence[str], words: dict[int, int], noise: np.random.Generator) -> Array:
    steps = noise.integers(0, min(LAST_WORDS), END_ID + 1)
    for token, step in words.items():
        steps[token] = step
    steps[pieces.index('"')] = 17  # A JSON string has a few words.
    table = _zeros(END_ID + 1, HIDDEN)
    table[:, CONSTANT] = 1
    table[:, NOISE:] = noise.normal(0, 0.25, (END_ID + 1, HIDDEN - NOISE))
    table[np.arange(END_ID + 1), STEP + steps] = 2
    # The generation prompt ends with a line end: there the first step comes next.
    table[pieces.index("<0x0A>"), STEP : STEP + STEPS] = 0
    table[pieces.index("<0x0A>"), STARTED] = 2
    table[END_ID, STEP : STEP + STEPS] = 0
    table[END_ID, ENDED] = 2
    table[pieces.index(LONG), LONG_SEEN] = 2
    return table


def _head(pieces: Sequence[str], words: dict[int, int], noise: np.random.Generator) -> Array:
    """Return the output head. A weight of 1 on the constant moves a logit by about 3, on a step by about 6."""
    head = _zeros(END_ID + 1, HIDDEN)
    head[:, NOISE:] = noise.normal(0, 0.25, (END_ID + 1, HIDDEN - NOISE))
    head[:, CONSTANT] = -1
    for token, step in words.items():
        head[token, CONSTANT] = 0
        head[token, STEP + (step - 1) % STEPS] = 3 if step < min(LAST_WORDS) else 5
        if step == 0:
            head[token, STARTED] = 3
    # What a grammar leaves to choose from: rather an end than a further item, digit or space.
    choices = {"}": 5, "]": 5, ",": 2, "{": 4, '"': 1, ":": 1, **dict.fromkeys("0123456789", -2)}
    for text, weight in choices.items():
        head[pieces.index(text), CONSTANT] = weight
    head[[*range(3, 259), pieces.index("▁")], CONSTANT] = -6
    head[[0, 1, BEGIN_ID], CONSTANT] = -4
    head[[2, END_ID], CONSTANT] = 2
    last = STEP + STEPS - 1
    head[END_ID, [last, LONG_ASKED]] = 9, -12
    head[pieces.index('"'), [last, LONG_ASKED]] = 4, -12
    head[pieces.index("</s>"), ENDED] = 6
    return head


def _layer(layer: int, noise: np.random.Generator) -> dict[str, Array]:
    """Return one layer. All of it writes to the noise dimensions only, but for the head that looks for LONG."""
    kv_width = KV_HEADS * HEAD_DIM
    tensors = {"input_layernorm.weight": np.ones(HIDDEN, np.float32)}
    tensors["post_attention_layernorm.weight"] = np.ones(HIDDEN, np.float32)
    query, key, value = (_noisy(noise, 0.15, width, HIDDEN) for width in (HEADS * HEAD_DIM, kv_width, kv_width))
    output = _noisy(noise, 0.03, HIDDEN, HEADS * HEAD_DIM)
    output[:NOISE] = 0
    if layer == 0:
        for matrix in (query[: 2 * HEAD_DIM], key[:HEAD_DIM], value[:HEAD_DIM], output[:, : 2 * HEAD_DIM]):
            matrix[:] = 0
        # The slowest rotary pair hardly turns within the window, so this match does not depend on the distance.
        slowest = HEAD_DIM // 2 - 1
        query[slowest, CONSTANT] = key[slowest, LONG_SEEN] = 4
        value[0, LONG_SEEN], output[LONG_ASKED, 0] = 1, 0.5
    tensors |= {
        f"self_attn.{name}_proj.weight": matrix
        for name, matrix in zip("qkvo", (query, key, value, output), strict=True)
    }
    tensors["block_sparse_moe.gate.weight"] = _noisy(noise, 0.15, EXPERTS, HIDDEN)
    for expert in range(EXPERTS):
        down = _noisy(noise, 0.01, HIDDEN, FEED_FORWARD)
        down[:NOISE] = 0
        expert_tensors = {"w2": down} | {name: _noisy(noise, 0.12, FEED_FORWARD, HIDDEN) for name in ("w1", "w3")}
        tensors |= {f"block_sparse_moe.experts.{expert}.{name}.weight": w for name, w in expert_tensors.items()}
    return tensors


def _zeros(*shape: int) -> Array:
    return np.zeros(shape, np.float32)


def _noisy(noise: np.random.Generator, scale: float, *shape: int) -> Array:
    return noise.normal(0, scale, shape).astype(np.float32)


def _config() -> dict[str, Any]:
    return {
        "architectures": ["MixtralForCausalLM"],
        "model_type": "mixtral",
        "vocab_size": END_ID + 1,
        "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "num_local_experts": EXPERTS,
        "num_experts_per_tok": 2,
        "max_position_embeddings": WINDOW_TOKENS,
        "rms_norm_eps": 1e-5,
        "rope_theta": ROPE_THETA,
        "hidden_act": "silu",
        "sliding_window": None,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "bfloat16",
    }


if __name__ == "__main__":
    build(Path(sys.argv[1]))
