# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Sourced by the scripts beside it: where costly things are kept between runs,
# and how each of them is made exactly once although several runs may want it
# at the same time. An entry is a directory; it appears under its final name
# only when it is complete.

CACHE=${DITTO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ditto}
mkdir -p "$CACHE" || exit 1

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

say()
{
	echo "# $*" >&2
}

# cached NAME FUNCTION: print the path of entry NAME, having FUNCTION fill a
# fresh directory (its working directory) if the entry is not there yet.
cached()
{
	local entry=$CACHE/$1 make=$2 status

	if [ ! -d "$entry" ]; then
		exec {lock}>"$entry.lock"
		flock "$lock"
		if [ ! -d "$entry" ]; then
			rm -rf "$entry.new"
			mkdir -p "$entry.new"
			# Not "( ) || die": bash ignores set -e in there.
			set +e
			(set -e; cd "$entry.new"; "$make" >&2) {lock}>&-
			status=$?
			set -e
			[ $status = 0 ] || die "could not make $entry"
			mv "$entry.new" "$entry"
		fi
		exec {lock}>&-
	fi
	echo "$entry"
}

# download PACKAGE: fetch a Debian package into the working directory.
download()
{
	say "downloading $1"
	apt-get -qq -o APT::Sandbox::User=root download "$1"
}

# names REGEX: names of the packages apt knows that match, oldest first.
names()
{
	apt-cache pkgnames | grep -E "^($1)\$" | sort -V
}
