#!/bin/sh
# Installs what is missing on this machine: scripts/setup.sh PART...
#
#   postgres  server and client programs, without a cluster of the distribution's own
#   broker    RabbitMQ, without a running broker of the distribution's own (optional: its tests skip without it)
#   pgbouncer the pooler, without a running one of the distribution's own (optional: its tests skip without it)
#   redis     the same of Redis
#   prometheus Prometheus, without a running one of the distribution's own (optional: its tests skip without it)
#   terminal  tmux, in which tests drive the dashboard (optional: they skip without it)
#   race      a C compiler, which Go's race detector needs (optional: tests run without the detector)
#   bench     pgcopydb, which the benchmarks compare with (optional: they skip what lacks it)
#   lint      golangci-lint of the pinned version, at bin/tools
#
# Says nothing and takes no time when all is there.
set -eu
cd "$(dirname "$0")/.."

lint_version=2.15.0

say() { printf 'setup: %s\n' "$*" >&2; }

has() { command -v "$1" >/dev/null 2>&1; }

# root runs a command as root; without a terminal it never asks for a password.
root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif [ -t 0 ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

can_be_root() {
	[ "$(id -u)" = 0 ] || { has sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }
}

# any_program tells whether one of its arguments is a program.
any_program() {
	for program in "$@"; do
		[ -x "$program" ] && return 0
	done
	return 1
}

has_postgres() {
	any_program /usr/lib/postgresql/*/bin/initdb /opt/homebrew/opt/postgresql*/bin/initdb \
		/usr/local/opt/postgresql*/bin/initdb /usr/pgsql-*/bin/initdb || has initdb
}

has_broker() {
	any_program /usr/lib/rabbitmq/bin/rabbitmq-server /opt/homebrew/sbin/rabbitmq-server \
		/usr/local/sbin/rabbitmq-server /opt/rabbitmq/sbin/rabbitmq-server
}

# install PACKAGES BREW_PACKAGES asks the machine's package manager and shows what it said only when it failed.
install() {
	if has apt-get && can_be_root; then
		packages=$1 command=apt_install
	elif has brew; then
		packages=$2 command=brew_install
	else
		return 1
	fi
	say "installing $packages"
	log=$(mktemp)
	status=0
	# shellcheck disable=SC2086 # several packages in one word
	"$command" $packages >"$log" 2>&1 </dev/null || status=$?
	[ "$status" = 0 ] || cat "$log" >&2
	rm -f "$log"
	return "$status"
}

brew_install() { HOMEBREW_NO_AUTO_UPDATE=1 brew install --quiet "$@"; }

# apt_install keeps the packages' services from starting: for as long as it runs, Debian's policy file says so. A policy file
# that is there already is put back.
apt_install() (
	policy=/usr/sbin/policy-rc.d
	kept=$policy.before-tenantctl
	if [ -e "$policy" ] && [ ! -e "$kept" ]; then root cp -p "$policy" "$kept"; fi
	trap 'if [ -e "$kept" ]; then root mv -f "$kept" "$policy"; else root rm -f "$policy"; fi' EXIT
	trap 'exit 130' INT TERM HUP
	printf '#!/bin/sh\nexit 101\n' | root tee "$policy" >/dev/null
	root chmod 755 "$policy"
	apt_get "$@" || { root apt-get update -qq && apt_get "$@"; }
)

apt_get() {
	root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		-o DPkg::Lock::Timeout=300 "$@"
}

# disable keeps services that an installation enabled from starting with the machine.
disable() {
	if has systemctl; then
		root systemctl --quiet disable "$@" 2>/dev/null || true
	fi
}

install_postgres() {
	drop_in=/etc/postgresql-common/createcluster.d/tenantctl.conf
	if has apt-get && can_be_root; then
		root mkdir -p "$(dirname "$drop_in")"
		echo 'create_main_cluster = false' | root tee "$drop_in" >/dev/null
	fi
	status=0
	install "postgresql postgresql-client" "postgresql@17" || status=$?
	if [ -e "$drop_in" ]; then root rm -f "$drop_in"; fi
	[ "$status" = 0 ] && return 0
	say "PostgreSQL's server programs (initdb, postgres) are missing and can't be installed from here: that takes apt-get"
	say "as root or with sudo, or Homebrew. Install them another way and run this again. To use tenantctl itself without them,"
	say "start containers: docker compose -f deploy/compose.yaml up -d --wait"
	return 1
}

install_broker() {
	epmd_was_there=$(command -v epmd || true)
	if install "rabbitmq-server" "rabbitmq"; then
		disable rabbitmq-server.service
		if [ -z "$epmd_was_there" ]; then disable epmd.service epmd.socket; fi
	else
		say "RabbitMQ is missing and can't be installed from here; tests that need it skip."
		say "To use tenantctl itself without it, start containers: docker compose -f deploy/compose.yaml up -d --wait"
	fi
}

install_pgbouncer() {
	if install "pgbouncer" "pgbouncer"; then
		disable pgbouncer.service
	else
		say "PgBouncer is missing and can't be installed from here; tests that need it skip."
	fi
}

install_redis() {
	if install "redis-server" "redis"; then
		disable redis-server.service
	else
		say "Redis is missing and can't be installed from here; tests that need it skip."
	fi
}

install_prometheus() {
	if install "prometheus" "prometheus"; then
		disable prometheus.service
	else
		say "Prometheus is missing and can't be installed from here; tests that need it skip."
	fi
}

install_terminal() {
	install "tmux" "tmux" || say "tmux is missing and can't be installed from here; tests that need it skip."
}

install_race() {
	install "gcc libc6-dev" "gcc" || say "a C compiler is missing and can't be installed from here; tests run without the race detector."
}

install_bench() {
	install "pgcopydb" "pgcopydb" || say "pgcopydb is missing and can't be installed from here; benchmarks that compare with it skip."
}

# lint links bin/tools/golangci-lint to an installed one of the pinned version, or builds it there.
lint() {
	tool=bin/tools/golangci-lint
	is_pinned "$tool" && return 0
	mkdir -p bin/tools
	for installed in "$(command -v golangci-lint || true)" "$(go env GOPATH)/bin/golangci-lint"; do
		if is_pinned "$installed"; then
			ln -sf "$installed" "$tool"
			return 0
		fi
	done
	say "building golangci-lint $lint_version (some minutes, once)"
	rm -f "$tool"
	GOBIN="$PWD/bin/tools" GOFLAGS= go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$lint_version"
}

is_pinned() {
	[ -x "$1" ] && "$1" version 2>/dev/null | grep -q "version v\{0,1\}$lint_version "
}

if ! has go; then
	say "Go is missing: install 1.26 or newer (https://go.dev/dl)"
	exit 1
fi
for part in "$@"; do
	case $part in
	postgres) has_postgres || install_postgres ;;
	broker) has_broker || install_broker ;;
	pgbouncer) has pgbouncer || [ -x /usr/sbin/pgbouncer ] || install_pgbouncer ;;
	redis) has redis-server || install_redis ;;
	prometheus) { has prometheus && has promtool; } || install_prometheus ;;
	terminal) has tmux || install_terminal ;;
	race) has gcc || has cc || install_race ;;
	bench) has pgcopydb || install_bench ;;
	lint) lint ;;
	*)
		say "unknown part: $part"
		exit 3
		;;
	esac
done
