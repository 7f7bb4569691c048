package profile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"naru.dev/naru/internal/eks/sigv4"
)

func naru() Profile {
	return Profile{Name: "naru", Region: "naru-kr-1", Endpoint: "https://127.0.0.1:6441", CA: []byte("PEM"), Key: sigv4.Key{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: "s"}}
}

func TestWrite(t *testing.T) {
	folder := filepath.Join(t.TempDir(), ".aws")
	files := Files{Config: filepath.Join(folder, "config"), Credentials: filepath.Join(folder, "credentials")}
	if err := files.Write(naru()); err != nil {
		t.Fatal(err)
	}
	other := naru()
	other.Key.Secret = "other"
	if err := files.Write(other); err != nil {
		t.Errorf("when it is Naru's own, it is written again: %v", err)
	}
	for path, want := range map[string]string{
		files.Config:      "[profile naru]\nregion = naru-kr-1\nendpoint_url = https://127.0.0.1:6441\nca_bundle = " + folder + "/naru-naru-ca.pem\n",
		files.Credentials: "[naru]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = other\n",
	} {
		content, err := os.ReadFile(path)
		if diff := cmp.Diff(want, string(content)); err != nil || diff != "" {
			t.Error(err, diff)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s can be read by others: %v", path, info.Mode())
		}
	}
	t.Run("when the name is something else's, it is left alone", func(t *testing.T) {
		if err := os.WriteFile(files.Credentials, []byte("[work]\naws_access_key_id = x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		foreign := naru()
		foreign.Name = "work"
		var refused *ForeignError
		if err := files.Write(foreign); !errors.As(err, &refused) {
			t.Errorf("got %v", err)
		}
		if content, err := os.ReadFile(files.Credentials); err != nil || string(content) != "[work]\naws_access_key_id = x\n" {
			t.Errorf("%s, %v", content, err)
		}
	})
	t.Run("when it was written, it is found", func(t *testing.T) {
		t.Setenv("AWS_CONFIG_FILE", files.Config)
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", files.Credentials)
		t.Setenv("AWS_ENDPOINT_URL", "")
		if err := files.Write(naru()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "naru-naru-ca.pem"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, key, err := Load(t.Context(), "naru", "")
		var missing *MissingError
		if err == nil && key != naru().Key || errors.As(err, &missing) {
			t.Errorf("%+v, %v", key, err)
		}
	})
}

func TestSet(t *testing.T) {
	const before = "# mine\n[default]\nregion = eu-west-1\n\n[profile naru]\noutput = json\nregion=old\ns3 =\n  max = 5\n\n[profile x]\nregion = y\n"
	got := set(before, "profile naru", [][2]string{{"region", "new"}, {"endpoint_url", "u"}})
	want := "# mine\n[default]\nregion = eu-west-1\n\n[profile naru]\noutput = json\nregion = new\ns3 =\n  max = 5\nendpoint_url = u\n\n[profile x]\nregion = y\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if again := set(got, "profile naru", [][2]string{{"region", "new"}, {"endpoint_url", "u"}}); again != got {
		t.Errorf("when nothing changes, nothing changes:\n%s", cmp.Diff(got, again))
	}
}
