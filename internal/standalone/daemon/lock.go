package daemon

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"naru.dev/naru/internal/standalone/layout"
)

// Identity tells a process from a later one with the same number.
type Identity struct {
	PID int `json:"pid"`
	// Start is the process's start time in clock ticks after boot (proc(5), stat field 22).
	Start uint64 `json:"start"`
}

// lock takes the state folder for this process. The kernel lets go of it when
// the process ends, however it ends.
func lock(state layout.State) (unlock func(), err error) {
	file, err := os.OpenFile(state.Lock(), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking state folder: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("locking state folder: another daemon runs on %s", state)
	}
	id := Identity{PID: os.Getpid()}
	if id.Start, err = startTime(id.PID); err != nil {
		file.Close()
		return nil, err
	}
	data, err := json.Marshal(id)
	if err == nil {
		err = file.Truncate(0)
	}
	if err == nil {
		_, err = file.WriteAt(data, 0)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("writing lock: %w", err)
	}
	return func() { file.Close() }, nil
}

// Running returns the daemon that holds the state folder, and false when none does.
func Running(state layout.State) (Identity, bool, error) {
	data, err := os.ReadFile(state.Lock())
	if os.IsNotExist(err) {
		return Identity{}, false, nil
	}
	if err != nil {
		return Identity{}, false, fmt.Errorf("reading lock: %w", err)
	}
	var id Identity
	if json.Unmarshal(data, &id) != nil {
		// Torn by a crash: nobody holds it.
		return Identity{}, false, nil //nolint:nilerr // as the line above says
	}
	start, err := startTime(id.PID)
	return id, err == nil && start == id.Start, nil
}

func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading process %d: %w", pid, err)
	}
	return parseStart(string(stat))
}

// parseStart reads field 22 of /proc/<pid>/stat; the second field, the
// program's name in parentheses, may hold anything.
func parseStart(stat string) (uint64, error) {
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	if len(fields) < 20 || fields[0] == "Z" {
		return 0, fmt.Errorf("parsing process state: it has ended")
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parsing process state: %w", err)
	}
	return start, nil
}
