#!/usr/bin/env bash
# Runs test projects as programs of ARM64, whose processor QEMU emulates: the very assemblies that were built, on .NET's runtime
# for linux-arm64. It says that results are right there, and nothing about speed.
#   bash eng/arm64.sh [PROJECT...] [-- XUNIT OPTIONS]      by default those below; without building
# The last line is `N passed, N failed, N skipped`; the exit status is 0 only if nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. eng/apt.sh
. eng/results.sh
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
folder=$PWD/artifacts/arm64
projects=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do projects+=("$1"); shift; done
if [ "${1:-}" = -- ]; then shift; fi
if [ ${#projects[@]} -eq 0 ]; then projects=(AdaptiveSoftmax.Vocabulary.Tests AdaptiveSoftmax.Tests AdaptiveSoftmax.Corpus.Tests); fi

if ! command -v qemu-aarch64 >/dev/null 2>&1; then
  need_apt "QEMU's user emulation" "apt-get install qemu-user"
  update_lists
  as_root apt-get install -y -qq --no-install-recommends qemu-user
fi

# The C and C++ runtimes, OpenSSL and ICU of ARM64, unpacked; this machine's own packages stay of one architecture.
root=$folder/root
if ! [ -e "$root/.complete" ]; then
  need_apt "the libraries of ARM64" "unpack libc6, libgcc-s1, libstdc++6, libssl3 and libicu of arm64 into artifacts/arm64/root, and an empty file .complete"
  rm -rf "$root"
  lists=$APT_LISTS/arm64
  side_lists "$lists" "" main
  # The archive of the distribution alone: others need not have this architecture.
  side_options+=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::Cache=$lists/cache" -o "Dir::State::status=$lists/status")
  mkdir -p "$lists/cache/archives/partial" "$lists/packages" "$root"
  : >"$lists/status"
  as_root apt-get "${side_options[@]}" update -qq
  names=$(apt-cache "${side_options[@]}" pkgnames)
  newest() { grep -E "$1" <<<"$names" | sort -V | tail -n 1; }
  packages=(libc6 libgcc-s1 libstdc++6 zlib1g "$(newest '^libssl3(t64)?$')" "$(newest '^libicu[0-9]+$')")
  (cd "$lists/packages" && apt-get "${side_options[@]}" -qq download "${packages[@]}")
  for package in "$lists/packages"/*.deb; do dpkg-deb -x "$package" "$root"; done
  # Where an emulated program looks for its loader.
  if ! [ -e "$root/lib" ]; then ln -s usr/lib "$root/lib"; fi
  : >"$root/.complete"
fi

# The runtime and the program that starts an application, of the version that the SDK brings.
mkdir -p "$folder/fetch"
cat >"$folder/fetch/Fetch.csproj" <<'XML'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <TargetFramework>net10.0</TargetFramework>
    <RestorePackagesPath>$(MSBuildProjectDirectory)/packages</RestorePackagesPath>
    <RestorePackagesWithLockFile>false</RestorePackagesWithLockFile>
    <ManagePackageVersionsCentrally>false</ManagePackageVersionsCentrally>
  </PropertyGroup>
  <ItemGroup>
    <PackageDownload Include="Microsoft.NETCore.App.Runtime.linux-arm64;Microsoft.NETCore.App.Host.linux-arm64" Version="[$(BundledNETCoreAppPackageVersion)]" />
  </ItemGroup>
  <Target Name="SayVersion">
    <Message Importance="high" Text="version=$(BundledNETCoreAppPackageVersion)" />
  </Target>
</Project>
XML
printf '<Project />\n' | tee "$folder/fetch/Directory.Build.props" "$folder/fetch/Directory.Build.targets" "$folder/fetch/Directory.Packages.props" >/dev/null
dotnet restore "$folder/fetch" --verbosity quiet
version=$(dotnet msbuild "$folder/fetch" -getProperty:BundledNETCoreAppPackageVersion)
runtime=$folder/dotnet-$version
if ! [ -e "$runtime/.complete" ]; then
  rm -rf "$runtime"
  package=$folder/fetch/packages/microsoft.netcore.app.runtime.linux-arm64/$version/runtimes/linux-arm64
  mkdir -p "$runtime/host/fxr/$version" "$runtime/shared/Microsoft.NETCore.App/$version"
  cp "$package"/lib/net10.0/* "$package"/native/* "$runtime/shared/Microsoft.NETCore.App/$version/"
  mv "$runtime/shared/Microsoft.NETCore.App/$version/libhostfxr.so" "$runtime/host/fxr/$version/"
  : >"$runtime/.complete"
fi
host=$folder/fetch/packages/microsoft.netcore.app.host.linux-arm64/$version/runtimes/linux-arm64/native/apphost

# starter PROJECT: a program of ARM64 that starts the project's assembly, beside it: the name stands where the SDK writes it, too.
starter() {
  local marker=c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2 assembly=$1.dll zeros
  zeros=$(printf '\\x00%.0s' $(seq $((${#marker} - ${#assembly}))))
  LC_ALL=C sed "s/$marker/$assembly$zeros/" "$host" >"tests/$1/bin/Release/net10.0/$1.arm64"
  chmod +x "tests/$1/bin/Release/net10.0/$1.arm64"
}

export DOTNET_ROOT_ARM64=$runtime QEMU_LD_PREFIX=$root
# QEMU sees that code has changed where it is written to the pages it runs on, and not where these are mapped a second time.
export DOTNET_EnableWriteXorExecute=0
by_day=(-trait- nightly=only)
if [ "${ADAPTIVE_SOFTMAX_TESTS:-}" = nightly ]; then by_day=(); fi
# Their child processes would be programs of ARM64 that this machine's kernel starts.
left_out=(-class- '*.CrashTests' -method- '*.MappedFileTests.WhoeverCutsOrWritesTheFile_WaitsUntilItIsCopied')

for project in "${projects[@]}"; do
  printf '\n== %s\n' "$project"
  starter "$project"
  log=$(mktemp) status=0
  qemu-aarch64 "$PWD/tests/$project/bin/Release/net10.0/$project.arm64" -noLogo -noColor "${by_day[@]}" "${left_out[@]}" "$@" 2>&1 | tee "$log" || status=$?
  add_results "$project" "$log" "$status"
  rm -f "$log"
done

print_results
