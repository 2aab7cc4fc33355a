# syntax of both docker and buildah. Pin the base by digest for a build that can be repeated:
#   make image BASE_IMAGE=python@sha256:...
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY requirements.lock ./
RUN python3 -m venv /opt/astra-mirror \
 && /opt/astra-mirror/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY operator/ operator/
# The build backend, pinned in pyproject.toml, stays in pip's own build environment; pip stays out of the image's use.
RUN /opt/astra-mirror/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /tmp/wheel . \
 && /opt/astra-mirror/bin/pip install --no-cache-dir --no-deps /tmp/wheel/*.whl \
 && /opt/astra-mirror/bin/pip uninstall --yes --quiet pip

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="astra-mirror" \
      org.opencontainers.image.description="Mirrors NetApp Astra Control backups into the status of Kubernetes objects" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/astra-mirror /opt/astra-mirror
ENV PATH=/opt/astra-mirror/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["astra-mirror"]
CMD ["run"]
