#!/usr/bin/env bash
# Measures docs/limits.md: a vocabulary is planned, generated, compiled, trained, saved, loaded, decoded and migrated as a user would, from the packages.
#   bash eng/limits.sh [TOKENS] [HIDDEN]      by default 1000000 and 512; prints a table of times and of each process's most memory
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tokens=${1:-1000000} hidden=${2:-512}
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

if ! [ -x /usr/bin/time ]; then
  . eng/apt.sh
  need_apt "time" "apt-get install time"
  update_lists
  as_root apt-get install -y -qq --no-remove time
fi

root=$PWD
folder=$(mktemp -d)
trap 'rm -rf "$folder" "${APT_LISTS:-}"' EXIT
rows=()

# measure NAME COMMAND...: a row of the table, and the command's own output before it.
measure() {
  local name=$1
  shift
  if ! /usr/bin/time --quiet -o "$folder/time" -f '%e %M' "$@" >"$folder/output" 2>&1; then
    cat "$folder/output" >&2
    echo "eng/limits.sh: '$name' failed, as it says above." >&2
    exit 1
  fi
  local seconds kilobytes
  read -r seconds kilobytes <"$folder/time"
  rows+=("| $name | $seconds s | $((kilobytes / 1024)) MB |")
}

# What a process says of its own steps.
steps() { while IFS=$'\t' read -r name value; do rows+=("| $name | $value | |"); done <"$folder/output"; }

dotnet build src/AdaptiveSoftmax.Tool --configuration Release
for project in AdaptiveSoftmax.Vocabulary AdaptiveSoftmax; do dotnet pack "src/$project" --configuration Release --output "$folder/feed"; done
tool="$root/src/AdaptiveSoftmax.Tool/bin/Release/net10.0/AdaptiveSoftmax.Tool"

mkdir "$folder/app"
cp eng/limits/Program.cs "$folder/app/"
cd "$folder/app"
version=$(basename "$folder"/feed/AdaptiveSoftmax.Vocabulary.*.nupkg .nupkg)
cat >Limits.csproj <<XML
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
    <TieredPGO>false</TieredPGO>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="AdaptiveSoftmax" Version="${version#AdaptiveSoftmax.Vocabulary.}" />
  </ItemGroup>
</Project>
XML
cat >NuGet.config <<XML
<configuration>
  <config><add key="globalPackagesFolder" value="$folder/packages" /></config>
  <packageSources><clear /><add key="feed" value="$folder/feed" /></packageSources>
</configuration>
XML

# Word i occurs as Zipf's law says.
awk -v n="$tokens" 'BEGIN { for (i = 0; i < n; i++) printf "w%d %d\n", i, 1 + 1e9 / (i + 1) }' >words.txt
measure "token table of a word list (\`count import\`)" "$tool" count import words.txt --output words.tokens
measure "plan for training, with its spec (\`plan\`)" "$tool" plan words.tokens --hidden-size "$hidden" --output words.softmax.json
rm words.txt
dotnet restore
build=(dotnet build --no-restore --configuration Release -p:UseSharedCompilation=false --disable-build-servers)
measure "first build: generator and compiler" "${build[@]}"
touch Program.cs
measure "build after an edit of another file" "${build[@]}"
measure "train: the whole process" bin/Release/net10.0/Limits train words.safetensors
steps
bytes=$(stat -c %s words.safetensors)
measure "decode: the whole process" bin/Release/net10.0/Limits decode words.safetensors
steps

# Behind the class, so that the build does not read it.
mkdir .next
cp words.tokens .next/
measure "another plan, with more tokens in the head" "$tool" plan .next/words.tokens --hidden-size "$hidden" --head-coverage 0.9 --output .next/words.softmax.json
measure "migration to it, without states (\`migrate\`)" "$tool" migrate words.safetensors --from words.softmax.json --to .next/words.softmax.json --output .next/words.safetensors

printf '\n%s tokens, hidden size %s, cutoffs %s; weights of %d MB, program of %d MB\n\n' \
  "$tokens" "$hidden" "$(tr -d '\n ' <words.softmax.json | grep -o '"cutoffs":\[[^]]*\]' | cut -d: -f2)" $((bytes / 1000000)) $(($(stat -c %s bin/Release/net10.0/Limits.dll) / 1000000))
printf '| step | takes | most memory |\n|---|--:|--:|\n'
printf '%s\n' "${rows[@]}"
