# syntax=docker/dockerfile:1
# One image for every role: `serve` (the default), `worker`, `db upgrade`. It runs as uid 10001 and needs nothing
# writable but /app/data, so it runs on a read-only root.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/courierx
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY courierx_core courierx_core
COPY app app
COPY plugins plugins
COPY migrations migrations
# pip byte-compiles, which halves the time a process takes to start; nothing is compiled from C source
RUN PIP_CONSTRAINT=/src/constraints.txt /opt/courierx/bin/pip install --only-binary=:all: "/src[all]"

FROM python:3.13-slim
LABEL org.opencontainers.image.title="CourierX" \
      org.opencontainers.image.description="Self-hosted, multi-tenant email delivery" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 courierx \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app/data --shell /usr/sbin/nologin courierx \
 && install -d -o 10001 -g 10001 -m 0750 /app/data
COPY --from=build /opt/courierx /opt/courierx
ENV PATH=/opt/courierx/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
# the folder with courierx.toml, .env, the key file and, on SQLite, the database
WORKDIR /app/data
VOLUME /app/data
EXPOSE 8000
STOPSIGNAL SIGTERM
# for the role that serves; deployments give the others none, their heartbeat is a row (`courierx status`)
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
ENTRYPOINT ["courierx"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
