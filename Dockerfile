# One image for all programs; the command chooses: `services.payments`, `services.payments migrate`, `portal`, …
# PYTHON may name any image of Python 3.11 or newer that has wheels for it.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS libraries
RUN python -m venv /venv
COPY deploy/image/requirements.txt /
RUN --mount=type=cache,target=/root/.cache/pip \
    /venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    --require-hashes --requirement /requirements.txt \
    && /venv/bin/python -m pip uninstall --quiet --yes pip

# What the pages take from others: each file is held against its checksum in local/portal.sha256.
FROM ${PYTHON} AS assets
RUN python -m venv /venv
COPY deploy/image/assets.txt /
RUN --mount=type=cache,target=/root/.cache/pip \
    /venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    --require-hashes --requirement /assets.txt
WORKDIR /app
COPY local/__init__.py local/assets.py local/jars.py local/portal.sha256 local/
RUN /venv/bin/python -c "import local.assets, shutil; shutil.copytree(local.assets.unpacked(), '/assets')"

FROM ${PYTHON}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin portal \
    && install --directory --owner=portal /var/lib/portal/attachments /var/lib/portal/sandbox
COPY --from=libraries /venv /venv
WORKDIR /app
COPY --from=assets /assets assets
# Inside a container, others reach a program only if it listens on all of the container's addresses.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PAYMENTS_HTTP_HOST=0.0.0.0 \
    INSURANCE_HTTP_HOST=0.0.0.0 \
    INBOX_HTTP_HOST=0.0.0.0 \
    NOTIFICATIONS_HTTP_HOST=0.0.0.0 \
    PORTAL_HTTP_HOST=0.0.0.0 \
    SANDBOX_HTTP_HOST=0.0.0.0
# Last, since it changes most: .dockerignore lets only the programs through.
COPY . .
RUN python -m compileall -q services shared portal sandbox local
USER 10001
HEALTHCHECK --interval=5s --timeout=10s --retries=6 --start-period=3m CMD ["python", "-SI", "deploy/image/ready.py"]
ENTRYPOINT ["python", "-m"]
