#!/bin/bash
# What the official image does: new data is made and the scripts run on it, then the server listens to everybody.
set -eu
[ "${1:0:1}" != - ] || set -- postgres "$@"
if [ "$(id -u)" = 0 ]; then
    install --directory --owner=postgres --mode=700 "${PGDATA%/*}" "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    password=${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:?}")}
    initdb --username=postgres --pwfile=<(echo "$password") --auth-local=trust --auth-host=scram-sha-256 \
        --encoding=UTF8 --no-locale --locale-provider=builtin --builtin-locale=C.UTF-8
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl --wait --options="--listen_addresses=''" start
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
        *.sh) bash "$script" ;;
        *.sql) psql --username=postgres --variable=ON_ERROR_STOP=1 --file="$script" ;;
        esac
    done
    pg_ctl --wait --mode=fast stop
fi
exec "$@" --listen_addresses='*'
