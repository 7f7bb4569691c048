package bootstrap

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"naru.dev/naru/api/v1alpha1"
)

const (
	// TokenGroup is the group that a machine's token authenticates as, beside system:bootstrappers.
	TokenGroup = "system:bootstrappers:naru"
	// tokenLife bounds how long a token that nobody used is good for; one that was used is deleted at once.
	tokenLife = time.Hour
	// tokenSpare is how long before its end a token is replaced.
	tokenSpare = 10 * time.Minute

	tokenNamespace = metav1.NamespaceSystem
	// Keys of a bootstrap token Secret:
	// https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#bootstrap-token-secret-format
	keyID, keySecret, keyExpiration = "token-id", "token-secret", "expiration"
)

// TokenSecretKey names the Secret, in the managed cluster, of a machine's token. The token's id is derived from the
// machine's UID, so that it can be found and deleted without having been noted anywhere.
func TokenSecretKey(machine types.UID) types.NamespacedName {
	return types.NamespacedName{Namespace: tokenNamespace, Name: "bootstrap-token-" + tokenID(machine)}
}

// tokenID is six letters and digits. 2^30 of them: two machines of one cluster don't meet.
func tokenID(machine types.UID) string {
	sum := sha256.Sum256([]byte(machine))
	return lower(sum[:])[:6]
}

// NewTokenSecret returns a Secret with a new token for a machine, good for an hour from now.
func NewTokenSecret(machine *v1alpha1.Machine, now time.Time) *corev1.Secret {
	secret := make([]byte, 10) // 16 characters of five bits
	rand.Read(secret)
	key := TokenSecretKey(machine.UID)
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name,
			Labels: map[string]string{v1alpha1.LabelMachine: machine.Name},
		},
		Type: corev1.SecretTypeBootstrapToken,
		Data: map[string][]byte{
			"description":                    []byte("Naru machine " + machine.Name),
			keyID:                            []byte(tokenID(machine.UID)),
			keySecret:                        []byte(lower(secret)[:16]),
			keyExpiration:                    []byte(now.Add(tokenLife).UTC().Format(time.RFC3339)),
			"usage-bootstrap-authentication": []byte("true"),
			"auth-extra-groups":              []byte(TokenGroup),
		},
	}
}

// Token reads the token from its Secret. It returns false where it is malformed or near its end.
func Token(secret *corev1.Secret, now time.Time) (string, bool) {
	end, err := time.Parse(time.RFC3339, string(secret.Data[keyExpiration]))
	if err != nil || now.Add(tokenSpare).After(end) {
		return "", false
	}
	id, value := string(secret.Data[keyID]), string(secret.Data[keySecret])
	return id + "." + value, len(id) == 6 && len(value) == 16
}

// lower encodes with a to z and 2 to 7, which tokens may consist of.
func lower(data []byte) string {
	return strings.ToLower(base32.StdEncoding.EncodeToString(data))
}
