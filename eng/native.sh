#!/usr/bin/env bash
# Makes sure that the native pieces the tests need are on this machine, and installs what is missing with apt:
# - ICU, without which .NET either does not start or knows no culture, and the tests that prove output to be
#   independent of the culture would prove nothing;
# - the C++ runtime of GCC 13, which libtorch needs (eng/libstdcxx.sh);
# - PoCL, an OpenCL device on the processor, on which the GPU tests run (eng/opencl.sh);
# - PyTorch, in which the tests load what we save (eng/pytorch.sh);
# - ptxas, the assembler that checks the CUDA kernels without a GPU (eng/ptxas.sh);
# - a C compiler, for the library through which the tests emulate CUDA's driver (eng/compiler.sh);
# - Chromium and its driver, in which the page of samples/Server is looked at (eng/chromium.sh);
# - Open MPI and MPICH, under which the tests of many processes run (eng/mpi.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./apt.sh

if ! ldconfig -p | grep -q 'libicuuc\.so'; then
  need_apt ICU "apt-get install libicu-dev"
  update_lists
  # The package carries its version in its name (libicu72, libicu74, ...); each release has one.
  package=$(apt-cache pkgnames libicu | grep -E '^libicu[0-9]+$' | sort -V | tail -n 1)
  if [ -z "$package" ]; then
    echo "eng/native.sh: apt knows no libicu package; add the distribution's main archive to its sources." >&2
    exit 1
  fi
  as_root apt-get install -y -qq --no-install-recommends "$package"
fi

bash ./libstdcxx.sh
bash ./opencl.sh
bash ./pytorch.sh
bash ./ptxas.sh
bash ./compiler.sh
bash ./chromium.sh
bash ./mpi.sh
