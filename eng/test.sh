#!/usr/bin/env bash
# Checks the whole project: native pieces, a build with warnings as errors, formatting, every test project.
# What takes longer than that allows is in eng/nightly.sh. The last line is `N passed, N failed, N skipped`; the exit status is 0 only if nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 TESTINGPLATFORM_TELEMETRY_OPTOUT=1
configuration=Release
solution=AdaptiveSoftmax.Generators.sln

step() { printf '\n== %s\n' "$1"; }

if ! command -v dotnet >/dev/null 2>&1; then
  echo "eng/test.sh: no dotnet on the PATH; install the .NET 10 SDK." >&2
  exit 1
fi

step "Native pieces"
bash eng/native.sh

step "Restore"
dotnet restore "$solution"

step "Build, warnings as errors"
dotnet build "$solution" --no-restore --configuration "$configuration"

step "Formatting"
dotnet format "$solution" --no-restore --verify-no-changes

bash eng/run-tests.sh
