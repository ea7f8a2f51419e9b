#!/usr/bin/env bash
# Installs the C++ runtime that libtorch is built on: GLIBCXX_3.4.32, of GCC 13. Ubuntu 24.04 and Debian 13 have it; on
# Debian 12 it comes from Debian 13's archive.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./apt.sh

is_recent() {
  local library
  library=$(ldconfig -p | sed -n 's/.*libstdc++\.so\.6 .* => //p' | head -n 1)
  [ -n "$library" ] && grep -qaF GLIBCXX_3.4.32 "$library"
}

if ! is_recent; then
  need_apt "a C++ runtime with GLIBCXX_3.4.32" "apt-get install libstdc++6 of GCC 13 or later"
  update_lists
  as_root apt-get install -y -qq --no-install-recommends libstdc++6
  if ! is_recent; then
    newer_lists
    as_root apt-get "${side_options[@]}" install -y -qq --no-install-recommends libstdc++6
  fi
  if ! is_recent; then
    echo "eng/libstdcxx.sh: this distribution's libstdc++6 has no GLIBCXX_3.4.32; use Debian 12 or later, or Ubuntu 24.04 or later." >&2
    exit 1
  fi
fi
