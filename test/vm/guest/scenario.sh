#!/usr/bin/env bash
# What happens inside the virtual machine; vm_test.go reads the lines that begin with "naru-vm:". The first boot
# ends by the loss of power, the second one goes on from there. In the environment: STAGE (first or second), CGROUP
# (what /sys/fs/cgroup must be), NARU_SOURCE, NARU_CACHE_DIR and GOVERSION of what was built outside.
set -euo pipefail

say() { printf 'naru-vm: %s\n' "$*"; }
fail() { say "failed: $*"; exit 1; }

# run prints a command, what it printed and how long it took; it is no terminal, for which progress would be drawn.
run() {
  local begin=$SECONDS
  say "$ $*"
  "$@" 2>&1 </dev/null | cat
  say "took $((SECONDS - begin)) s"
}

# await repeats a command until it succeeds, for 5 minutes at most.
await() {
  local end=$((SECONDS + 300))
  until "$@" >/tmp/await 2>&1; do
    ((SECONDS < end)) || { cat /tmp/await; fail "waited in vain for: $*"; }
    sleep 1
  done
  cat /tmp/await
}

# explain shows what there is to understand a failure with.
explain() {
  tail -n 15 /var/lib/naru/daemon.log || true
  for log in containerd kubelet bootstrap; do
    echo "--- $log"
    tail -n 12 "/var/lib/naru/hosts/host-1/data/log/naru/$log.log" || true
  done
  naru status || true
  [[ ! -e /root/vm.kubeconfig ]] || timeout 60 kubectl --kubeconfig /root/vm.kubeconfig get nodes,pods,pvc,events -A || true
}

# footprint prints what the platform could leave on the machine: it must be the same before and after.
footprint() {
  echo "cgroups: $(find /sys/fs/cgroup -maxdepth 2 -name naru | sort | xargs)"
  echo "controllers: $(cat /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true)"
  echo "processes: $(grep -l ':/naru/' /proc/[0-9]*/cgroup 2>/dev/null | xargs)"
  echo "network namespaces: $(lsns -n -t net -o NS | sort | xargs)"
  echo "mounts: $(findmnt -rn -o TARGET | sort | xargs)"
  echo "links: $(ls /sys/class/net | xargs)"
  echo "ports: $(ss -Hltn | awk '{print $4}' | sort | xargs)"
  echo "rules: $(nft list ruleset | wc -l)"
  echo "inotify: $(cat /proc/sys/fs/inotify/max_user_instances /proc/sys/fs/inotify/max_user_watches | xargs)"
}

# isolated runs a command as a unit of its own, which ends with it as a login session does: what it leaves running
# in its cgroup, systemd kills.
isolated() {
  systemd-run --quiet --collect --wait --pipe --unit "naru-$STAGE" --property KillMode=control-group \
    --setenv HOME=/root --setenv PATH="$PATH" --setenv NARU_SOURCE="$NARU_SOURCE" --setenv NARU_CACHE_DIR="$NARU_CACHE_DIR" "$@"
}

# prepare puts what was built outside where it was outside, with writes that stay in here, and stands in for Go, which
# would read ten thousand files through hostfs to find everything up to date.
prepare() {
  local dir upper
  for dir in "$NARU_SOURCE" "$NARU_CACHE_DIR"; do
    upper=/var/tmp/overlay$dir
    mkdir -p "$dir" "$upper/new" "$upper/work"
    mount -t overlay -o "lowerdir=/run/outside$dir,upperdir=$upper/new,workdir=$upper/work" overlay "$dir"
  done
  export PATH="$NARU_SOURCE/bin:$PATH" HOME=/root
  cat >/usr/local/bin/go <<END
#!/bin/sh
case "\$1 \$2" in
  "env GOVERSION") echo "$GOVERSION" ;;
  "build "*) ;;
  *) echo "no Go in here: \$*" >&2; exit 1 ;;
esac
END
  chmod +x /usr/local/bin/go
}

machine() {
  say "kernel $(uname -r), PID 1 $(cat /proc/1/comm), /sys/fs/cgroup $(stat -fc %T /sys/fs/cgroup)"
  [[ $(cat /proc/1/comm) == systemd ]] || fail "PID 1 is not systemd"
  [[ $(stat -fc %T /sys/fs/cgroup) == "$CGROUP" ]] || fail "/sys/fs/cgroup is not $CGROUP"
}

# limited fails unless the limits of pods have reached the kernel.
limited() {
  local file=memory.max where=/sys/fs/cgroup/naru
  [[ $CGROUP == cgroup2fs ]] || { file=memory.limit_in_bytes where=/sys/fs/cgroup/memory/naru; }
  local count
  count=$(find "$where/host-1" -path '*/pod*' -name "$file" -exec cat {} + | grep -cvE '^(max|9223372036854771712)$' || true)
  say "$count cgroups of pods and containers have a memory limit"
  ((count > 3)) || fail "pods have no memory limits"
}

cluster() { kubectl --kubeconfig /root/vm.kubeconfig "$@"; }

first() {
  run isolated naru up
  run naru status
  run naru create cluster vm --control-plane-replicas 1 --nodes 1 --wait
  naru kubeconfig vm -o - >/root/vm.kubeconfig
  run cluster apply -f "$NARU_SOURCE/examples/hello/hello.yaml"
  run cluster wait deployment/hello deployment/hello-store --for condition=Available --timeout 300s
  say "the application: $(await cluster get --raw /api/v1/namespaces/default/services/http:hello:http/proxy/)"
  run naru verify vm
  # systemd works out anew which controllers its units want, and must not take ours away.
  run systemctl daemon-reload
  limited
  run naru status
  run cluster create configmap acknowledged --from-literal content="written before the power was lost"
  say "pull the plug"
  sleep infinity
}

second() {
  local content
  run isolated naru up
  content=$(await cluster get configmap acknowledged -o 'jsonpath={.data.content}')
  say "the object: $content"
  [[ $content == "written before the power was lost" ]] || fail "the object holds: $content"
  run await naru verify vm
  run naru down
  footprint >/tmp/after
  diff /tmp/before /tmp/after || fail "down has left something, see above"
  say "down has left nothing"
  run naru down --purge
  [[ ! -e /var/lib/naru ]] || fail "down --purge has left /var/lib/naru"
  say "passed"
}

trap 'code=$?; ((code == 0)) || { explain; say "ended with $code"; }' EXIT
prepare
machine
footprint >/tmp/before
"$STAGE"
