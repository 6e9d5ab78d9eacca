# The commands of this project. `make run` and `make test` install what they need.

CARGO ?= cargo
ROADSTEAD = target/release/roadstead

.PHONY: help run build test test-quick check tools crash openapi conformance

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

# What needs nothing but the binary.
QUICK = access access_walk attacks audit browser_session configurations conformance crash groups_and_roles holding hostile house immutability keys memory oidc personal_tokens project_rights projects quota robots sessions start users

test-quick: ## Without clients and root, with fewer crashes and smaller blobs
	$(CARGO) build --locked
	$(CARGO) test --workspace --lib --bins --locked
	ROADSTEAD_TEST_QUICK=1 $(CARGO) test -p roadstead-auth -p roadstead-tests --locked $(QUICK:%=--test %)

openapi: ## Write docs/openapi.json anew from the routes of the API
	ROADSTEAD_UPDATE=1 $(CARGO) test --locked -q -p roadstead-api --lib the_document_in_docs

conformance: ## The official OCI conformance suite, which must be obtainable from the Go module proxy
	tests/conformance.sh
