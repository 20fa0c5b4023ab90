# The GPU worker: `docker build -f deploy/worker.Dockerfile .`; without a GPU (profile cpu): --build-arg BASE_IMAGE=node:22…
# --build-arg REQUIREMENTS=sleap-nn.txt. The driver comes from the host (NVIDIA Container Toolkit), every other CUDA library
# from PyTorch's own wheels, so the `base` flavour of the CUDA image is enough. The image is the first minor version because
# it refuses older drivers, while PyTorch's CUDA 13.x runs on every driver of 13 (580 and later).
ARG NODE_IMAGE=node:22.23.3-bookworm-slim@sha256:43ac6c60b8f89723f746e8a92ce91abd5017e627ce1ddfe4238355d3a30b772c
ARG BASE_IMAGE=nvidia/cuda:13.0.2-base-ubuntu24.04

FROM ${NODE_IMAGE} AS node
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force

FROM ${BASE_IMAGE}
# sleap-nn runs in a sandbox of bubblewrap; docs/admins.md says what the container needs for it. It imports OpenCV and Skia,
# which need these libraries, in the distribution's versions.
# hadolint ignore=DL3008
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      bubblewrap ca-certificates python3 python3-venv tini libegl1 libgl1 libglib2.0-0 libsm6 libxext6 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --shell /usr/sbin/nologin sleap \
 && install -d -o sleap -g sleap /var/lib/sleap-rtc

# The locks and the installer are the quickstart's. This is by far the largest layer, and it changes least.
ARG REQUIREMENTS=sleap-nn-gpu.txt
COPY stack/requirements/tools.txt stack/requirements/${REQUIREMENTS} /tmp/requirements/
RUN python3 -m venv /tmp/tools \
 && /tmp/tools/bin/pip install --no-cache-dir --require-hashes --only-binary=:all: -r /tmp/requirements/tools.txt \
 && python3 -m venv --without-pip /opt/sleap-nn \
 && /tmp/tools/bin/uv pip sync --no-cache --python /opt/sleap-nn/bin/python --require-hashes --compile-bytecode \
      "/tmp/requirements/${REQUIREMENTS}" \
 && rm -rf /tmp/tools /tmp/requirements \
 && /opt/sleap-nn/bin/python -c 'import sleap_nn, cv2, skia'

COPY --from=node /usr/local/bin/node /usr/local/bin/node
WORKDIR /app
COPY --from=node /app/node_modules ./node_modules
COPY package.json ./
COPY protocol ./protocol
COPY transport ./transport
COPY workflows ./workflows
COPY storage ./storage
COPY labels ./labels
COPY activities ./activities
COPY workers ./workers
COPY deploy/checks ./deploy/checks
ENV NODE_ENV=production \
    HOME=/var/lib/sleap-rtc \
    SLEAP_RTC_WORKER_DIR=/var/lib/sleap-rtc \
    SLEAP_RTC_SLEAP_NN_PYTHON=/opt/sleap-nn/bin/python
USER 10001
VOLUME /var/lib/sleap-rtc
# Finds a GPU that fell off the bus; if the process ends, the container ends anyway.
HEALTHCHECK --interval=60s --timeout=20s --retries=3 CMD ["nvidia-smi", "-L"]
# tini reaps orphaned subprocesses of sleap-nn.
ENTRYPOINT ["tini", "--"]
CMD ["node", "--disable-warning=ExperimentalWarning", "workers/gpu/main.ts"]
