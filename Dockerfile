# The service and the Chroma server beside it, in one image; docs/deploy.md says how it is used.
#
#   docker build -t huozi-assistant .
#
# Any base with Python 3.11+ and its `venv` module will do: --build-arg BASE=...
ARG BASE=python:3.13-slim-trixie

# Dependencies alone, so that a change of our code installs nothing again.
FROM ${BASE} AS dependencies
# Names an index for pip other than its own default; only in this stage and the next, never in the image.
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
# pip stays outside: the image's environment holds what the service needs and no installer.
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/venv
WORKDIR /src
COPY pyproject.toml constraints.txt docker/requirements.py ./
RUN python3 requirements.py > requirements.txt \
    && /opt/pip/bin/pip --python /opt/venv/bin/python install --only-binary :all: \
       --constraint constraints.txt --requirement requirements.txt

FROM dependencies AS build
COPY README.md LICENSE ./
COPY prompts prompts
COPY retrieval retrieval
COPY ingest ingest
COPY assistant assistant
COPY api api
RUN /opt/pip/bin/pip wheel --no-deps --wheel-dir /wheels . \
    && /opt/pip/bin/pip --python /opt/venv/bin/python install --no-deps --target /opt/huozi /wheels/*.whl
COPY --chmod=0755 docker/start.py /opt/huozi/bin/huozi-start
COPY --chmod=0755 docker/health.py /opt/huozi/bin/huozi-health

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="huozi-assistant" \
      org.opencontainers.image.description="Cited answers from Chinese documents on your own machines" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.documentation="docs/deploy.md"
# The volumes' folders exist with their owner, so that a new named volume takes both over.
RUN groupadd --gid 10001 huozi \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin huozi \
    && install --directory --owner=huozi --group=huozi --mode=0700 /data /chroma
COPY --from=dependencies /opt/venv /opt/venv
COPY samples /samples
COPY --from=build /opt/huozi /opt/huozi
# Nothing is written outside /data, /chroma and /tmp: the root file system may be read-only.
ENV PATH=/opt/huozi/bin:/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/huozi \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    HUOZI_DATA_DIR=/data \
    HUOZI_HOST=0.0.0.0 \
    HUOZI_PORT=8080
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["huozi-health", "http://127.0.0.1:8080/healthz"]
CMD ["huozi-start"]
