SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo run test bench chaos lint image clean _setup _setup-bench _setup-test _build _build-agent _build-tests _image _lint

PROFILE ?= dev
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET_DIR)/$(if $(filter dev test,$(PROFILE)),debug,$(PROFILE))
# --examples makes cargo choose the features of dependencies as it does for tests, so that demo, run, image and test share
# one build and one agent.
BUILD := cargo build --locked --workspace --profile $(PROFILE) --examples
export FF_VM_IMAGE ?= ff-vm:latest

step = @. scripts/lib.sh && timed

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "PROFILE=release builds optimised; KEEP=1 leaves the demo running; DOCKER_HOST chooses another engine."
	@echo "CHAOS=... is for ff-chaos: --seed N, --suite server|sessions|terminals|handoff|moves, --moves N, --as-processes, --cut SECONDS, --schedules N, --rounds N, --only POINT."
	@echo "BENCH=... is for ff-bench: --quick, --only NAME, --samples N, --json FILE."

demo: _setup _build _image ## show the whole chain on real Docker with the real CLI, each step checked
	@$(BIN)/ff-demo

run: _setup _build _image ## start the server on http://localhost:3000 for development
	@$(BIN)/ff-cloud serve --dev --image "$(FF_VM_IMAGE)"

test: _setup-test _lint _build-tests _image ## check format and lints, run every test
	@cargo nextest run --workspace --locked --cargo-profile $(PROFILE)

bench: export FF_VM_IMAGE := ff-vm:bench
bench: _setup-bench ## measure beside bare containers with an optimised build
	@$(MAKE) --no-print-directory PROFILE=release _build _image
	@$(TARGET_DIR)/release/ff-bench $(BENCH)

chaos: _setup _build _image ## kill server, agents and CLIs wherever it may hurt, break what is under them
	@$(BIN)/ff-chaos $(CHAOS)

lint: ## check format and lints
	@scripts/setup.sh lint
	@$(MAKE) --no-print-directory _lint

image: _setup _build-agent _image ## build the VM image and print its size

clean: ## remove containers, homes, networks and images of this project, .cache and target
	@scripts/clean.sh

_setup:
	@scripts/setup.sh docker

_setup-bench:
	@scripts/setup.sh docker bench

_setup-test:
	@scripts/setup.sh docker lint nextest gh postgres tmux capture

_lint:
	$(step) "format" cargo fmt --all --check
	$(step) "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings

_build:
	$(step) "build" $(BUILD) --bins

_build-agent:
	$(step) "build ff-agent" $(BUILD) --bin ff-agent

_build-tests:
	$(step) "build with tests" $(BUILD) --bins --tests

_image:
	@scripts/vm-image.sh $(BIN)/ff-agent
