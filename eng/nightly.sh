#!/usr/bin/env bash
# What takes longer than a test run may: the tests that do more at night, as CONTRIBUTING.md lists them. A few hours on two cores.
# Arguments choose among them as xunit does: `bash eng/nightly.sh -class "*Fuzz*"`. The last line is `N passed, N failed, N skipped`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 TESTINGPLATFORM_TELEMETRY_OPTOUT=1

bash eng/native.sh
dotnet build AdaptiveSoftmax.Generators.sln --configuration Release

# Each script's last line; theirs together is the last one here.
lines=$(mktemp) log=$(mktemp) status=0
trap 'rm -f "$lines" "$log"' EXIT
run() {
  "$@" 2>&1 | tee "$log" || status=1
  tail -n 1 "$log" >>"$lines"
}

# What every test run does, once more as programs of ARM64.
if [ $# -eq 0 ]; then run bash eng/arm64.sh; fi
run env ADAPTIVE_SOFTMAX_TESTS=nightly bash eng/run-tests.sh -trait nightly=more "$@"
awk '/^[0-9]+ passed, / { passed += $1; failed += $3; skipped += $5; next } { failed++ } END { printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$lines"
exit "$status"
