// Package handlers is what the EKS API's operations do, over package backend. They get the SDK's input
// types and give its output types; errors are the SDK's exceptions. Nothing here knows HTTP.
package handlers

import (
	"context"
	"fmt"
	"time"

	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/eks/wire"
)

// Options are what handlers work with.
type Options struct {
	Backend *backend.Backend
	Model   *wire.Model
	Site    convert.Site
	Roles   Roles
	// Now is the clock, NewID makes the UUID of an update.
	Now   func() time.Time
	NewID func() string
}

// Roles know which roles there are.
type Roles interface {
	// Trusts tells whether there is a role of that ARN, and whether it lets a service of AWS assume it.
	Trusts(ctx context.Context, arn, service string) (exists, trusts bool, err error)
}

// Handlers do what the operations say.
type Handlers struct {
	Options
	table map[string]operation
}

// New returns handlers for every operation of the model. It errs where one has none.
func New(options Options) (*Handlers, error) {
	h := &Handlers{Options: options, table: map[string]operation{}}
	for _, group := range []map[string]operation{clusters(), nodegroups(), fargate(), updates(), tagging(), access(), identities(), identityProviders(), addons(), insights(), authorities(), connected(), absent()} {
		for name, operation := range group {
			h.table[name] = operation
		}
	}
	for _, operation := range options.Model.Operations() {
		if _, ok := h.table[operation.Name]; !ok {
			return nil, fmt.Errorf("nobody handles %s", operation.Name)
		}
	}
	return h, nil
}

// Do runs an operation. The input is a pointer to the SDK's type, as package wire decodes it; the
// context carries the caller, who has been authorised.
func (h *Handlers) Do(ctx context.Context, name string, input any) (output any, err error) {
	return h.table[name].run(h, ctx, input)
}

// Support says how far an operation does what it does on AWS.
type Support string

// The degrees of support.
const (
	Real    Support = "real"
	Reduced Support = "reduced"
	Refused Support = "refused"
)

// operation is one entry of the table.
type operation struct {
	support Support
	// note says how it is reduced or why it is refused; empty for what is real.
	note string
	run  func(h *Handlers, ctx context.Context, input any) (any, error)
}

// full does all that it does on AWS, as far as Naru has the thing that it is about.
func full[In, Out any](do func(*Handlers, context.Context, *In) (*Out, error)) operation {
	return operation{Real, "", typed(do)}
}

// reduced does less, as the note says.
func reduced[In, Out any](note string, do func(*Handlers, context.Context, *In) (*Out, error)) operation {
	return operation{Reduced, note, typed(do)}
}

func typed[In, Out any](do func(*Handlers, context.Context, *In) (*Out, error)) func(*Handlers, context.Context, any) (any, error) {
	return func(h *Handlers, ctx context.Context, input any) (any, error) {
		in, ok := input.(*In)
		if !ok {
			return nil, fmt.Errorf("a %T was decoded, %T is wanted", input, in)
		}
		out, err := do(h, ctx, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

// Supported tells what an operation does: the source of docs/eks-api.md.
func (h *Handlers) Supported(name string) (Support, string) {
	return h.table[name].support, h.table[name].note
}
