#!/bin/sh
# Creates or upgrades Temporal's two databases. Safe to run at every start.
set -eu
for database in temporal temporal_visibility; do
  tool() {
    temporal-sql-tool --plugin "$DB" --ep "$POSTGRES_SEEDS" -p "$DB_PORT" -u "$POSTGRES_USER" --db "$database" "$@"
  }
  schema=${database#temporal_} # the folder of `temporal_visibility` is called `visibility`
  tool create
  tool setup-schema -v 0.0
  tool update-schema -d "/etc/temporal/schema/postgresql/v12/$schema/versioned"
done
