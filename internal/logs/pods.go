// Package logs copies logs: of pods of the hosting cluster, and of files that the daemon keeps.
package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
)

// Options say how much is copied.
type Options struct {
	// Follow goes on until the context ends.
	Follow bool
	// Tail is how many lines of the past are copied; below 0: all.
	Tail int64
	// Wanted chooses lines, of those that Tail leaves; nil: all of them.
	Wanted func(line string) bool
}

// auditEvent is how a line of an API server's log begins that is an event of its audit log.
const auditEvent = `{"kind":"Event","apiVersion":"audit.k8s.io/`

// Audit chooses the lines that are events of an audit log.
func Audit(line string) bool { return strings.HasPrefix(line, auditEvent) }

// NotAudit chooses all others.
func NotAudit(line string) bool { return !Audit(line) }

// BeginsWith chooses the lines that begin with a text.
func BeginsWith(text string) func(string) bool {
	return func(line string) bool { return strings.HasPrefix(line, text) }
}

// Pods copies the logs of every container of the pods to w, line by line; with more than one
// container each line begins with pod and container. A container that can't be read does not keep
// the others from being read; its error is returned in the end.
func Pods(ctx context.Context, clients kubernetes.Interface, w io.Writer, pods []corev1.Pod, options Options) error {
	type source struct{ namespace, pod, container string }
	var sources []source
	for _, pod := range pods {
		for _, container := range pod.Spec.Containers {
			sources = append(sources, source{pod.Namespace, pod.Name, container.Name})
		}
	}
	out := &lineWriter{w: w, wanted: options.Wanted}
	errs := make([]error, len(sources))
	var group sync.WaitGroup
	for i, s := range sources {
		prefix := ""
		if len(sources) > 1 {
			prefix = fmt.Sprintf("[%s/%s] ", s.pod, s.container)
		}
		group.Go(func() {
			stream, err := clients.CoreV1().Pods(s.namespace).GetLogs(s.pod, podOptions(s.container, options)).Stream(ctx)
			if err != nil {
				errs[i] = fmt.Errorf("reading the log of %s/%s: %w", s.pod, s.container, err)
				return
			}
			defer stream.Close()
			if err := out.copy(prefix, stream); err != nil && ctx.Err() == nil {
				errs[i] = fmt.Errorf("reading the log of %s/%s: %w", s.pod, s.container, err)
			}
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(errs...)
}

func podOptions(container string, options Options) *corev1.PodLogOptions {
	result := &corev1.PodLogOptions{Container: container, Follow: options.Follow}
	if options.Tail >= 0 {
		result.TailLines = &options.Tail
	}
	return result
}

// lineWriter writes whole lines of several sources.
type lineWriter struct {
	mu     sync.Mutex
	w      io.Writer
	wanted func(line string) bool
}

func (l *lineWriter) copy(prefix string, from io.Reader) error {
	reader := bufio.NewReader(from)
	for {
		line, err := reader.ReadString('\n')
		if line != "" && (l.wanted == nil || l.wanted(line)) {
			if err := l.write(prefix + line); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (l *lineWriter) write(line string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := io.WriteString(l.w, line)
	return err
}
