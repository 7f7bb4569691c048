# Naru's commands. `make help` lists them.

# The Debian packages that the build and the tests need, beside Go (the version in go.mod, or newer).
DEBIAN_PACKAGES := ca-certificates gcc iproute2 libc6-dev libseccomp-dev mmdebstrap nftables patch pkg-config
# What the tests run beside them.
CLIENT_PACKAGES := awscli
# What e2e-vm needs beside them: it compiles a kernel and makes a disk.
VM_PACKAGES := bc bison e2fsprogs flex xz-utils

# Tests and builds share compiled packages only where they are compiled alike.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false
export GOTOOLCHAIN := local

NARU := bin/naru
CACHE := $(or $(NARU_CACHE_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/naru)
# The release that `make build` and `make up` build: a Kubernetes minor version.
KUBERNETES ?= 1.37
HOSTS ?= 1

.DEFAULT_GOAL := help
.PHONY: clients gotestsum oracle help deps naru build up down demo test e2e e2e-vm scorecard lint generate verify bench

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install the Debian packages that the build needs (as root), unless they are there
	@dpkg-query -W -f '$${db:Status-Status}\n' $(DEBIAN_PACKAGES) 2>&1 | grep -qv '^installed$$' || exit 0; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-upgrade $(DEBIAN_PACKAGES)

naru: ## build the command itself, bin/naru
	go build -ldflags "-s -w" -o $(NARU) .

# The kubectl that was built with the release stands beside naru: nothing else has to be installed to try a cluster.
build: deps naru ## build the command and what is missing of a release: programs, node OS, images
	$(NARU) release build $(KUBERNETES)
	@for kubectl in $$(ls -td "$(CACHE)"/bin/kubernetes/*/kubectl); do \
	"$$kubectl" version --client | grep -q ' v$(subst .,\.,$(KUBERNETES))\.' && ln -sfn "$$kubectl" bin/kubectl && break; done

up: build ## build what is missing, boot the hosting cluster, install Naru (HOSTS=3: three hosts)
	$(NARU) up --hosts $(HOSTS)

down: naru ## stop everything that `make up` started; data is kept
	$(NARU) down

demo: up ## everything: a cluster "demo" with an application on it
	test/demo.sh

test: build gotestsum ## all tests: unit, against a real API server, end to end, and in a virtual machine (as root)
	bin/gotestsum --format standard-quiet -- -vet=off -timeout 30m ./...
	$(MAKE) e2e
	$(MAKE) e2e-vm RUN=v2

# It runs go test and says again at the end which tests failed, and with what: after 25 minutes of output nobody finds that.
VERBOSELY := bin/gotestsum --format standard-verbose --
gotestsum:
	@cd tools/gotestsum && go build -o $(CURDIR)/bin/gotestsum gotest.tools/gotestsum

# Not cached: the platform under test is no input that go knows of. RUN=app runs one scenario.
e2e: build clients gotestsum ## the end-to-end scenarios on a platform of their own (as root)
	NARU_E2E_CLIENTS="$(CLIENTS)" $(VERBOSELY) -vet=off -tags e2e -count 1 -timeout 60m -run 'TestE2E/$(RUN)' ./test/e2e

# Users' own clients. The tests also take the AWS CLI that the machine has, and leave npm's out where there is no npm.
CLIENTS := $(CACHE)/clients
clients: DEBIAN_PACKAGES += $(CLIENT_PACKAGES)
clients: deps ## fetch AWS's clients, which the tests run: Debian's AWS CLI, and the SDK for JavaScript as test/clients pins it
	@mkdir -p "$(CLIENTS)" && cp test/clients/* "$(CLIENTS)/"
	@! command -v npm > /dev/null || cmp -s test/clients/package-lock.json "$(CLIENTS)/node_modules/installed.json" || { \
	npm ci --prefix "$(CLIENTS)" --no-audit --no-fund --silent && cp test/clients/package-lock.json "$(CLIENTS)/node_modules/installed.json"; }

# RUN=v2 runs one case.
e2e-vm: DEBIAN_PACKAGES += $(VM_PACKAGES)
e2e-vm: build gotestsum ## systemd, cgroup v2 and the loss of power, in a virtual machine (as root)
	$(VERBOSELY) -vet=off -tags vm -count 1 -timeout 90m -run 'TestVM/$(RUN)' ./test/vm

# The reports are replaced once the run has come to its end, so that a broken one leaves the last good ones.
scorecard: up ## evaluate the running platform, row by row; the reports go to docs/scorecard/, the score into README.md
	@mkdir -p docs/scorecard
	$(NARU) evaluate --yes -o json --commit "$$(git describe --always --dirty --exclude '*')" --readme README.md > bin/score.json
	cp bin/score.json docs/scorecard/score.json
	$(NARU) evaluate --from docs/scorecard/score.json -o html > docs/scorecard/score.html
	$(NARU) evaluate --from docs/scorecard/score.json -o html --lang ko > docs/scorecard/score.ko.html
	$(NARU) evaluate --from docs/scorecard/score.json

# Not a part of test: it fetches a program from npm, under the AGPL, and only runs it.
oracle: ## compare decisions on IAM policies with another evaluator (needs node, npm and a network)
	go test -vet=off -tags oracle -count 1 -v -run TestOracle ./internal/iam/policy

# vet is here and not in `make test`: it analyses every dependency, which takes longer than compiling them.
lint: ## go vet, and golangci-lint with the layering rules
	go vet ./... && go vet -tags e2e ./test/e2e && go vet -tags vm ./test/vm
	cd tools/golangci && go build -o $(CURDIR)/bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	bin/golangci-lint run ./...

generate: ## write what is generated: CRDs and deep copies
	go generate ./...

verify: generate ## fail if what is generated, or the formatting, is not up to date
	test -z "$$(gofmt -l $$(git ls-files '*.go'))"
	git diff --exit-code

bench: up ## run the benchmarks on the running platform, each printing its ratio
	for b in create failover scale-up density; do go run "./bench/$$b" || exit 1; done
	GOMAXPROCS=1 go test -vet=off -run - -bench . -benchtime 1x ./bench/eks
