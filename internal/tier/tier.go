// Package tier says what each size of a control plane is: what its processes may use, how much the API takes at once, and
// how large its database may become. It is pure, and shared by those who are asked for a tier and those who make it.
package tier

import (
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"
)

// The tiers, by the names that EKS has for them.
const (
	Standard = "standard"
	XL       = "tier-xl"
	XL2      = "tier-2xl"
	XL4      = "tier-4xl"
	XL8      = "tier-8xl"
)

const (
	gibibyte = 1 << 30
	mebibyte = 1 << 20
	// databaseGB is how large the database of a provisioned control plane may become.
	databaseGB = 16
	// callsPerPod is what the scheduler asks of the API for each pod: its binding, and an event that tells of it.
	callsPerPod = 2
)

// Tier is one size of a control plane. What a provisioned one promises is as EKS documents it for Kubernetes 1.30 and newer:
// https://docs.aws.amazon.com/eks/latest/userguide/eks-provisioned-control-plane.html
type Tier struct {
	Name string
	// Seats is how many requests the API servers take at once, all together, with one of them gone; 0: Kubernetes' own 600 for each
	// server.
	Seats int32
	// PodsPerSecond is how many pods the scheduler may place in a second, as far as the API is asked for it.
	PodsPerSecond int32
	// DatabaseGB is the database's greatest size in GB.
	DatabaseGB int32
	// QPS and Burst bound what the scheduler and the controller manager each ask of the API in a second.
	QPS, Burst int32

	APIServer, Etcd, ControllerManager, Scheduler Process
}

// Process is what a process may use: requests, which are set aside for it, and limits.
type Process struct {
	// milliCPU and bytes are requests; the others are limits, goMemory Go's own.
	milliCPU, bytes, milliCPULimit, bytesLimit, goMemory int64
}

// All are the tiers from the smallest. What a provisioned one has set aside for it, and its limits, are those of standard
// times 2, 4, 8 and 16.
func All() []Tier {
	return []Tier{standard(), provisioned(XL, 2, 1700, 167), provisioned(XL2, 4, 3400, 283), provisioned(XL4, 8, 6800, 400), provisioned(XL8, 16, 13600, 400)}
}

// Of is the tier of that name; standard where the name is empty. ok is false where there is none of that name.
func Of(name string) (t Tier, ok bool) {
	for _, t := range All() {
		if t.Name == name || t.Name == Standard && name == "" {
			return t, true
		}
	}
	return standard(), false
}

// Provisioned tells whether a name is that of a tier above standard.
func Provisioned(name string) bool { return name != "" && name != Standard }

func standard() Tier {
	return Tier{
		Name: Standard, DatabaseGB: 2, QPS: 100, Burst: 200,
		APIServer:         process(50, 256, 4, 1536, 1200),
		Etcd:              process(25, 80, 4, 512, 400),
		ControllerManager: process(20, 64, 2, 384, 300),
		Scheduler:         process(10, 48, 2, 256, 200),
	}
}

func provisioned(name string, times int64, seats, pods int32) Tier {
	t := standard()
	return Tier{
		Name: name, Seats: seats, PodsPerSecond: pods, DatabaseGB: databaseGB, QPS: callsPerPod * pods, Burst: 2 * callsPerPod * pods,
		APIServer: t.APIServer.times(times), Etcd: t.Etcd.times(times),
		ControllerManager: t.ControllerManager.times(times), Scheduler: t.Scheduler.times(times),
	}
}

func process(milliCPU, mebibytes, cpuLimit, mebibytesLimit, goMebibytes int64) Process {
	return Process{milliCPU, mebibytes * mebibyte, cpuLimit * 1000, mebibytesLimit * mebibyte, goMebibytes}
}

func (p Process) times(n int64) Process {
	return Process{p.milliCPU * n, p.bytes * n, p.milliCPULimit * n, p.bytesLimit * n, p.goMemory * n}
}

// CPU is the processor time that is set aside, as manifests write it.
func (p Process) CPU() string { return milli(p.milliCPU) }

// Memory is the memory that is set aside, as manifests write it.
func (p Process) Memory() string { return binary(p.bytes) }

// CPULimit is the processor time that can't be exceeded, as manifests write it.
func (p Process) CPULimit() string { return milli(p.milliCPULimit) }

// MemoryLimit is the memory that can't be exceeded, as manifests write it.
func (p Process) MemoryLimit() string { return binary(p.bytesLimit) }

// GoMemory is from where on Go's collector works harder, below MemoryLimit.
func (p Process) GoMemory() string { return strconv.FormatInt(p.goMemory, 10) + "MiB" }

func milli(n int64) string  { return resource.NewMilliQuantity(n, resource.DecimalSI).String() }
func binary(n int64) string { return resource.NewQuantity(n, resource.BinarySI).String() }

// Quota is what etcd is told: it takes no more than that.
func (t Tier) Quota() int64 { return int64(t.DatabaseGB) * gibibyte }

// Inflight is how many requests that read, and that change something, one of several API servers takes at once, two to one as in
// Kubernetes' defaults; 0: those. One server more than it takes is there to be lost.
func (t Tier) Inflight(servers int32) (reading, changing int32) {
	each := t.Seats / max(servers-1, 1)
	return each - each/3, each / 3
}
