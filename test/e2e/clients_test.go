//go:build e2e

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/test/naru"
)

const (
	// clientsVariable names the folder of AWS's clients, which `make clients` fills.
	clientsVariable = "NARU_E2E_CLIENTS"
	nodeCluster     = "by-node"
)

// testClients lets AWS's own clients of today do what their users do: what is printed for the AWS CLI, and a cluster's life by
// the SDK for JavaScript. Both at a time, because the AWS CLI looks every 30 s whether what it waits for is there.
func testClients(t *testing.T, w *world) {
	folder := os.Getenv(clientsVariable)
	if folder == "" {
		t.Fatalf("%s does not say where AWS's clients are: run it as make e2e RUN=clients", clientsVariable)
	}
	w.small(t)
	t.Run("what is printed for the AWS CLI is true", func(t *testing.T) {
		t.Parallel()
		commands, err := consoleCommands("../../examples/aws-cli.md")
		if err != nil {
			t.Fatal(err)
		}
		follow(t, commands)
	})
	t.Run("Debian's AWS CLI, which is told the address in each call", func(t *testing.T) {
		t.Parallel()
		testDebianCLI(t, newAWS(t))
	})
	t.Run("the SDK for JavaScript leads a cluster through its life", func(t *testing.T) {
		t.Parallel()
		if _, err := exec.LookPath("node"); err != nil {
			t.Skip("this machine has no node: its part is not tried")
		}
		a := newAWS(t)
		bundle := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(bundle, a.signer.CA, 0o600); err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), "node", filepath.Join(folder, "eks.mjs"), nodeCluster, a.role(t))
		command.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+bundle, "AWS_ENDPOINT_URL="+serverURL(), "AWS_REGION="+awsRegion,
			"AWS_ACCESS_KEY_ID="+a.signer.Key.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+a.signer.Key.Secret)
		if _, err := naru.Run(command); err != nil {
			t.Fatal(err)
		}
	})
}

// debianCLI is where Debian's package awscli puts it.
const debianCLI = "/usr/bin/aws"

// testDebianCLI asks with the version that Debian 12 has, 2.9.19: it does not read AWS_ENDPOINT_URL.
func testDebianCLI(t *testing.T, a awsClients) {
	folder := t.TempDir()
	bundle, kubeconfig := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(bundle, a.signer.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	aws := func(args ...string) string {
		command := exec.CommandContext(t.Context(), debianCLI, append([]string{"--endpoint-url", serverURL(), "--output", "text"}, args...)...)
		command.Env = append(os.Environ(), "HOME="+folder, "AWS_CA_BUNDLE="+bundle, "AWS_REGION="+awsRegion, "AWS_DEFAULT_REGION="+awsRegion, "AWS_PAGER=",
			"AWS_ACCESS_KEY_ID="+a.signer.Key.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+a.signer.Key.Secret)
		result, err := naru.Run(command)
		if err != nil {
			t.Fatal(err)
		}
		return result.Stdout
	}
	if got := aws("sts", "get-caller-identity", "--query", "Arn"); !strings.HasSuffix(strings.TrimSpace(got), ":user/"+bootstrap.AdminUser) {
		t.Errorf("who calls: got %q", got)
	}
	if got := aws("eks", "list-clusters"); !strings.Contains(got, smallCluster) {
		t.Errorf("list-clusters: got %q, without %s", got, smallCluster)
	}
	if got := aws("eks", "describe-cluster", "--name", smallCluster, "--query", "cluster.status"); strings.TrimSpace(got) != "ACTIVE" {
		t.Errorf("describe-cluster: got %q", got)
	}
	aws("eks", "wait", "cluster-active", "--name", smallCluster)
	aws("eks", "update-kubeconfig", "--name", smallCluster, "--kubeconfig", kubeconfig)
	if written, err := os.ReadFile(kubeconfig); err != nil || !strings.Contains(string(written), "get-token") {
		t.Errorf("update-kubeconfig wrote %q, %v", written, err)
	}
}

// readsEndpoints tells whether the AWS CLI that is found first reads endpoint_url: those from 1.29 and 2.13 on do.
func readsEndpoints(t *testing.T) bool {
	t.Helper()
	result, err := naru.Run(exec.CommandContext(t.Context(), "aws", "--version"))
	if err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(result.Stdout, "aws-cli/%d.%d", &major, &minor); err != nil {
		t.Fatalf("%q: %v", result.Stdout, err)
	}
	return major == 1 && minor >= 29 || major == 2 && minor >= 13 || major > 2
}

// consoleCommand is a command of a document, and the lines that stand below it, which it is to print; none where the
// document shows no output.
type consoleCommand struct {
	line   int
	text   string
	output []string
}

// consoleCommands reads the console blocks of a document. A command begins with "# "; what it continues on lines of its own
// ends in a backslash or is a here-document up to EOF.
func consoleCommands(path string) ([]consoleCommand, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the document: %w", err)
	}
	defer file.Close()
	var commands []consoleCommand
	inside, here := false, false
	scanner := bufio.NewScanner(file)
	for n := 1; scanner.Scan(); n++ {
		text := scanner.Text()
		last := len(commands) - 1
		switch {
		case strings.HasPrefix(text, "```"):
			inside = text == "```console"
		case !inside:
		case here || last >= 0 && strings.HasSuffix(commands[last].text, `\`):
			commands[last].text += "\n" + text
			here = here && text != "EOF"
		case strings.HasPrefix(text, "# "):
			commands = append(commands, consoleCommand{line: n, text: text[2:]})
			here = strings.HasSuffix(text, "<<'EOF'")
		case last < 0:
			return nil, fmt.Errorf("%s:%d: output of no command", path, n)
		default:
			commands[last].output = append(commands[last].output, text)
		}
	}
	if len(commands) == 0 {
		return nil, errors.New(path + " holds no command")
	}
	return commands, scanner.Err()
}

// forAWS tells whether a variable of the environment is for AWS's clients: those of the machine's own set-up come before what
// a profile says.
func forAWS(variable string) bool {
	return strings.HasPrefix(variable, "AWS_") || strings.HasPrefix(variable, "REQUESTS_CA_BUNDLE=")
}

// follow runs the commands in one shell, as a user does who reads on: the first that fails, or prints something else, ends it.
func follow(t *testing.T, commands []consoleCommand) {
	t.Helper()
	if !readsEndpoints(t) {
		t.Skip("the AWS CLI of this machine is older than the profiles with an endpoint_url that the document is about")
	}
	built, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	const mark = "-- line "
	var script strings.Builder
	script.WriteString("set -euo pipefail\n")
	for _, command := range commands {
		fmt.Fprintf(&script, "echo '%s%d'\n%s\n", mark, command.line, command.text)
	}
	home := t.TempDir()
	shell := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	shell.Dir = home
	shell.Env = append(slices.DeleteFunc(os.Environ(), forAWS), "HOME="+home, "PATH="+built+":"+os.Getenv("PATH"))
	result, err := naru.Run(shell)
	if err != nil {
		t.Fatal(err)
	}
	printed := map[string]string{}
	for part := range strings.SplitSeq(result.Stdout, mark) {
		number, text, _ := strings.Cut(part, "\n")
		printed[number] = strings.TrimSpace(text)
	}
	for _, command := range commands {
		got, ran := printed[fmt.Sprint(command.line)]
		if want := strings.Join(command.output, "\n"); !ran || want != "" && got != want {
			t.Errorf("line %d, %s:\ngot  %s\nwant %s", command.line, command.text, got, want)
		}
	}
}
