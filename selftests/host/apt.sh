# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Sourced after cache.sh: packages of another Debian than this machine's, or of another
# architecture. apt reads its sources with lists of its own, below apt/ in the working
# directory, and takes the machine for one where nothing is installed; its configuration stays
# as it is, and says where Debian is to be had from.

# mirror: where this machine has Debian from, as apt's own configuration says.
mirror()
{
	local uri

	uri=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)' \
		'Created-By: Packages' | sed -n 's/^Debian Debian main //p' | head -n 1)
	[ "$uri" ] || die "apt knows no mirror of Debian's main: set its sources, then apt-get update"
	echo "$uri"
}

# apt_setup TYPE SUITE...: from here on apt_get and apt_cache know these, and nothing else;
# of this machine's architecture, and of that which $apt_foreign names.
apt_setup()
{
	local uri foreign=${apt_foreign:-}

	uri=$(mirror)
	mkdir -p apt/lists/partial apt/cache/archives/partial
	: >apt/status
	cat >apt/debian.sources <<-END
		Types: $1
		URIs: $uri
		Suites: ${*:2}
		Components: main
		Architectures: $(dpkg --print-architecture) $foreign
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	END
	apt_options=(-o Dir::Etc::SourceList="$PWD/apt/debian.sources" -o Dir::Etc::SourceParts=-
		-o Dir::State::Lists="$PWD/apt/lists" -o Dir::State::Status="$PWD/apt/status"
		-o Dir::Cache="$PWD/apt/cache" -o APT::Sandbox::User=root
		${foreign:+-o "APT::Architectures::=$foreign"})
}

apt_get()
{
	apt-get -qq "${apt_options[@]}" "$@"
}

apt_cache()
{
	apt-cache "${apt_options[@]}" "$@"
}
