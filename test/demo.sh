#!/usr/bin/env bash
# The main job, on a platform that `make up` has booted: a highly available cluster "demo" with two
# machines, and the application of examples/hello on it. Running it again changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() { say "$@"; "$@"; }
naru() { bin/naru "$@"; }

if ! naru get clusters -o name | grep -q '/demo$'; then
  run naru create cluster demo --version 1.37 --nodes 2 --wait --timeout 10m
fi

# A kubeconfig of the demo's own; yours is not touched.
KUBECONFIG=$(mktemp)
export KUBECONFIG
trap 'rm -f "$KUBECONFIG"' EXIT
naru kubeconfig demo -o - >"$KUBECONFIG"
kubectl() { bin/kubectl "$@"; }

run kubectl get nodes -o wide
run kubectl apply -f examples/hello/hello.yaml
run kubectl rollout status deployment/hello deployment/hello-store --timeout=180s
run kubectl get pods,services,persistentvolumeclaims -o wide
# Through the API server and konnectivity to a pod of the Service.
run kubectl get --raw /api/v1/namespaces/default/services/http:hello:http/proxy/

printf '\nThe application answers. Go on with:\n  bin/naru kubeconfig demo && kubectl get pods\n  bin/naru describe cluster demo\n  bin/naru down\n'
