#!/usr/bin/env bash
# What takes longer than a test run may: the tests that do more at night, as CONTRIBUTING.md lists them. A few hours on two cores.
# Arguments choose among them as xunit does: `bash eng/nightly.sh -class "*Fuzz*"`. The last line is `N passed, N failed, N skipped`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 TESTINGPLATFORM_TELEMETRY_OPTOUT=1

bash eng/native.sh
dotnet build AdaptiveSoftmax.Generators.sln --configuration Release
ADAPTIVE_SOFTMAX_TESTS=nightly bash eng/run-tests.sh -trait nightly=more "$@"
