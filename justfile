# The everyday checks; each is one plain command, so `just` itself is a convenience.

# Everything that has to hold before a change lands.
check:
    .ci/run

# The tests of one word: `just test windows`.
test *words:
    cargo test {{words}}

# The measured table of BENCHMARKS.md, as ratios within one run.
ratios:
    cargo bench --bench ratios

# The table of peers of BENCHMARKS.md: ours and each of them on the same work, in turn.
peers:
    cargo run --release --manifest-path benches/peers/Cargo.toml

# Instructions of the hot paths beside those expected; `--accept` writes them down. Needs valgrind.
counts *args:
    cargo run --release --manifest-path benches/counts/Cargo.toml -- {{args}}

# All benchmarks: the package in `benches`.
bench:
    cargo bench -p bursar-benches

# Licences, sources, duplicates and known flaws of all that is depended on, by deny.toml.
deny:
    .ci/deny

# The crate as it would be published, tested without the repository.
package:
    .ci/package --whole

# Writes down the public interface as it is now: tests/data/api.txt.
api:
    UPDATE_API=1 cargo test --test api

# The docs, as a user sees them.
doc:
    cargo doc --no-deps --all-features --open

# Plays the scenes in which threads meet in every order, under a model checker.
models:
    cd tests/models && cargo test --locked

# The tests with many threads under ThreadSanitizer. Needs a nightly with rust-src.
tsan:
    tests/tsan

# Fuzzes one target for so many seconds: `just fuzz streams 240`.
fuzz target seconds="240":
    fuzz/run {{target}} {{seconds}}
