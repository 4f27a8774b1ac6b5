"""What is known of one model: a TOML file each, the packaged ones in `profiles/`, a user's own anywhere.

A profile holds facts only, each with its source in a comment of the file. A figure that nobody published is absent.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

import prompts
from assistant.errors import ProfileError
from assistant.serving.profile_problems import Problem, problems_of, profile_error
from retrieval.errors import Message

Engine = Literal["vllm", "transformers", "llama.cpp", "ollama"]
Positive = Annotated[int, Field(gt=0)]
PositiveGb = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]
_STRICT = ConfigDict(extra="forbid", strict=True)
_PACKAGED = Path(__file__).parent / "profiles"
_NEEDED_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Sampling:
    """What the model's authors sample with; None: they do not say."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Positive | None = None
    repetition_penalty: Annotated[float, Field(gt=0)] | None = None
    max_tokens: Positive | None = None


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Sources:
    """Where the weights are published: `OWNER/NAME` on each hub, or None."""

    huggingface: Name | None = None
    modelscope: Name | None = None


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Offloaded:
    """Published GPU memory with only some layers on the GPU.

    Attributes:
        gpu_layers: Layers on the GPU; the rest are in main memory.
        memory_gb: GPU memory, in GB as published.
    """

    gpu_layers: Positive
    memory_gb: PositiveGb


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Format:
    """One form of the weights.

    Attributes:
        name: `bf16`, `fp16`, `int8`, `awq`, or a GGUF quantisation such as `q4_0`.
        engines: Which engines run it, the first by default.
        weights_gb: Bytes of all weights, in 10^9; what they take in memory.
        disk_gb: Size of the download as its authors give it.
        memory_gb: GPU memory of the whole model as its authors measured it, in their GB.
        offloaded: The same with some layers in main memory.
        file: The file's name, where one repository holds several (GGUF).
        published: Whether weights in this form are published; if not, `huozi model convert` makes them.
        sources: Where this form is published, if not where the profile's weights are.
    """

    name: Name
    engines: Annotated[tuple[Engine, ...], Field(min_length=1)]
    weights_gb: PositiveGb
    disk_gb: PositiveGb | None = None
    memory_gb: PositiveGb | None = None
    offloaded: tuple[Offloaded, ...] = ()
    file: Name | None = None
    published: bool = True
    sources: Sources | None = None

    @property
    def is_gguf(self) -> bool:
        """Whether llama.cpp's format is meant."""
        return "llama.cpp" in self.engines


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Profile:
    """One model.

    Attributes:
        name: As in `HUOZI_LLM__PROFILE`.
        title: For people.
        template: A chat template of `prompts`, or the path of a user's own `.jinja` file.
        roles: Our role (`system`, `user`, `assistant`) -> the word that the model was trained on.
        response_role: The role under which a server answers, e.g. vLLM's `--response-role`.
        control_tokens: Strings that no content may hold as tokens.
        stop_token_ids: Ids that end a turn; empty where they are not published (then `stop` ends it).
        stop: Strings that end a turn.
        window_tokens: Prompt and answer together, in tokens.
        layers, heads, kv_heads, head_dim: Of the attention; heads is the number of query heads.
        parameters: Of the whole model.
        active_parameters: That one token uses, for a mixture of experts.
        vocabulary: Tokens of the output layer.
        formats: Forms of the weights, the preferred one first.
        sources: Where the weights are published.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    title: Name
    architecture: Name
    template: Name
    roles: Mapping[str, str]
    response_role: Name
    control_tokens: tuple[Name, ...] = ()
    stop_token_ids: tuple[Annotated[int, Field(ge=0)], ...] = ()
    stop: tuple[Name, ...] = ()
    window_tokens: Annotated[int, Field(ge=512)]
    layers: Positive
    heads: Positive
    kv_heads: Positive
    head_dim: Positive
    parameters: Positive
    active_parameters: Positive | None = None
    vocabulary: Positive
    formats: Annotated[tuple[Format, ...], Field(min_length=1)]
    sampling: Sampling = Sampling()
    sources: Sources = Sources()

    def format(self, name: str | None = None) -> Format:
        """Return a form of the weights, the preferred one by default.

        Raises:
            ProfileError: If the model has no such form; lists those that it has.
        """
        if name is None:
            return self.formats[0]
        wanted = name.lower()
        if (found := next((one for one in self.formats if one.name == wanted), None)) is not None:
            return found
        names = ", ".join(one.name for one in self.formats)
        raise ProfileError(
            Message(
                en=f"{self.name} has no format {name!r}; it has {names}.",
                zh=f"{self.name} 没有 {name!r} 这种格式，可用：{names}。",
            )
        )

    def sources_of(self, form: Format) -> Sources:
        """Return where a form is published; empty if it must be made with `huozi model convert`."""
        if not form.published:
            return Sources()
        return form.sources or self.sources

    @property
    def template_path(self) -> Path:
        """The chat template's file."""
        own = self.template.endswith(".jinja")
        return Path(self.template) if own else prompts.chat_template_path(self.template)

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of keys and values of one token in 16 bits, over all layers."""
        return 2 * self.layers * self.kv_heads * self.head_dim * 2


_READER: TypeAdapter[Profile] = TypeAdapter(Profile)


def load_profile(name_or_path: str | Path, folder: Path | None = None) -> Profile:
    """Load a profile.

    Args:
        name_or_path: A name, or a path that ends in `.toml`.
        folder: A user's own profiles, searched before the packaged ones.

    Raises:
        ProfileError: If there is none, or with everything that is wrong in its file.
    """
    wanted = str(name_or_path)
    if wanted.endswith(".toml"):
        return _read(Path(wanted))
    files = _files(folder)
    if wanted in files:
        return _read(files[wanted])
    near = difflib.get_close_matches(wanted, files, n=1)
    known = ", ".join(files)
    raise ProfileError(
        Message(
            en=f"There is no profile {wanted!r}{f'; did you mean {near[0]}?' if near else '.'} Known: {known}; or the "
            "path of your own .toml file.",
            zh=f"没有模型配置 {wanted!r}{f'，是否想写 {near[0]}？' if near else '。'}已知：{known}；也可写自己的 .toml "
            "文件路径。",
        )
    )


def list_profiles(folder: Path | None = None) -> tuple[Profile, ...]:
    """Return the packaged profiles and those of the user's folder, which win; by name.

    Raises:
        ProfileError: If one of them cannot be used.
    """
    return tuple(_read(path) for path in _files(folder).values())


def _files(folder: Path | None) -> dict[str, Path]:
    own = sorted(folder.glob("*.toml")) if folder is not None else []
    paths = {path.stem: path for path in [*_PACKAGED.glob("*.toml"), *own]}
    return dict(sorted(paths.items()))


def _read(path: Path) -> Profile:
    return _packaged(path) if path.parent == _PACKAGED else _read_file(path)


@cache
def _packaged(path: Path) -> Profile:
    return _read_file(path)


def _read_file(path: Path) -> Profile:
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        why = error.strerror or str(error)
        raise profile_error(path, [Problem.of("", f"cannot be read: {why}", f"读不出来：{why}")]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise profile_error(path, [Problem.of("", f"is not TOML: {error}", f"不是 TOML：{error}")]) from error
    try:
        # Strict JSON takes a list for a tuple and nothing else for something else.
        profile = _with_own_template(_READER.validate_json(json.dumps(data, default=str)), path)
    except ValidationError as error:
        raise profile_error(path, problems_of(error.errors())) from None
    if problems := list(_impossible(profile, path.stem)):
        raise profile_error(path, problems)
    return profile


def _with_own_template(profile: Profile, path: Path) -> Profile:
    """Return the profile with the path of a user's template made absolute; it stands relative to the profile's file."""
    if not profile.template.endswith(".jinja"):
        return profile
    return replace(profile, template=str((path.parent / profile.template).resolve()))


def _impossible(profile: Profile, stem: str) -> Iterator[Problem]:
    """Yield what no model can be, though each value alone has the right form."""
    if profile.name != stem:
        # Else lists would show a name that nobody can use.
        yield Problem.of("name", f"should be the file's, {stem!r}", f"应与文件名相同，即 {stem!r}")
    if profile.template.endswith(".jinja"):
        if not Path(profile.template).is_file():
            yield Problem.of("template", f"there is no file {profile.template}", f"没有文件 {profile.template}")
    elif profile.template not in prompts.chat_templates():
        known = ", ".join(prompts.chat_templates())
        yield Problem.of(
            "template", f"{profile.template!r} is none of {known}", f"{profile.template!r} 不在 {known} 之中"
        )
    if profile.heads % profile.kv_heads:
        yield Problem.of("kv_heads", f"must divide heads, {profile.heads}", f"应能整除 heads（{profile.heads}）")
    for role in _NEEDED_ROLES:
        if not profile.roles.get(role):
            yield Problem.of(f"roles.{role}", "is missing", "缺少")
    if not profile.stop_token_ids and not profile.stop:
        yield Problem.of("stop_token_ids", "nothing ends a turn: give it, or stop", "没有结束标记：请写它或 stop")
    if any(token >= profile.vocabulary for token in profile.stop_token_ids):
        told = str(profile.vocabulary)
        yield Problem.of(
            "stop_token_ids", f"an id must be below vocabulary, {told}", f"编号应小于 vocabulary（{told}）"
        )
    names = [form.name for form in profile.formats]
    if len(set(names)) < len(names):
        yield Problem.of("formats", "two of them have one name", "有重名")
    for i, form in enumerate(profile.formats):
        if any(one.gpu_layers > profile.layers for one in form.offloaded):
            told = str(profile.layers)
            yield Problem.of(f"formats[{i}].offloaded", f"the model has {told} layers", f"模型只有 {told} 层")
