from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from api.environment import interface_language, read_variables, silence_third_parties
from api.settings import Settings, in_effect, load_settings, variables
from assistant.serving import profile as profile_module
from retrieval.errors import SettingsError


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.upper().startswith("HUOZI_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_are_the_contracts_when_nothing_is_set() -> None:
    settings = load_settings()

    assert settings.data_dir == Path("data")
    assert (settings.host, settings.port, settings.max_upload_mb) == ("127.0.0.1", 8080, 200)
    assert (settings.llm.base_url, settings.llm.model, settings.llm.profile) == (None, "huozi", "huozi3.5")
    assert (settings.reranker, settings.chroma_url, settings.language) == ("none", None, "zh")


def test_a_variable_reaches_its_setting_when_it_is_nested_or_shares_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUOZI_LLM__BASE_URL", "http://127.0.0.1:8000/v1")
    monkeypatch.setenv("HUOZI_EMBEDDER", "none")
    monkeypatch.setenv("HUOZI_EMBEDDER__BASE_URL", "https://embed.example/v1")
    monkeypatch.setenv("HUOZI_RANKING__TOP_K", "3")
    monkeypatch.setenv("HUOZI_ANSWER__MAX_SENTENCES", "2")
    monkeypatch.setenv("HUOZI_DATA_DIR", "/srv/制度")

    settings = load_settings()
    retrieval = settings.retrieval()

    assert settings.llm.base_url == "http://127.0.0.1:8000/v1"
    assert settings.answer.max_sentences == 2
    assert (retrieval.embedder, retrieval.embedder_base_url) == ("none", "https://embed.example/v1")
    assert (retrieval.ranking.top_k, retrieval.data_dir) == (3, Path("/srv/制度"))


def test_the_stronger_source_wins_when_several_set_one_thing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HUOZI_PORT=1111\nHUOZI_HOST=127.0.0.2\nHUOZI_LLM__MODEL=活字\n", "utf-8")
    monkeypatch.setenv("HUOZI_PORT", "2222")

    from_environment = load_settings()
    from_command_line = load_settings({"HUOZI_PORT": "3333"})

    assert (from_environment.port, from_environment.host, from_environment.llm.model) == (2222, "127.0.0.2", "活字")
    assert from_command_line.port == 3333


def test_an_empty_variable_counts_as_unset_when_a_template_leaves_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUOZI_LLM__BASE_URL", "")
    monkeypatch.setenv("HUOZI_PORT", "")

    assert load_settings().port == 8080


def test_everything_wrong_is_told_at_once_when_settings_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUOZI_PORT", "http")
    monkeypatch.setenv("HUOZI_LLM__BASE_URL", "ftp://user:secret@host/v1")
    monkeypatch.setenv("HUOZI_LANG", "fr")
    monkeypatch.setenv("HUOZI_MAX_UPLOAD_MB", "0")
    monkeypatch.setenv("HUOZI_EMBEDER", "none")

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert caught.value.render("en") == (
        "5 settings cannot be used:\n"
        "  HUOZI_EMBEDER: there is no such setting; did you mean HUOZI_EMBEDDER?\n"
        "  HUOZI_LLM__BASE_URL='ftp://***@host/v1': a URL that begins with http:// or https://\n"
        "  HUOZI_PORT='http': a whole number from 0 to 65535\n"
        "  HUOZI_MAX_UPLOAD_MB='0': a whole number from 1 to 10000\n"
        "  HUOZI_LANG='fr': one of: zh, en\n"
        "docs/settings.md lists all settings."
    )
    assert caught.value.render("zh") == (
        "有 5 项设置不可用：\n"
        "  HUOZI_EMBEDER：没有这项设置，是否想写 HUOZI_EMBEDDER？\n"
        "  HUOZI_LLM__BASE_URL='ftp://***@host/v1'：应为以 http:// 或 https:// 开头的网址\n"
        "  HUOZI_PORT='http'：应为 0 到 65535 的整数\n"
        "  HUOZI_MAX_UPLOAD_MB='0'：应为 1 到 10000 的整数\n"
        "  HUOZI_LANG='fr'：只能是：zh, en\n"
        "全部设置见 docs/settings.md。"
    )


def test_an_unusable_embedder_is_told_with_the_choices_when_it_is_misspelt() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"HUOZI_EMBEDDER": "bge"})

    assert caught.value.render("en") == (
        "1 setting cannot be used:\n"
        "  HUOZI_EMBEDDER='bge': No embedder is called 'bge'. "
        "Set HUOZI_EMBEDDER to one of: e5, none, sentence-transformers:NAME_OR_PATH.\n"
        "docs/settings.md lists all settings."
    )


