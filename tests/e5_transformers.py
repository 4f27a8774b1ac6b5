"""The weights of `e5` as a sentence-transformers folder: a real local model, and a second opinion on our own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from retrieval.embedders.e5_weights import Vocabulary, WeightsFile

_LINEAR = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


def unigram_tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """Build the same tokenizer from the `tokenizers` package's parts."""
    pieces = list(zip(vocabulary.pieces(), vocabulary.scores.tolist(), strict=True))
    tokenizer = Tokenizer(Unigram(pieces, vocabulary.unk, False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(r"\s+"), " "), normalizers.NFKC(), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", vocabulary.bos), ("</s>", vocabulary.eos)]
    )
    return tokenizer


def save_e5(weights: WeightsFile, folder: Path) -> Path:
    """Write the model into `folder` in sentence-transformers' form, with e5's prompts; returns it."""
    _bert(weights).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=unigram_tokenizer(weights.vocabulary()),
        model_max_length=weights.sizes.positions,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    ).save_pretrained(folder)
    # As on a model hub: three modules, the second and third in folders of their own.
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    _write(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for index, (path, kind) in enumerate(modules)
        ],
    )
    _write(folder / "sentence_bert_config.json", {"max_seq_length": weights.sizes.positions, "do_lower_case": False})
    _write(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": weights.sizes.hidden, "pooling_mode_mean_tokens": True},
    )
    (folder / "2_Normalize").mkdir()
    _write(folder / "config_sentence_transformers.json", {"prompts": {"query": "query: ", "document": "passage: "}})
    return folder


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _bert(weights: WeightsFile) -> BertModel:
    sizes = weights.sizes
    config = BertConfig(
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.hidden,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.feed_forward,
        max_position_embeddings=sizes.positions,
        layer_norm_eps=sizes.epsilon,
        pad_token_id=1,
    )
    with torch.device("meta"):  # no random weights for what is replaced at once
        model = BertModel(config, add_pooling_layer=False)
    missing, unexpected = model.load_state_dict(_state(weights), strict=False, assign=True)
    assert not unexpected, unexpected
    assert all("position_ids" in name or "token_type_ids" in name for name in missing), missing
    return model.eval()


def _state(weights: WeightsFile) -> dict[str, torch.Tensor]:
    sizes = weights.sizes

    def floats(name: str, *shape: int) -> torch.Tensor:
        return torch.from_numpy(np.array(weights.floats(name))).reshape(*(shape or (-1,)))

    state = {
        "embeddings.word_embeddings.weight": torch.from_numpy(weights.matrix("emb.word", sizes.vocabulary)),
        "embeddings.position_embeddings.weight": floats("emb.pos", sizes.positions, sizes.hidden),
        "embeddings.token_type_embeddings.weight": floats("emb.type", -1, sizes.hidden),
        "embeddings.LayerNorm.weight": floats("emb.ln.w"),
        "embeddings.LayerNorm.bias": floats("emb.ln.b"),
    }
    for layer in range(sizes.layers):
        ours, theirs = f"l{layer}", f"encoder.layer.{layer}"
        for short, long in _LINEAR.items():
            rows = sizes.feed_forward if short == "fi" else sizes.hidden
            state[f"{theirs}.{long}.weight"] = torch.from_numpy(weights.matrix(f"{ours}.{short}.w", rows))
            state[f"{theirs}.{long}.bias"] = floats(f"{ours}.{short}.b")
        for short, long in _NORMS.items():
            state[f"{theirs}.{long}.weight"] = floats(f"{ours}.{short}.w")
            state[f"{theirs}.{long}.bias"] = floats(f"{ours}.{short}.b")
    return state
