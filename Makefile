# The commands of this project. `make run` and `make test` install what they need.

CARGO ?= cargo
ROADSTEAD = target/release/roadstead

.PHONY: help run build test test-quick test-postgres soak check tools crash openapi client schemathesis conformance bench profile

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: ## Build the server and start it with no configuration, data in ./data
	$(CARGO) build --release --locked
	$(ROADSTEAD) serve

build: ## Build the server for release
	$(CARGO) build --release --locked

tools: ## Install the clients that the tests drive (Debian packages as root, Go tools in tests/tools/bin)
	tests/tools/install.sh

check: ## Formatting, lints, documentation, licences and sources of dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deny@0.20.2
	$(CARGO) deny --all-features --locked check bans licenses sources

test: tools check ## Everything: checks, unit tests, and the built binary under real clients
	$(CARGO) build --locked
	$(CARGO) test --workspace --locked --no-fail-fast
	$(ON_POSTGRES)

# The protocol and the API once more, with the rows in PostgreSQL.
POSTGRES = access access_walk artifacts audit browser_session configurations conformance crash groups_and_roles immutability jobservice keys labels later lists personal_tokens projects quota retention robots sessions undelete users warm_pull webhooks
ON_POSTGRES = ROADSTEAD_TEST_DATABASE=postgres ROADSTEAD_TEST_QUICK=1 $(CARGO) test -p roadstead-tests --locked --no-fail-fast $(POSTGRES:%=--test %)

test-postgres: ## The protocol and the API on PostgreSQL, which is started for it
	$(CARGO) build --locked
	$(ON_POSTGRES)

# What kills, cuts and races, at the counts of a night.
SOAK = collection crash fleet power
NIGHT = ROADSTEAD_CRASHES=2000 ROADSTEAD_POWER_CUTS=2000 ROADSTEAD_RACES=1000000 ROADSTEAD_FLEET_PUSHES=2000

soak: tools ## The tests that kill, cut and race, for a night; prints their seeds and counts
	$(CARGO) build --locked
	env $(NIGHT) $(CARGO) test -p roadstead-tests --locked --no-fail-fast $(SOAK:%=--test %) -- --nocapture

# What needs nothing but the binary.
QUICK = access access_walk artifacts attacks audit backup behind_a_proxy browser_session collection configurations conformance crash fsck groups_and_roles holding hostile house immutability jobservice keys labels later lists memory oidc personal_tokens project_rights projects quota retention robots sessions start stopping stores undelete users warm_pull webhooks

test-quick: ## Without clients and root, with fewer crashes and smaller blobs
	$(CARGO) build --locked
	$(CARGO) test --workspace --lib --bins --locked
	ROADSTEAD_TEST_QUICK=1 $(CARGO) test -p roadstead-auth -p roadstead-tests --locked $(QUICK:%=--test %)

openapi: ## Write docs/openapi.json, and the table of Harbor's operations, anew from the routes of the API
	ROADSTEAD_UPDATE=1 $(CARGO) test --locked -q -p roadstead-api --lib in_docs_say

client: openapi ## Write the types of the client in web/ anew from docs/openapi.json
	tests/tools/install.sh --quick
	npm --prefix web run client

# How many random requests each operation gets from each kind of caller, beside those at limits.
EXAMPLES ?= 200

schemathesis: ## Ask the server far more than the gate does for answers that its document does not have
	tests/tools/install.sh --quick
	$(CARGO) build --locked
	ROADSTEAD_FUZZ=$(EXAMPLES) $(CARGO) test -p roadstead-tests --locked --test document -- --nocapture fuzzed

conformance: ## The official OCI conformance suite, which must be obtainable from the Go module proxy
	tests/conformance.sh

# Rows of the table in docs/performance.md, with commas; all of them without.
ROWS ?=
MEASURE = target/release/roadstead-bench

bench: ## Measure Roadstead beside its peers: ROWS=manifest,blob for some rows, QUICK=1 for a short run
	bench/install.sh
	$(CARGO) build --release --locked
	$(CARGO) build --release --locked -p roadstead-bench
	$(MEASURE) run $(if $(ROWS),--rows $(ROWS)) $(if $(QUICK),--quick)

# Stacks are followed by frame pointers, and have names; else it is the release.
PROFILED = target/profiling/roadstead
ROW ?= manifest

profile: ## Draw a flame graph of the server under the load of a row: ROW=blob
	bench/install.sh --profile
	CFLAGS=-fno-omit-frame-pointer RUSTFLAGS="-C force-frame-pointers=yes" \
		$(CARGO) build --profile profiling --locked
	$(CARGO) build --release --locked -p roadstead-bench
	ROADSTEAD_BIN=$(PROFILED) $(MEASURE) profile $(ROW)
