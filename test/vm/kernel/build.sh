#!/bin/sh
# build.sh OUT compiles User-mode Linux into the file OUT, in the working directory, from the newest kernel source that
# Debian has: bookworm's own is too old to run several processors.
set -eu
out=$1
recipe=$(cd "$(dirname "$0")" && pwd)
suite=trixie-backports

# The packages of another suite, from where this machine has its packages, without a change to what apt knows.
repository=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | head -n 1)
mkdir -p apt/lists/partial apt/archives/partial
echo "deb $repository $suite main" >apt/sources.list
apt() {
  apt-get -qq -o Dir::Etc::SourceList="$PWD/apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$PWD/apt/lists" \
    -o Dir::Cache="$PWD/apt" -o APT::Sandbox::User=root "$@"
}
apt update
package=$(apt install --simulate --no-install-recommends linux-source | sed -n 's/^Inst \(linux-source-[0-9.]*\) .*/\1/p')
apt download "$package"
dpkg-deb -x "$package"_*.deb package
tar --strip-components=1 -xJf "package/usr/src/$package.tar.xz"

patch -p1 <"$recipe/host-cpu.patch"
KCONFIG_ALLCONFIG="$recipe/config" make ARCH=um allnoconfig
for option in $(sed -n 's/^\(CONFIG_.*=y\)$/\1/p' "$recipe/config"); do
  grep -qx "$option" .config || { echo "$package does not take $option" >&2; exit 1; }
done
make ARCH=um -j"$(nproc)" linux
mv linux "$out"
