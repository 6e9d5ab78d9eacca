#!/bin/sh
# Installs what the measurements run beside Roadstead: nginx, wrk and docker-registry as Debian
# packages, distribution 3.1 in the version that peers/go.mod pins. Quick when nothing is missing.
#   --profile   with what draws flame graphs as well: perf, and inferno into target/tools
set -eu
cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin:/sbin

# A command, and the package that brings it.
commands='
nginx nginx-light
wrk wrk
docker-registry docker-registry
openssl openssl
'
if [ "${1:-}" = --profile ]; then
    commands="$commands
perf linux-perf
"
fi

missing_packages() {
    echo "$commands" | while read -r command package; do
        if [ -n "$command" ] && ! command -v "$command" >/dev/null 2>&1; then
            echo "$package"
        fi
    done
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

# Packages come with services; the measurements start servers of their own.
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
    packages=$(missing_packages | tr '\n' ' ')
    if [ -z "$packages" ]; then
        echo "bench: every package is installed"
        return
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "bench: install these by hand, this is no Debian: $packages" >&2
        return 1
    fi
    echo "bench: installing $packages"
    forbid_services
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
    # shellcheck disable=SC2086 # one word for each package
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $packages
}

build_distribution() (
    cd peers
    if [ -x bin/registry ] && [ ! go.mod -nt bin/registry ] && [ ! go.sum -nt bin/registry ]; then
        echo "bench: distribution is built"
    else
        echo "bench: building distribution"
        # Without a build tag or a linker flag of its own: as `go install` makes it.
        CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -ldflags '-s -w' \
            -o bin/registry github.com/distribution/distribution/v3/cmd/registry
        touch bin/registry
    fi
)

inferno=0.12.8
install_inferno() {
    tools=../target/tools
    if grep -qs "\"inferno $inferno " "$tools/.crates.toml"; then
        echo "bench: inferno is built"
    else
        echo "bench: building inferno"
        cargo install --locked --quiet --root "$tools" inferno --version "$inferno"
    fi
}

install_packages
build_distribution
if [ "${1:-}" = --profile ]; then
    install_inferno
fi