@pytest.mark.parametrize(("name", "value"), [("HUOZI_LLM__TIMEOUT_S", "0"), ("HUOZI_RERANKER", "http:x")])
def test_a_bad_value_is_refused_with_its_name_when_it_is_out_of_range(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}='{value}': "):
        load_settings({name: value})


def test_a_far_name_is_told_without_a_guess_when_nothing_is_near() -> None:
    with pytest.raises(SettingsError, match="HUOZI_XYZ: there is no such setting\n"):
        load_settings({"HUOZI_XYZ": "1"})


def test_secrets_are_masked_when_settings_are_shown() -> None:
    settings = load_settings({"HUOZI_LLM__API_KEY": "sk-geheim", "HUOZI_LLM__BASE_URL": "http://me:pass@host/v1"})

    shown = in_effect(settings)

    assert shown["HUOZI_LLM__API_KEY"] == "***"
    assert shown["HUOZI_LLM__BASE_URL"] == "http://***@host/v1"
    assert "sk-geheim" not in f"{settings!r}{shown}"


def test_other_tools_variables_are_not_read_when_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ambient")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere.example/v1")
    monkeypatch.setenv("PORT", "1")

    settings = load_settings()

    assert (settings.llm.api_key, settings.llm.base_url, settings.port) == (None, None, 8080)


def test_settings_stay_as_they_are_when_someone_writes_to_them() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


def test_an_env_file_that_is_no_text_is_told_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("HUOZI_LANG=中文".encode("gbk"))

    with pytest.raises(SettingsError, match="^'.env' cannot be read: 'utf-8' codec"):
        load_settings()


def test_an_env_file_is_read_when_it_has_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfHUOZI_PORT=9001\n")

    assert load_settings().port == 9001


def test_lower_case_names_count_when_a_shell_has_them() -> None:
    assert read_variables(Path("none"), {"huozi_port": "1", "HUOZI_EVAL_DIR": "x", "OTHER": "y"}) == {"HUOZI_PORT": "1"}


@pytest.mark.parametrize(("value", "language"), [("en", "en"), ("zh", "zh"), ("de", "zh"), ("", "zh")])
def test_help_has_a_language_when_settings_are_not_checked_yet(
    value: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUOZI_LANG", value)

    assert interface_language() == language


def test_libraries_stay_silent_unless_the_user_wants_their_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.delenv("ANONYMIZED_TELEMETRY", raising=False)
    monkeypatch.setenv("LANGSMITH_TRACING", "true")

    silence_third_parties()

    assert os.environ["ANONYMIZED_TELEMETRY"] == "False"
    assert os.environ["LANGSMITH_TRACING"] == "true"


def test_every_variable_says_what_it_is_when_it_is_listed() -> None:
    assert [name for name, one in variables().items() if not one.field.description] == []


def test_the_window_is_the_profiles_when_it_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().llm.window_tokens == 32_768

    monkeypatch.setenv("HUOZI_LLM__PROFILE", "huozi-7b-sft")
    settings = load_settings()

    assert settings.llm.window_tokens == 2048
    assert settings.llm.model_profile.stop == ("<|endofutterance|>",)
    assert load_settings({"HUOZI_LLM__WINDOW_TOKENS": "1024"}).llm.window_tokens == 1024
    assert in_effect(settings)["HUOZI_LLM__WINDOW_TOKENS"] == "2048"


def test_an_unknown_profile_is_told_with_the_other_bad_settings_when_settings_are_read() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"HUOZI_LLM__PROFILE": "活字", "HUOZI_PORT": "x"})

    told = caught.value.render("zh")
    assert "有 2 项设置不可用" in told
    assert "HUOZI_LLM__PROFILE='活字'：没有模型配置 '活字'" in told
    assert "huozi3.5" in told


def test_a_malformed_profile_is_told_with_its_keys_when_settings_are_read(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\nlayer = 3\n', "utf-8")

    with pytest.raises(SettingsError) as caught:
        load_settings({"HUOZI_LLM__PROFILES_DIR": str(tmp_path), "HUOZI_LLM__PROFILE": "mine"})

    assert "HUOZI_LLM__PROFILE='mine'" in str(caught.value)
    assert "layer is no known key" in str(caught.value)
    assert "window_tokens is missing" in str(caught.value)


def test_ones_own_profile_is_named_by_its_file_when_its_folder_is_set(tmp_path: Path) -> None:
    packaged = Path(profile_module.__file__).parent / "profiles" / "huozi-7b-sft.toml"
    own = tmp_path / "mine.toml"
    own.write_text(packaged.read_text("utf-8").replace('name = "huozi-7b-sft"', 'name = "mine"'), "utf-8")

    llm = load_settings({"HUOZI_LLM__PROFILES_DIR": str(tmp_path), "HUOZI_LLM__PROFILE": "mine"}).llm

    assert llm.profile == str(own)
    assert (llm.window_tokens, llm.model_profile.name) == (2048, "mine")
