package pki

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func layout(t *testing.T) Layout {
	t.Helper()
	l, err := NewLayout(Input{Cluster: "demo", Namespace: "naru-demo", FrontAddress: "100.65.1.2", ServiceCIDR: "10.96.0.0/16", Port: 6443})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// carryOut makes what is planned and returns the names of it.
func carryOut(t *testing.T, l Layout, have Secrets, now time.Time) []string {
	t.Helper()
	if len(have[AuthenticatorCA]) == 0 {
		authority, err := NewCA("naru:authenticator", now)
		if err != nil {
			t.Fatal(err)
		}
		have[AuthenticatorCA] = map[string][]byte{CertificateKey: authority.Certificate, PrivateKey: authority.Key}
	}
	steps, _ := l.Plan(have, now)
	var names []string
	for _, step := range steps {
		data, err := step.Make(have, now)
		if err != nil {
			t.Fatal(err)
		}
		have[step.Name] = data
		names = append(names, step.Name)
	}
	slices.Sort(names)
	return names
}

func TestPlan(t *testing.T) {
	l := layout(t)
	fresh := func(t *testing.T) Secrets {
		have := Secrets{}
		carryOut(t, l, have, start)
		return have
	}

	t.Run("when there is nothing, it makes everything once", func(t *testing.T) {
		have := Secrets{}
		if got, want := len(carryOut(t, l, have, start)), len(l.Authorities)+len(l.Certificates)+len(l.Kubeconfigs)+4; got != want {
			t.Errorf("made %d Secrets, want %d", got, want)
		}
		if again := carryOut(t, l, have, start.Add(time.Hour)); len(again) != 0 {
			t.Errorf("made again: %v", again)
		}
	})

	t.Run("when two thirds of the leaves' life are over, it renews all leaves and no authority", func(t *testing.T) {
		have := fresh(t)
		_, next := l.Plan(have, start)
		if early := carryOut(t, l, have, next.Add(-time.Second)); len(early) != 0 {
			t.Errorf("renewed early: %v", early)
		}
		if due := next.Sub(start); due < LeafLifetime*6/10 || due > LeafLifetime*7/10 {
			t.Errorf("renewal is due after %s", due)
		}
		ca := have.Material(CA)
		if got, want := len(carryOut(t, l, have, next)), len(l.Certificates)+len(l.Kubeconfigs); got != want {
			t.Errorf("renewed %d, want %d", got, want)
		}
		if string(have.Material(CA).Certificate) != string(ca.Certificate) {
			t.Error("the authority was replaced")
		}
	})

	t.Run("when the front's address changes, it renews what names it", func(t *testing.T) {
		have := fresh(t)
		moved, err := NewLayout(Input{Cluster: "demo", Namespace: "naru-demo", FrontAddress: "100.65.9.9", ServiceCIDR: "10.96.0.0/16", Port: 6443})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"apiserver", "konnectivity-server", "kubeconfig-agent", "kubeconfig-controller",
			"kubeconfig-controller-manager", "kubeconfig-karpenter", "kubeconfig-kube-proxy", "kubeconfig-scheduler", "kubeconfig-token-reviewer"}
		if got := carryOut(t, moved, have, start); !slices.Equal(got, want) {
			t.Errorf("renewed %v, want %v", got, want)
		}
	})

	t.Run("when a key was damaged, it renews that certificate alone", func(t *testing.T) {
		have := fresh(t)
		have["etcd-peer"][PrivateKey] = have["etcd-server"][PrivateKey]
		if got := carryOut(t, l, have, start); !slices.Equal(got, []string{"etcd-peer"}) {
			t.Errorf("renewed %v", got)
		}
	})
}

func TestCertificatesServe(t *testing.T) {
	l := layout(t)
	have := Secrets{}
	carryOut(t, l, have, start)
	tests := map[string]struct {
		certificate, authority, name string
		usage                        x509.ExtKeyUsage
	}{
		"when a client dials the front, it accepts the API server":         {"apiserver", CA, "100.65.1.2", x509.ExtKeyUsageServerAuth},
		"when a user dials 127.0.0.1, it accepts the API server":           {"apiserver", CA, "127.0.0.1", x509.ExtKeyUsageServerAuth},
		"when a pod dials the Service, it accepts the API server":          {"apiserver", CA, "10.96.0.1", x509.ExtKeyUsageServerAuth},
		"when the front checks a server, it accepts it":                    {"apiserver", CA, "kube-apiserver.naru-demo.svc.cluster.local", x509.ExtKeyUsageServerAuth},
		"when a member dials another, it accepts it":                       {"etcd-peer", EtcdCA, "etcd-2.etcd.naru-demo.svc.cluster.local", x509.ExtKeyUsageServerAuth},
		"when an API server dials a member, the member accepts it":         {"apiserver-etcd-client", EtcdCA, "", x509.ExtKeyUsageClientAuth},
		"when an agent dials a konnectivity server, the server accepts it": {"konnectivity-agent", KonnectivityCA, "", x509.ExtKeyUsageClientAuth},
		"when an API server asks the authenticator, that accepts it":       {"apiserver-authenticator-client", AuthenticatorCA, "", x509.ExtKeyUsageClientAuth},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m := have.Material(tc.certificate)
			if _, err := tls.X509KeyPair(m.Certificate, m.Key); err != nil {
				t.Fatal(err)
			}
			certificate, err := Parse(m.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(have.Material(tc.authority).Certificate)
			_, err = certificate.Verify(x509.VerifyOptions{
				Roots: roots, DNSName: tc.name, CurrentTime: start, KeyUsages: []x509.ExtKeyUsage{tc.usage},
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPlanAsked(t *testing.T) {
	l, have := layout(t), Secrets{}
	carryOut(t, l, have, start)
	ca := have.Material(CA)
	asking := l
	asking.Asked = start.Add(time.Hour + time.Millisecond)
	if early := carryOut(t, asking, have, start.Add(30*time.Minute)); len(early) != 0 {
		t.Errorf("when the time has not come, renewed %v", early)
	}
	if _, next := asking.Plan(have, start); !next.Equal(asking.Asked) {
		t.Errorf("it asks again at %s", next)
	}
	if got, want := len(carryOut(t, asking, have, asking.Asked)), len(l.Certificates)+len(l.Kubeconfigs); got != want {
		t.Errorf("when it has come, renewed %d, want all %d leaves", got, want)
	}
	for _, later := range []time.Duration{0, time.Second, 24 * time.Hour} {
		if again := carryOut(t, asking, have, asking.Asked.Add(later)); len(again) != 0 {
			t.Errorf("when it is over, renewed again: %v", again)
		}
	}
	if string(have.Material(CA).Certificate) != string(ca.Certificate) {
		t.Error("when leaves are renewed, the authority stays")
	}
}
