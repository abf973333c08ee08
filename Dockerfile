# syntax=docker/dockerfile:1
#
#   docker build --target operator --tag ghcr.io/waxseal/waxseal-operator:0.1.0 .
#
# Targets: operator, sidecar, relay, cli. Each image holds one static program and the certificates of public authorities, and runs as a user
# without a name. `cargo xtask images` makes the same images without a builder.

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/source/target,sharing=locked \
    set -eu; \
    target="$(rustc -vV | sed -n 's/^host: //p')"; \
    export RUSTFLAGS="-C target-feature=+crt-static"; \
    export CARGO_PROFILE_RELEASE_STRIP=symbols CARGO_PROFILE_RELEASE_DEBUG=false; \
    cargo build --release --locked --bins --target "$target" \
        --package waxseal-operator --package waxseal-sidecar --package waxseal-relay --package waxseal; \
    mkdir /programs; \
    for program in waxseal-operator waxseal-sidecar waxseal-relay waxseal; do cp "target/$target/release/$program" /programs/; done

FROM scratch AS base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
WORKDIR /
LABEL org.opencontainers.image.source="https://waxseal.dev/source" \
    org.opencontainers.image.licenses="AGPL-3.0-only" \
    org.opencontainers.image.version="0.1.0"

FROM base AS relay
LABEL org.opencontainers.image.title="waxseal-relay"
COPY --from=build /programs/waxseal-relay /waxseal-relay
ENTRYPOINT ["/waxseal-relay"]

FROM base AS cli
LABEL org.opencontainers.image.title="waxseal"
COPY --from=build /programs/waxseal /waxseal
ENTRYPOINT ["/waxseal"]

FROM base AS operator
LABEL org.opencontainers.image.title="waxseal-operator"
COPY --from=build /programs/waxseal-operator /waxseal-operator
ENTRYPOINT ["/waxseal-operator"]

FROM base AS sidecar
LABEL org.opencontainers.image.title="waxseal-sidecar"
COPY --from=build /programs/waxseal-sidecar /waxseal-sidecar
ENTRYPOINT ["/waxseal-sidecar"]
