package registry

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestFixedTags pushes two images to a repository whose tags are immutable, and to one whose are not.
func TestFixedTags(t *testing.T) {
	to := server(t)
	archive := func() string {
		file := filepath.Join(t.TempDir(), "image.tar")
		tag, err := name.NewTag("any:1")
		if err != nil {
			t.Fatal(err)
		}
		if err := tarball.WriteToFile(file, tag, image(t)); err != nil {
			t.Fatal(err)
		}
		return file
	}
	first, second := archive(), archive()
	push := func(file, as string) error {
		opened, err := OpenArchive(file, host, as)
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		_, err = to.Push(t.Context(), opened, Rules{Fixed: map[string]bool{"team/fixed": true}}, nil)
		return err
	}
	for _, step := range []struct {
		name, file, as string
		refused        bool
	}{
		{"when the tag is new, it is taken", first, "team/fixed:1", false},
		{"when it is the same image's, it is taken again", first, "team/fixed:1", false},
		{"when it is another image's, it is refused", second, "team/fixed:1", true},
		{"when the tag is another, it is taken", second, "team/fixed:2", false},
		{"when tags move in the repository, the first is taken", first, "team/loose:1", false},
		{"when tags move in the repository, the second is taken", second, "team/loose:1", false},
	} {
		err := push(step.file, step.as)
		if fixed := new(FixedTagError); errors.As(err, &fixed) != step.refused || !step.refused && err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
}
