#!/usr/bin/env bash
# The official OCI conformance suite against the built server, with everything enabled. The suite
# exits with 0 when it skips something, so the verdict is read from its results.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v0.0.0-20260716174315-967efdc079b9
module=github.com/opencontainers/distribution-spec/conformance
suite=$PWD/tests/tools/bin/conformance
[ -x "$suite" ] || GOBIN=$PWD/tests/tools/bin go install "$module@$version"

cargo build --locked
work=$(mktemp -d)
export ROADSTEAD_DATA_DIR=$work/data ROADSTEAD_LISTEN=127.0.0.1:${PORT:-5077}
export ROADSTEAD_ADMIN_LISTEN=off ROADSTEAD_ADMIN_PASSWORD=Tests-only-1
export ROADSTEAD_SPARSE_INDEXES=true ROADSTEAD_SPARSE_IMAGES=true
target/debug/roadstead serve >"$work/log" 2>&1 &
server=$!
trap 'kill $server; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    curl --silent --output /dev/null "http://$ROADSTEAD_LISTEN/v2/" && break
    sleep 0.1
done

OCI_REGISTRY=$ROADSTEAD_LISTEN OCI_TLS=disabled OCI_VERSION=dev OCI_DATA_SPARSE=true \
    OCI_REPO1=library/conformance-1 OCI_REPO2=library/conformance-2 \
    OCI_USERNAME=admin OCI_PASSWORD=$ROADSTEAD_ADMIN_PASSWORD OCI_RESULTS_DIR=$work/results \
    "$suite"

results=$work/results/results.yaml
[ -s "$results" ] || { echo "the suite wrote no results" >&2; exit 1; }
verdicts=$(awk '/^[^ ]/ { on = $1 == "apis:" || $1 == "data:" } on && /^ /' "$results")
echo "$verdicts"
if [ -z "$verdicts" ] || grep -qvE '^ +[^:]+:( Pass)?$' <<<"$verdicts"; then
    echo "not everything is Pass" >&2
    exit 1
fi
