package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tenantctl/internal/tenant"
)

// Load reads tenants.yaml, or every *.yaml and *.yml of a folder as if they were one file, and checks it whole. The error for
// a file that is there but wrong is Problems.
func Load(name string) (*File, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, tenant.WithHint(fmt.Errorf("read %s: there is no such file: %w", name, tenant.ErrNotFound),
			"write a first one with `tenantctl init`, or name yours with --file")
	case err != nil:
		return nil, fmt.Errorf("read the tenants' file: %w", err)
	case info.IsDir():
		return loadFolder(name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the tenants' file: %w", err)
	}
	return build(name, filepath.Dir(name), []source{{name: name, data: data}})
}

// Parse reads a file's content; name is what problems call it, and what relative paths are relative to.
func Parse(name string, data []byte) (*File, error) {
	return build(name, filepath.Dir(name), []source{{name: name, data: data}})
}

// loadFolder takes the files in order of their names. Hidden ones are left out: Kubernetes keeps its own in the folder.
func loadFolder(name string) (*File, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, fmt.Errorf("read the folder of the tenants' files: %w", err)
	}
	var sources []source
	for _, entry := range entries {
		extension := filepath.Ext(entry.Name())
		if strings.HasPrefix(entry.Name(), ".") || extension != ".yaml" && extension != ".yml" {
			continue
		}
		path := filepath.Join(name, entry.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the tenants' file: %w", err)
		}
		sources = append(sources, source{name: path, data: data})
	}
	if len(sources) == 0 {
		return nil, tenant.WithHint(fmt.Errorf("read %s: the folder holds no *.yaml: %w", name, tenant.ErrNotFound),
			"write a first one with `tenantctl init`, or name yours with --file")
	}
	return build(name, name, sources)
}

// build decodes, merges and checks.
func build(name, dir string, sources []source) (*File, error) {
	f := &File{name: name, dir: dir, sources: sources}
	var problems Problems
	var trees []*tree
	for i, s := range sources {
		root, err := s.parse()
		if err != nil {
			problems = append(problems, asProblems(err)...)
			continue
		}
		d := newDecoder(s)
		decoded := d.document(root)
		problems = append(problems, d.problems...)
		trees = append(trees, newTree(s.name, root))
		if i == 0 {
			f.doc = *decoded
			continue
		}
		problems = append(problems, f.doc.merge(decoded, trees)...)
	}
	if len(trees) == len(sources) {
		problems = append(problems, check(f, trees, problems)...)
	}
	if len(problems) > 0 {
		return nil, problems.sorted(f.fileNames())
	}
	f.index()
	return f, nil
}

func asProblems(err error) Problems {
	var problems Problems
	errors.As(err, &problems)
	return problems
}

// document decodes the top of a file.
func (d *decoder) document(root *yaml.Node) *document {
	var doc document
	d.decode(root, root, reflect.ValueOf(&doc).Elem(), &field{})
	return &doc
}

// merge adds what another file of the folder declares. A name that is there already, or a second section of which there can
// be one, is a problem that names both places.
func (doc *document) merge(other *document, trees []*tree) Problems {
	var problems Problems
	here, before := trees[len(trees)-1], trees[:len(trees)-1]
	once := func(section string, isGiven bool) {
		place, given := here.find(at(section))
		if !given || !isGiven {
			return
		}
		for _, t := range before {
			if first, twice := t.find(at(section)); twice {
				problems = append(problems, &Problem{Place: place, Path: section, Message: "given twice; the first is at " + first.String()})
				return
			}
		}
	}
	once("control", other.Control != nil)
	once("broker", other.Broker != nil)
	once("defaults", true)
	once("rollout", true)
	if other.Control != nil {
		doc.Control = other.Control
	}
	if other.Broker != nil {
		doc.Broker = other.Broker
	}
	if _, given := here.find(at("defaults")); given {
		doc.Defaults = other.Defaults
	}
	if _, given := here.find(at("rollout")); given {
		doc.Rollout = other.Rollout
	}
	problems = append(problems, mergeEntries("instances", &doc.Instances, &other.Instances)...)
	problems = append(problems, mergeEntries("services", &doc.Services, &other.Services)...)
	return append(problems, mergeEntries("tenants", &doc.Tenants, &other.Tenants)...)
}

func mergeEntries[T any](section string, into, from *ordered[T]) Problems {
	var problems Problems
	for _, e := range from.entries {
		if i, twice := into.index[e.Name]; twice {
			problems = append(problems, &Problem{
				Place: e.Place, Path: at(section, e.Name).String(),
				Message: "given twice; the first is at " + into.entries[i].Place.String(),
			})
			continue
		}
		*into.add(e.Name, e.Place).(*T) = e.Value //nolint:errcheck,forcetypeassert // add gives a *T
	}
	return problems
}

func (f *File) fileNames() []string {
	names := make([]string, len(f.sources))
	for i, s := range f.sources {
		names[i] = s.name
	}
	return slices.Clip(names)
}
