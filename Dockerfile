# One image per target: operator, router, runtime-llamacpp, runtime-onnx, runtime-vllm, runtime-vllm-cpu,
# runtime-diffusers.
#
#   docker build --target router --tag slipway-router:0.1.0 .
#
# The base is Debian with Debian's own Python: security updates of both come by rebuilding. Only instructions that
# docker and buildah share are used. In each target what changes seldom comes first, the code last.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin slipway \
    && install --directory --owner slipway --group slipway /var/cache/slipway
ENV HOME=/tmp \
    LANG=C.UTF-8 \
    PATH=/opt/slipway/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.licenses="Apache-2.0"

# --- what builds: /opt/build has pip, /opt/slipway is what images get ------------------------------------------------

FROM base AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/build \
    && python3 -m venv --without-pip /opt/slipway \
    && rm /opt/slipway/bin/[Aa]ctivate*
WORKDIR /src
COPY requirements/install.sh requirements/

FROM build AS operator-dependencies
COPY requirements/operator.txt requirements/
RUN requirements/install.sh requirements/operator.txt

FROM build AS router-dependencies
COPY requirements/router.txt requirements/
RUN requirements/install.sh requirements/router.txt

FROM build AS runtime-llamacpp-dependencies
COPY requirements/runtime-llamacpp.txt requirements/
RUN requirements/install.sh requirements/runtime-llamacpp.txt

FROM build AS runtime-onnx-dependencies
COPY requirements/runtime-onnx.txt requirements/
RUN requirements/install.sh requirements/runtime-onnx.txt

# The ONNX engine's demo models, written now so that pods need neither the package they are made from nor a place.
FROM runtime-onnx-dependencies AS demo-embed
COPY requirements/demo-embed.txt requirements/
RUN requirements/install.sh requirements/demo-embed.txt
COPY runtime_image/slipway_runtime/__init__.py slipway_runtime/
COPY runtime_image/slipway_runtime/demo slipway_runtime/demo
COPY crds/slipway_crds/__init__.py crds/slipway_crds/engines.py slipway_crds/
RUN python -c 'import pathlib; from slipway_runtime.demo.resolve import resolve_demo; \
[resolve_demo(name, pathlib.Path("/opt/demo")) for name in ("embed", "rerank", "classify", "sparse")]'

FROM build AS runtime-vllm-dependencies
COPY requirements/runtime-vllm.txt requirements/
RUN requirements/install.sh requirements/runtime-vllm.txt

# PyTorch with CUDA's libraries, 4 GB: images are built on this stage, not copied from it, so that registries and nodes
# keep it once. Triton is left out: it compiles kernels for GPUs with a compiler, which these images do not have.
FROM base AS torch
COPY --from=build /opt/slipway /opt/slipway
COPY requirements/install.sh requirements/torch.txt /opt/slipway/requirements/
RUN --mount=type=bind,from=build,source=/opt/build,target=/opt/build \
    /opt/slipway/requirements/install.sh /opt/slipway/requirements/torch.txt \
    && rm -r /opt/slipway/lib/python3.11/site-packages/triton /opt/slipway/lib/python3.11/site-packages/torch/include

FROM build AS code
COPY requirements/build.txt requirements/
RUN /opt/build/bin/pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY crds/slipway_crds crds/slipway_crds
COPY operator/slipway_operator operator/slipway_operator
COPY router/slipway_router router/slipway_router
COPY runtime_image/slipway_runtime runtime_image/slipway_runtime
COPY local/slipway_local local/slipway_local
COPY examples/models/chat/slipway-demo-chat.gguf examples/models/chat/
RUN /opt/build/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /tmp/wheel . \
    && /opt/build/bin/pip --python /opt/slipway/bin/python install --no-cache-dir --no-compile --no-deps /tmp/wheel/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/slipway/lib

