# How it was done before: a recipe of the dependencies, their compile in a layer of its own, the
# function, and an image with nothing else in it. What is outside of `workspace` never changes.
FROM lambda-packager-bench-base AS recipe
COPY workspace /workspace
RUN mkdir /recipe && cd /workspace && \
    find . -name Cargo.toml -not -path './tests/*' -exec cp --parents '{}' /recipe ';' && cp Cargo.lock /recipe && \
    cd /recipe && for package in . lambda lambda-packager; do \
      mkdir -p "$package/src" && : >"$package/src/lib.rs" && echo 'fn main() {}' >"$package/src/main.rs" || exit 1; \
    done && \
    mkdir -p benches/figures && cp src/main.rs build.rs && cp src/main.rs benches/figures/main.rs

FROM lambda-packager-bench-base AS dependencies
COPY crates /cargo/registry
COPY --from=recipe /recipe /workspace
WORKDIR /workspace
# The records of the stubs go: the sources that follow may be older than they are.
RUN cargo build --release --offline --locked -p lambda && rm -r target/release/.fingerprint/lambda-*

FROM dependencies AS function
COPY workspace /workspace
RUN cargo build --release --offline --locked -p lambda

FROM scratch
COPY --from=function /workspace/target/release/lambda /bootstrap
ENTRYPOINT ["/bootstrap"]
