# Naru's commands. `make help` lists them.

# The Debian packages that the build needs, beside Go (the version in go.mod, or newer).
DEBIAN_PACKAGES := ca-certificates gcc libc6-dev libseccomp-dev mmdebstrap pkg-config

# Tests and builds share compiled packages only where they are compiled alike.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false
export GOTOOLCHAIN := local

NARU := bin/naru
# The release that `make build` and `make up` build: a Kubernetes minor version.
KUBERNETES ?= 1.37
HOSTS ?= 1

.DEFAULT_GOAL := help
.PHONY: help deps naru build up down demo test lint generate verify bench

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install the Debian packages that the build needs (as root), unless they are there
	@dpkg-query -W -f '$${db:Status-Status}\n' $(DEBIAN_PACKAGES) 2>&1 | grep -qv '^installed$$' || exit 0; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(DEBIAN_PACKAGES)

naru: ## build the command itself, bin/naru
	go build -ldflags "-s -w" -o $(NARU) .

build: deps naru ## build the command and what is missing of a release: programs, node OS, images
	$(NARU) release build $(KUBERNETES)

up: build ## build what is missing, boot the hosting cluster, install Naru (HOSTS=3: three hosts)
	$(NARU) up --hosts $(HOSTS)

down: naru ## stop everything that `make up` started; data is kept
	$(NARU) down

demo: up ## everything: a cluster "demo" with an application on it
	test/demo.sh

test: build ## all tests
	go vet ./...
	go test -timeout 60m ./...

lint: ## golangci-lint with the layering rules
	golangci-lint run ./...

generate: ## write what is generated: CRDs and deep copies
	go generate ./...

verify: generate ## fail if what is generated, or the formatting, is not up to date
	test -z "$$(gofmt -l $$(git ls-files '*.go'))"
	git diff --exit-code

bench: up ## run the benchmarks on the running platform, each printing its ratio
	for b in bench/*/; do go run "./$$b" || exit 1; done