# The modules that every inference request passes, compiled with the types of the dependencies at hand.
FROM router-dependencies AS router-compiled
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev python3-dev \
    && rm -rf /var/lib/apt/lists/*
COPY requirements/mypyc.txt requirements/
RUN /opt/build/bin/pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements/mypyc.txt
COPY crds/slipway_crds slipway_crds
COPY router/slipway_router slipway_router
COPY router/compile.sh ./
RUN ./compile.sh /src /opt/build/bin/python --python-executable=/opt/slipway/bin/python \
    && find . -name '*.so' -exec install -D {} /opt/compiled/{} \;

# An image carries only the program that it runs.
FROM code AS operator-code
RUN cd /opt/slipway/bin && rm slipway slipway-router slipway-runtime \
    && cd /opt/slipway/lib/python3.11/site-packages && rm -r slipway_local slipway_router slipway_runtime

FROM code AS router-code
RUN cd /opt/slipway/bin && rm slipway slipway-operator slipway-runtime \
    && cd /opt/slipway/lib/python3.11/site-packages && rm -r slipway_local slipway_operator slipway_runtime
COPY --from=router-compiled /opt/compiled /opt/slipway/lib/python3.11/site-packages

FROM code AS runtime-code
RUN cd /opt/slipway/bin && rm slipway slipway-operator slipway-router \
    && cd /opt/slipway/lib/python3.11/site-packages && rm -r slipway_local slipway_operator slipway_router

# --- images ----------------------------------------------------------------------------------------------------------

FROM base AS operator
COPY --from=operator-dependencies /opt/slipway /opt/slipway
COPY --from=operator-code /opt/slipway /opt/slipway
LABEL org.opencontainers.image.title="slipway-operator"
USER 10001:10001
EXPOSE 9090 10250
ENTRYPOINT ["slipway-operator"]

FROM base AS router
COPY --from=router-dependencies /opt/slipway /opt/slipway
COPY --from=router-code /opt/slipway /opt/slipway
LABEL org.opencontainers.image.title="slipway-router"
USER 10001:10001
EXPOSE 8080 9090
ENTRYPOINT ["slipway-router"]

FROM base AS runtime-llamacpp
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
COPY --from=runtime-llamacpp-dependencies /opt/slipway /opt/slipway
COPY --from=runtime-code /opt/slipway /opt/slipway
LABEL org.opencontainers.image.title="slipway-runtime-llamacpp"
USER 10001:10001
EXPOSE 8000 8081
ENTRYPOINT ["slipway-runtime"]

FROM base AS runtime-onnx
COPY --from=runtime-onnx-dependencies /opt/slipway /opt/slipway
COPY --from=demo-embed /opt/demo /opt/slipway/lib/python3.11/site-packages/slipway_runtime/demo
COPY --from=runtime-code /opt/slipway /opt/slipway
LABEL org.opencontainers.image.title="slipway-runtime-onnx"
USER 10001:10001
EXPOSE 8000 8081
ENTRYPOINT ["slipway-runtime"]

FROM base AS runtime-vllm
# For GPUs: PyTorch and Triton compile kernels, and what calls them, when the engine starts; hence the compiler.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ libnuma1 libpython3-dev \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
COPY --from=runtime-vllm-dependencies /opt/slipway /opt/slipway
COPY --from=runtime-code /opt/slipway /opt/slipway
LABEL org.opencontainers.image.title="slipway-runtime-vllm"
USER 10001:10001
EXPOSE 8000 8081
ENTRYPOINT ["slipway-runtime"]

FROM torch AS runtime-vllm-cpu
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libnuma1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
COPY requirements/runtime-vllm-cpu.txt /opt/slipway/requirements/
RUN --mount=type=bind,from=build,source=/opt/build,target=/opt/build \
    /opt/slipway/requirements/install.sh /opt/slipway/requirements/runtime-vllm-cpu.txt
COPY --from=runtime-code /opt/slipway /opt/slipway
LABEL org.opencontainers.image.title="slipway-runtime-vllm-cpu"
USER 10001:10001
EXPOSE 8000 8081
ENTRYPOINT ["slipway-runtime"]

FROM torch AS runtime-diffusers
COPY requirements/runtime-diffusers.txt /opt/slipway/requirements/
RUN --mount=type=bind,from=build,source=/opt/build,target=/opt/build \
    /opt/slipway/requirements/install.sh /opt/slipway/requirements/runtime-diffusers.txt
COPY --from=runtime-code /opt/slipway /opt/slipway
LABEL org.opencontainers.image.title="slipway-runtime-diffusers"
USER 10001:10001
EXPOSE 8000 8081
ENTRYPOINT ["slipway-runtime"]
