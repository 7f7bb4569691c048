package pki

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig writes a kubeconfig whose cluster, user and context are called name.
func Kubeconfig(name, server string, ca []byte, identity Material) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: identity.Certificate, ClientKeyData: identity.Key,
	}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	data, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return data, nil
}

// Identity reads the server and the client certificate of a kubeconfig that Kubeconfig wrote. A kubeconfig
// that can't be read has neither, so that it is made anew.
func Identity(kubeconfig []byte) (server string, ca []byte, identity Material) {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return "", nil, Material{}
	}
	context := config.Contexts[config.CurrentContext]
	if context == nil || config.Clusters[context.Cluster] == nil || config.AuthInfos[context.AuthInfo] == nil {
		return "", nil, Material{}
	}
	cluster, user := config.Clusters[context.Cluster], config.AuthInfos[context.AuthInfo]
	return cluster.Server, cluster.CertificateAuthorityData,
		Material{Certificate: user.ClientCertificateData, Key: user.ClientKeyData}
}
