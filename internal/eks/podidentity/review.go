package podidentity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/podroles"
)

// maxToken is more than a service account token has.
const maxToken = 16 << 10

// Pod is whose token it is, as the cluster's own API server says.
type Pod struct{ Namespace, ServiceAccount, Name, UID, Node string }

// Reviewer asks a cluster about a token.
type Reviewer interface {
	// Review says whose a token is that was made for podroles.Audience. Errors: *Error where it is not good, or where the
	// cluster can't be asked.
	Review(ctx context.Context, cluster, token string) (Pod, error)
}

// Clusters asks API servers, with a user who may do nothing else: they know whether the pod and its service account still
// are.
type Clusters struct{ Clients *tenant.Clients }

// Review implements Reviewer.
func (c Clusters) Review(ctx context.Context, cluster, token string) (Pod, error) {
	api, err := c.Clients.Client(ctx, cluster)
	if errors.Is(err, tenant.ErrNotReady) {
		return Pod{}, refuse(ServiceUnavailable, "Cluster %s can't be asked yet: try again", cluster)
	} else if err != nil {
		return Pod{}, err
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{podroles.Audience}}}
	if err := api.Create(ctx, review, &client.CreateOptions{}); err != nil {
		return Pod{}, &Error{Code: ServiceUnavailable, Message: "Cluster " + cluster + " does not answer: try again", Cause: fmt.Errorf("having a token reviewed: %w", err)}
	}
	return podOf(review.Status)
}

// podOf reads a review. A token that is bound to no pod on a node, as one of an hour from `kubectl create token`, is refused.
func podOf(status authenticationv1.TokenReviewStatus) (Pod, error) {
	if !status.Authenticated || !slices.Contains(status.Audiences, podroles.Audience) {
		return Pod{}, refuse(InvalidToken, "The token included in the request is invalid: the cluster does not take it")
	}
	account, ok := strings.CutPrefix(status.User.Username, "system:serviceaccount:")
	namespace, name, found := strings.Cut(account, ":")
	if !ok || !found {
		return Pod{}, refuse(InvalidToken, "The token included in the request is invalid: it is no service account's")
	}
	pod := Pod{
		Namespace: namespace, ServiceAccount: name,
		Name: only(status.User.Extra, "authentication.kubernetes.io/pod-name"), UID: only(status.User.Extra, "authentication.kubernetes.io/pod-uid"),
		Node: only(status.User.Extra, "authentication.kubernetes.io/node-name"),
	}
	if pod.Name == "" || pod.UID == "" || pod.Node == "" {
		return Pod{}, refuse(InvalidToken, "The token included in the request is invalid: it is not bound to a pod on a node")
	}
	return pod, nil
}

func only(extra map[string]authenticationv1.ExtraValue, key string) string {
	if values := extra[key]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// look says what is wrong with a token before anybody is asked. Nothing is verified by it.
func look(token string, now time.Time) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxToken {
		return refuse(InvalidToken, "The token included in the request is invalid: it is no JWT")
	}
	var claims struct {
		Audience any     `json:"aud"`
		Expires  float64 `json:"exp"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return refuse(InvalidToken, "The token included in the request is invalid: its claims can't be read")
	}
	var audiences []string
	switch audience := claims.Audience.(type) {
	case string:
		audiences = []string{audience}
	case []any:
		for _, one := range audience {
			audiences = append(audiences, fmt.Sprint(one))
		}
	}
	switch {
	case !slices.Contains(audiences, podroles.Audience):
		return refuse(InvalidToken, "The token included in the request is invalid: its audience is not %s", podroles.Audience)
	case now.Unix() >= int64(claims.Expires):
		return refuse(ExpiredToken, "Token expired")
	}
	return nil
}
