#!/usr/bin/env bash
# `npm test`: sets up what the tests need, then checks (types, lint, imports, dead exports) and runs every test.
# With arguments: runs just those test files, without the checks.
set -euo pipefail
cd "$(dirname "$0")/.."
. stack/bootstrap.sh
node stack/setup-main.ts >/dev/null
if [ $# -gt 0 ]; then exec mocha "$@"; fi
npm run -s check
mocha '{protocol,transport,workflows,activities,workers,signaling,cli,dashboard,stack,test,bench}/**/*.test.ts'
