#!/usr/bin/env bash
# Runs the test projects, which are built, and says which of their tests took longest. Arguments go to xunit and choose tests: `-trait nightly=more`.
# The last line is `N passed, N failed, N skipped`; the exit status is 0 only if nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. eng/results.sh

configuration=Release

# By day without those that only a night has time for.
by_day=(-trait- nightly=only)
if [ "${ADAPTIVE_SOFTMAX_TESTS:-}" = nightly ]; then by_day=(); fi

step() { printf '\n== %s\n' "$1"; }

# The three tests of a result file that took longest, with their seconds.
longest() {
  grep -oE '<test id="[^"]*" name="[^"]*" result="[^"]*" time="[^"]*"' "$1" |
    awk -F'"' '{ printf "   %6.1f s  %s\n", $8, substr($4, 1, 140) }' | sort -rn | head -n 3
}

# For a shell of its own, in the background or in a pipe. What a shell starts in the background ignores Ctrl-C, and so would the
# programs that tests stop by it.
run() { exec env --default-signal=INT "tests/$1/bin/$configuration/net10.0/$1" -noLogo -noColor -result-xml "$2" "${by_day[@]}" "${@:3}" 2>&1; }

# The emulated device is one thread and takes longest: its tests run beside the others. Ranks that wait for each other take all
# cores: theirs run alone, at the end.
beside=AdaptiveSoftmax.CudaEmulation.Tests
alone=AdaptiveSoftmax.Distributed.Tests
beside_log=$(mktemp) beside_results=$(mktemp)
run "$beside" "$beside_results" "$@" >"$beside_log" &
trap 'kill $! 2>/dev/null || true' EXIT

faults=
mapfile -t projects < <(basename -s .csproj tests/*/*.csproj | grep -vx -e "$beside" -e "$alone")
for name in "${projects[@]}" "$beside" "$alone"; do
  step "$name"
  status=0
  if [ "$name" = "$beside" ]; then
    log=$beside_log results=$beside_results
    wait $! || status=$?
    cat "$log"
  else
    log=$(mktemp) results=$(mktemp)
    run "$name" "$results" "$@" | tee "$log" || status=$?
  fi

  # Said again at the end: long logs are cut, and a failure that comes once in a hundred runs must not be lost with them.
  fault=$(grep -A 12 -F '[FAIL]' "$log" || true)
  faults+=${fault:+$fault$'\n'}
  longest "$results" || true
  add_results "$name" "$log" "$status"
  rm -f "$log" "$results"
done

if [ -n "$faults" ]; then
  step "What failed"
  printf '%s' "$faults"
fi

print_results
