#!/bin/sh
# Installs the clients that the whole-system tests drive: Debian packages for the daemons, Go
# programs in the versions that go.mod pins, and the OpenID Connect provider of ../oidc. Quick when
# nothing is missing.
#   --quick   do only what needs no root: the Go programs and the provider
set -eu
cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin:/sbin

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
'

missing_packages() {
    echo "$clients" | while read -r command package; do
        if [ -n "$command" ] && ! command -v "$command" >/dev/null 2>&1; then
            echo "$package"
        fi
    done | sort -u
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

install_provider() (
    cd ../oidc
    if [ node_modules/.package-lock.json -nt package-lock.json ]; then
        echo "clients: the OpenID Connect provider is installed"
    else
        echo "clients: installing the OpenID Connect provider"
        npm ci --ignore-scripts --no-audit --no-fund
    fi
)

if [ "${1:-}" != --quick ]; then
    install_packages
fi
build_programs
install_provider
