#!/usr/bin/env bash
# Checks csrm on this machine's GPU and writes what came out as one JSON file:
#   scripts/gpu-check.sh [FILE] [--quick]        (default gpu-check.json; --quick: without the whole test suite)
# Builds against Python's PyTorch (LIBTORCH_USE_PYTORCH=1) unless LIBTORCH names a folder, then runs the tests, full-size training steps
# and the demonstration with device: cuda. Needs Node, the npm packages (npm ci) and a PyTorch built for CUDA.
set -euo pipefail
cd "${0%/*}/.."

file=gpu-check.json
for argument in "$@"; do
  case "$argument" in
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --*) ;;
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
exec node node_modules/tsx/dist/cli.mjs scripts/gpu-check.ts "$file" "$@"
