# The static program alone, on nothing.
#
#   docker build -t streamreg .
#   docker run --rm -v "$PWD:/data" streamreg fit flights.parquet 'arr_delay ~ dep_delay'
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /streamreg
# The image has the compiler that is pinned; rustup shall not fetch another.
ENV RUSTUP_TOOLCHAIN=1.95.0
COPY . .
RUN cargo build --locked --profile dist --bin streamreg

FROM scratch
COPY --from=build /streamreg/target/dist/streamreg /streamreg
WORKDIR /data
ENTRYPOINT ["/streamreg"]
