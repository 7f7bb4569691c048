#!/bin/sh
# Pins a Kubernetes patch release as a component: components/new-kubernetes.sh 1.37.1
# `naru release list` shows it then, and `naru release build` builds it.
#
# k8s.io/kubernetes replaces its staging modules by folders of its own repository, and
# a dependency's replace lines are ignored when it is required; so the module written
# here says the same with published versions (k8s.io/api v0.37.1 for 1.37.1).
set -eu
version=${1:?usage: $0 MAJOR.MINOR.PATCH}
minor=${version%.*}
cd "$(dirname "$0")"
dir=kubernetes-$minor
mkdir -p "$dir/kubernetes" "$dir/kubeadm" "$dir/kubectl"
upstream=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
{
	echo "module naru.dev/components/kubernetes-$minor"
	sed -n '/^go /,/^replace (/p' "$upstream/go.mod" | sed '$d' | sed "s/\(k8s\.io\/[a-z-]*\) v0\.0\.0$/\1 v0.${version#1.}/"
	echo "require k8s.io/kubernetes v$version"
	echo
	echo "replace ("
	sed -n 's/^\t\(k8s\.io\/[a-z-]*\) => .*/\1/p' "$upstream/go.mod" |
		while read -r module; do printf '\t%s => %s v0.%s\n' "$module" "$module" "${version#1.}"; done
	echo ")"
} >"$dir/go.mod"
cp "$upstream/go.sum" "$dir/go.sum"
chmod u+w "$dir/go.sum"
for program in kubernetes kubeadm kubectl; do
	[ -f "$dir/$program/main.go" ] || cp "kubernetes-1.37/$program/main.go" "$dir/$program/main.go"
done
# Completes go.sum: the build itself may not write to it.
cd "$dir" && go mod edit -fmt && CGO_ENABLED=0 GOFLAGS= go list -mod=mod -deps ./... >/dev/null
