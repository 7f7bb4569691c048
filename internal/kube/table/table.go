// Package table reads objects as the API server's own tables: the columns are those of the kind's
// definition, as kubectl shows them.
package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

// ErrStop ends a watch.
var ErrStop = errors.New("enough was seen")

// Query names objects.
type Query struct {
	// Resource is the kind's plural name, as "clusters".
	Resource string
	// Namespace; empty: all, or none for kinds without.
	Namespace string
	// Name; empty: all.
	Name string
}

// Reader reads tables of one API group.
type Reader struct{ client rest.Interface }

// NewReader returns a reader of a group's kinds.
func NewReader(config *rest.Config, group schema.GroupVersion) (*Reader, error) {
	config = rest.CopyConfig(config)
	config.APIPath = "/apis"
	config.GroupVersion = &group
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of %s: %w", group, err)
	}
	return &Reader{client: client}, nil
}

func (r *Reader) request(q Query) *rest.Request {
	request := r.client.Get().SetHeader("Accept", accept).Resource(q.Resource)
	if q.Namespace != "" {
		request = request.Namespace(q.Namespace)
	}
	if q.Name != "" {
		request = request.Param("fieldSelector", "metadata.name="+q.Name)
	}
	return request
}

// List reads the objects that there are. A name that does not exist gives a table without rows.
func (r *Reader) List(ctx context.Context, q Query) (*v1.Table, error) {
	data, err := r.request(q).Do(ctx).Raw()
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", q.Resource, err)
	}
	return decode(data)
}

func decode(data []byte) (*v1.Table, error) {
	table := &v1.Table{}
	if err := json.Unmarshal(data, table); err != nil {
		return nil, fmt.Errorf("decoding a table: %w", err)
	}
	for i := range table.Rows {
		meta := &v1.PartialObjectMetadata{}
		if err := json.Unmarshal(table.Rows[i].Object.Raw, meta); err != nil {
			return nil, fmt.Errorf("decoding a table's row: %w", err)
		}
		table.Rows[i].Object.Object = meta
	}
	return table, nil
}

// Watch calls show with a table of one row for each change after a listing's resource version,
// until ctx ends, the server ends the watch, or show returns an error; ErrStop is none.
func (r *Reader) Watch(ctx context.Context, q Query, version string, show func(watch.EventType, *v1.Table) error) error {
	stream, err := r.request(q).Param("watch", "true").Param("resourceVersion", version).Stream(ctx)
	if err != nil {
		return fmt.Errorf("watching %s: %w", q.Resource, err)
	}
	defer stream.Close()
	decoder := json.NewDecoder(stream)
	for {
		var event v1.WatchEvent
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil
		} else if err != nil {
			return fmt.Errorf("watching %s: %w", q.Resource, err)
		}
		if event.Type == string(watch.Error) {
			return nil // too old a version: the caller lists anew
		}
		table, err := decode(event.Object.Raw)
		if err != nil {
			return err
		}
		if err := show(watch.EventType(event.Type), table); errors.Is(err, ErrStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
