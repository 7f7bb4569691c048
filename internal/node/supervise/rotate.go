package supervise

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Log is a size-bounded log file: path, path.1 … path.<keep>. It is safe for
// concurrent use.
type Log struct {
	path  string
	limit int64
	keep  int

	mu   sync.Mutex
	file *os.File
	size int64
}

// OpenLog appends to path, which together with its kept predecessors never
// takes much more than limit×(keep+1) bytes.
func OpenLog(path string, limit int64, keep int) (*Log, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making log folder: %w", err)
	}
	l := &Log{path: path, limit: limit, keep: keep}
	return l, l.open()
}

func (l *Log) open() error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("opening log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("reading log size: %w", err)
	}
	l.file, l.size = file, info.Size()
	return nil
}

// Write appends p whole to one file, so that no line is torn by a rotation
// that falls between two writes.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(p)) > l.limit {
		if err := l.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

func (l *Log) rotate() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("closing log: %w", err)
	}
	for i := l.keep; i >= 1; i-- {
		older := fmt.Sprintf("%s.%d", l.path, i)
		newer := l.path
		if i > 1 {
			newer = fmt.Sprintf("%s.%d", l.path, i-1)
		}
		if err := os.Rename(newer, older); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("rotating log: %w", err)
		}
	}
	return l.open()
}

// Close closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
