#!/usr/bin/env bash
# Installs Chromium and its driver, in which the tests look at the server's page. On Debian both are ordinary packages;
# Ubuntu's are snaps, which a script in a container cannot install.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./apt.sh

has_driver() { command -v chromedriver >/dev/null 2>&1; }
has_browser() { command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1; }

if has_driver && has_browser; then exit 0; fi
if grep -q '^ID=ubuntu' /etc/os-release; then
  echo "eng/chromium.sh: Chromium and chromedriver are missing, and Ubuntu has them as snaps only: 'sudo snap install chromium' brings both; or install Google Chrome and its chromedriver, and put both on the PATH. Until then the tests of the page are skipped, which CI does not allow." >&2
  if [ "${CI:-}" = true ]; then exit 1; fi
  exit 0
fi
need_apt "Chromium" "apt-get install chromium chromium-driver"
update_lists
as_root apt-get install -y -qq --no-install-recommends chromium chromium-driver
