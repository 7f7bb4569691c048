package authentication

import (
	"strings"
	"testing"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/test/golden"
)

func TestConfiguration(t *testing.T) {
	cases := map[string]struct {
		file     string
		provider *v1alpha1.IdentityProvider
	}{
		"when there is no provider, it says who may ask for health": {"none.yaml", nil},
		"when nothing else is said, names have the issuer's URL before them, and there are no groups": {"least.yaml", &v1alpha1.IdentityProvider{
			Name: "login", IssuerURL: "https://login.example.org", ClientID: "kubernetes"}},
		"when all is said, all is in it": {"most.yaml", &v1alpha1.IdentityProvider{
			Name: "login", IssuerURL: "https://login.example.org", ClientID: "kubernetes", UsernameClaim: "name", UsernamePrefix: "oidc:",
			GroupsClaim: "groups", GroupsPrefix: "oidc:", RequiredClaims: map[string]string{"team": "a", "env": "prod"},
			CertificateAuthority: "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"}},
		"when the claim is email, or the prefix is -, there is no prefix": {"plain.yaml", &v1alpha1.IdentityProvider{
			Name: "login", IssuerURL: "https://login.example.org", ClientID: "kubernetes", UsernameClaim: "email", GroupsClaim: "groups", GroupsPrefix: "-"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text, err := Configuration(c.provider)
			if err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, c.file, []byte(text))
		})
	}
}

func TestProblem(t *testing.T) {
	const own = "https://127.0.0.1:6441/id/0"
	cases := map[string]struct {
		provider v1alpha1.IdentityProvider
		want     string
	}{
		"when it has no authority of its own, the public ones do": {v1alpha1.IdentityProvider{IssuerURL: "https://login.example.org"}, ""},
		"when it is the cluster itself, it is none":               {v1alpha1.IdentityProvider{IssuerURL: own}, "own issuer"},
		"when a claim has no name, it is none":                    {v1alpha1.IdentityProvider{RequiredClaims: map[string]string{"": "x"}}, "without a name"},
		"when its authority is no certificate, it is none": {v1alpha1.IdentityProvider{
			CertificateAuthority: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "no certificate"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Problem(&c.provider, own); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestReadLoaded(t *testing.T) {
	const info = `apiserver_authentication_config_controller_last_config_info{apiserver_id_hash="sha256:1",hash="sha256:2"} 1` + "\n"
	const success = `apiserver_authentication_config_controller_automatic_reload_last_timestamp_seconds{apiserver_id_hash="sha256:1",status="success"} 1.7639e+09` + "\n"
	const failure = `apiserver_authentication_config_controller_automatic_reload_last_timestamp_seconds{apiserver_id_hash="sha256:1",status="failure"} 1.7640e+09` + "\n"
	cases := map[string]struct {
		text string
		want Loaded
		errs bool
	}{
		"when it has loaded one, its hash is told":          {"go_threads 9\n" + success + info, Loaded{Hash: "sha256:2"}, false},
		"when it has failed since, that is told":            {failure + success + info, Loaded{Hash: "sha256:2", Failing: true}, false},
		"when it has only failed, the one from before runs": {failure + info, Loaded{Hash: "sha256:2", Failing: true}, false},
		"when it does not say, it is an error":              {"go_threads 9\n", Loaded{}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ReadLoaded(strings.NewReader(c.text))
			if got != c.want || (err != nil) != c.errs {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}
