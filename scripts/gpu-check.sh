#!/usr/bin/env bash
# Checks csrm on this machine's GPU and writes what came out as one JSON file:
#   scripts/gpu-check.sh [FILE] [--quick] [--budget=SECONDS] [--device=cuda:N]        (default gpu-check.json)
# Builds against Python's PyTorch (LIBTORCH_USE_PYTORCH=1) unless LIBTORCH names a folder, then runs the tests that go through every
# device, full-size training steps with epoch estimates and the GPU's utilisation, the benchmarks, the demonstration and the whole test
# suite. --quick: fewer rounds, and 480 seconds in all, the build included; what no time is left for is named in the file.
# Needs Node, the npm packages (npm ci) and a PyTorch built for CUDA. `npm run bench -- --from FILE --write-docs` puts the figures into
# docs/benchmarks.md.
set -euo pipefail
cd "${0%/*}/.."

file=gpu-check.json
for argument in "$@"; do
  case "$argument" in
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --quick | --budget=* | --device=*) ;;
    -*) echo "gpu-check.sh has no option $argument; --help lists them" >&2; exit 2 ;;
    *) file=$argument ;;
  esac
done

if ! gpu=$(nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>/dev/null); then
  echo "no GPU: nvidia-smi finds none on this machine, so there is nothing to check"
  echo '{"skipped": "no GPU"}' >"$file"
  exit 0
fi
echo "GPU: $gpu"
[ -n "${LIBTORCH:-}" ] || export LIBTORCH_USE_PYTORCH=1
node scripts/build-native.mjs
# SECONDS is what bash has counted since this script began.
exec node node_modules/tsx/dist/cli.mjs scripts/gpu-check.ts "$@" --spent="$SECONDS"
