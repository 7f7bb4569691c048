// SPDX-License-Identifier: GPL-2.0
/*
 * Linux has the cpuset controller for several processors only, User-mode Linux has one, and the kubelet wants both.
 * All that is missing then is the admission of deadline tasks, which has nothing to decide where there is one CPU.
 */
#include <linux/cpumask.h>
#include <linux/sched.h>
#include <linux/sched/deadline.h>
#include <linux/sched/topology.h>

int task_can_attach(struct task_struct *p)
{
	return p->flags & PF_NO_SETAFFINITY ? -EINVAL : 0;
}

int dl_bw_alloc(int cpu, u64 dl_bw)
{
	return 0;
}

void dl_bw_free(int cpu, u64 dl_bw)
{
}

int cpuset_cpumask_can_shrink(const struct cpumask *cur, const struct cpumask *trial)
{
	return 1;
}
