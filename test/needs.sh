#!/bin/sh
# Installs what the tests need beside Go, make and git, where it is missing: a C compiler for the race detector, the servers
# that the tests start for themselves, node for the platforms' own JavaScript, and the programs that are given as arguments.
set -eu

missing=
command -v gcc >/dev/null || missing="$missing gcc"
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v node >/dev/null || missing="$missing nodejs"
for program; do
	command -v "$program" >/dev/null || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

sudo=
if ! command -v apt-get >/dev/null; then
	echo "the tests need these, please install them:$missing" >&2
	exit 1
elif [ "$(id -u)" != 0 ]; then
	sudo=sudo
	if ! command -v sudo >/dev/null; then
		echo "the tests need this, run as root: apt-get install$missing" >&2
		exit 1
	fi
fi
echo "Installing$missing"
$sudo apt-get update -q
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
