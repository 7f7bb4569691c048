package cmd

import (
	"io"
	"strings"
	"testing"

	"naru.dev/naru/internal/exitcode"
)

func TestUsageErrors(t *testing.T) {
	for reason, c := range map[string]struct {
		args []string
		want string
	}{
		"when a command does not exist, it says so":              {[]string{"upp"}, `unknown command "naru upp", did you mean "naru up"?`},
		"when a subcommand does not exist, it says so":           {[]string{"release", "make"}, `unknown command "naru release make"`},
		"when a flag does not exist, it names it":                {[]string{"release", "list", "--all"}, "unknown flag: --all"},
		"when there are too many arguments, it says so":          {[]string{"release", "build", "1", "2"}, "accepts at most 1 arg(s), received 2"},
		"when a required flag is missing, it names it":           {[]string{"scale", "nodegroup", "web"}, `"cluster" not set`},
		"when flags exclude each other, it names them":           {[]string{"create", "cluster", "x", "--wait", "--no-wait"}, "[wait no-wait]"},
		"when a row does not exist, it says which do":            {[]string{"evaluate", "--rows", "P99"}, `no row "P99": choose one of P01 to P42`},
		"when a language does not exist, it says which do":       {[]string{"evaluate", "--lang", "fr"}, "choose en or ko"},
		"when a report is missing, it says how many there are":   {[]string{"evaluate", "--compare", "a.json"}, "wants two reports, 1 were given"},
		"when a report is of another form, it says so":           {[]string{"evaluate", "--compare", "../go.mod", "../go.mod"}, "can't be read as a report"},
		"when a kind does not exist, it lists all":               {[]string{"get", "nothings"}, "clusters, nodegroups, fargateprofiles, machines"},
		"when a name is missing, it says of what":                {[]string{"delete", "cluster"}, "the name of the cluster is missing"},
		"when a Kubernetes version does not exist, it lists all": {[]string{"release", "build", "1.2", "--source", ".."}, `choose one of 1.37`},
	} {
		t.Run(reason, func(t *testing.T) {
			root := NewRootCommand()
			root.SetArgs(c.args)
			root.SetOut(io.Discard)
			root.SetErr(io.Discard)
			err := root.ExecuteContext(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			text, code := tell(err)
			if code != exitcode.Usage || !strings.Contains(text, c.want) {
				t.Errorf("code %d: %s", code, text)
			}
		})
	}
}
