# docker build -t otp-service .            docker run -p 8000:8000 -p 8001:8001 -v otp-data:/data otp-service
# docs/operations.md says how to run it for real. The same sources, locks and base give the same files; for the same
# image pin the base by digest (PYTHON_IMAGE=python@sha256:…) and let the builder set the layers' times.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG SOURCE_DATE_EPOCH=315532800
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/build.txt requirements/base.txt requirements/tracing.txt requirements/
# Two environments: one with pip and what builds our wheel, and the one that is shipped, without either.
RUN python3 -m venv /tools && python3 -m venv --without-pip /opt/otp-service \
 && /tools/bin/pip install --quiet --require-hashes -r requirements/build.txt \
 && /tools/bin/pip --python /opt/otp-service/bin/python install --quiet --no-compile --require-hashes \
      -r requirements/base.txt -r requirements/tracing.txt
COPY pyproject.toml README.md LICENSE ./
COPY otp_service otp_service
# Without what is shipped and never loaded: Swagger UI's editor and maps (22 MB), and what Litestar would make examples of
# the OpenAPI document with (27 MB), which we write ourselves. Compiled without times, since a read-only root file system
# never compiles again; then all times alike.
RUN /tools/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /tools/bin/pip --python /opt/otp-service/bin/python install --quiet --no-compile --no-deps --no-index /wheels/*.whl \
 && /tools/bin/pip --python /opt/otp-service/bin/python uninstall --quiet --yes faker polyfactory \
 && find /opt/otp-service \( -name '*.map' -o -name 'swagger-editor*' \) -delete \
 && PYTHONHASHSEED=0 python3 -m compileall -q -f -j 1 --invalidation-mode unchecked-hash /opt/otp-service/lib \
 && find /opt/otp-service -exec touch --no-dereference --date "@${SOURCE_DATE_EPOCH}" {} +

FROM ${PYTHON_IMAGE}
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="otp-service" \
      org.opencontainers.image.description="One-time passwords by SMS, self-hosted" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/otp-service /opt/otp-service
# No pip: nothing is installed here any more, and its own vendored packages are what scanners complain of. The volume is
# the user's, and of group 0, whose member a user id is that OpenShift draws.
RUN find / -xdev \( -path '*-packages/pip' -o -name 'pip-*' -o -name ensurepip -o -path '*/bin/pip*' \) \
      -prune -exec rm -rf {} + \
 && install --directory --owner 10001 --group 0 --mode 0770 /data
# The working directory is /, so ./data of the settings' defaults is the volume and the settings file is /otp-service.toml.
ENV PATH=/opt/otp-service/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    OTP_HOST=0.0.0.0 OTP_SANDBOX_HOST=0.0.0.0
WORKDIR /
USER 10001:10001
VOLUME /data
EXPOSE 8000 8001
# The process answers; what it needs is asked at /health/ready, where a restart would not help.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python3", "-c", "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('OTP_PORT', '8000')), timeout=4); c.request('GET', '/health/live'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["otp-service"]
# For a first look: everything simulated, nothing leaves the container. For real: `serve`.
CMD ["run"]
