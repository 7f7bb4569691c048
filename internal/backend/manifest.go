package backend

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// Document is one object of a manifest that a user wrote.
type Document struct {
	// Source is where it stands, as "cluster.yaml, document 2".
	Source string
	// Object is what the user wrote and nothing more; Typed is the same with its Go type.
	Object *unstructured.Unstructured
	Typed  client.Object
}

// writable are the kinds that users write. The others are made by Naru itself.
var writable = []string{"Cluster", "NodeGroup", "FargateProfile", "MachineClass"}

// Read decodes a manifest: YAML or JSON, one or several documents, of kinds that users write or eksctl's ClusterConfig.
// Unknown and duplicate fields are refused. Errors: *InvalidError, whose field begins with the source.
func Read(source string, content io.Reader) ([]Document, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	strict := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme, scheme, serializer.SerializerOptions{Yaml: true, Strict: true})
	reader := yaml.NewYAMLReader(bufio.NewReader(content))
	var documents []Document
	for n := 1; ; n++ {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", source, err)
		}
		if blank(text) {
			n--
			continue
		}
		more, err := readAll(strict, fmt.Sprintf("%s, document %d", source, n), text)
		if err != nil {
			return nil, err
		}
		documents = append(documents, more...)
	}
}

// readAll reads the objects of one document: one, or as many as there are in a file of eksctl's.
func readAll(strict runtime.Decoder, source string, text []byte) ([]Document, error) {
	var kind metav1.TypeMeta
	texts := [][]byte{text}
	if err := yaml.Unmarshal(text, &kind); err == nil && kind.APIVersion == eksctlVersion && kind.Kind == eksctlKind {
		if texts, err = fromEksctl(source, text); err != nil {
			return nil, err
		}
	}
	documents := make([]Document, 0, len(texts))
	for _, text := range texts {
		document, err := read(strict, source, text)
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
	return documents, nil
}

func blank(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && string(line) != "---" {
			return false
		}
	}
	return true
}

func read(strict runtime.Decoder, source string, text []byte) (Document, error) {
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &object.Object); err != nil {
		return Document{}, invalidf(source, "it is no valid YAML: %s", strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
	}
	if err := known(source, object); err != nil {
		return Document{}, err
	}
	decoded, _, err := strict.Decode(text, nil, nil)
	if err != nil {
		return Document{}, invalidf(source, "%s", decodingProblem(err))
	}
	typed, ok := decoded.(client.Object)
	if !ok {
		return Document{}, invalidf(source, "a %s can't be applied", object.GetKind())
	}
	return Document{Source: source, Object: object, Typed: typed}, nil
}

func known(source string, object *unstructured.Unstructured) error {
	group := v1alpha1.GroupVersion.String()
	switch {
	case object.GetAPIVersion() != group:
		return invalidf(source, "apiVersion is %q: naru applies %s of %s, and eksctl's %s; for anything else use kubectl", object.GetAPIVersion(), strings.Join(writable, ", "), group, eksctlKind)
	case !slices.Contains(writable, object.GetKind()):
		return invalidf(source, "kind is %q: users write %s", object.GetKind(), strings.Join(writable, ", "))
	case object.GetName() == "":
		return invalidf(source, "metadata.name is missing")
	}
	return nil
}

// goType matches what encoding/json says of a value of the wrong type.
var goType = regexp.MustCompile(`cannot unmarshal (\S+) into Go struct field \w+\.(\S+) of type (\S+)`)

// decodingProblem is a decoder's error in the words of the manifest, without Go's types.
func decodingProblem(err error) string {
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		problems := make([]string, 0, len(strict.Errors()))
		for _, problem := range strict.Errors() {
			problems = append(problems, problem.Error())
		}
		return strings.Join(problems, ", ") + `: look for a typing error, or see the fields with "kubectl explain"`
	}
	if match := goType.FindStringSubmatch(err.Error()); match != nil {
		return fmt.Sprintf("%s is a %s, where %s is wanted", match[2], match[1], wanted(match[3]))
	}
	return err.Error()
}

func wanted(goType string) string {
	switch {
	case strings.HasPrefix(goType, "int"):
		return "an integer"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "a string"
	}
	return "an object"
}
