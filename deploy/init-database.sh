#!/bin/sh
# Make the database and its two roles, once, on an empty volume.
#
#   curfew_owner  owns the tables; `manage.py migrate` alone signs in as it
#   curfew        reads and writes rows; everything else signs in as it
#
# Neither is a superuser, so neither reads files of the server (COPY) or switches triggers
# off (session_replication_role); only the owner could drop those of the audit trail.
set -eu
export SECRETS="${SECRETS:-/run/secrets}"
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set owner_password `cat "$SECRETS/owner_password"`
\set password `cat "$SECRETS/postgres_password"`
CREATE ROLE curfew_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE curfew LOGIN PASSWORD :'password';
CREATE DATABASE curfew OWNER curfew_owner;
REVOKE ALL ON DATABASE curfew FROM PUBLIC;
GRANT CONNECT ON DATABASE curfew TO curfew;
\connect curfew
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO curfew;
ALTER DEFAULT PRIVILEGES FOR ROLE curfew_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO curfew;
ALTER DEFAULT PRIVILEGES FOR ROLE curfew_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO curfew;
SELECT current_setting('server_version_num')::int >= 170000 AS can_maintain \gset
\if :can_maintain
-- ANALYZE, once new rows have come.
ALTER DEFAULT PRIVILEGES FOR ROLE curfew_owner IN SCHEMA public
    GRANT MAINTAIN ON TABLES TO curfew;
\endif
SQL
