package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
)

// maxReview is more than any review of an API server has.
const maxReview = 256 << 10

// Entries finds access entries of the one cluster that a webhook serves.
type Entries interface {
	// Entry of a principal; ok is false where it has none.
	Entry(ctx context.Context, principal string) (entry Entry, ok bool, err error)
}

// Webhook answers a cluster's API servers: who a token belongs to, and what access policies allow.
type Webhook struct {
	Verifier *Verifier
	Entries  Entries
	// Report hears of errors that are Naru's own.
	Report func(error)
	// Record hears what came of each token of the EKS API; nil: nobody does.
	Record func(Record)
}

// The paths that the API server's webhook configurations name.
const (
	AuthenticatePath = "/authenticate"
	AuthorizePath    = "/authorize"
)

// Handler serves both webhooks.
func (h *Webhook) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+AuthenticatePath, func(w http.ResponseWriter, r *http.Request) {
		review := &authenticationv1.TokenReview{}
		h.answer(w, r, review, func(ctx context.Context) (err error) {
			if review.APIVersion != authenticationv1.SchemeGroupVersion.String() || review.Kind != "TokenReview" {
				return &InvalidError{fmt.Sprintf("%s %s is no TokenReview of %s", review.APIVersion, review.Kind, authenticationv1.SchemeGroupVersion)}
			}
			review.Status, err = h.authenticate(ctx, review.Spec.Token)
			review.Spec = authenticationv1.TokenReviewSpec{} // the token goes nowhere else
			return err
		})
	})
	mux.HandleFunc("POST "+AuthorizePath, func(w http.ResponseWriter, r *http.Request) {
		review := &authorizationv1.SubjectAccessReview{}
		h.answer(w, r, review, func(ctx context.Context) (err error) {
			if review.APIVersion != authorizationv1.SchemeGroupVersion.String() || review.Kind != "SubjectAccessReview" {
				return &InvalidError{fmt.Sprintf("%s %s is no SubjectAccessReview of %s", review.APIVersion, review.Kind, authorizationv1.SchemeGroupVersion)}
			}
			review.Status, err = h.authorize(ctx, review.Spec)
			return err
		})
	})
	return mux
}

// answer decodes a review, lets it be filled and sends it back. What the API server sent wrongly is a 400; what
// is Naru's own fault is a 500, so that it is asked again and not remembered.
func (h *Webhook) answer(w http.ResponseWriter, r *http.Request, review any, fill func(context.Context) error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if err == nil {
		err = json.Unmarshal(body, review)
	}
	if err != nil {
		http.Error(w, "the body is no review: "+err.Error(), http.StatusBadRequest)
		return
	}
	err = fill(r.Context())
	var invalid *InvalidError
	switch {
	case errors.As(err, &invalid):
		http.Error(w, invalid.Message, http.StatusBadRequest)
		return
	case err != nil:
		h.Report(fmt.Errorf("answering %s: %w", r.URL.Path, err))
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(review); err != nil {
		h.Report(fmt.Errorf("writing the answer to %s: %w", r.URL.Path, err))
	}
}

// authenticate finds the user of a token. A token of another kind is nobody's here: other authenticators may know it.
func (h *Webhook) authenticate(ctx context.Context, token string) (authenticationv1.TokenReviewStatus, error) {
	if !strings.HasPrefix(token, Prefix) {
		return authenticationv1.TokenReviewStatus{}, nil
	}
	caller, status, err := h.review(ctx, token)
	if h.Record != nil {
		h.Record(newRecord(h.Verifier.Now(), caller, status, err))
	}
	return status, err
}

// review says who has signed a token, as far as that is known, and what the cluster takes him for.
func (h *Webhook) review(ctx context.Context, token string) (caller iam.Caller, status authenticationv1.TokenReviewStatus, err error) {
	caller, err = h.Verifier.Verify(ctx, token)
	var invalid *InvalidError
	var signature *sigv4.Error
	switch {
	case errors.As(err, &invalid), errors.As(err, &signature):
		status.Error = err.Error()
		return caller, status, nil
	case err != nil:
		return caller, status, fmt.Errorf("verifying a token: %w", err)
	}
	entry, ok, err := h.Entries.Entry(ctx, caller.Principal)
	if err != nil {
		return caller, status, fmt.Errorf("reading the access entry of %s: %w", caller.Principal, err)
	}
	if !ok {
		status.Error = fmt.Sprintf("%s has no access entry in cluster %s: create one with \"aws eks create-access-entry\"", caller.Principal, h.Verifier.Cluster)
		return caller, status, nil
	}
	if reason := unfit(entry); reason != "" {
		status.Error = fmt.Sprintf("the access entry of %s lets nobody in: %s", caller.Principal, reason)
		return caller, status, nil
	}
	user := UserOf(entry, caller)
	status.Authenticated = true
	status.User = authenticationv1.UserInfo{Username: user.Name, UID: user.UID, Groups: user.Groups, Extra: map[string]authenticationv1.ExtraValue{}}
	for key, values := range user.Extra {
		status.User.Extra[key] = values
	}
	return caller, status, nil
}

// authorize has an opinion only where it allows: what it does not is left to RBAC. It knows a user by what
// authenticate said, which nobody can pretend who may not impersonate user ids and canonicalArn alike.
func (h *Webhook) authorize(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) (authorizationv1.SubjectAccessReviewStatus, error) {
	var status authorizationv1.SubjectAccessReviewStatus
	principal := spec.Extra[strings.ToLower(extraCanonical)]
	if len(principal) == 0 {
		principal = spec.Extra[extraCanonical]
	}
	if !strings.HasPrefix(spec.UID, uidPrefix) || len(principal) != 1 {
		return status, nil
	}
	if good, err := h.keyIsGood(ctx, spec.Extra); err != nil || !good {
		return status, err
	}
	entry, ok, err := h.Entries.Entry(ctx, principal[0])
	if err != nil {
		return status, fmt.Errorf("reading the access entry of %s: %w", principal[0], err)
	}
	if !ok {
		return status, nil
	}
	if name := AllowedBy(entry.Policies, attributes(spec)); name != "" {
		status.Allowed = true
		status.Reason = fmt.Sprintf("access policy %s of %s", name, entry.Principal)
	}
	return status, nil
}

// keyIsGood tells whether the key that a user's token was signed with is still good: an API server remembers for ten
// seconds whose a token is, and what comes of a key that was taken away in that time is not to be allowed anew. Of temporary
// keys nobody knows without their session token, so that they pass.
func (h *Webhook) keyIsGood(ctx context.Context, extra map[string]authorizationv1.ExtraValue) (bool, error) {
	ids := extra[strings.ToLower(extraAccessKey)]
	if len(ids) == 0 {
		ids = extra[extraAccessKey]
	}
	if len(ids) != 1 {
		return false, nil
	}
	if strings.HasPrefix(ids[0], iam.SessionKeyPrefix) {
		return true, nil
	}
	_, err := h.Verifier.Credentials.Lookup(ctx, ids[0], "")
	var refused *sigv4.Error
	if errors.As(err, &refused) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking up an access key: %w", err)
	}
	return true, nil
}

func attributes(spec authorizationv1.SubjectAccessReviewSpec) Attributes {
	switch {
	case spec.NonResourceAttributes != nil:
		return Attributes{Verb: spec.NonResourceAttributes.Verb, Path: spec.NonResourceAttributes.Path}
	case spec.ResourceAttributes != nil:
		a := spec.ResourceAttributes
		return Attributes{Verb: a.Verb, Group: a.Group, Resource: a.Resource, Subresource: a.Subresource, Namespace: a.Namespace}
	}
	return Attributes{}
}
