#!/usr/bin/env bash
# Makes a folder that runs on a Linux machine with an NVIDIA driver and nothing else installed, .NET's runtime included:
#   ./gpu-check   every correctness test of the GPU path that needs no tools of the project; ends with `N passed, N failed, N skipped`
#   ./gpu-bench   the table of training steps and decoding (--help for its options)
#   benchmarks/   PyTorch's side of that table and the script that joins both, for a Python with PyTorch
# and packs it as artifacts/gpu-bundle.tar.xz, which must stay below 60 MB. Both programs share one copy of the runtime.
# They are not trimmed: ILGPU compiles kernels from their IL.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
limit=60000000
bundle=artifacts/gpu-bundle
rm -rf "$bundle" artifacts/gpu-bundle.tar.xz
mkdir -p "$bundle/app"

# The lock files in the repository are of builds without a runtime: this build has its own, with the same central versions.
for project in tests/AdaptiveSoftmax.Gpu.Tests benchmarks/AdaptiveSoftmax.GpuBench; do
  dotnet publish "$project" --configuration Release --runtime linux-x64 --self-contained --output "$bundle/app" \
    -p:NuGetLockFilePath=obj/gpu-bundle.lock.json -p:RestoreLockedMode=false \
    -p:InvariantGlobalization=true -p:DebugType=none -p:PublishDocumentationFiles=false | tail -n 2
done
rm -f "$bundle"/app/*.xml "$bundle"/app/*.pdb

# PyTorch's side of the table, and the page of both, under the paths that they have here.
mkdir -p "$bundle/benchmarks/pytorch" "$bundle/benchmarks/gpu"
cp benchmarks/pytorch/bench.py benchmarks/pytorch/targets.py "$bundle/benchmarks/pytorch/"
cp benchmarks/gpu/join.py "$bundle/benchmarks/gpu/"

cat >"$bundle/gpu-check" <<'END'
#!/bin/sh
# Runs the tests that need a CUDA device; those of OpenCL and of the assembler belong to machines with the project's tools.
# Arguments go to the test runner, as in `gpu-check -class '*.CudaRecordingTests'`; -help lists them.
cd "${0%/*}/app" || exit 1
devices=$(./gpu-bench --device list)
echo "$devices"
log=$(mktemp) || exit 1
ADAPTIVE_SOFTMAX_TESTS=cuda ./AdaptiveSoftmax.Gpu.Tests -noLogo -noColor \
  -namespace- AdaptiveSoftmax.Gpu.Tests.Ptx -namespace- AdaptiveSoftmax.Gpu.Tests.TensorCores \
  -class- '*.OpenCl*' -method- '*OpenC*' "$@" 2>&1 | tee "$log"
summary=$(grep -E '^ +[^ ]+  Total: [0-9]+' "$log" | tail -n 1)
rm -f "$log"
if [ -z "$summary" ]; then echo "The tests ended without a summary."; echo "0 passed, 1 failed, 0 skipped"; exit 1; fi
count() { echo "$summary" | sed -nE "s/.*$1: ([0-9]+).*/\1/p"; }
failed=$(($(count Failed) + $(count Errors)))
skipped=$(($(count Skipped) + $(count 'Not Run')))
none=0
case $devices in
  *'no CUDA device'*) none=1; echo "Nothing was checked on a GPU, since there is no CUDA device; the first lines say why." ;;
esac
echo "$(($(count Total) - failed - skipped)) passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$none" -eq 0 ]
END
cat >"$bundle/gpu-bench" <<'END'
#!/bin/sh
exec "${0%/*}/app/gpu-bench" "$@"
END
chmod +x "$bundle/gpu-check" "$bundle/gpu-bench"

tar -C artifacts -cf - gpu-bundle | xz -6 -T2 >artifacts/gpu-bundle.tar.xz
size=$(stat -c %s artifacts/gpu-bundle.tar.xz)
printf 'artifacts/gpu-bundle.tar.xz: %d bytes, artifacts/gpu-bundle: %s\n' "$size" "$(du -sh "$bundle" | cut -f 1)"
if [ "$size" -gt "$limit" ]; then
  echo "eng/gpu-bundle.sh: the bundle is larger than $limit bytes." >&2
  exit 1
fi
