# CI calls these targets and nothing else: what passes here passes there.
.DEFAULT_GOAL := help

# The build carries Git's commit and version where Git can tell them; an unpacked archive builds, too.
BUILDVCS := $(shell git status --porcelain >/dev/null 2>&1 && echo true || echo false)

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what is missing: PostgreSQL and what tests put beside it, linter (apt-get or Homebrew)
	@scripts/setup.sh postgres broker pgbouncer redis prometheus terminal race lint

.PHONY: build
build: ## Build bin/tenantctl, one static file
	CGO_ENABLED=0 go build -trimpath -buildvcs=$(BUILDVCS) -ldflags "-s -w" -o bin/tenantctl ./cmd/tenantctl

.PHONY: test
test: lint ## Run every test on servers of its own; under 15 minutes on two cores
	@scripts/setup.sh postgres broker pgbouncer redis prometheus terminal race
	scripts/test.sh

.PHONY: race
race: ## Run every test under the race detector
	@scripts/setup.sh postgres broker pgbouncer redis prometheus terminal race
	CGO_ENABLED=1 go test -race -p 2 -timeout 60m ./...

.PHONY: lint
lint: verify ## Check style and the import rules of the rooms
	@scripts/setup.sh lint
	bin/tools/golangci-lint run ./...

.PHONY: bench
bench: build ## Measure against the peers; prints ratios
	@scripts/setup.sh postgres bench
	go test -run '^$$' -bench . -benchtime 1x -timeout 2h ./test/bench/...

.PHONY: soak
soak: ## Run the long random-fault tests
	@scripts/setup.sh postgres broker
	go test -tags soak -run Soak -timeout 12h -v ./...

.PHONY: demo
demo: build ## Show the product on this machine, and check what it shows
	@scripts/setup.sh postgres broker
	go run ./test/demo

.PHONY: demo-live
demo-live: build ## The same, and keep it up, to watch by a dashboard in a second terminal
	@scripts/setup.sh postgres broker
	go run ./test/demo -live

.PHONY: generate
generate: ## Write generated files anew
	go generate ./...

.PHONY: verify
verify: ## Fail where a generated file isn't what its source makes
	@scripts/verify.sh
