// Package profile reads and writes the settings that AWS's tools share, ~/.aws/config and ~/.aws/credentials. See
// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
package profile

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/exitcode"
)

// Profile is what AWS's tools need to know of this Naru.
type Profile struct {
	// Name of the profile; "default" is the one that is used where none is named.
	Name string
	// Region and Endpoint of the API.
	Region, Endpoint string
	// CA is the PEM of what signed the endpoint's certificate.
	CA []byte
	// Key to sign with.
	Key sigv4.Key
}

// Files are where AWS's tools look.
type Files struct{ Config, Credentials string }

// DefaultFiles are those of the environment, or ~/.aws.
func DefaultFiles() (Files, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return Files{}, fmt.Errorf("finding the home folder: %w", err)
	}
	files := Files{Config: os.Getenv("AWS_CONFIG_FILE"), Credentials: os.Getenv("AWS_SHARED_CREDENTIALS_FILE")}
	if files.Config == "" {
		files.Config = filepath.Join(home, ".aws", "config")
	}
	if files.Credentials == "" {
		files.Credentials = filepath.Join(home, ".aws", "credentials")
	}
	return files, nil
}

// ForeignError says that a profile of the wanted name is for something else than this Naru.
type ForeignError struct{ Name, Path string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s has a profile %q that is not this Naru's: choose another name with --profile", e.Path, e.Name)
}

// ExitCode implements the convention of package exitcode.
func (*ForeignError) ExitCode() int { return exitcode.Failed }

// Write puts the profile into both files, beside whatever else is in them, and the CA next to the first. The files are
// replaced in one step and are their owner's alone. Errors: *ForeignError.
func (f Files) Write(p Profile) error {
	settings, err := read(f.Config)
	if err != nil {
		return err
	}
	keys, err := read(f.Credentials)
	if err != nil {
		return err
	}
	section := "profile " + p.Name
	if p.Name == "default" {
		section = p.Name
	}
	endpoint, known := value(settings, section, "endpoint_url")
	if endpoint != p.Endpoint && (known || has(settings, section) || has(keys, p.Name)) {
		return &ForeignError{Name: p.Name, Path: f.Config}
	}
	bundle := filepath.Join(filepath.Dir(f.Config), "naru-"+p.Name+"-ca.pem")
	settings = set(settings, section, [][2]string{{"region", p.Region}, {"endpoint_url", p.Endpoint}, {"ca_bundle", bundle}})
	keys = set(keys, p.Name, [][2]string{{"aws_access_key_id", p.Key.AccessKeyID}, {"aws_secret_access_key", p.Key.Secret}})
	for path, content := range map[string][]byte{bundle: p.CA, f.Config: []byte(settings), f.Credentials: []byte(keys)} {
		if err := replace(path, content); err != nil {
			return err
		}
	}
	return nil
}

func read(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading AWS's settings: %w", err)
	}
	return string(content), nil
}

// replace writes a file in one step: who reads it meanwhile sees the old one or the new one.
func replace(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the folder of AWS's settings: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".naru-*") // readable by its owner only
	if err != nil {
		return fmt.Errorf("writing AWS's settings: %w", err)
	}
	defer os.Remove(file.Name()) // it is gone where the renaming succeeded
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing AWS's settings: %w", err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("writing AWS's settings: %w", err)
	}
	return nil
}

// Load finds credentials and region as AWS's own tools do; an empty name is the environment's choice.
func Load(ctx context.Context, name, region string) (aws.Config, sigv4.Key, error) {
	var options []func(*config.LoadOptions) error
	if name != "" {
		options = append(options, config.WithSharedConfigProfile(name))
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	// The machine has no metadata service; asking for one would only take time.
	options = append(options, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return loaded, sigv4.Key{}, fmt.Errorf("reading AWS's settings: %w", err)
	}
	if loaded.Region == "" {
		return loaded, sigv4.Key{}, &MissingError{What: "region", Variable: "AWS_REGION"}
	}
	found, err := loaded.Credentials.Retrieve(ctx)
	if err != nil {
		return loaded, sigv4.Key{}, &MissingError{What: "credentials", Variable: "AWS_PROFILE", Err: err}
	}
	return loaded, sigv4.Key{AccessKeyID: found.AccessKeyID, Secret: found.SecretAccessKey, SessionToken: found.SessionToken}, nil
}

// bundleVariable overrides a profile's ca_bundle, in AWS's own tools too.
const bundleVariable = "AWS_CA_BUNDLE"

// UntrustedError says that nobody whom AWS's settings trust has signed the certificate of the API.
type UntrustedError struct {
	// Bundle is the file that the environment names in the place of the profile's; empty: it names none.
	Bundle string
	Err    error
}

func (e *UntrustedError) Error() string {
	if e.Bundle == "" {
		return "none of the authorities that AWS's settings trust has signed the API's certificate (" + e.Err.Error() +
			"): \"naru configure-aws\" writes a profile with the right ca_bundle, which --profile or AWS_PROFILE names"
	}
	return fmt.Sprintf(`%s=%s is in the environment, which overrides the profile's ca_bundle, and no authority in that file has signed the API's certificate (%v): `+
		`"unset %s", or add the profile's authority to the file`, bundleVariable, e.Bundle, e.Err, bundleVariable)
}

func (e *UntrustedError) Unwrap() error { return e.Err }

// ExitCode implements the convention of package exitcode.
func (*UntrustedError) ExitCode() int { return exitcode.Failed }

// Explain returns what a call to the API failed with; where it is the certificate's authority, as *UntrustedError. A
// nil error stays nil.
func Explain(err error) error {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return &UntrustedError{Bundle: os.Getenv(bundleVariable), Err: unknown}
	}
	return err
}

// MissingError says that AWS's settings lack something.
type MissingError struct {
	What, Variable string
	Err            error
}

func (e *MissingError) Error() string {
	return fmt.Sprintf(`AWS's settings have no %s: "naru configure-aws" writes a profile, which --profile or %s names`, e.What, e.Variable)
}

func (e *MissingError) Unwrap() error { return e.Err }

// ExitCode implements the convention of package exitcode.
func (*MissingError) ExitCode() int { return exitcode.Usage }
