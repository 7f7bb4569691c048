package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "naru.dev", Version: "v1alpha1"}

// SchemeBuilder collects the functions that add this package's kinds to a scheme.
var SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

// AddToScheme adds this package's kinds to a scheme.
var AddToScheme = SchemeBuilder.AddToScheme

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&Cluster{}, &ClusterList{},
		&ConnectedCluster{}, &ConnectedClusterList{},
		&ClusterRevision{}, &ClusterRevisionList{},
		&NodeGroup{}, &NodeGroupList{},
		&FargateProfile{}, &FargateProfileList{},
		&MachineClass{}, &MachineClassList{},
		&Machine{}, &MachineList{},
		&Release{}, &ReleaseList{},
		&NodeImage{}, &NodeImageList{},
		&AccessEntry{}, &AccessEntryList{},
		&PodIdentityAssociation{}, &PodIdentityAssociationList{},
		&NaruNodeClass{}, &NaruNodeClassList{},
		&IAMUser{}, &IAMUserList{},
		&IAMRole{}, &IAMRoleList{},
		&IAMPolicy{}, &IAMPolicyList{},
		&IAMInstanceProfile{}, &IAMInstanceProfileList{},
		&IAMOIDCProvider{}, &IAMOIDCProviderList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
