# docker build -t sam-bench .
# docker run --rm -v "$PWD/results:/work/results" sam-bench run experiment=demo --report demo
#
# The default torch wheels hold CUDA and run on a CPU as well; `docker run --gpus all` uses a GPU.
# For smaller CPU-only or other CUDA wheels, name their index: --build-arg TORCH_INDEX=URL
FROM python:3.11-slim

ARG TORCH_INDEX=""
WORKDIR /opt/sam-bench

COPY constraints.txt ./
RUN if [ -n "$TORCH_INDEX" ]; then \
      pip install --no-cache-dir --index-url "$TORCH_INDEX" torch torchvision; \
    else \
      pip install --no-cache-dir -c constraints.txt torch torchvision; \
    fi

COPY pyproject.toml README.md LICENSE ./
COPY bench ./bench
COPY conf ./conf
RUN if [ -n "$TORCH_INDEX" ]; then \
      pip install --no-cache-dir '.[demo,datasets]'; \
    else \
      pip install --no-cache-dir -c constraints.txt '.[demo,datasets]'; \
    fi

RUN useradd --create-home bench && mkdir /work && chown bench /work
USER bench
WORKDIR /work
ENTRYPOINT ["sam-bench"]
CMD ["--help"]
