// Package conformance is the suite that every machine driver must pass.
package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/machines"
)

// patience bounds how long a driver may take to do what it was asked for.
const patience = 30 * time.Second

// Subject is a driver under test and what the world around it does.
type Subject struct {
	Driver machines.Driver
	// Machine stores a Machine of this name in the world and returns it as stored.
	Machine func(t *testing.T, name string) *v1alpha1.Machine
	// Start lets the world run a machine that was created.
	Start func(t *testing.T, key machines.Key)
	// Lose makes the world end a machine that nobody asked to end.
	Lose func(t *testing.T, key machines.Key)
	// Files reads back the bootstrap files that a machine was given.
	Files func(t *testing.T, key machines.Key) map[string][]byte
}

// Machine returns a Machine for the Subject to store.
func Machine(cluster, name string) *v1alpha1.Machine {
	return &v1alpha1.Machine{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.Namespace(cluster), Name: name, UID: types.UID("uid-" + name)},
		Spec: v1alpha1.MachineSpec{
			Claim:        v1alpha1.MachineClaim{Name: "claim-" + name, UID: types.UID("claim-uid-" + name)},
			NodeGroup:    "workers",
			MachineClass: "t3.medium",
			Image:        "registry.naru.local/node:1.37.1",
		},
	}
}

// Class returns the class that the suite's machines have.
func Class() v1alpha1.MachineClassSpec {
	return v1alpha1.MachineClassSpec{CPU: resource.MustParse("2"), Memory: resource.MustParse("4Gi"), Pods: 110}
}

// Run runs the suite; make returns a fresh subject.
func Run(t *testing.T, make func(t *testing.T) Subject) {
	for name, test := range map[string]func(*testing.T, Subject){
		"when nothing was created, Get and Delete say that it is not found": absent,
		"when a machine was created, it is pending and then runs":           lifecycle,
		"when a machine is created twice, there is one":                     twice,
		"when the files change, the machine's change":                       files,
		"when a machine is deleted, it is lost and then not found":          deletion,
		"when a machine ends by itself, it is lost or not found":            loss,
		"when one of two machines is deleted, the other stays":              apart,
	} {
		t.Run(name, func(t *testing.T) { test(t, make(t)) })
	}
}

func blueprint(machine *v1alpha1.Machine, content string) machines.Blueprint {
	return machines.Blueprint{Machine: machine, Class: Class(), Files: map[string][]byte{"node.json": []byte(content)}}
}

func create(t *testing.T, s Subject, name, content string) machines.Key {
	t.Helper()
	machine := s.Machine(t, name)
	if err := s.Driver.Create(t.Context(), blueprint(machine, content)); err != nil {
		t.Fatal(err)
	}
	return machines.KeyOf(machine)
}

func absent(t *testing.T, s Subject) {
	key := machines.KeyOf(s.Machine(t, "m-1"))
	if _, err := s.Driver.Get(t.Context(), key); !machines.IsNotFound(err) {
		t.Errorf("Get: got %v", err)
	}
	if err := s.Driver.Delete(t.Context(), key); !machines.IsNotFound(err) {
		t.Errorf("Delete: got %v", err)
	}
}

func lifecycle(t *testing.T, s Subject) {
	key := create(t, s, "m-1", "{}")
	if seen, err := s.Driver.Get(t.Context(), key); err != nil || seen.Phase == machines.Lost {
		t.Fatalf("after Create: got %+v, %v", seen, err)
	}
	s.Start(t, key)
	seen := awaitRunning(t, s, key)
	if seen.Address == "" || seen.Host == "" || seen.Zone == "" {
		t.Errorf("a machine that runs has an address, a host and a zone: got %+v", seen)
	}
}

func twice(t *testing.T, s Subject) {
	key := create(t, s, "m-1", "{}")
	s.Start(t, key)
	before := awaitRunning(t, s, key)
	create(t, s, "m-1", "{}")
	if diff := cmp.Diff(before, awaitRunning(t, s, key)); diff != "" {
		t.Errorf("the second Create changed the machine (-before +after):\n%s", diff)
	}
}

func files(t *testing.T, s Subject) {
	key := create(t, s, "m-1", "first")
	create(t, s, "m-1", "second")
	if got := string(s.Files(t, key)["node.json"]); got != "second" {
		t.Errorf("got %q", got)
	}
}

func deletion(t *testing.T, s Subject) {
	key := create(t, s, "m-1", "{}")
	s.Start(t, key)
	awaitRunning(t, s, key)
	remove(t, s, key)
	if _, err := s.Driver.Get(t.Context(), key); !machines.IsNotFound(err) {
		t.Errorf("got %v", err)
	}
	if left := s.Files(t, key); left != nil {
		t.Errorf("its bootstrap files, which hold credentials, are still there")
	}
}

func loss(t *testing.T, s Subject) {
	key := create(t, s, "m-1", "{}")
	s.Start(t, key)
	awaitRunning(t, s, key)
	s.Lose(t, key)
	until(t, "the machine is lost", func(ctx context.Context) bool {
		seen, err := s.Driver.Get(ctx, key)
		return machines.IsNotFound(err) || err == nil && seen.Phase == machines.Lost
	})
	remove(t, s, key)
}

func apart(t *testing.T, s Subject) {
	first, second := create(t, s, "m-1", "{}"), create(t, s, "m-2", "{}")
	s.Start(t, first)
	s.Start(t, second)
	awaitRunning(t, s, second)
	remove(t, s, first)
	if seen, err := s.Driver.Get(t.Context(), second); err != nil || seen.Phase != machines.Running {
		t.Errorf("the other: got %+v, %v", seen, err)
	}
}

func awaitRunning(t *testing.T, s Subject, key machines.Key) machines.Observation {
	t.Helper()
	var seen machines.Observation
	until(t, "the machine runs", func(ctx context.Context) bool {
		var err error
		seen, err = s.Driver.Get(ctx, key)
		return err == nil && seen.Phase == machines.Running
	})
	return seen
}

func remove(t *testing.T, s Subject, key machines.Key) {
	t.Helper()
	until(t, "the machine is gone", func(ctx context.Context) bool {
		err := s.Driver.Delete(ctx, key)
		if err != nil && !machines.IsNotFound(err) {
			t.Fatal(err)
		}
		return err != nil
	})
}

// until polls: drivers have no events of their own.
func until(t *testing.T, what string, condition func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s until %s", patience, what)
		case <-tick.C:
		}
	}
}
