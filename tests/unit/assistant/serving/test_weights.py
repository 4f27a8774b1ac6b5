from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.serving.errors import ModelFilesError
from assistant.serving.profile import load_profile
from assistant.serving.weights import find_weights
from tests.unit.assistant.serving import tiny_checkpoint
from tests.unit.assistant.serving.tiny_checkpoint import safetensors, write, write_gguf

HUOZI = load_profile("huozi3.5")


def refusal(path: Path, **options: str) -> str:
    with pytest.raises(ModelFilesError) as caught:
        find_weights(path, HUOZI, **options)
    return caught.value.render("en")


def test_a_checkpoint_is_found_when_it_is_whole(tmp_path: Path):
    found = find_weights(write(tmp_path / "模型"), HUOZI)

    assert (found.form, found.tokenizer, found.window_tokens) == ("checkpoint", tmp_path / "模型", 32768)
    assert found.size_bytes == len(safetensors())


def test_awq_is_seen_when_the_checkpoint_says_so(tmp_path: Path):
    contents = tiny_checkpoint.files(quantization_config={"quant_method": "awq", "bits": 4})

    assert find_weights(write(tmp_path, contents), HUOZI).form == "awq"


def test_the_path_is_named_when_nothing_is_there(tmp_path: Path):
    assert refusal(tmp_path / "无") == (
        f"{str(tmp_path / '无')!r} is not there. Give a folder with config.json and *.safetensors, or a .gguf file; or"
        " --source huggingface|modelscope."
    )


def test_the_missing_file_is_named_when_there_is_no_config(tmp_path: Path):
    contents = tiny_checkpoint.files()
    del contents["config.json"]

    assert f"{str(tmp_path)!r} has no config.json." in refusal(write(tmp_path, contents))


def test_weights_are_missed_when_there_are_none(tmp_path: Path):
    contents = tiny_checkpoint.files()
    del contents["model.safetensors"]

    assert "holds no weights (*.safetensors, *.gguf)" in refusal(write(tmp_path, contents))


def test_an_unfinished_download_is_named_so_when_only_parts_are_there(tmp_path: Path):
    contents = tiny_checkpoint.files()
    contents["model.safetensors.incomplete"] = contents.pop("model.safetensors")

    assert "is an unfinished download" in refusal(write(tmp_path, contents))


def test_missing_parts_are_counted_and_named_when_the_index_names_more(tmp_path: Path):
    contents = tiny_checkpoint.files()
    parts = [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]
    contents["model.safetensors.index.json"] = json.dumps({"weight_map": dict(zip("abc", parts, strict=True))}).encode()
    contents[parts[0]] = contents.pop("model.safetensors")
    contents[parts[1]] = safetensors()[:-1]

    assert (
        f"lacks 2 of 3 files of the weights, or has them cut short: {parts[1]}, {parts[2]}."
        " Download it again: what is there already is kept"
    ) in refusal(write(tmp_path, contents))


@pytest.mark.parametrize("broken", [b"", b"\xff" * 100, safetensors()[:20], safetensors() + b"x"])
def test_a_file_is_not_whole_when_its_header_says_so(tmp_path: Path, broken: bytes):
    assert "lacks 1 of 1 files" in refusal(write(tmp_path, tiny_checkpoint.files() | {"model.safetensors": broken}))


def test_the_tokenizer_is_missed_when_there_is_none(tmp_path: Path):
    contents = tiny_checkpoint.files()
    del contents["tokenizer.json"]

    assert "has no tokenizer (tokenizer.json or tokenizer.model)" in refusal(write(tmp_path, contents))


def test_another_model_is_refused_when_its_tokenizer_lacks_the_control_tokens(tmp_path: Path):
    contents = tiny_checkpoint.files() | {
        "tokenizer.json": json.dumps({"added_tokens": [{"id": 2, "content": "</s>"}]}).encode()
    }

    assert (
        "has a tokenizer without <|beginofutterance|>, <|endofutterance|>: it is no huozi3.5."
        " Choose the profile that fits: `huozi model list`."
    ) in refusal(write(tmp_path, contents))


def test_control_tokens_are_found_when_the_vocabulary_is_sentencepiece(tmp_path: Path):
    contents = tiny_checkpoint.files()
    del contents["tokenizer.json"]
    contents["tokenizer.model"] = b"\n"
    contents["added_tokens.json"] = json.dumps({tiny_checkpoint.BEGIN: 57000, tiny_checkpoint.END: 57001}).encode()

    assert find_weights(write(tmp_path, contents), HUOZI).form == "checkpoint"


def test_a_gguf_file_is_found_when_the_folder_holds_one(tmp_path: Path):
    path = write_gguf(tmp_path / "huozi3-q4_0.gguf")

    assert find_weights(tmp_path, HUOZI).path == path
    assert find_weights(path, HUOZI).tokenizer is None


def test_a_gguf_file_must_be_named_when_the_folder_holds_several(tmp_path: Path):
    write_gguf(tmp_path / "a-q4_0.gguf")
    chosen = write_gguf(tmp_path / "b-q2_k.gguf")

    assert "holds several GGUF files (a-q4_0.gguf, b-q2_k.gguf). Give the path of one of them." in refusal(tmp_path)
    assert find_weights(tmp_path, HUOZI, name="b-q2_k.gguf").path == chosen


def test_a_split_gguf_is_refused_when_a_part_is_missing(tmp_path: Path):
    first = write_gguf(tmp_path / "m-00001-of-00002.gguf")
    assert "m-00002-of-00002.gguf" in refusal(first)

    write_gguf(tmp_path / "m-00002-of-00002.gguf")
    assert find_weights(tmp_path, HUOZI).size_bytes == 128


def test_another_file_is_refused_when_it_only_has_the_name(tmp_path: Path):
    (tmp_path / "m.gguf").write_bytes(b"<html>")

    assert "is not a GGUF file" in refusal(tmp_path / "m.gguf")
