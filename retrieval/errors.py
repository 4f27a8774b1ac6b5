"""The family of errors.

    HuoziError
    ├── SettingsError            settings that cannot be used; all of them at once
    ├── CatalogError             the data folder's truth cannot be read or written
    │   ├── DataFolderOwnedError another process owns the data folder
    │   ├── DataFolderError      it cannot be created, written, or has no space left
    │   └── CatalogVersionError  it was written by a newer version
    ├── NotFoundError
    │   ├── CollectionNotFoundError
    │   ├── DocumentNotFoundError
    │   ├── FileUnknownError     neither an upload nor a document
    │   ├── AnswerNotFoundError  its trace is not kept, or was never
    │   └── JobNotFoundError     no such job, or it is no longer kept
    ├── JobStateError            a job that has not failed cannot be tried again
    ├── CollectionExistsError
    ├── CollectionNameError      a name that cannot be used
    ├── KeyReusedError           an Idempotency-Key that came with another request
    ├── EmbedderMismatchError    a collection remembers another embedder
    ├── EmbedderError            the embedder cannot be loaded or fails
    ├── MissingExtraError        an optional package is not installed
    ├── QuestionError            empty or too long
    └── VectorStoreError         Chroma does not answer or disagrees

Each package has its own family under `HuoziError`: `ingest.errors`, `assistant.errors`.
No HTTP in here: `api/errors.py` maps classes to statuses.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Language = Literal["zh", "en"]


class Message(NamedTuple):
    """The same sentence in both languages of the product."""

    en: str
    zh: str

    def render(self, language: Language) -> str:
        """Return the sentence in one language."""
        return self.zh if language == "zh" else self.en


class HuoziError(Exception):
    """Base of everything this project raises on purpose.

    `str(error)` is English, for logs and Python users; the command line, the web page and the HTTP API call
    `render` with the user's language.

    Args:
        message: What failed, with which value.
        hint: What to do next.

    Attributes:
        code: Stable snake_case name for programs.
        retryable: Whether the same call may succeed later.
    """

    code = "error"
    retryable = False

    def __init__(self, message: Message, *, hint: Message | None = None) -> None:
        super().__init__(message.en)
        self.message = message
        self.hint = hint

    def render(self, language: Language) -> str:
        """Return message and hint in one language."""
        text = self.message.render(language)
        if self.hint is None:
            return text
        return text + (" " if language == "en" else "") + self.hint.render(language)

    def __str__(self) -> str:
        return self.render("en")


class SettingsError(HuoziError):
    """Settings that cannot be used."""

    code = "bad_settings"


class CatalogError(HuoziError):
    """The catalog cannot be read or written."""

    code = "catalog_error"


class KeywordIndexError(CatalogError):
    """A keyword index cannot be read or written; the catalog can give it again."""

    code = "keyword_index_error"


class DataFolderError(CatalogError):
    """The data folder cannot be created or written."""

    code = "data_folder_unusable"


class DataFolderOwnedError(CatalogError):
    """Another live process owns the data folder.

    Args:
        message: Who owns it.
        hint: What to do.
        url: Where the owner answers over HTTP, or None if it is not a service.
    """

    code = "data_folder_owned"
    retryable = True

    def __init__(self, message: Message, *, hint: Message | None = None, url: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.url = url


class CatalogVersionError(CatalogError):
    """The catalog was written by a newer version of this program."""

    code = "catalog_too_new"


class NotFoundError(HuoziError):
    """Something named does not exist."""

    code = "not_found"


class CollectionNotFoundError(NotFoundError):
    """No collection has this name or id."""

    code = "collection_not_found"


class DocumentNotFoundError(NotFoundError):
    """No live document has this id."""

    code = "document_not_found"


class FileUnknownError(NotFoundError):
    """No upload and no live document has this id."""

    code = "file_not_found"


class AnswerNotFoundError(NotFoundError):
    """There is no trace of an answer with this id."""

    code = "answer_not_found"


class JobNotFoundError(NotFoundError):
    """There is no job with this id."""

    code = "job_not_found"


class JobStateError(HuoziError):
    """A job is in a state in which this cannot be done."""

    code = "job_state"


class CollectionExistsError(HuoziError):
    """A collection of this name exists."""

    code = "collection_exists"


class CollectionNameError(HuoziError):
    """A collection name that cannot be used."""

    code = "bad_collection_name"


class KeyReusedError(HuoziError):
    """An Idempotency-Key came with another request before."""

    code = "idempotency_key_reused"


class EmbedderMismatchError(HuoziError):
    """A collection was built with another embedder."""

    code = "embedder_mismatch"


class EmbedderError(HuoziError):
    """An embedder cannot be loaded or fails."""

    code = "embedder_error"


class MissingExtraError(HuoziError):
    """An optional package is not installed."""

    code = "missing_extra"


class QuestionError(HuoziError):
    """A question that cannot be asked: empty, or too long."""

    code = "bad_question"


class VectorStoreError(HuoziError):
    """The vector store does not answer."""

    code = "vector_store_error"
    retryable = True
