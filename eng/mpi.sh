#!/usr/bin/env bash
# Installs Open MPI and MPICH, under whose mpirun the tests of AdaptiveSoftmax.Distributed run, and what makes two hosts of one
# machine (two-hosts.sh). Debian 12's own MPIs do not install beside PoCL's libhwloc (eng/opencl.sh), so there both come from
# Debian 13's archive.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./apt.sh

if ! PATH=$PATH:/usr/sbin command -v ip >/dev/null 2>&1; then
  need_apt "ip" "apt-get install iproute2"
  update_lists
  as_root apt-get install -y -qq --no-remove --no-install-recommends iproute2
fi
if command -v mpirun.openmpi >/dev/null 2>&1 && command -v mpirun.mpich >/dev/null 2>&1; then exit 0; fi
need_apt "Open MPI or MPICH" "apt-get install openmpi-bin mpich"
update_lists
packages=(openmpi-bin mpich)
if apt-get install -s -qq --no-remove --no-install-recommends "${packages[@]}" >/dev/null 2>&1; then
  as_root apt-get install -y -qq --no-remove --no-install-recommends "${packages[@]}"
else
  newer_lists
  as_root apt-get "${side_options[@]}" install -y -qq --no-install-recommends "${packages[@]}"
fi
