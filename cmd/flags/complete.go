package flags

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// completionTime bounds a look-up behind the Tab key.
const completionTime = 2 * time.Second

// Clusters completes names of clusters, once.
func Clusters(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return Names(command, &v1alpha1.ClusterList{}), cobra.ShellCompDirectiveNoFileComp
}

// InCluster completes names of objects in the namespace of --cluster; without it in all of them.
func InCluster(list client.ObjectList) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var options []client.ListOption
		if flag := command.Flag("cluster"); flag != nil && flag.Value.String() != "" {
			options = append(options, client.InNamespace(v1alpha1.Namespace(flag.Value.String())))
		}
		return Names(command, list, options...), cobra.ShellCompDirectiveNoFileComp
	}
}

// MachineClasses completes names of machine classes, for a flag.
func MachineClasses(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return Names(command, &v1alpha1.MachineClassList{}), cobra.ShellCompDirectiveNoFileComp
}

// Releases completes Kubernetes versions, for a flag.
func Releases(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return Names(command, &v1alpha1.ReleaseList{}), cobra.ShellCompDirectiveNoFileComp
}

// Names lists names; an error completes to nothing, as there is no place to print it.
func Names(command *cobra.Command, list client.ObjectList, options ...client.ListOption) []string {
	ctx, cancel := context.WithTimeout(command.Context(), completionTime)
	defer cancel()
	session, err := Open()
	if err != nil {
		return nil
	}
	if err := session.Client.List(ctx, list, options...); err != nil {
		return nil
	}
	return NamesOf(list)
}

// NamesOf returns the names of a list's items.
func NamesOf(list client.ObjectList) []string {
	keys := KeysOf(list)
	names := make([]string, 0, len(keys))
	for _, key := range keys {
		names = append(names, key.Name)
	}
	return names
}

// KeysOf returns the namespaces and names of a list's items.
func KeysOf(list client.ObjectList) []client.ObjectKey {
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil // every list of objects can be extracted
	}
	keys := make([]client.ObjectKey, 0, len(items))
	for _, item := range items {
		if object, ok := item.(client.Object); ok {
			keys = append(keys, client.ObjectKeyFromObject(object))
		}
	}
	return keys
}
