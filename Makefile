# Two commands: `make run` and `make test`. Both need Python 3.11+, make and a package registry, nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test test-image vllm lint format docs bench fuzz kill-test clean llama-cpp test-llama-cpp

VENV := .venv
BIN := $(VENV)/bin
# The first that is new enough; `make PYTHON=/path/to/python3.12 run` chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

help:  ## 显示这些命令 / show these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-17s %s\n", $$1, $$2}'

run: $(VENV)/.installed  ## 安装、导入示例文档、启动服务 / install, ingest the samples, serve
	@$(BIN)/huozi serve --ingest samples

test: lint vllm  ## 代码检查、类型检查、全部测试 / lint, types, every test
	@$(BIN)/pytest

lint: $(VENV)/.installed-dev  ## 代码检查、类型检查 / lint and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/hadolint Dockerfile

format: $(VENV)/.installed-dev  ## 整理代码格式 / format the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

test-image: $(VENV)/.installed-dev  ## 构建容器镜像并运行其进程 / build the image, run its processes
	@$(BIN)/pytest -m image tests/image

vllm: $(VENV)/.installed-dev  ## 安装测试用的 vLLM / install vLLM for the tests
	@$(BIN)/python scripts/vllm_env.py

llama-cpp: $(VENV)/.installed-dev  ## 编译 llama.cpp，约 15-30 分钟 / build llama.cpp, 15 to 30 minutes
	@$(BIN)/python scripts/llama_cpp.py

test-llama-cpp: llama-cpp  ## 用真实的 llama.cpp 测试 / the tests of the real llama.cpp
	@$(BIN)/pytest -m llama_cpp tests/integration/engines

docs: $(VENV)/.installed-dev  ## 由代码更新文档 / bring docs in line with the code
	@$(BIN)/python scripts/docs.py

bench: $(VENV)/.installed-dev  ## 性能测试 / benchmarks
	@$(BIN)/python -m benchmarks

fuzz: $(VENV)/.installed-dev  ## 用 2000 个变异文件测试解析 / parse 2,000 mutated files
	@$(BIN)/python -m benchmarks.fuzz

kill-test: $(VENV)/.installed-dev  ## 200 次强杀、1000 次替换，检查不丢文档 / 200 kills, 1,000 replacements: nothing lost
	@HUOZI_TEST_KILLS=200 HUOZI_TEST_REPLACEMENTS=1000 $(BIN)/pytest tests/faults/test_kill.py tests/faults/test_replace_while_searching.py

clean:  ## 删除虚拟环境和缓存，不动数据 / remove .venv and caches, never the data
	@rm -rf $(VENV) .venv-vllm .llama-cpp .llama-cpp.log .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "需要 Python 3.11 或更高版本；没有找到。请安装，或用 make PYTHON=/路径/python3 指定。" >&2; \
		echo "Python 3.11 or newer is needed and was not found. Install it, or name it: make PYTHON=/path/to/python3" >&2; \
		exit 1; fi
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "无法创建虚拟环境；Debian/Ubuntu 上请先运行 apt install python3-venv。" >&2; \
		echo "Cannot create a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@$(BIN)/python scripts/install.py
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml constraints.txt
	@$(BIN)/python scripts/install.py dev
	@touch $(VENV)/.installed $@
