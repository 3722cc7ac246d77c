# One image for all services: each container runs the binary of its own name.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bins --workspace --exclude xtask --exclude rollcall-tests \
 && mkdir -p /out \
 && for bin in rollcall rate-governor pusher importer schema-discovery intake scim-gateway litmos-simulator; do \
      cp "target/release/$bin" /out/; \
    done

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --home-dir /data --create-home rollcall
COPY --from=build /out/ /usr/local/bin/
USER rollcall
WORKDIR /data
CMD ["rollcall", "up", "--config", "/etc/rollcall/rollcall.toml"]
