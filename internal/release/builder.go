package release

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// builder is one run of Build: what is made so far.
type builder struct {
	source    string
	tree      fs.FS
	cache     cache
	progress  Progress
	minor     string
	goVersion string

	programs map[string]program
	layers   map[string]layer
}

// A node's root file system is made of the layers of this image; an embedded host's has
// this layer on top.
const (
	nodeImage = "node"
	hostLayer = "host-tools"
)

// own are Naru's own programs, by package.
var own = map[string]string{"naru": ".", "hello": "./examples/hello"}

func newBuilder(options Options) (*builder, error) {
	source, err := FindSource(options.Source)
	if err != nil {
		return nil, err
	}
	root, err := FindCache(options.Cache)
	if err != nil {
		return nil, err
	}
	b := &builder{
		source: source, tree: os.DirFS(source), cache: cache{root}, progress: options.Progress,
		programs: map[string]program{}, layers: map[string]layer{},
	}
	if b.progress == nil {
		b.progress = Silent{}
	}
	b.minor, err = ResolveMinor(b.tree, options.Kubernetes)
	return b, err
}

func (b *builder) lock(ctx context.Context) (unlock func(), err error) {
	var end func(string, error)
	unlock, err = b.cache.lock(ctx, func() { end = b.progress.Start("waiting for another build") })
	if end != nil {
		end("", err)
	}
	return unlock, err
}

// build makes programs, then layers, then images. The lock is held.
func (b *builder) build(ctx context.Context) (*Built, error) {
	specs, err := readSpecs(b.tree)
	if err != nil {
		return nil, err
	}
	if err := b.cache.sweep(); err != nil {
		return nil, err
	}
	if err := b.compile(ctx); err != nil {
		return nil, err
	}
	if err := b.makeLayers(ctx, specs.layers); err != nil {
		return nil, err
	}
	built, err := b.assemble(specs.images)
	if err != nil {
		return nil, err
	}
	return built, b.prune(time.Now())
}

func (b *builder) compile(ctx context.Context) error {
	var err error
	if b.goVersion, err = goVersion(ctx, b.source); err != nil {
		return err
	}
	// One at a time: each compiles on all cores already.
	for _, component := range Catalogue(b.minor) {
		if err := b.compileComponent(ctx, component); err != nil {
			return err
		}
	}
	if err := b.compilePause(ctx, kubernetes(b.minor), b.programs["kubernetes"].version); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if err := b.compileOwn(ctx, name, own[name]); err != nil {
			return err
		}
	}
	return nil
}

// makeLayers makes those of Debian packages first: others may take files from them.
func (b *builder) makeLayers(ctx context.Context, all map[string]LayerSpec) error {
	for _, debian := range []bool{true, false} {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if (all[name].Debian != nil) != debian {
				continue
			}
			made, err := b.makeLayer(ctx, name, all[name])
			if err != nil {
				return err
			}
			b.layers[name] = made
		}
	}
	return nil
}

func (b *builder) assemble(all map[string]ImageSpec) (*Built, error) {
	built := &Built{
		Minor:      b.minor,
		Kubernetes: b.programs["kubernetes"].version,
		programs:   map[string]string{},
		images:     map[string]v1.Image{},
	}
	for name, program := range b.programs {
		built.programs[name] = program.path
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		image, content, err := b.image(all[name])
		if err != nil {
			return nil, err
		}
		built.Images = append(built.Images, image)
		built.images[name] = content
	}
	for _, name := range slices.Backward(append(slices.Clone(all[nodeImage].Layers), hostLayer)) {
		built.NodeRootfs = append(built.NodeRootfs, b.layers[name].rootfs())
	}
	return built, nil
}

func (b *builder) image(spec ImageSpec) (Image, v1.Image, error) {
	var layers []layer
	var size int64
	for _, name := range spec.Layers {
		layers = append(layers, b.layers[name])
		size += b.layers[name].Length
	}
	content, err := makeImage(spec, layers)
	if err != nil {
		return Image{}, nil, err
	}
	digest, err := content.Digest()
	if err != nil {
		return Image{}, nil, fmt.Errorf("assembling image %s: %w", spec.Name, err)
	}
	tag := tag(spec, b.programs[spec.Tag.Program].version, layers)
	return Image{
		Name: spec.Name, Ref: RegistryHost + "/" + spec.Name + ":" + tag, Digest: digest, Size: size,
	}, content, nil
}

// prune keeps what the last few releases that were built here are made of.
func (b *builder) prune(now time.Time) error {
	const keep = 4
	for _, parent := range []string{"bin", "layers"} {
		kinds, err := os.ReadDir(b.cache.entry(parent, ""))
		if err != nil {
			return fmt.Errorf("pruning the build cache: %w", err)
		}
		for _, kind := range kinds {
			if err := b.cache.prune(parent+"/"+kind.Name(), keep, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// step makes one entry of the cache where it is missing, and says so.
func (b *builder) step(name, kind, key string, fill func(dir string) error) (string, error) {
	return b.cache.ensure(kind, key, func(dir string) error {
		end := b.progress.Start(name)
		err := fill(dir)
		end("", err)
		return err
	})
}
