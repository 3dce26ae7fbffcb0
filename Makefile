# What there is to do:
#   make build   the program, bin/photopush
#   make test    everything that CI runs: lint, then all tests with the race detector, real servers included (docs/testing.md)
#   make matrix  the fault matrix in full: a plan with every verb, broken at each call of each effect, on the twin and on the real engine; a quarter of an hour
#   make fuzz    every fuzz target for two seconds, or FUZZTIME each; make test has one second of it
#   make bench   the benchmarks, with the ratios that the design sets bars for
#   make lint    formatting, vet, staticcheck, and whether it builds for Windows
# Everything works with an empty or missing HOME, without a terminal, and as root or not.

SHELL := /bin/bash
IN := scripts/with-home

.PHONY: build test matrix fuzz bench lint deps
.NOTPARALLEL:

build:
	$(IN) go build -trimpath -o bin/photopush ./cmd/photopush

test: deps lint
	$(IN) scripts/with-summary go test -race -count=1 -parallel=8 -timeout=40m ./...
	$(IN) scripts/with-summary scripts/masterzen go test -race -count=1 -timeout=10m ./...
	FUZZTIME=$${FUZZTIME:-1s} $(IN) scripts/fuzz

matrix: deps
	PHOTOPUSH_MATRIX=full $(IN) scripts/with-summary go test -count=1 -timeout=4h -run='Matrix|Golden|Plan|Fault' ./accountpicture ./internal/simwin

fuzz:
	$(IN) scripts/fuzz

bench:
	$(IN) scripts/with-summary scripts/bench

lint:
	$(IN) scripts/lint

# the Debian packages that the tests start servers from
deps:
	scripts/test-deps
