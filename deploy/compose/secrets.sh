#!/bin/sh
# Makes the secrets that are missing, one file each, in the folder that is given (secrets/ beside this file).
set -eu
folder=${1:-$(dirname "$0")/secrets}
umask 022
mkdir -p "$folder"
# Only the owner may enter. The files can be read by whoever gets them mounted: programs run as users of their own.
chmod 700 "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

keep() { # name, content
    [ -s "$folder/$1" ] || printf %s "$2" >"$folder/$1"
}

for service in payments insurance inbox notifications; do
    keep "${service}_database_url" "postgresql://$service:$(random)@postgres:5432/$service"
done
for name in postgres_password payments_secret processor_secret notifications_secret mail_secret sms_secret \
    portal_secret portal_client_secret; do
    keep "$name" "$(random)"
done
keep insurance_raw_key "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')"
