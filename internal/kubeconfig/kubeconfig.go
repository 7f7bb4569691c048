// Package kubeconfig merges the access to a cluster into a user's kubeconfig and takes it out again.
//
// What belongs to the cluster "prod" is called naru-prod in the file's clusters and users; the
// context is called prod. A context of that name that points elsewhere is the user's own and is
// never touched.
package kubeconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"naru.dev/naru/internal/exitcode"
)

const prefix = "naru-"

// Entry is the name, in a kubeconfig's clusters and users, of what belongs to a context of Naru's.
func Entry(contextName string) string { return prefix + contextName }

// ForeignError says that a context of the wanted name is not Naru's.
type ForeignError struct{ Context, Path string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s has a context %q that is not Naru's: rename it with \"kubectl config rename-context %s NEW\", or write to another file with --file", e.Path, e.Context, e.Context)
}

// ExitCode implements the convention of package exitcode.
func (*ForeignError) ExitCode() int { return exitcode.Failed }

// DefaultPath is the file that kubectl would write to: of $KUBECONFIG, else ~/.kube/config.
func DefaultPath() string { return clientcmd.NewDefaultPathOptions().GetDefaultFilename() }

// Rename returns a kubeconfig whose only context is called contextName and its entries Entry of that.
func Rename(kubeconfig []byte, contextName string) (*api.Config, error) {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("decoding a kubeconfig: %w", err)
	}
	current := config.Contexts[config.CurrentContext]
	if current == nil || config.Clusters[current.Cluster] == nil || config.AuthInfos[current.AuthInfo] == nil {
		return nil, errors.New("decoding a kubeconfig: its current context is incomplete")
	}
	renamed := api.NewConfig()
	entry := Entry(contextName)
	renamed.Clusters[entry] = config.Clusters[current.Cluster]
	renamed.AuthInfos[entry] = config.AuthInfos[current.AuthInfo]
	renamed.Contexts[contextName] = &api.Context{Cluster: entry, AuthInfo: entry, Namespace: current.Namespace}
	renamed.CurrentContext = contextName
	return renamed, nil
}

// Merge puts the entries of added into the file and makes its context the current one.
// Errors: *ForeignError, *LockedError.
func Merge(ctx context.Context, path string, added *api.Config) error {
	return change(ctx, path, func(config *api.Config) error {
		for name, c := range added.Contexts {
			if existing := config.Contexts[name]; existing != nil && existing.Cluster != c.Cluster {
				return &ForeignError{Context: name, Path: path}
			}
		}
		for name, cluster := range added.Clusters {
			config.Clusters[name] = cluster
		}
		for name, user := range added.AuthInfos {
			config.AuthInfos[name] = user
		}
		for name, c := range added.Contexts {
			if existing := config.Contexts[name]; existing != nil && c.Namespace == "" {
				c.Namespace = existing.Namespace // the user's own choice, of kubens and the like
			}
			config.Contexts[name] = c
		}
		config.CurrentContext = added.CurrentContext
		return nil
	})
}

// Remove takes out what belongs to a context of Naru's and reports whether there was anything. A
// file that does not exist has nothing.
// Errors: *LockedError.
func Remove(ctx context.Context, path, contextName string) (removed bool, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	entry := Entry(contextName)
	if config, err := load(path); err != nil || config.Clusters[entry] == nil && config.AuthInfos[entry] == nil {
		return false, err
	}
	err = change(ctx, path, func(config *api.Config) error {
		delete(config.Clusters, entry)
		delete(config.AuthInfos, entry)
		for name, c := range config.Contexts {
			if c.Cluster != entry {
				continue
			}
			delete(config.Contexts, name)
			if config.CurrentContext == name {
				config.CurrentContext = ""
			}
		}
		return nil
	})
	return err == nil, err
}

func load(path string) (*api.Config, error) {
	config, err := clientcmd.LoadFromFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return api.NewConfig(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return config, nil
}

// change edits a kubeconfig under kubectl's own lock and replaces it in one step, with mode 0600.
func change(ctx context.Context, path string, edit func(*api.Config) error) error {
	path = target(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the folder of %s: %w", path, err)
	}
	unlock, err := lock(ctx, path)
	if err != nil {
		return err
	}
	defer unlock()
	config, err := load(path)
	if err != nil {
		return err
	}
	if err := edit(config); err != nil {
		return err
	}
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", path, err)
	}
	return Replace(path, data)
}

// target follows symbolic links, so that the file they lead to is replaced and not the link.
func target(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// Replace writes a file of mode 0600 in one step.
func Replace(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(file.Name())
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// LockedError says that another program holds a kubeconfig's lock.
type LockedError struct{ Path string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s exists, so another program is changing the kubeconfig: if none is (kubectl was killed, say), remove that file", e.Path)
}

// ExitCode implements the convention of package exitcode.
func (*LockedError) ExitCode() int { return exitcode.Failed }

const (
	lockWait  = 3 * time.Second
	lockPause = 20 * time.Millisecond
)

// lock is the one that kubectl takes (clientcmd's lockFile): a file beside the kubeconfig.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	name := path + ".lock"
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0)
		if err == nil {
			file.Close()
			return func() { os.Remove(name) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			return nil, &LockedError{Path: name}
		case <-time.After(lockPause):
		}
	}
}
