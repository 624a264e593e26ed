# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Sourced by the scripts beside it. A test is a function: status 0 passed, 4
# skipped, else failed.

# hold ARGUMENT...: module/hold, which has by now what it is told to; $pid is its number.
hold()
{
	rm -f /tmp/hold
	module/hold "$@" >/tmp/hold &
	pid=$!
	until grep -qs holding /tmp/hold; do
		kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.1
	done
}

run_tests()
{
	local number=0 failed=0 name status

	echo "KTAP version 1"
	echo "1..$#"
	for name; do
		number=$((number + 1))
		"$name"
		status=$?
		case $status in
		0)	echo "ok $number - $name" ;;
		4)	echo "ok $number - $name # SKIP see above" ;;
		*)	echo "not ok $number - $name"; failed=1; rmmod ditto 2>/dev/null ;;
		esac
	done
	exit "$failed"
}
