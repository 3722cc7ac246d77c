# One image for all services: each container runs `rollcall service` with the name of its service.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked -p cli -p litmos-simulator --bins \
 && mkdir -p /out \
 && cp target/release/rollcall target/release/litmos-simulator /out/

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --home-dir /data --create-home rollcall
COPY --from=build /out/ /usr/local/bin/
USER rollcall
WORKDIR /data
CMD ["rollcall", "up", "--config", "/etc/rollcall/rollcall.toml"]
