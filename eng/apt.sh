# For the other scripts here to source: apt as root, and package lists beside the machine's own.
PATH=$PATH:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive

# need_apt NAME HINT: ends the script where apt or the right to use it is missing.
need_apt() {
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "eng: $1 is missing and this machine has no apt-get; $2" >&2
    exit 1
  fi
  if [ "$(id -u)" -eq 0 ]; then
    as_root() { "$@"; }
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root() { sudo "$@"; }
  else
    echo "eng: $1 is missing. Run this as root or with sudo, or install it yourself: $2" >&2
    exit 1
  fi
}

# Lists that were fetched serve all scripts of one run of native.sh, which makes this folder; a script
# that runs alone makes its own, and either removes what it made.
if [ -z "${APT_LISTS:-}" ]; then
  export APT_LISTS
  APT_LISTS=$(mktemp -d)
  trap 'rm -rf "$APT_LISTS"' EXIT
fi

# update_lists: brings the machine's own lists up to date.
update_lists() {
  if [ -e "$APT_LISTS/updated" ]; then return; fi
  as_root apt-get update -qq
  touch "$APT_LISTS/updated"
}

# newer_lists: sets side_options to what makes apt read Debian 13's main archive.
newer_lists() {
  side_lists "$APT_LISTS/trixie" trixie main
  if [ -e "$APT_LISTS/trixie/updated" ]; then return; fi
  as_root apt-get "${side_options[@]}" update -qq
  touch "$APT_LISTS/trixie/updated"
}

# side_lists FOLDER SUITE COMPONENT: writes the machine's own archives with another suite or component (an empty one
# stays as it is) under FOLDER, where nothing else looks, and sets side_options to what makes apt read them. The
# machine's own sources stay as they are, so that later installations on it are not drawn to another release.
side_lists() {
  rm -rf "$1/parts"
  mkdir -p "$1/parts" "$1/lists/partial"
  chmod 755 "$1"
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    if [ -f "$file" ]; then
      { grep -E '^deb .*(debian|ubuntu)' "$file" || true; } | { grep -v security || true; } |
        sed -E "s#^(deb (\[[^]]*\] )?[^ ]+) ([^ ]+) .*#\1 ${2:-\\3} ${3:-main}#" >>"$1/parts/machine.list"
    fi
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    # One paragraph an archive; those of security updates have no suite of that name.
    if [ -f "$file" ] && grep -qiE '^URIs:.*(debian|ubuntu)' "$file"; then
      awk -v suite="$2" -v component="$3" 'BEGIN { RS = ""; ORS = "\n\n" } tolower($0) ~ /uris:[^\n]*(debian|ubuntu)/ && $0 !~ /security/ {
        if (suite != "") gsub(/Suites:[^\n]*/, "Suites: " suite)
        gsub(/Components:[^\n]*/, "Components: " (component == "" ? "main" : component))
        print }' "$file" >"$1/parts/$(basename "$file")"
    fi
  done
  side_options=(-o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$1/parts" -o "Dir::State::Lists=$1/lists" -o APT::Sandbox::User=root)
}
