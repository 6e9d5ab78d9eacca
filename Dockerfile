# The image: the program and what it is linked with, and nothing else. From source:
#
#   docker build -t roadstead .
#
# Where no base image can be pulled, from a program that was built on the host:
#
#   cargo build --release --locked
#   deploy/image/rootfs.sh target/release/roadstead target/image
#   docker build -t roadstead --target runtime-local .

# What both have in common.
FROM scratch AS image
LABEL org.opencontainers.image.title="Roadstead" \
      org.opencontainers.image.description="A private registry for container images and every other OCI artifact" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV ROADSTEAD_LISTEN=0.0.0.0:8080 \
    ROADSTEAD_ADMIN_LISTEN=0.0.0.0:8081 \
    ROADSTEAD_DATA_DIR=/data
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080 8081
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/roadstead", "health"]
ENTRYPOINT ["/roadstead"]
CMD ["serve"]

FROM image AS runtime-local
COPY target/image/root/ /
COPY --chown=65532:65532 target/image/data/ /data/

FROM rust:1-bookworm AS build
WORKDIR /src
# cmake and clang are for the crypto library.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates clang cmake \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cargo build --release --locked && deploy/image/rootfs.sh target/release/roadstead /image

FROM image AS runtime
COPY --from=build /image/root/ /
COPY --from=build --chown=65532:65532 /image/data/ /data/
