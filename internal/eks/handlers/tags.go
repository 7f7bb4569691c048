package handlers

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
)

// What tags may be: https://docs.aws.amazon.com/eks/latest/userguide/eks-using-tags.html
const maxTags, maxTagKey, maxTagValue = 50, 128, 256

func tagging() map[string]operation {
	return map[string]operation{
		"ListTagsForResource": full((*Handlers).listTags),
		"TagResource":         full((*Handlers).tagResource),
		"UntagResource":       full((*Handlers).untagResource),
	}
}

func (s subject) validTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return s.invalid("tags: there are %d, at most %d can be", len(tags), maxTags)
	}
	for key, value := range tags {
		switch {
		case key == "" || len(key) > maxTagKey:
			return s.invalid("tags: a key has 1 to %d characters", maxTagKey)
		case len(value) > maxTagValue:
			return s.invalid("tags.%s: a value has at most %d characters", key, maxTagValue)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return s.invalid("tags.%s: keys that begin with aws: are AWS's own", key)
		}
	}
	return nil
}

// badTags turns an error into those that the three operations on tags have, which are not the others'.
func badTags(err error) error {
	var invalid *types.InvalidParameterException
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &invalid):
		return &types.BadRequestException{Message: invalid.Message}
	case errors.As(err, &missing):
		return &types.NotFoundException{Message: missing.Message}
	}
	return err
}

// named finds what an ARN names. One of something that is gone, or that was made anew under the
// same name, names nothing.
func (h *Handlers) named(ctx context.Context, arn string) (convert.Resource, metav1.Object, error) {
	r, ok := h.Site.ParseARN(arn)
	if !ok {
		return r, nil, &types.BadRequestException{Message: aws.String("Invalid ARN: " + arn + " names nothing of this account and region")}
	}
	var object metav1.Object
	var err error
	switch {
	case r.Kind == "cluster" && len(r.Parts) == 0:
		object, err = h.clusterOf(ctx, r.Cluster)
	case r.Kind == "nodegroup" && len(r.Parts) == 2:
		object, err = h.Backend.NodeGroup(ctx, r.Cluster, r.Parts[0])
		if err == nil && string(object.GetUID()) != r.Parts[1] {
			err = &backend.NotFoundError{Kind: "node group", Name: r.Parts[0]}
		}
	case r.Kind == "fargateprofile" && len(r.Parts) == 2:
		object, err = h.Backend.FargateProfile(ctx, r.Cluster, r.Parts[0])
		if err == nil && string(object.GetUID()) != r.Parts[1] {
			err = &backend.NotFoundError{Kind: "Fargate profile", Name: r.Parts[0]}
		}
	case r.Kind == "podidentityassociation" && len(r.Parts) == 1:
		object, err = h.Backend.PodIdentityAssociation(ctx, r.Cluster, r.Parts[0])
	case r.Kind == "access-entry" && len(r.Parts) == 4:
		object, err = h.entryByUID(ctx, r.Cluster, r.Parts[3])
	case r.Kind == "addon" && len(r.Parts) == 2:
		object, err = h.taggedAddon(ctx, r)
	case r.Kind == "identityproviderconfig" && len(r.Parts) == 3:
		object, err = h.taggedProvider(ctx, arn, r)
	default:
		return r, nil, &types.BadRequestException{Message: aws.String("Invalid ARN: there are no tags on " + arn)}
	}
	if err != nil {
		return r, nil, badTags(subject{cluster: r.Cluster}.exception(err))
	}
	return r, object, nil
}

func (h *Handlers) entryByUID(ctx context.Context, cluster, uid string) (*v1alpha1.AccessEntry, error) {
	entries, err := h.Backend.AccessEntries(ctx, cluster)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		if string(entries[i].UID) == uid {
			return &entries[i], nil
		}
	}
	return nil, &backend.NotFoundError{Kind: "access entry", Name: uid}
}

// addonTags holds the tags of an add-on, as the other kinds hold theirs.
type addonTags struct{ *metav1.ObjectMeta }

func tagsOf(a convert.Addon) (addonTags, error) {
	holder := addonTags{&metav1.ObjectMeta{Name: a.Name}}
	return holder, convert.SetTags(holder, a.Tags)
}

func (h *Handlers) taggedAddon(ctx context.Context, r convert.Resource) (metav1.Object, error) {
	cluster, err := h.Backend.Cluster(ctx, r.Cluster)
	if err != nil {
		return nil, err
	}
	found, ok := convert.FindAddon(cluster, r.Parts[0])
	if !ok || found.ID != r.Parts[1] {
		return nil, &backend.NotFoundError{Kind: "add-on", Name: r.Parts[0]}
	}
	return tagsOf(found)
}

