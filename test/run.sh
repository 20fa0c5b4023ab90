#!/usr/bin/env bash
# `npm test`: sets up what the tests need, then checks (types, lint, imports, dead exports) and runs every test. At the end it
# prints the slowest tests, those that were left out, and the counts.
# With arguments: runs just those test files, without the checks.
set -euo pipefail
cd "$(dirname "$0")/.."
. stack/bootstrap.sh
node stack/setup-main.ts >/dev/null
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$PWD/node_modules/.cache/compiled}"
if [ $# -gt 0 ]; then exec mocha "$@"; fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export SLEAP_RTC_TEST_RESULTS="$scratch/results"
status=0
node test/runner/run.ts || status=1
node test/runner/summary.ts "$SLEAP_RTC_TEST_RESULTS" || status=1
exit $status
