#!/usr/bin/env bash
# A C compiler, with which the tests of the emulated CUDA driver make the library that stands in for libcuda.so.1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./apt.sh

if command -v cc >/dev/null 2>&1; then exit 0; fi
need_apt "a C compiler" "apt-get install gcc libc6-dev"
update_lists
as_root apt-get install -y -qq --no-install-recommends gcc libc6-dev
