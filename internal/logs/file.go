package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// look is how often a followed file is looked at.
const look = 200 * time.Millisecond

// File copies the end of a log file to w and, when asked to, what is written to it later, also
// after it was rotated.
func File(ctx context.Context, w io.Writer, path string, options Options) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	defer func() { file.Close() }()
	if err := seekTail(file, options.Tail); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	for {
		if _, err := io.Copy(w, file); err != nil {
			return fmt.Errorf("copying %s: %w", path, err)
		}
		if !options.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(look):
		}
		next, err := reopen(file, path)
		if err != nil {
			return err
		}
		file = next
	}
}

// reopen returns the file to read on from: the same one, or the one that has taken its place, after
// the rest of the old one was read.
func reopen(file *os.File, path string) (*os.File, error) {
	next, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return file, nil // between two steps of a rotation
	}
	if err != nil {
		return file, fmt.Errorf("opening the log: %w", err)
	}
	was, err := file.Stat()
	if err != nil {
		next.Close()
		return file, fmt.Errorf("reading %s: %w", path, err)
	}
	is, err := next.Stat()
	if err != nil {
		next.Close()
		return file, fmt.Errorf("reading %s: %w", path, err)
	}
	position, err := file.Seek(0, io.SeekCurrent)
	if err == nil && os.SameFile(was, is) && is.Size() >= position || was.Size() > position {
		next.Close()
		return file, nil
	}
	file.Close()
	return next, nil
}

// seekTail places the file before its last n lines; n below 0 leaves it at its beginning.
func seekTail(file *os.File, n int64) error {
	if n < 0 {
		return nil
	}
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil || n == 0 {
		return err
	}
	const block = 64 << 10
	buffer := make([]byte, block)
	lines := int64(0)
	for end > 0 {
		size := min(block, end)
		end -= size
		if _, err := file.ReadAt(buffer[:size], end); err != nil {
			return err
		}
		for part := buffer[:size]; ; {
			i := bytes.LastIndexByte(part, '\n')
			if i < 0 {
				break
			}
			// The newline that ends the file begins no line.
			if lines++; lines > n {
				_, err := file.Seek(end+int64(i)+1, io.SeekStart)
				return err
			}
			part = part[:i]
		}
	}
	_, err = file.Seek(0, io.SeekStart)
	return err
}
