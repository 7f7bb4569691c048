// Package manifest reads YAML streams of Kubernetes objects.
package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Decode reads every document of a YAML or JSON stream, in order; empty ones are passed over.
func Decode(stream []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(stream), 4096)
	var objects []*unstructured.Unstructured
	for n := 1; ; n++ {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, fmt.Errorf("decoding document %d: %w", n, err)
		}
		if len(object.Object) == 0 {
			continue
		}
		if object.GetKind() == "" || object.GetAPIVersion() == "" || object.GetName() == "" {
			return nil, fmt.Errorf("decoding document %d: apiVersion, kind and metadata.name are required", n)
		}
		objects = append(objects, object)
	}
}

// Render executes a YAML template with data and decodes the result. A key that data lacks is an error.
func Render(name, text string, data any) ([]*unstructured.Unstructured, error) {
	tmpl, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parsing template %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := tmpl.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("rendering template %s: %w", name, err)
	}
	objects, err := Decode(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("reading rendered template %s: %w", name, err)
	}
	return objects, nil
}
