//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"naru.dev/naru/test/naru"
)

// The programs that the scenario needs and can't get for itself.
const (
	tofuVariable     = "NARU_TOFU"
	providerVariable = "NARU_TERRAFORM_PROVIDER_AWS"
)

// terraformCluster is the cluster of the example.
const terraformCluster = "prod"

// terraform runs OpenTofu, or Terraform, in a copy of the example.
type terraform struct {
	program, folder string
	env             []string
}

// testTerraform leads examples/terraform through its life. After each step a plan has to be empty: what the provider reads is
// what the example says.
func testTerraform(t *testing.T, w *world) {
	tf := newTerraform(t, w)
	t.Cleanup(func() {
		if t.Failed() { // it must not stand in the way of the scenarios that follow
			if _, err := w.cli.Naru(context.WithoutCancel(t.Context()), "delete", "cluster", terraformCluster, "--yes"); err != nil {
				t.Log(err)
			}
		}
	})
	changed := []string{"-var", "nodes=1", "-var", "team=shop", "-var", `logs=["audit"]`, "-var", `cidrs=["127.0.0.0/8"]`}
	t.Run("when it is applied, everything is there and nothing is left to do", func(t *testing.T) {
		tf.run(t, "apply", "-auto-approve")
		tf.empty(t)
	})
	t.Run("when its variables change, everything changes in its place", func(t *testing.T) {
		if said := tf.run(t, append([]string{"apply", "-auto-approve"}, changed...)...); !strings.Contains(said, ", 1 destroyed.") {
			t.Errorf("not the access policy's scope alone was made anew:\n%s", said)
		}
		tf.empty(t, changed...)
	})
	t.Run("when the state is lost, what there is can be imported", func(t *testing.T) {
		ids := tf.ids(t)
		tf.run(t, append([]string{"state", "rm"}, slices.Sorted(maps.Keys(ids))...)...)
		for _, address := range slices.Sorted(maps.Keys(ids)) {
			tf.run(t, slices.Concat([]string{"import"}, changed, []string{address, ids[address]})...)
		}
		tf.run(t, append([]string{"apply", "-auto-approve"}, changed...)...) // of what no answer tells, as resolve_conflicts_on_create
		tf.empty(t, changed...)
	})
	t.Run("when it is destroyed, nothing is left", func(t *testing.T) {
		tf.run(t, append([]string{"destroy", "-auto-approve"}, changed...)...)
		if left := tf.run(t, "state", "list"); strings.TrimSpace(left) != "" {
			t.Errorf("the state holds %s", left)
		}
		if all := w.naru(t, "get", "clusters", "-o", "name").Stdout; slices.Contains(strings.Fields(all), terraformCluster) {
			t.Errorf("there is %s", all)
		}
	})
}

// newTerraform finds the programs, writes the profile that the example names, and has the program take the provider that the
// environment names instead of one from a registry.
func newTerraform(t *testing.T, w *world) *terraform {
	t.Helper()
	for _, variable := range []string{tofuVariable, providerVariable} {
		if path := os.Getenv(variable); !filepath.IsAbs(path) {
			t.Fatalf("%s is %q: the scenario needs OpenTofu's or Terraform's program (%s) and HashiCorp's AWS provider, a file named terraform-provider-aws "+
				"(%s), by their absolute paths. Naru fetches neither", variable, path, tofuVariable, providerVariable)
		}
	}
	tf := &terraform{program: os.Getenv(tofuVariable), folder: t.TempDir()}
	if err := os.CopyFS(tf.folder, os.DirFS("../../examples/terraform")); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	settings := filepath.Join(home, "settings.tfrc")
	overrides := fmt.Sprintf("provider_installation {\n  dev_overrides { \"hashicorp/aws\" = %q }\n  direct {}\n}\n", filepath.Dir(os.Getenv(providerVariable)))
	if err := os.WriteFile(settings, []byte(overrides), 0o600); err != nil {
		t.Fatal(err)
	}
	tf.env = append(slices.DeleteFunc(os.Environ(), forAWS), "HOME="+home, "TF_CLI_CONFIG_FILE="+settings, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
	configure := exec.CommandContext(t.Context(), w.cli.Binary, "configure-aws")
	configure.Env = tf.env
	if _, err := naru.Run(configure); err != nil {
		t.Fatal(err)
	}
	return tf
}

func (tf *terraform) command(t *testing.T, args ...string) (naru.Result, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), tf.program, args...)
	command.Dir, command.Env = tf.folder, tf.env
	return naru.Run(command)
}

// run returns what the program printed; a program that fails fails the test.
func (tf *terraform) run(t *testing.T, args ...string) string {
	t.Helper()
	result, err := tf.command(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return result.Stdout
}

// empty checks that nothing is left to do.
func (tf *terraform) empty(t *testing.T, variables ...string) {
	t.Helper()
	result, err := tf.command(t, append([]string{"plan", "-detailed-exitcode", "-no-color"}, variables...)...)
	if result.Code == 2 {
		t.Fatalf("what was applied is not what is told:\n%s", result.Stdout)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ids are the addresses of the example's aws_eks_ resources, and what each is imported by.
func (tf *terraform) ids(t *testing.T) map[string]string {
	t.Helper()
	var state struct {
		Values struct {
			Root struct {
				Resources []struct {
					Address, Mode, Type string
					Values              map[string]any
				}
			} `json:"root_module"`
		}
	}
	if err := json.Unmarshal([]byte(tf.run(t, "show", "-json")), &state); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, resource := range state.Values.Root.Resources {
		switch {
		case resource.Mode != "managed" || !strings.HasPrefix(resource.Type, "aws_eks_"):
		case resource.Type == "aws_eks_pod_identity_association":
			ids[resource.Address] = fmt.Sprintf("%s,%s", resource.Values["cluster_name"], resource.Values["association_id"])
		default:
			ids[resource.Address] = fmt.Sprint(resource.Values["id"])
		}
	}
	if len(ids) < 8 {
		t.Fatalf("the example has at least eight of EKS's resources: %v", ids)
	}
	return ids
}
