#!/bin/sh
# Makes the namespace of our workflows (their search attributes are made by the control worker). Safe to run at every start.
set -eu
: "${TEMPORAL_ADDRESS:?}" "${TEMPORAL_NAMESPACE:?}"
RETENTION=720h # how long the history of a finished job can be read

# Calls a command until it succeeds, for a minute at most.
within_a_minute() {
  attempts=60
  until said=$("$@" 2>&1); do
    attempts=$((attempts - 1))
    [ "$attempts" -gt 0 ] || { echo "$said" >&2; exit 1; }
    sleep 1
  done
}

within_a_minute temporal operator cluster health
if ! temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
  temporal operator namespace create -n "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
fi
# A new namespace is known to every part of the server only after some seconds.
within_a_minute temporal operator search-attribute list -n "$TEMPORAL_NAMESPACE"
