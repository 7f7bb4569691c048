// Package exec runs commands in containers.
package exec

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
)

// Command is one command in a container.
type Command struct {
	// Container may be empty where the pod has one.
	Namespace, Pod, Container string
	Stdin                     string
	// TTY asks for a terminal, on which both outputs are one.
	TTY bool
	Run []string
}

// Do runs a command as `kubectl exec` does, and returns what it printed, then what it complained of; also when it failed.
// The config has no timeout: the context is the command's.
func Do(ctx context.Context, kube kubernetes.Interface, config *rest.Config, c Command) (output string, err error) {
	options := &corev1.PodExecOptions{
		Container: c.Container, Command: c.Run, Stdin: c.Stdin != "", Stdout: true, Stderr: !c.TTY, TTY: c.TTY,
	}
	request := kube.CoreV1().RESTClient().Post().Resource("pods").Namespace(c.Namespace).Name(c.Pod).SubResource("exec").
		VersionedParams(options, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, request.URL().String())
	if err != nil {
		return "", fmt.Errorf("preparing exec: %w", err)
	}
	// One buffer for both would lose what came first: the streams are copied at the same time.
	var printed, complaints bytes.Buffer
	streams := remotecommand.StreamOptions{Stdout: &printed, Tty: c.TTY}
	if !c.TTY {
		streams.Stderr = &complaints
	}
	if c.Stdin != "" {
		streams.Stdin = strings.NewReader(c.Stdin)
	}
	err = executor.StreamWithContext(ctx, streams)
	return printed.String() + complaints.String(), err
}
