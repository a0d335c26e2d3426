# Everything a contributor needs; CI calls nothing but these targets.

.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/bash -o pipefail

# How long "make fuzz" tries each fuzz target; try FUZZTIME=10m before a release.
FUZZTIME ?= 10s

# The lab tests start real name servers and mail servers and need root. Only the
# test binaries get it: building stays with the user, and so does Go's cache.
AS_ROOT := $(if $(filter-out 0,$(shell id -u)),-exec 'sudo -E env PATH=$(PATH)')

.PHONY: help build test unit race sim lab fuzz bench lint cover docs packages clean

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build: ## bin/tlsamgr: one static binary, the same bytes from the same commit
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -buildid=' -o bin/tlsamgr ./cmd/tlsamgr

# Fuzzing is not among the tests: what it has found is, as inputs of the fuzz
# targets, and a test that fails by luck tells nothing about a change.
# The lab tests mostly wait for TTLs to pass. What only computes runs beside
# them, on what they leave over.
test: packages ## all that CI runs; installs Debian packages (root or sudo)
	@nice -n 19 $(MAKE) lint race sim build & computing=$$!; \
	$(MAKE) lab; lab=$$?; wait $$computing && exit $$lab

unit: ## the hermetic tests, in seconds
	go test -p 8 -shuffle=on ./... # most of them wait: for time-outs, not for a processor

race: ## the hermetic tests under the race detector
	go test -race -shuffle=on ./...

lab: ## the tests on real servers (root or sudo); "make packages" first
	go test -tags lab -p 1 -timeout 30m $(AS_ROOT) ./...

sim: ## the rollover engine in 3,000 simulated worlds; SEED=N replays one
	go test ./rollover -run '^TestSim$$' $(if $(SEED),-v -seed $(SEED),-seeds 3000)

fuzz: ## each fuzz target for FUZZTIME (10s)
	@set -e; targets=$$(grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed 's|/[^/]*:func |:|' | sort -u); \
	test -n "$$targets" || { echo 'fuzz: no fuzz target found' >&2; exit 1; }; \
	for t in $$targets; do \
		try() { (set -x; go test -run '^Fuzz' -fuzz "^$${t#*:}$$" -fuzztime $(FUZZTIME) "$${t%:*}"); }; \
		try || { echo 'fuzz: once more: Go at times takes the end of FUZZTIME for a failure, and a real one is kept in testdata'; try; }; \
	done

bench: ## our figures beside those of openssl and danetool
	go run ./internal/bench

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l .); \
	test -z "$$unformatted" || { printf 'gofmt would change:\n%s\n' "$$unformatted" >&2; exit 1; }
	go vet ./...
	go vet -tags lab ./...
	go tool -modfile=tools/go.mod staticcheck -tags lab ./...

cover: ## coverage of each package by its own tests
	go test -cover ./...

docs: ## bring the table of docs/standards.md up to date and check every document
	go test -count=1 ./internal/house -update

packages: ## install the Debian packages that "make test" needs
	@.ci/packages ca-certificates gcc libc6-dev procps $$(sed 's/#.*//' internal/lab/packages.txt)

clean: ## remove what the other targets made
	rm -rf bin coverage.out
