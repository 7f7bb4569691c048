package flags

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Connect is the connection of a program that runs in the hosting cluster: that of its service account, or of a kubeconfig
// where one is named.
func Connect(kubeconfig string) (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if kubeconfig != "" {
		config, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to the hosting cluster (outside of it, name one with --kubeconfig): %w", err)
	}
	return config, nil
}
