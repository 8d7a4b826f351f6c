#!/bin/sh
# Gives each service a database of its own and a user who may enter only that one. PostgreSQL's image runs this once,
# when its data is new. Name and password are those in the service's own secret.
set -eu
for service in payments insurance inbox notifications; do
    password=$(cut -d: -f3 "/run/secrets/${service}_database_url" | cut -d@ -f1)
    psql --quiet --username postgres --variable ON_ERROR_STOP=1 --variable name="$service" \
        --variable password="$password" <<'SQL'
create role :"name" login password :'password';
create database :"name" owner :"name";
revoke connect on database :"name" from public;
SQL
done
