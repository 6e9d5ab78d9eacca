#!/bin/sh
# Makes every secret once, in a file for the one who reads it, and the bucket. Harmless to repeat:
# what is there stays.
set -eu
umask 077

# The accounts of the programs in their images.
roadstead=65532:65532
postgres=999:999
s3=65532:65532

random() {
    head -c "$1" /dev/urandom
}

# give FILE OWNER: what it reads, whole or not at all
give() {
    cat >"$1.new"
    chmod 400 "$1.new"
    chown "$2" "$1.new"
    mv "$1.new" "$1"
}

# once FILE OWNER COMMAND...: unless the file is there
once() {
    file=$1
    owner=$2
    shift 2
    [ -s "$file" ] || "$@" | give "$file" "$owner"
}

word() {
    random 24 | base64 | tr -d '\n=' | tr '+/' 'AZ'
}

key() {
    random 32 | base64
}

once /secrets/roadstead/secret-key "$roadstead" key
once /secrets/roadstead/admin-password "$roadstead" word
once /secrets/roadstead/database-password "$roadstead" word
once /secrets/postgres/password "$postgres" cat /secrets/roadstead/database-password
once /secrets/roadstead/s3-secret-key "$roadstead" word
once /secrets/s3/secret-key "$s3" cat /secrets/roadstead/s3-secret-key

[ -d /s3-data/roadstead ] || mkdir /s3-data/roadstead
chown "$roadstead" /secrets/roadstead
chown "$postgres" /secrets/postgres
chown "$s3" /secrets/s3 /s3-data /s3-data/roadstead
