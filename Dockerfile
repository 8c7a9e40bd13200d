# One image for the operator, the command line and the API. Builds with Docker, podman and buildah; see `make image`.
# A release names the base by its digest: --build-arg BASE=docker.io/library/python:3.11-slim-bookworm@sha256:...
ARG BASE=docker.io/library/python:3.11-slim-bookworm

# Wheels by hash, into an environment that has no pip of its own; nothing is compiled.
FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /build && python -m venv --without-pip /opt/opssight
WORKDIR /src
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN /build/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements/build.txt \
 && /build/bin/python -m pip --python /opt/opssight/bin/python install --quiet --no-compile --require-hashes --only-binary :all: \
    -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY detectors detectors
COPY operator operator
RUN /build/bin/python -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir /wheels . \
 && /build/bin/python -m pip --python /opt/opssight/bin/python install --quiet --no-compile --no-deps --no-index /wheels/*.whl \
 && /build/bin/python -m pip --python /opt/opssight/bin/python check \
 # -I: no environment variable and no current folder decides what is imported, for the commands as well
 && sed -i '1s|python[0-9.]*$|python -I|' /opt/opssight/bin/opssight /opt/opssight/bin/kubectl-opssight \
 && find /opt/opssight/bin -type f ! -name '*opssight' -delete \
 && rm -f /opt/opssight/bin/[Aa]ctivate* \
 && find /opt/opssight/lib -depth -type d \( -name tests -o -name test \) -path '*/site-packages/*' -exec rm -rf {} + \
 && find /opt/opssight/lib \( -name '*.pyi' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.a' \) -delete
# The root is read-only, so that bytecode is made now, and never compared with the age of its source. The thousand models
# of the Kubernetes client are left out: we speak JSON, and they would be 50 MB.
RUN /opt/opssight/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
    -x 'kubernetes/(aio/)?client/(api|models)/' /opt/opssight/lib

# The base without what installs or compiles. Copied whole into an empty image, so that nothing is left in a layer below.
FROM ${BASE} AS root
RUN set -eu; \
    rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/idlelib \
      /usr/local/lib/python3*/tkinter /usr/local/lib/python3*/turtledemo /usr/local/lib/python3*/test \
      /usr/lib/python3/dist-packages/* /usr/lib/python3*/ensurepip /usr/share/python-wheels \
      /usr/local/bin/pip* /usr/local/bin/wheel* /usr/local/bin/idle* /usr/local/bin/pydoc* /usr/local/bin/2to3* \
      /usr/bin/pip* /usr/bin/wheel* /usr/bin/apt* /usr/lib/apt /var/lib/apt /var/cache/* /usr/share/doc /usr/share/man \
      /usr/share/locale /usr/share/info /var/log/* /tmp/* /root/.cache; \
    find / -xdev -depth -type d -name __pycache__ -exec rm -rf {} +; \
    find / -xdev -perm /6000 -type f -exec chmod a-s {} +
# The standard library's bytecode, made anew as above; forced, as starting Python has written some of it, by age.
RUN stdlib="$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash -x 'site-packages|dist-packages' "$stdlib" \
 && find / -xdev -name '.wh.*' -delete
COPY --from=build /opt/opssight /opt/opssight

FROM scratch
COPY --from=root / /
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG BASE
LABEL org.opencontainers.image.title="opssight-operator" \
      org.opencontainers.image.description="Learns alert thresholds and anomalies from Prometheus, and owns the rules that follow from them" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE}"
# Libraries of linear algebra would start a thread for each core of the node, whatever the limit of the pod says.
ENV PATH=/opt/opssight/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME=/tmp USER=opssight \
    OPENBLAS_NUM_THREADS=2 OMP_NUM_THREADS=2
USER 65532:65532
WORKDIR /
EXPOSE 8080 8081
# The operator; `opssight_operator.cli detect 10 12 11` after the image's name is the command line.
ENTRYPOINT ["/opt/opssight/bin/python", "-I", "-m"]
CMD ["opssight_operator"]
