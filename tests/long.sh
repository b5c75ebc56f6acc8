#!/usr/bin/env bash
# The long form of every layer of tests: for a night before a release, or at will. The short forms run on every change.
#
#   tests/long.sh                 all stages, about ten minutes for each that is bounded by time
#   tests/long.sh shuttle stress  only these
#   MINUTES=60 tests/long.sh      an hour for each stage that is bounded by time
#
# Stages, and what bounds them:
#
#   models        proptest models against the engine: CASES cases of each property (50,000)
#   conformance   the recorded traces of RabbitMQ, the limits, the hostile inputs, the heap: once, in release
#   fuzz          each fuzz target: MINUTES, without sanitizer, from the corpus that is there
#   loom          places where threads meet: PREEMPTIONS preemptions (3), each scenario for MINUTES at most
#   shuttle       every pair of operations: SCHEDULES random schedules (20,000) and half as many by PCT
#   stress        real threads, MESSAGES messages in each setting (20,000,000), then the other stress tests for MINUTES
#   asan          the threads under AddressSanitizer and LeakSanitizer: for `unsafe` in what the crate depends on
#   tsan          the threads under ThreadSanitizer, for MINUTES; needs the source of std (see there)
#   mutants       every change that cargo-mutants would make to queue, route and session: at least 85 % must be noticed
#
# Each stage has its own log in target/long/. The script goes on after a stage that failed, and fails at the end.
# Nothing is fetched but crates, cargo-fuzz and cargo-mutants where they are missing, and the source of std for tsan.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD

MINUTES=${MINUTES:-10}
CASES=${CASES:-50000}
SCHEDULES=${SCHEDULES:-20000}
PREEMPTIONS=${PREEMPTIONS:-3}
MESSAGES=${MESSAGES:-20000000}
target=$(rustc -vV | sed -n 's/^host: //p')
logs=$root/target/long
mkdir -p "$logs"

# Runs a command again and again until MINUTES are over; the first failure ends it.
for_minutes() {
  local end=$((SECONDS + MINUTES * 60))
  while [ "$SECONDS" -lt "$end" ]; do "$@" || return 1; done
}

# Every test file with a property, by what it says.
with_properties() { grep -l 'proptest!' tests/*.rs tests/*/main.rs | sed -E 's,^tests/,,; s,/main\.rs$,,; s,\.rs$,,' | sed 's/^/--test /'; }

stage_models() {
  # shellcheck disable=SC2046
  PROPTEST_CASES=$CASES cargo test --release --features testing $(with_properties) --test trace_record
}

stage_conformance() {
  cargo test --release --features testing --test conformance --test limits || return 1
  local hostile=()
  for file in tests/hostile_*.rs; do hostile+=(--test "$(basename "$file" .rs)"); done
  # A million names.
  cargo test --release "${hostile[@]}" --test heap
}

stage_fuzz() {
  cargo fuzz --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-fuzz || return 1
  local failed=0
  for file in fuzz/fuzz_targets/*.rs; do
    cargo fuzz run --sanitizer none "$(basename "$file" .rs)" -- \
      -max_total_time=$((MINUTES * 60)) -max_len=4096 -timeout=5 -rss_limit_mb=1024 || failed=1
  done
  return "$failed"
}

# The crate of these tests is a workspace of its own; each flag has its own target folder, so that none builds anew.
stage_loom() (
  cd tests/interleavings || exit 1
  export RUSTFLAGS='--cfg leveret_loom' CARGO_TARGET_DIR=target/loom
  LOOM_MAX_PREEMPTIONS=$PREEMPTIONS LEVERET_LOOM_SECONDS=$((MINUTES * 60)) cargo test --release --test loom
)

stage_shuttle() (
  cd tests/interleavings || exit 1
  export RUSTFLAGS='--cfg leveret_shuttle' CARGO_TARGET_DIR=target/shuttle
  LEVERET_SCHEDULES=$SCHEDULES cargo test --release --test shuttle
)

stage_stress() {
  LEVERET_STRESS_MESSAGES=$MESSAGES cargo test --release --test stress_settings -- --nocapture || return 1
  for_minutes cargo test --release --quiet --test stress --test timer_thread
}

# Sanitizers run the stress tests out of the crate of the interleavings, which has few dependencies. They need switches
# that stable has only with RUSTC_BOOTSTRAP. The program must be for a named target, or build scripts are sanitized too.
stage_asan() (
  cd tests/interleavings || exit 1
  export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/asan
  for_minutes cargo test --release --target "$target" --test stress --test stress_settings
)

# Puts the source of std beside the toolchain, where Debian has that very version: trixie-backports, asked once, with the
# settings of apt left as they are. Elsewhere `rustup component add rust-src` does it.
get_std() (
  local version sources release found where
  version=$(rustc --version | cut -d' ' -f2)
  where=$(mktemp -d) && mkdir -p "$where/lists/partial" "$where/cache/archives/partial" && cd "$where" || exit 1
  release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  sources=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $release" | head -n 1)
  [ -n "$sources" ] || exit 1
  printf 'deb %s trixie-backports main\n' "$sources" >sources.list
  apt() { command "$@" -o Dir::Etc::SourceList="$where/sources.list" -o Dir::Etc::SourceParts="$where/none" \
    -o Dir::State::Lists="$where/lists" -o Dir::Cache="$where/cache"; }
  apt apt-get update -qq || exit 1
  found=$(apt apt-cache madison rust-src | awk -v version="$version" 'index($3, version "+") == 1 { print $3; exit }')
  [ -n "$found" ] && apt apt-get download -qq "rust-src=$found" && dpkg -x rust-src_*.deb unpacked || exit 1
  mkdir -p "$(dirname "$1")" && cp -r "unpacked/usr/src/rustc-$version/library" "$1"
  rm -rf "$where"
)

# ThreadSanitizer must see std as well, or locks and the ends of threads look like races. So std is built, from its source.
stage_tsan() (
  cd tests/interleavings || exit 1
  local source
  source=$(rustc --print sysroot)/lib/rustlib/src/rust/library
  if [ ! -d "$source" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then get_std "$source"; fi
  if [ ! -d "$source" ]; then
    echo "SKIPPED: the source of std is not at $source"
    exit 0
  fi
  export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=thread CARGO_TARGET_DIR=target/tsan
  # ThreadSanitizer knows no fences; the one that is met is in tsan.supp.
  export TSAN_OPTIONS="suppressions=$PWD/tsan.supp"
  for_minutes cargo test -Zbuild-std --release --target "$target" --test stress --test stress_settings
)

stage_mutants() {
  cargo mutants --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-mutants || return 1
  cargo run --release --manifest-path tests/mutants/Cargo.toml
}

[ $# -gt 0 ] || set -- models conformance fuzz loom shuttle stress asan tsan mutants
failed=()
for stage in "$@"; do
  declare -F "stage_$stage" >/dev/null || { echo "there is no stage '$stage'"; exit 2; }
  printf '=== %s (%s s)\n' "$stage" "$SECONDS"
  if "stage_$stage" >"$logs/$stage.log" 2>&1; then
    grep -h '^test result\|^SKIPPED\|^DONE\| caught' "$logs/$stage.log" | tail -n 20
  else
    failed+=("$stage")
    tail -n 40 "$logs/$stage.log"
  fi
done
printf '=== done (%s s)\n' "$SECONDS"
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]} (logs in $logs)"; exit 1; }
