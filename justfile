# Every step of .ci/run is a recipe here; `just` alone lists them.

_default:
    @just --list --unsorted

# Everything that must hold before a change is merged
ci:
    .ci/run

# Formats the code
fmt:
    cargo fmt --all

# Fails if the code is not formatted
fmt-check:
    cargo fmt --all --check

# Lints, warnings as errors
clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Builds the documentation, warnings as errors
doc $RUSTDOCFLAGS="-D warnings":
    cargo doc --workspace --no-deps --locked

# All tests; arguments go to cargo test
test *ARGS:
    cargo test --locked {{ ARGS }}

# The tests of polars as a source, and of --query
test-polars:
    cargo test --locked -p streamreg-polars -p streamreg-cli --features streamreg-cli/polars --test polars --test query

# Licences, advisories and sources of the dependencies (needs cargo-deny)
deny:
    cargo deny --locked check

bench_file := "target/bench/10Mx20.parquet"

# A fit beside a bare decode of the same columns: the ratio of their times
bench: _bench-file
    cargo bench --locked --bench against_decode -- {{ bench_file }} y

# 10 million rows of 20 features, 1.7 GB, written once
_bench-file:
    mkdir -p target/bench
    test -e {{ bench_file }} || cargo run --release --locked -p streamreg-data-gen -- --rows 10M --features 20 --out {{ bench_file }}
