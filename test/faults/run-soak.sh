#!/usr/bin/env bash
# `npm run test:soak -- --minutes 20 --seed 7`: three jobs a minute on three workers, while workers and servers are killed at random.
# The seed decides who is killed and when; it is printed.
set -euo pipefail
cd "$(dirname "$0")/../.."
. stack/bootstrap.sh
node stack/setup-main.ts >/dev/null
while [ $# -gt 0 ]; do
  case $1 in
    --minutes) export SLEAP_RTC_SOAK_MINUTES=$2 ;;
    --seed) export SLEAP_RTC_SOAK_SEED=$2 ;;
    *) echo "unknown: $1" >&2; exit 2 ;;
  esac
  shift 2
done
exec mocha test/faults/soak.ts
