#!/bin/bash
# The control plane as bare processes. `naru node`, PID 1 here, runs containerd beside it, and the
# kubelet as soon as its kubeconfig is there.
set -euo pipefail
cd /floor

etcd --data-dir=/var/lib/etcd --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
  --listen-peer-urls=http://127.0.0.1:2380 --initial-advertise-peer-urls=http://127.0.0.1:2380 \
  --initial-cluster=default=http://127.0.0.1:2380 >log/etcd 2>&1 &

kube-apiserver --etcd-servers=http://127.0.0.1:2379 --advertise-address="$1" --secure-port=6443 --cert-dir=/floor/certs \
  --token-auth-file=/floor/tokens.csv --client-ca-file=/floor/ca.crt --authorization-mode=Node,RBAC --service-cluster-ip-range=10.96.0.0/16 \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=/floor/sa.key \
  --service-account-signing-key-file=/floor/sa.key >log/kube-apiserver 2>&1 &

kube-controller-manager --kubeconfig=/floor/admin.kubeconfig --leader-elect=false \
  --service-account-private-key-file=/floor/sa.key >log/kube-controller-manager 2>&1 &
kube-scheduler --kubeconfig=/floor/admin.kubeconfig --leader-elect=false >log/kube-scheduler 2>&1 &

ctr --namespace k8s.io images import /floor/pause.tar >log/import 2>&1

# A kubelet that starts before the API server listens backs off for seconds, which is no floor.
until (exec 3<>/dev/tcp/127.0.0.1/6443) 2>/dev/null; do sleep 0.05; done
cp /floor/kubelet.kubeconfig /etc/kubernetes/kubelet.conf
wait
