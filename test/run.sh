#!/usr/bin/env bash
# `npm test`: sets up what the tests need, then checks (types, lint, imports, dead exports) and runs every test. At the end it
# prints the slowest tests, those that were left out, and the counts.
# With arguments: runs just those test files, without the checks.
set -euo pipefail
cd "$(dirname "$0")/.."
. stack/bootstrap.sh
node stack/setup-main.ts >/dev/null
if [ $# -gt 0 ]; then exec mocha "$@"; fi
npm run -s check

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export SLEAP_RTC_TEST_RESULTS="$scratch/results"
export NODE_COMPILE_CACHE="$PWD/node_modules/.cache/compiled"

# Two runs side by side, about as long as each other: what runs sleap-nn needs the CPU, the rest mostly waits for servers. The
# second one's output follows the first one's.
mocha '{protocol,storage,transport,workflows,activities,workers,signaling,cli,dashboard,test,bench}/**/*.test.ts' \
  --ignore '**/*.e2e.test.ts' --ignore 'test/e2e/**' --ignore 'test/faults/**' >"$scratch/second" 2>&1 &
status=0
mocha 'test/e2e/*.test.ts' '**/*.e2e.test.ts' 'stack/**/*.test.ts' --ignore 'node_modules/**' || status=1
wait $! || status=1
cat "$scratch/second"

# By itself: its jobs and the servers that it restarts keep both cores busy.
mocha 'test/faults/*.test.ts' || status=1

node test/results/summary.ts "$SLEAP_RTC_TEST_RESULTS" || status=1
exit $status
