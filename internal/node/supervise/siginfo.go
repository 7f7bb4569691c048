package supervise

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// sigchld is the head of siginfo_t as waitid fills it in on 64-bit Linux:
// three ints, padding, then si_pid (include/uapi/asm-generic/siginfo.h).
// x/sys/unix leaves that part of Siginfo unexported.
type sigchld struct {
	signo, errno, code int32
	_                  int32
	pid                int32
}

func zombiePid(info *unix.Siginfo) int {
	return int((*sigchld)(unsafe.Pointer(info)).pid)
}
