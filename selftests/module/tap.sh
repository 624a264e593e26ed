# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Sourced by the scripts beside it. A test is a function: status 0 passed, 4
# skipped, else failed.

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
