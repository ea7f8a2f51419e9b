#!/usr/bin/env bash
# Installs PoCL, an OpenCL device on the processor. ILGPU needs the generic address space, which PoCL has from version 4
# on; Debian 12 has 3.1, so there it comes from Debian 13's archive, together with the C++ runtime it is built on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./apt.sh

pocl_version() { dpkg-query -W -f '${Version}' libpocl2t64 2>/dev/null || dpkg-query -W -f '${Version}' libpocl2 2>/dev/null || true; }
is_recent() { [ -n "$1" ] && dpkg --compare-versions "$1" ge 4; }

if ! is_recent "$(pocl_version)" || ! ldconfig -p | grep -q 'libOpenCL\.so\.1'; then
  need_apt "PoCL 4 or later" "apt-get install pocl-opencl-icd ocl-icd-libopencl1"
  update_lists
  packages=(libstdc++6 pocl-opencl-icd ocl-icd-libopencl1)
  if is_recent "$(apt-cache policy pocl-opencl-icd | sed -n 's/^ *Candidate: //p' | sed 's/(none)//')"; then
    as_root apt-get install -y -qq --no-install-recommends "${packages[@]}"
  else
    newer_lists
    as_root apt-get "${side_options[@]}" install -y -qq --no-install-recommends "${packages[@]}"
  fi
fi

# ILGPU opens the name without a version, which only the development package would bring.
if ! ldconfig -p | grep -q 'libOpenCL\.so '; then
  need_apt "the link libOpenCL.so" "apt-get install ocl-icd-opencl-dev"
  library=$(ldconfig -p | sed -n 's/.*libOpenCL\.so\.1 .* => //p' | head -n 1)
  as_root ln -sf "$(basename "$library")" "$(dirname "$library")/libOpenCL.so"
  as_root ldconfig
fi
