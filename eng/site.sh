#!/usr/bin/env bash
# Builds the documentation's site with docfx: every page of the repository, and a page for each public type, from the
# assemblies that are shipped and their XML documentation. A link that leads nowhere is an error, as is a name that does not resolve.
#   bash eng/site.sh [--no-build]      `--no-build` takes the Release build that is there; the site is artifacts/site/index.html
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
source=artifacts/site-source target=artifacts/site

rm -rf "$source" "$target"
mkdir -p "$source"
cp -r eng/site/. "$source/"
cp eng/icon.png "$source/"
# With their folders, so that links lead as they do in the repository and in the packages.
find . -name '*.md' -not -path './.*' -not -path './artifacts/*' -not -path './tests/*' -not -path './generators/*' -not -path './eng/*' \
  -not -path '*/bin/*' -not -path '*/obj/*' -not -path '*/content/*' -print0 | xargs -0 cp --parents -t "$source"

# What a member documents itself goes before what it inherits: docfx would take the other text, and warn.
own_before_inherited() {
  awk '
    /<member / { block = ""; names = ""; inside = 1 }
    inside {
      if (match($0, /^ *<param name="[^"]*"/)) {
        name = $0; sub(/^ *<param name="/, "", name); sub(/".*/, "", name)
        names = names " or self::param[@name='"'"'" name "'"'"']"
      }
      if (match($0, /^ *<(summary|remarks|returns)>/)) {
        name = $0; sub(/^ *</, "", name); sub(/>.*/, "", name)
        names = names " or self::" name
      }
      block = block $0 "\n"
      if ($0 ~ /<\/member>/) {
        if (names != "") sub(/<inheritdoc cref="[^"]*"\/>/, "&\n", block)
        sub(/"\/>\n\n/, "\" path=\"/*[not(self::overloads" names ")]\"/>\n", block)
        printf "%s", block
        inside = 0
      }
      next
    }
    { print }'
}

# Each library beside all that it is built on, of which docfx reads the types.
for project in src/*/PublicAPI.Unshipped.txt; do
  project=$(dirname "$project")
  library=$(basename "$project")
  options=(--configuration Release --framework net10.0)
  if [ "${1:-}" != --no-build ]; then dotnet build "$project" "${options[@]}"; fi
  folder=$source/assemblies/$library
  mkdir -p "$folder"
  dotnet msbuild "$project" -p:Configuration=Release -p:TargetFramework=net10.0 -t:ResolveReferences -p:BuildProjectReferences=false -getItem:ReferencePath |
    sed -n 's/^ *"Identity": "\(.*\)",$/\1/p' | { grep -vF '/packs/' || true; } | xargs -r cp -t "$folder"
  cp "$project/bin/Release/net10.0/$library.dll" "$folder/"
  own_before_inherited <"$project/bin/Release/net10.0/$library.xml" >"$folder/$library.xml"
done

dotnet tool restore
dotnet docfx metadata "$source/docfx.json" --warningsAsErrors
dotnet docfx build "$source/docfx.json" --warningsAsErrors
printf '\neng/site.sh: %d pages, %s/index.html\n' "$(find "$target" -name '*.html' | wc -l)" "$target"
