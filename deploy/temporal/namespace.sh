#!/bin/sh
# Creates the namespace of our workflows; the control worker creates their search attributes. Safe to run at every start.
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
# All parts of the server know a new namespace only after some seconds.
within_a_minute temporal operator search-attribute list -n "$TEMPORAL_NAMESPACE"
