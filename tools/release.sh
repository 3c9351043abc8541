#!/bin/bash
#
# Make what is released of the current commit, in dist/ of the current directory.  `make dist`, `make deb` and
# `make release` call this.
#
#   tools/release.sh dist VERSION      the source archive, as tar.gz and as the zip that PGXN takes
#   tools/release.sh deb VERSION       Debian packages for the PostgreSQL in use; installs what is missing
#   tools/release.sh release VERSION   both, with their checksums
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

what=$1
version=$2
dist=$PWD/dist
name=crisp_fdw-$version

# What is made of the version is made in here.
stage=$(mktemp -d) || exit 1
trap 'rm -rf "$stage"' EXIT

# The sources, with what names the version in them.  PGXN counts with three numbers.
stage_sources()
{
	local date semver=$version

	[[ $semver =~ ^[0-9]+\.[0-9]+$ ]] && semver=$semver.0
	# A hook of git's names its own repository.
	unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
	# An archive may lie in somebody's repository, and git may refuse to read one of another user's.
	if [ -e "$tree/.git" ]; then
		git -C "$tree" archive --prefix="$name/" HEAD | tar -C "$stage" -xf - || die "git archive failed"
		date=$(git -C "$tree" log -1 --format=%cD)
	else
		mkdir "$stage/$name"
		tar -C "$tree" --exclude=./dist --exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude=.built_for \
			--exclude=./sandbox/crisp-sandbox --exclude=./sandbox/crisp-sandbox.objects \
			--exclude='./crisp_fdw--*.sql' -cf - . | tar -C "$stage/$name" --no-same-owner -xf -
		date=$(date --rfc-email)
	fi
	grep -qsF "default_version = '$version'" "$stage/$name/crisp_fdw.control" ||
		die "version $version isn't that of the commit: commit crisp_fdw.control first"
	sed -e "s/@VERSION@/$version/" -e "s/@SEMVER@/$semver/" "$tree/META.json.in" >"$stage/$name/META.json"
	printf 'crisp-fdw (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- %s  %s\n' "$version" \
		"$(sed -n 's/^Maintainer: //p' "$tree/debian/control.in")" "$date" >"$stage/$name/debian/changelog"
}

make_dist()
{
	tar -C "$stage" --owner=0 --group=0 --sort=name -czf "$dist/$name.tar.gz" "$name" || die "tar failed"
	rm -f "$dist/$name.zip"
	(cd "$stage" && perl -MArchive::Zip -e '
		my $zip = Archive::Zip->new;
		$zip->addTree($ARGV[0], $ARGV[0]);
		exit $zip->writeToFileNamed($ARGV[1])' "$name" "$dist/$name.zip") || die "cannot write $name.zip"
	say "made dist/$name.tar.gz and dist/$name.zip"
}

# Debian's tools build for the versions that they know of; ours is named to them.
make_deb()
{
	local major

	find_pg_config || exit 1
	major=$("$PG_CONFIG" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
	cp -R "$stage/$name" "$stage/build"
	(
		cd "$stage/build" || exit 1
		export PG_SUPPORTED_VERSIONS=$major DEB_BUILD_OPTIONS="nocheck noautodbgsym"
		pg_buildext updatecontrol && dpkg-buildpackage --jobs=auto --build=binary --no-sign --no-check-builddeps
	) >"$stage/deb.log" 2>&1 || {
		tail -n 40 "$stage/deb.log"
		die "the packages could not be built"
	}
	lintian --fail-on error "$stage"/*.changes || die "lintian has found errors"
	cp "$stage"/*.deb "$dist"
	say "made $(cd "$stage" && echo *.deb)"
}

checksums()
{
	# What else lies there was made of another commit.
	# shellcheck disable=SC2046
	(cd "$dist" && sha256sum -- "$name".{tar.gz,zip} $(cd "$stage" && echo *.deb) >SHA256SUMS) || exit 1
	say "made dist/SHA256SUMS"
}

mkdir -p "$dist"
[ "$what" = dist ] || "$tree/tools/setup.sh" deb || exit 1
[ "$what" = deb ] || "$tree/tools/setup.sh" dist || exit 1
stage_sources
case "$what" in
	dist) make_dist ;;
	deb) make_deb ;;
	release)
		make_dist
		make_deb
		checksums
		;;
	*) die "say what to make: dist, deb or release" ;;
esac
