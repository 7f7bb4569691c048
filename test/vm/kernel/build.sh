#!/bin/sh
# Builds User-mode Linux from the kernel's source in the working directory; this script's folder has what is added.
set -eu
here=$1

# The kubelet wants the cpuset controller, which Linux has on several processors only.
sed -i '/^config CPUSETS$/,/help/{/depends on SMP/d}' init/Kconfig
cp "$here/cpuset-up.c" kernel/cgroup/
echo 'obj-$(CONFIG_CPUSETS) += cpuset-up.o' >>kernel/cgroup/Makefile
# It wants to know the processor's speed, too.
sed -i 's/mode\\t\\t: skas\\n/&cpu MHz\\t\\t: 1000.000\\n/' arch/um/kernel/um_arch.c

make ARCH=um defconfig
scripts/kconfig/merge_config.sh -m .config "$here/config"
make ARCH=um olddefconfig
make ARCH=um -j"$(nproc)" linux
