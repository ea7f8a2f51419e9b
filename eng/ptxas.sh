#!/usr/bin/env bash
# Puts ptxas and nvdisasm, the assembler and the disassembler of CUDA, under artifacts/tools: the tests assemble every CUDA
# kernel and count the instructions of its products, which needs no GPU. The two programs are taken out of their package;
# nothing is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./apt.sh
target=../artifacts/tools

if [ -x "$target/ptxas" ] && [ -x "$target/nvdisasm" ]; then exit 0; fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "eng/ptxas.sh: no apt-get to fetch ptxas with; put ptxas and nvdisasm of a CUDA toolkit into artifacts/tools." >&2
  exit 1
fi

work=$APT_LISTS/ptxas
mkdir -p "$target"
# The archive of programs that are not free software: non-free in Debian, multiverse in Ubuntu.
component=non-free
if grep -q '^ID=ubuntu' /etc/os-release; then component=multiverse; fi
side_lists "$work" "" "$component"
apt-get "${side_options[@]}" update -qq
(cd "$work" && apt-get "${side_options[@]}" -qq download nvidia-cuda-toolkit)
dpkg-deb --fsys-tarfile "$work"/nvidia-cuda-toolkit_*.deb | tar -x -C "$work" --wildcards '*/bin/ptxas' '*/bin/nvdisasm'
for tool in ptxas nvdisasm; do
  mv "$(find "$work" -type f -name "$tool" | head -n 1)" "$target/$tool.new"
  mv "$target/$tool.new" "$target/$tool"
done
rm -rf "$work"
"$target/ptxas" --version | tail -n 2 | head -n 1
