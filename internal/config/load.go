package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
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
	whole := true
	for _, s := range sources {
		decoded, found := s.read()
		problems = append(problems, found...)
		if decoded == nil {
			whole = false
			continue
		}
		problems = append(problems, f.doc.merge(decoded)...)
	}
	if whole { // else what is missing may stand where YAML could not be read
		problems = append(problems, check(f, problems)...)
	}
	if len(problems) > 0 {
		return nil, problems.sorted(f.fileNames())
	}
	f.index()
	return f, nil
}

// read decodes one file; nil where it isn't YAML or too much of it.
func (s source) read() (*document, Problems) {
	if decoded := readPieces(s, minPiece); decoded != nil {
		return decoded, nil
	}
	root, err := s.parse()
	if err != nil {
		var problems Problems
		errors.As(err, &problems)
		return nil, problems
	}
	d := newDecoder(s)
	decoded := d.document(root)
	if d.budget < 0 {
		return nil, d.problems
	}
	return decoded, d.problems
}

// document decodes a file from its top.
func (d *decoder) document(root *yaml.Node) *document {
	doc := document{given: map[string]Place{}}
	d.decode(root, root, reflect.ValueOf(&doc).Elem(), &field{})
	for i := 0; i+1 < len(root.Content) && root.Kind == yaml.MappingNode; i += 2 {
		doc.given[root.Content[i].Value] = d.place(root.Content[i])
	}
	return &doc
}

// tenants decodes what stands below the key tenants.
func (d *decoder) tenants(root *yaml.Node) *ordered[declaredTenant] {
	var doc document
	top := d.shape(reflect.TypeFor[document]())
	at := top.position("tenants")
	d.path = append(d.path, segment{key: "tenants"})
	d.decode(root, root, reflect.ValueOf(&doc.Tenants).Elem(), &top.fields[at])
	return &doc.Tenants
}

// merge adds what another file of the folder declares. A name that is there already, or a second section of which there can
// be one, is a problem that names both places.
func (doc *document) merge(other *document) Problems {
	if doc.given == nil {
		*doc = *other
		return nil
	}
	var problems Problems
	for _, section := range []string{"control", "broker", "keysDir", "platform", "defaults", "rollout"} {
		before, twice := doc.given[section]
		if place, given := other.given[section]; given && twice {
			problems = append(problems, &Problem{Place: place, Path: section, Message: "given twice; the first is at " + before.String()})
		}
	}
	for section, place := range other.given {
		if _, twice := doc.given[section]; twice {
			continue
		}
		doc.given[section] = place
		switch section {
		case "control":
			doc.Control = other.Control
		case "broker":
			doc.Broker = other.Broker
		case "keysDir":
			doc.KeysDir = other.KeysDir
		case "platform":
			doc.Platform = other.Platform
		case "defaults":
			doc.Defaults = other.Defaults
		case "rollout":
			doc.Rollout = other.Rollout
		}
	}
	problems = append(problems, mergeEntries("instances", &doc.Instances, &other.Instances)...)
	problems = append(problems, mergeEntries("services", &doc.Services, &other.Services)...)
	return append(problems, mergeEntries("tenants", &doc.Tenants, &other.Tenants)...)
}

func mergeEntries[T any](section string, into, from *ordered[T]) Problems {
	var problems Problems
	for i := range from.entries {
		e := &from.entries[i]
		if before, twice := into.find(e.Name); twice {
			problems = append(problems, &Problem{
				Place: e.Place, Path: at(section, e.Name).String(), Message: "given twice; the first is at " + before.String(),
			})
			continue
		}
		into.put(*e)
	}
	return problems
}

func (f *File) fileNames() []string {
	names := make([]string, len(f.sources))
	for i, s := range f.sources {
		names[i] = s.name
	}
	return names
}
