# bash, for its /dev/tcp.
SHELL := /bin/bash

export CGO_ENABLED := 0

.PHONY: help
help: ## Show these lines
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.PHONY: build
build: ## Build bin/caddy: Caddy with its standard modules and this plugin
	go build -o bin/caddy ./cmd/caddy

.PHONY: run
run: ports build ## Run the demo shop of Caddyfile.example on http://localhost:8080
	@echo
	@echo "  The demo shop is open. Be a visitor whom a partner sent:  http://localhost:8080/?via=demo"
	@echo "  Then, in a second terminal:  bin/caddy affiliate session list"
	@echo "  Ctrl-C stops it. Its data is in ./data."
	@echo
	@exec bin/caddy run --config Caddyfile.example --adapter caddyfile

# Caddy would share a port with another Caddy without a word, and dies at length on any other program's.
.PHONY: ports
PORTS := 8080 2019
ports:
	@for port in $(PORTS); do \
		if (exec 3<>/dev/tcp/127.0.0.1/$$port) 2>/dev/null; then \
			echo "Port $$port is taken: stop the program that listens there (ss -ltnp names it), then try again." >&2; \
			exit 1; \
		fi; \
	done

.PHONY: test
test: ## Test everything, with a Redis and a PostgreSQL of its own (installs them through apt where missing)
	@test/needs.sh curl
	@cd test && go run ./suite

.PHONY: bench
bench: ## Measure this machine: the packages by themselves, and Caddy with the directive beside Caddy without
	@test/needs.sh wrk
	go test -run '^$$' -bench . -benchmem ./...
	cd test && go test -run '^$$' -bench . -benchtime 1x -timeout 1h ./bench

.PHONY: chaos
chaos: ## Test the faults in their long form, and fuzz: hours
	@test/needs.sh curl
	@cd test && go run ./suite -chaos
