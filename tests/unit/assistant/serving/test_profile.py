from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import prompts
from assistant.errors import ProfileError
from assistant.serving.profile import Profile, Sources, list_profiles, load_profile

PACKAGED = Path(prompts.__file__).parents[1] / "assistant" / "serving" / "profiles"
NAMES = [
    "huozi-7b-rlhf", "huozi-7b-sft", "huozi3", "huozi3-awq", "huozi3-gguf", "huozi3.5", "huozi3.5-ckpt-1",
    "huozi3.5-ckpt-2", "huozi3.5-ckpt-3", "llama3-chinese",
]  # fmt: skip
OWN = """
name = "我的"
title = "自己的模型 𠮷"
architecture = "mixtral"
template = "huozi"
response_role = "助手"
stop_token_ids = [57001]
window_tokens = 4096
layers = 2
heads = 4
kv_heads = 2
head_dim = 64
parameters = 7_800_000
vocabulary = 57002
roles = { system = "系统", user = "用户", assistant = "助手" }
formats = [{ name = "bf16", engines = ["vllm"], weights_gb = 0.0156 }]
""".replace('"我的"', '"mine"')


def own(folder: Path, text: str = OWN, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def problems(path: Path, language: str = "en") -> str:
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    return caught.value.render("zh" if language == "zh" else "en")


def test_every_profile_of_the_issue_is_there_when_they_are_listed() -> None:
    assert [one.name for one in list_profiles()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_packaged_file_is_named_as_its_profile_and_names_its_sources_when_read(name: str) -> None:
    text = (PACKAGED / f"{name}.toml").read_text("utf-8")

    assert tomllib.loads(text)["name"] == name
    assert text.startswith("# Facts: ")
    assert "https://github.com/" in text.partition("name =")[0]


@pytest.mark.parametrize("profile", list_profiles(), ids=lambda one: one.name)
def test_a_packaged_profile_has_a_template_and_a_place_to_come_from_when_loaded(profile: Profile) -> None:
    assert profile.template_path.is_file()
    assert profile.sources.huggingface
    assert profile.response_role == profile.roles["assistant"]


def test_huozi_has_the_published_facts_when_loaded() -> None:
    profile = load_profile("huozi3.5")

    assert (profile.layers, profile.heads, profile.kv_heads, profile.head_dim) == (32, 32, 8, 128)
    assert (profile.window_tokens, profile.vocabulary, profile.stop_token_ids) == (32_768, 57_002, (57001,))
    assert (profile.parameters, profile.active_parameters) == (46_700_000_000, 13_000_000_000)
    assert profile.roles == {"system": "系统", "user": "用户", "assistant": "助手"}
    assert profile.kv_bytes_per_token == 128 * 1024


def test_the_old_models_have_their_window_and_no_invented_stop_id_when_loaded() -> None:
    for name in ("huozi-7b-sft", "huozi-7b-rlhf"):
        profile = load_profile(name)
        assert (profile.window_tokens, profile.stop_token_ids, profile.stop) == (2048, (), ("<|endofutterance|>",))
        assert profile.kv_bytes_per_token == 480 * 1024


def test_sizes_are_the_published_ones_when_formats_are_read() -> None:
    disk = {form.name: form.disk_gb for form in load_profile("huozi3").formats}
    memory = {form.name: form.memory_gb for form in load_profile("huozi3").formats}

    assert disk == {"bf16": 88, "awq": 24, "q4_0": None, "q2_k": None}
    assert memory == {"bf16": 95, "awq": 32, "q4_0": 28, "q2_k": 18}
    assert [(one.gpu_layers, one.memory_gb) for one in load_profile("huozi3").format("q2_k").offloaded] == [(16, 9.6)]


def test_a_format_comes_from_its_own_repository_when_it_has_one() -> None:
    profile = load_profile("huozi3")

    assert profile.sources_of(profile.format("awq")).modelscope == "HIT-SCIR/huozi3-awq"
    assert profile.sources_of(profile.format()).huggingface == "HIT-SCIR/huozi3"
    assert load_profile("huozi3.5").sources_of(load_profile("huozi3.5").format("awq")) == Sources()


def test_the_known_ones_are_listed_when_a_name_is_unknown() -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile("huozi35")

    assert "did you mean huozi3.5?" in str(caught.value)
    assert all(name in caught.value.render("zh") for name in NAMES)


def test_a_format_is_refused_with_those_there_are_when_it_is_unknown() -> None:
    with pytest.raises(ProfileError, match="no format 'q8_0'; it has bf16, awq, q4_0, q2_k"):
        load_profile("huozi3").format("q8_0")


def test_a_users_file_is_loaded_when_named_by_path_or_by_folder(tmp_path: Path) -> None:
    path = own(tmp_path)

    assert load_profile(path).title == "自己的模型 𠮷"
    assert load_profile("mine", tmp_path).window_tokens == 4096
    assert [one.name for one in list_profiles(tmp_path)] == sorted([*NAMES, "mine"])


def test_a_users_file_wins_when_it_has_a_packaged_name(tmp_path: Path) -> None:
    own(tmp_path, OWN.replace('"mine"', '"huozi3.5"'), "huozi3.5.toml")

    assert load_profile("huozi3.5", tmp_path).window_tokens == 4096
    assert load_profile("huozi3.5").window_tokens == 32_768


def test_a_users_template_stands_beside_the_profile_when_it_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "自己.jinja").write_text("{{ messages }}", "utf-8")
    path = own(tmp_path, OWN.replace('template = "huozi"', 'template = "自己.jinja"'))

    assert load_profile(path).template_path == (tmp_path / "自己.jinja").resolve()


def test_everything_is_told_at_once_with_file_and_key_when_a_file_is_wrong(tmp_path: Path) -> None:
    text = OWN.replace("layers = 2", 'layers = "二"').replace("window_tokens = 4096", "window_tokens = true")
    text = text.replace('engines = ["vllm"]', 'engines = ["vlm"]').replace('title = "自己的模型 𠮷"\n', "")
    path = own(tmp_path, text.replace("heads = 4", "heads = 4\nlayer = 3"))

    told = problems(path)

    assert str(path) in told
    assert told.splitlines()[1:-1] == [
        "  title is missing",
        "  window_tokens should be a whole number, is True",
        "  layers should be a whole number, is '二'",
        "  formats[0].engines[0] should be 'vllm', 'transformers', 'llama.cpp' or 'ollama', is 'vlm'",
        "  layer is no known key",
    ]
    assert "title 缺少" in problems(path, "zh")
    assert "应为 'vllm'、'transformers'、'llama.cpp'、'ollama'，现为 'vlm'" in problems(path, "zh")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("kv_heads = 2", "kv_heads = 3", "kv_heads must divide heads, 4"),
        ('user = "用户", ', "", "roles.user is missing"),
        ("stop_token_ids = [57001]", "", "stop_token_ids nothing ends a turn"),
        ("[57001]", "[57002]", "stop_token_ids an id must be below vocabulary, 57002"),
        ("[57001]", "[57001.0]", "stop_token_ids[0] should be a whole number, is 57001.0"),
        ('template = "huozi"', 'template = "nobody"', "template 'nobody' is none of "),
        ('template = "huozi"', 'template = "gone.jinja"', "template there is no file "),
        ("weights_gb = 0.0156", "weights_gb = 0", "formats[0].weights_gb should be above 0"),
        ("0156 }", "0156, offloaded = [{ gpu_layers = 3, memory_gb = 1 }] }", "formats[0].offloaded the model has 2"),
        ("0.0156 }]", '0.0156 }, { name = "bf16", engines = ["vllm"], weights_gb = 1 }]', "formats two of them have"),
        ('[{ name = "bf16", engines = ["vllm"], weights_gb = 0.0156 }]', "[]", "formats must not be empty"),
        ("window_tokens = 4096", "window_tokens = 128", "window_tokens should be at least 512, is 128"),
        ('name = "mine"', 'name = "../mine"', "name may hold letters"),
        ('name = "mine"', 'name = "huozi3"', "name should be the file's, 'mine'"),
        ("heads = 4", "heads = 1979-05-27", "heads should be a whole number, is '1979-05-27'"),
        ('roles = { system', 'roles = 1\nrole = { system', "roles should be a table, is 1"),
    ],
)  # fmt: skip
def test_a_value_is_refused_when_no_model_can_have_it(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in OWN
    assert f"\n  {told}" in problems(own(tmp_path, OWN.replace(old, new)))


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe\x00", "name = '活".encode("gb18030")])
def test_the_file_is_named_when_it_is_not_toml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "坏.toml"
    path.write_bytes(content)

    assert f"{str(path)!r} cannot be used:\n  is not TOML" in problems(path)


def test_the_file_is_named_when_it_is_not_there(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in problems(tmp_path / "gone.toml")
    assert "cannot be read" in problems(_folder(tmp_path / "folder.toml"))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
