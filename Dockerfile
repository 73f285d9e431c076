# syntax=docker/dockerfile:1
# The service; on x86 the default index's torch is built for NVIDIA GPUs, and works without.
# TORCH_INDEX is the address of an index with other builds, such as the small ones for CPUs alone:
#   docker build -t heatmap-locator .
#   docker build -t heatmap-locator:cpu --build-arg TORCH_INDEX=ADDRESS .
#   docker run --read-only --tmpfs /tmp -p 8000:8000 -v heatmap-data:/data heatmap-locator

ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS build
ARG TORCH_INDEX=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /source
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
# torch first: it is most of the image and changes least.
COPY constraints.txt ./
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} --constraint constraints.txt torch
COPY pyproject.toml README.md LICENSE ./
COPY heatmap_locator heatmap_locator
COPY train train
COPY eval eval
RUN pip install --constraint constraints.txt '.[serve]'

FROM python:${PYTHON}-slim
RUN useradd --system --uid 10001 --create-home --home-dir /home/heatmap heatmap \
    && install -d -o heatmap -g heatmap /data
COPY --from=build /opt/venv /opt/venv
# Nothing is written outside /data, so the root file system may be read-only.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HEATMAP_HOST=0.0.0.0 \
    HEATMAP_PORT=8000 \
    HEATMAP_DATA=/data
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['HEATMAP_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["heatmap-serve"]
