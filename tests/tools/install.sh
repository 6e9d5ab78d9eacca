#!/bin/sh
# Installs the clients that the whole-system tests drive: Debian packages for the daemons, Go
# programs in the versions that go.mod pins, the OpenID Connect provider of ../oidc, and what makes
# and tries the client of the API. Quick when nothing is missing.
#   --quick   do only what needs no root
set -eu
cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin:/sbin
# Debian keeps the programs of PostgreSQL apart, by version.
for bin in /usr/lib/postgresql/*/bin; do
    PATH=$PATH:$bin
done

# A command that a test runs, and the package that brings it.
clients='
docker docker.io
dockerd docker.io
containerd containerd
ctr containerd
podman podman
buildah buildah
skopeo skopeo
docker-registry docker-registry
openssl openssl
slapd slapd
ldapmodify ldap-utils
node nodejs
npm npm
python3 python3
haproxy haproxy
initdb postgresql
postgres postgresql
psql postgresql-client
pgbouncer pgbouncer
debootstrap debootstrap
iptables iptables
ip iproute2
curl curl
ceph-mon ceph-mon
ceph-osd ceph-osd
radosgw radosgw
ceph ceph-common
nsenter util-linux
strace strace
mkfs.xfs xfsprogs
xfs_io xfsprogs
mkfs.ext4 e2fsprogs
radosgw-admin ceph-common
monmaptool ceph-base
'

missing_packages() {
    echo "$clients" | while read -r command package; do
        if [ -n "$command" ] && ! command -v "$command" >/dev/null 2>&1; then
            echo "$package"
        fi
    done | sort -u
    # Debian keeps what makes environments of Python apart.
    if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
        echo python3-venv
    fi
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        echo "$*: needs root, and there is no sudo here" >&2
        return 1
    fi
}

# Packages come with services; the tests start daemons of their own, so none is started here.
policy=/usr/sbin/policy-rc.d
forbid_services() {
    if [ ! -e "$policy" ]; then
        trap 'as_root rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
}

install_packages() {
    packages=$(missing_packages)
    if [ -z "$packages" ]; then
        echo "clients: every package is installed"
        return
    fi
    packages=$(echo "$packages" | tr '\n' ' ')
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "clients: install these by hand, this is no Debian: $packages" >&2
        return 1
    fi
    echo "clients: installing $packages"
    forbid_services
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
    # shellcheck disable=SC2086 # one word for each package
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $packages
    # Newer releases of Debian have the command apart from the daemon.
    if ! command -v docker >/dev/null 2>&1; then
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends docker-cli
    fi
}

build_programs() {
    names=$(sed -n '/^tool (/,/^)/s|^[[:space:]].*/||p' go.mod)
    for name in $names; do
        if [ ! -x "bin/$name" ] || [ go.mod -nt "bin/$name" ] || [ go.sum -nt "bin/$name" ]; then
            echo "clients: building $(echo "$names" | tr '\n' ' ')"
            GOBIN=$PWD/bin GOFLAGS=-mod=readonly go install tool
            # Go leaves a program alone that comes out the same; its age is what is looked at.
            for built in $names; do
                touch "bin/$built"
            done
            return
        fi
    done
    echo "clients: every Go program is built"
}

# Programs whose dependencies do not go together with those of the others: they have modules of
# their own, in directories.
build_apart() (
    name=$1
    package=$2
    cd "${3:-$name}"
    if [ -x "../bin/$name" ] && [ ! go.mod -nt "../bin/$name" ] && [ ! go.sum -nt "../bin/$name" ]; then
        echo "clients: $name is built"
    else
        echo "clients: building $name"
        CGO_ENABLED=0 GOFLAGS=-mod=readonly \
            go build -trimpath -ldflags '-s -w' -o "../bin/$name" "$package"
        touch "../bin/$name"
    fi
)

install_provider() (
    cd ../oidc
    if [ node_modules/.package-lock.json -nt package-lock.json ]; then
        echo "clients: the OpenID Connect provider is installed"
    else
        echo "clients: installing the OpenID Connect provider"
        npm ci --ignore-scripts --no-audit --no-fund
    fi
)

install_azurite() (
    cd ../stores
    if [ node_modules/.package-lock.json -nt package-lock.json ]; then
        echo "clients: the emulator of Azure is installed"
    else
        echo "clients: installing the emulator of Azure"
        npm ci --ignore-scripts --no-audit --no-fund
    fi
)

# What generates the client of the API out of its document, and compiles it.
install_web() (
    cd ../../web
    if [ node_modules/.package-lock.json -nt package-lock.json ]; then
        echo "clients: the generator of the typed client is installed"
    else
        echo "clients: installing the generator of the typed client"
        npm ci --ignore-scripts --no-audit --no-fund
    fi
)

# What compares the server with the document of its API.
install_schemathesis() (
    cd ../document
    if cmp -s requirements.txt venv/requirements.txt; then
        echo "clients: schemathesis is installed"
    else
        echo "clients: installing schemathesis"
        rm -rf venv
        python3 -m venv venv
        venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
        cp requirements.txt venv/requirements.txt
    fi
)

# An S3 over a directory.
s3s=0.14.1
build_s3s() {
    if [ -x bin/s3s-fs ] && bin/s3s-fs --version | grep -q "$s3s"; then
        echo "clients: s3s-fs is built"
    else
        echo "clients: building s3s-fs"
        cargo install --locked --quiet --root . s3s-fs --version "$s3s" --features binary
        rm -f .crates.toml .crates2.json
    fi
}

if [ "${1:-}" != --quick ]; then
    install_packages
fi
build_programs
build_apart docker-compose github.com/docker/compose/v2/cmd docker
build_apart buildx github.com/docker/buildx/cmd/buildx docker
build_apart buildkitd github.com/moby/buildkit/cmd/buildkitd docker
build_apart notation github.com/notaryproject/notation/cmd/notation
build_apart modctl github.com/modelpack/modctl
build_apart versitygw github.com/versity/versitygw/cmd/versitygw
build_apart fake-gcs-server github.com/fsouza/fake-gcs-server
build_s3s
install_provider
install_azurite
install_web
install_schemathesis
