#!/usr/bin/env bash
# `npm run test:faults`: the whole table of faults. `-- --quick`: those that `npm test` has time for. Other arguments are
# mocha's, e.g. `-- --grep 'kill -9'`. For outages of five minutes under a training that is as long:
# SLEAP_RTC_UNAVAILABLE_SECONDS=300 SLEAP_RTC_FAULT_EPOCHS=340 npm run test:faults -- --grep 'temporal.*epoch'
# SLEAP_RTC_WARM_TRAINER=0: workers without a spare process.
set -euo pipefail
cd "$(dirname "$0")/../.."
. stack/bootstrap.sh
node stack/setup-main.ts >/dev/null
export SLEAP_RTC_FAULTS=all
if [ "${1:-}" = --quick ]; then
  export SLEAP_RTC_FAULTS=quick
  shift
fi
exec mocha 'test/faults/*.test.ts' "$@"
