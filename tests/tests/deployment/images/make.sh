#!/bin/sh
# Makes images of the names in docker-compose.yml where none can be pulled: from packages of
# Debian, the store of tests/tools/bin, and a Roadstead that was built here. What takes long, a
# root file system with the packages, stays in the cache.
#   make.sh CACHE ROADSTEAD
set -eu

cache=${1:?usage: make.sh CACHE ROADSTEAD}
roadstead=${2:?usage: make.sh CACHE ROADSTEAD}
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../../.." && pwd)
packages=ca-certificates,haproxy,postgresql,wget
base=$cache/bookworm-$(echo "$packages" | cksum | cut -d' ' -f1).tar.gz

if [ ! -s "$base" ]; then
    mkdir -p "$cache"
    root=$(mktemp -d "$cache/root-XXXXXX")
    trap 'rm -rf "$root"' EXIT
    trap 'exit 1' HUP INT TERM
    debootstrap --variant=minbase --include="$packages" bookworm "$root" >"$cache/log" 2>&1 || {
        tail -n 5 "$cache/log" >&2
        exit 1
    }
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc \
        "$root"/usr/share/locale "$root"/var/lib/postgresql/15
    tar -C "$root" -czf "$base.new" --exclude=./dev --exclude=./proc --exclude=./sys .
    mv "$base.new" "$base"
fi
docker import "$base" roadstead-test/debian >/dev/null

context=$(mktemp -d "$cache/context-XXXXXX")
trap 'rm -rf "$context" ${root:+"$root"}' EXIT
cp "$here"/*.Dockerfile "$here/postgres.sh" "$top/tests/tools/bin/versitygw" "$context"

# The names are those of the compose file.
name() {
    sed -n "s|^ *image: \${$1:-\(.*\)}\$|\1|p" "$top/docker-compose.yml" | head -n 1
}
docker build -q -t "$(name POSTGRES_IMAGE)" -f "$context/postgres.Dockerfile" "$context"
docker build -q -t "$(name HAPROXY_IMAGE)" -f "$context/haproxy.Dockerfile" "$context"
docker build -q -t "$(name S3_IMAGE)" -f "$context/versitygw.Dockerfile" "$context"

# As the Dockerfile at the top says.
cp "$top/Dockerfile" "$context/Dockerfile"
"$top/deploy/image/rootfs.sh" "$roadstead" "$context/target/image"
docker build -q -t "$(name ROADSTEAD_IMAGE)" --target runtime-local "$context"
