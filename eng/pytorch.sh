#!/usr/bin/env bash
# Installs PyTorch for the distribution's own Python: tests load in it what we save. Debian 12 has 1.13, Debian 13 and
# Ubuntu 24.04 have later ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./apt.sh

if ! /usr/bin/python3 -c 'import importlib.util as u, sys; sys.exit(not (u.find_spec("torch") and u.find_spec("numpy")))' 2>/dev/null; then
  need_apt PyTorch "apt-get install python3-torch"
  update_lists
  as_root apt-get install -y -qq --no-install-recommends python3-torch python3-numpy
fi