// retagAddon changes the tags of an add-on with set, unless the add-on is gone.
func retagAddon(cluster *v1alpha1.Cluster, name string, set func(metav1.Object) error) error {
	found, ok := convert.FindAddon(cluster, name)
	if !ok {
		return &backend.NotFoundError{Kind: "add-on", Name: name}
	}
	holder, err := tagsOf(found)
	if err != nil {
		return err
	}
	if err := set(holder); err != nil {
		return err
	}
	found.Tags = convert.Tags(holder)
	return convert.SetAddon(cluster, found)
}

// taggedProvider holds the tags of an identity provider config, as the other kinds hold theirs.
func (h *Handlers) taggedProvider(ctx context.Context, arn string, r convert.Resource) (metav1.Object, error) {
	cluster, err := h.Backend.Cluster(ctx, r.Cluster)
	if err != nil {
		return nil, err
	}
	has := h.Site.IdentityProvider(cluster)
	if has == nil || *has.IdentityProviderConfigArn != arn {
		return nil, &backend.NotFoundError{Kind: "identity provider config", Name: r.Parts[1]}
	}
	holder := &metav1.ObjectMeta{Name: *has.IdentityProviderConfigName}
	return holder, convert.SetTags(holder, has.Tags)
}

func (h *Handlers) listTags(ctx context.Context, in *eks.ListTagsForResourceInput) (*eks.ListTagsForResourceOutput, error) {
	_, object, err := h.named(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags := convert.Tags(object)
	if tags == nil {
		tags = map[string]string{}
	}
	return &eks.ListTagsForResourceOutput{Tags: tags}, nil
}

func (h *Handlers) tagResource(ctx context.Context, in *eks.TagResourceInput) (*eks.TagResourceOutput, error) {
	if len(in.Tags) == 0 {
		return nil, &types.BadRequestException{Message: aws.String("tags is required")}
	}
	err := h.retag(ctx, *in.ResourceArn, func(tags map[string]string) {
		for key, value := range in.Tags {
			tags[key] = value
		}
	})
	return &eks.TagResourceOutput{}, err
}

func (h *Handlers) untagResource(ctx context.Context, in *eks.UntagResourceInput) (*eks.UntagResourceOutput, error) {
	if len(in.TagKeys) == 0 {
		return nil, &types.BadRequestException{Message: aws.String("tagKeys is required")}
	}
	err := h.retag(ctx, *in.ResourceArn, func(tags map[string]string) {
		for _, key := range in.TagKeys {
			delete(tags, key)
		}
	})
	return &eks.UntagResourceOutput{}, err
}

// retag changes the tags of what an ARN names.
func (h *Handlers) retag(ctx context.Context, arn string, change func(map[string]string)) error {
	r, object, err := h.named(ctx, arn)
	if err != nil {
		return err
	}
	about := subject{cluster: r.Cluster}
	set := func(o metav1.Object) error {
		tags := map[string]string{}
		for key, value := range convert.Tags(o) {
			tags[key] = value
		}
		change(tags)
		if cluster, ok := o.(*v1alpha1.Cluster); ok {
			return about.tag(cluster, tags)
		}
		if err := about.validTags(tags); err != nil {
			return err
		}
		return convert.SetTags(o, tags)
	}
	switch o := object.(type) {
	case *v1alpha1.Cluster:
		_, err = h.Backend.ChangeCluster(ctx, o.Name, func(c *v1alpha1.Cluster) error { return set(c) })
	case *v1alpha1.ConnectedCluster:
		_, err = h.Backend.ChangeConnectedCluster(ctx, o.Name, func(c *v1alpha1.ConnectedCluster) error { return set(c) })
	case *v1alpha1.NodeGroup:
		_, err = h.Backend.ChangeNodeGroup(ctx, r.Cluster, o.Name, func(g *v1alpha1.NodeGroup) error { return set(g) })
	case *v1alpha1.FargateProfile:
		_, err = h.Backend.TagFargateProfile(ctx, r.Cluster, o.Name, func(p *v1alpha1.FargateProfile) error { return set(p) })
	case *v1alpha1.PodIdentityAssociation:
		_, err = h.Backend.ChangePodIdentityAssociation(ctx, r.Cluster, o.Name, func(a *v1alpha1.PodIdentityAssociation) error { return set(a) })
	case addonTags:
		_, err = h.Backend.ChangeCluster(ctx, r.Cluster, func(c *v1alpha1.Cluster) error { return retagAddon(c, o.Name, set) })
	case *metav1.ObjectMeta:
		if err = set(o); err == nil {
			_, err = h.Backend.ChangeCluster(ctx, r.Cluster, func(c *v1alpha1.Cluster) error {
				note := convert.IdentityProviderNote{ID: string(convert.IdentityProviderID(c)), Tags: convert.Tags(o)}
				return convert.SetNote(c, v1alpha1.AnnotationIdentityProvider, note)
			})
		}
	case *v1alpha1.AccessEntry:
		_, err = h.Backend.ChangeAccessEntry(ctx, r.Cluster, o.Spec.PrincipalARN, func(e *v1alpha1.AccessEntry) error { return set(e) })
	}
	if err != nil {
		return badTags(about.exception(err))
	}
	return nil
}
