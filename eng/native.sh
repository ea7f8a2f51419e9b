#!/usr/bin/env bash
# Makes sure that the native pieces the tests need are on this machine, and installs what is missing with apt.
# Today that is one: ICU, without which .NET either does not start or knows no culture, and the tests that prove
# output to be independent of the culture would prove nothing.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

if ldconfig -p | grep -q 'libicuuc\.so'; then
  exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
  echo "eng/native.sh: ICU is missing and this machine has no apt-get; install libicu with its own package manager." >&2
  exit 1
fi

if [ "$(id -u)" -eq 0 ]; then
  as_root() { "$@"; }
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  as_root() { sudo "$@"; }
else
  echo "eng/native.sh: ICU is missing. Run this as root or with sudo, or install it yourself: apt-get install libicu-dev" >&2
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive
as_root apt-get update -qq
# The package carries its version in its name (libicu72, libicu74, ...); each release has one.
package=$(apt-cache pkgnames libicu | grep -E '^libicu[0-9]+$' | sort -V | tail -n 1)
if [ -z "$package" ]; then
  echo "eng/native.sh: apt knows no libicu package; add the distribution's main archive to its sources." >&2
  exit 1
fi
as_root apt-get install -y -qq --no-install-recommends "$package"
