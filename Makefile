# `make demo` shows the whole on a real Odoo, `make check` is everything that CI runs. Both install what they need.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sicantik-sidecar
DENY := $(CACHE)/tools/bin/cargo-deny
SERVER := tests/odoo/server
ADDONS := odoo_addon/standalone/sicantik_connector odoo_addon/sicantik_sidecar
TARGET := $(or $(CARGO_TARGET_DIR),target)
export SIDECAR_BIN := $(abspath $(TARGET))/release/sicantik-sidecar

PYLINT_ODOO := --load-plugins=pylint_odoo --disable=all --enable=odoolint --score=no \
	--manifest-version-format='\d+\.\d+\.\d+$$' --valid-odoo-versions=18.0 \
	--disable=manifest-required-author

.NOTPARALLEL:
.PHONY: help check check-rust check-crates check-addon check-e2e demo demo-stop bench build test fmt

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

check: check-rust check-crates check-addon check-e2e ## everything that CI runs

check-rust: ## format, lints and tests of the Rust crate
	tests/bootstrap rust
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked

check-crates: ## licences, sources and known vulnerabilities of the crates used
	tests/bootstrap deny
	$(DENY) --locked check --hide-inclusion-graph bans licenses sources
	tests/advisories $(DENY)

check-addon: ## lints of the addons, and their own tests in a real Odoo, on each module that the bridge may stand on
	tests/bootstrap odoo browser
	$(SERVER) python -m pylint $(PYLINT_ODOO) $(ADDONS)
	$(SERVER) test --base all

check-e2e: build ## the sidecar, a SICANTIK simulator, a real Odoo and a browser together
	tests/bootstrap odoo browser
	$(SERVER) up >/dev/null
	$(SERVER) python -m pytest tests/odoo; code=$$?; \
		if [ $$code -ne 0 ]; then $(SERVER) logs; fi; $(SERVER) down; exit $$code

demo: build ## date 500 permits in a real Odoo and leave it open to look at
	tests/bootstrap odoo
	tests/odoo/demo

demo-stop: ## end the demonstration
	tests/odoo/demo --stop

bench: build ## measure, and print the table
	tests/bootstrap odoo
	tests/bench/run

build: ## the program, optimised
	tests/bootstrap rust
	cargo build --locked --release

test: ## the tests of the Rust crate alone
	tests/bootstrap rust
	cargo test --locked

fmt: ## format the Rust sources
	cargo fmt
