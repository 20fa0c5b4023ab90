#!/usr/bin/env bash
# `npm test`: sets up what the tests need, then checks (types, lint, imports, dead exports) and runs every test.
# With arguments: runs just those test files, without the checks.
set -euo pipefail
cd "$(dirname "$0")/.."
. stack/bootstrap.sh
node stack/setup-main.ts >/dev/null
if [ $# -gt 0 ]; then exec mocha "$@"; fi
npm run -s check

# Two runs side by side, about as long as each other: what runs sleap-nn needs the CPU, the rest mostly waits for servers. The
# second one's output follows the first one's.
second=$(mktemp)
trap 'rm -f "$second"' EXIT
mocha '{protocol,transport,workflows,activities,workers,signaling,cli,dashboard,test,bench}/**/*.test.ts' \
  --ignore '**/*.e2e.test.ts' --ignore 'test/e2e/**' --ignore 'test/faults/**' >"$second" 2>&1 &
status=0
mocha 'test/e2e/*.test.ts' '**/*.e2e.test.ts' 'stack/**/*.test.ts' --ignore 'node_modules/**' || status=1
wait $! || status=1
cat "$second"

# By itself: its jobs and the servers that it restarts keep both cores busy.
mocha 'test/faults/*.test.ts' || status=1
exit $status
