// Package apply is `naru apply`.
package apply

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/rollout"
)

// New returns the command.
func New() *cobra.Command {
	var files []string
	var wait flags.Wait
	command := &cobra.Command{
		Use:   "apply -f {FILE|FOLDER|-}",
		Short: "Create or change clusters, node groups, Fargate profiles and machine classes from manifests",
		Long: `Reads YAML or JSON manifests, of one or several documents, and applies them on the server's side. All
of them are checked before the first is written; an unknown field is an error. eksctl's ClusterConfig
(eksctl.io/v1alpha5) is taken, too: it becomes a cluster, its node groups and its Fargate profiles.`,
		Example: `  naru apply -f examples/cluster.yaml --wait
  naru apply -f examples/eksctl.yaml --wait
  naru create cluster prod --dry-run -o yaml | naru apply -f -`,
		Args: flags.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			documents, err := readAll(command.InOrStdin(), files)
			if err != nil {
				return err
			}
			session, err := flags.Open()
			if err != nil {
				return err
			}
			ctx, cancel := wait.Context(command.Context())
			defer cancel()
			err = session.Apply(ctx, documents, func(d backend.Document, change backend.Change) {
				fmt.Fprintf(command.OutOrStdout(), "%s/%s %s\n", strings.ToLower(d.Object.GetKind()), d.Object.GetName(), change)
			})
			if err != nil || !wait.Wanted() {
				return err
			}
			return await(ctx, session.Backend, documents)
		},
	}
	command.Flags().StringSliceVarP(&files, "filename", "f", nil, "a file, a folder of *.yaml, *.yml and *.json, or - for standard input")
	cobra.CheckErr(command.MarkFlagRequired("filename"))
	wait.Register(command, false, 10*time.Minute)
	return command
}

func readAll(stdin io.Reader, names []string) ([]backend.Document, error) {
	var documents []backend.Document
	for _, name := range names {
		files, err := expand(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			more, err := readFile(stdin, file)
			if err != nil {
				return nil, err
			}
			documents = append(documents, more...)
		}
	}
	if len(documents) == 0 {
		return nil, explain.Usagef("there is no object in %s", strings.Join(names, ", "))
	}
	return documents, nil
}

// expand lists the manifests of a folder; anything else is itself.
func expand(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, explain.Usage(fmt.Errorf("reading manifests: %w", err))
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml", "*.json"} {
		found, err := filepath.Glob(filepath.Join(name, pattern))
		if err != nil {
			return nil, fmt.Errorf("reading folder %s: %w", name, err)
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	return files, nil
}

func readFile(stdin io.Reader, name string) ([]backend.Document, error) {
	if name == "-" {
		return backend.Read("standard input", stdin)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, explain.Usage(fmt.Errorf("reading manifests: %w", err))
	}
	defer file.Close()
	return backend.Read(name, file)
}

func await(ctx context.Context, b *backend.Backend, documents []backend.Document) error {
	p := progress.ForStderr()
	defer p.Close()
	for _, document := range documents {
		if cluster, ok := document.Typed.(*v1alpha1.Cluster); ok {
			shown := rollout.NewCluster(p, cluster.Name)
			err := b.AwaitCluster(ctx, cluster.Name, shown.Observe)
			shown.End(err)
			if err != nil {
				return err
			}
		}
	}
	for _, document := range documents {
		if err := awaitPart(ctx, b, p, document); err != nil {
			return err
		}
	}
	return nil
}

// awaitPart waits for what is part of a cluster; other documents are ready as they are.
func awaitPart(ctx context.Context, b *backend.Backend, p *progress.Progress, document backend.Document) (err error) {
	name, cluster := document.Typed.GetName(), v1alpha1.ClusterOf(document.Typed.GetNamespace())
	switch document.Typed.(type) {
	case *v1alpha1.NodeGroup:
		shown := rollout.NewNodeGroup(p, name)
		err = b.AwaitNodeGroup(ctx, cluster, name, shown.Observe)
		shown.End(err)
	case *v1alpha1.FargateProfile:
		shown := rollout.NewFargateProfile(p, name)
		err = b.AwaitFargateProfile(ctx, cluster, name, shown.Observe)
		shown.End(err)
	}
	return err
}
