package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"tenantctl/internal/tenant"
)

// Newcomer is a tenant that a file is to declare.
type Newcomer struct {
	Name             tenant.Name
	Instance, Schema string
	Services         []string
}

// Addition is a file as it is with newcomers.
type Addition struct {
	// File declares them, and all that was declared before.
	File *File
	// Lines are what is to be added below tenants:.
	Lines string

	path string
	was  []byte
	data []byte
}

// addedFile is where newcomers go when the tenants are declared by the files of a folder.
const addedFile = "adopted.yaml"

// Add declares newcomers below the tenants that a file has, and leaves every other byte of it as it is. Nothing is written yet.
func (f *File) Add(newcomers []Newcomer) (*Addition, error) {
	a := &Addition{path: f.name}
	sources := slices.Clone(f.sources)
	at := 0
	if f.name == f.dir { // a folder
		a.path = filepath.Join(f.dir, addedFile)
		at = slices.IndexFunc(sources, func(s source) bool { return s.name == a.path })
		if at < 0 {
			at, sources = len(sources), append(sources, source{name: a.path})
		}
	}
	a.was = sources[at].data
	if err := f.insert(a, newcomers); err != nil {
		return nil, err
	}
	sources[at].data = a.data
	var err error
	if a.File, err = build(f.name, f.dir, sources); err != nil {
		return nil, fmt.Errorf("%s with %d tenants more: %w", a.path, len(newcomers), err)
	}
	a.File.control = f.control
	return a, a.check(f, newcomers)
}

// insert puts the lines behind the last one of the tenants.
func (f *File) insert(a *Addition, newcomers []Newcomer) error {
	begin, end, indent := tenantLines(a.was)
	if indent == 0 {
		begin, end, indent = 0, 0, 2
		if f.doc.given["tenants"].Line > 0 && f.doc.given["tenants"].File == a.path && !emptyTenants(a.was) {
			return tenant.WithHint(fmt.Errorf("%s: don't know where to add tenants: %w", a.path, tenant.ErrRefused),
				"write the tenants one below the other, or add these by hand")
		}
	}
	var lines strings.Builder
	for _, n := range newcomers {
		lines.WriteString(strings.Repeat(" ", indent) + f.entry(n) + "\n")
	}
	a.Lines = lines.String()
	switch {
	case begin < end:
		at := lastOf(a.was, begin, end, indent)
		a.data = slices.Concat(a.was[:at], lineBreak(a.was[:at]), []byte(a.Lines), a.was[at:])
	case emptyTenants(a.was):
		key := bytes.LastIndex(a.was, []byte("\ntenants:"))
		at := key + 1 + len("tenants:")
		rest := a.was[at:]
		next := bytes.IndexByte(rest, '\n')
		if next < 0 {
			next = len(rest)
		}
		line := strings.Replace(string(rest[:next]), "{}", "", 1)
		a.data = slices.Concat(a.was[:at], []byte(strings.TrimRight(line, " \r")), []byte("\n"), []byte(a.Lines), bytes.TrimPrefix(rest[next:], []byte("\n")))
	default:
		head := ""
		if len(a.was) == 0 {
			head = "version: 1\n"
		}
		a.data = slices.Concat(a.was, lineBreak(a.was), []byte(head+"tenants:\n"+a.Lines))
	}
	return nil
}

// emptyTenants tells whether a file has a line "tenants:" with nothing below it, or with {}.
func emptyTenants(data []byte) bool {
	at := bytes.LastIndex(data, []byte("\ntenants:"))
	if at < 0 {
		return false
	}
	line, below, _ := bytes.Cut(data[at+1+len("tenants:"):], []byte("\n"))
	text := bytes.TrimSpace(line)
	if cut := bytes.IndexByte(text, '#'); cut >= 0 {
		text = bytes.TrimSpace(text[:cut])
	}
	for _, next := range bytes.Split(below, []byte("\n")) {
		if trimmed := bytes.TrimSpace(next); len(trimmed) > 0 && trimmed[0] != '#' {
			return next[0] != ' ' && (len(text) == 0 || string(text) == "{}")
		}
	}
	return len(text) == 0 || string(text) == "{}"
}

// lastOf is where the last line ends that is indented as the tenants are. What follows it are blank lines, and the comments of
// the next key.
func lastOf(data []byte, begin, end, indent int) int {
	last := begin
	for at := begin; at < end; {
		next := bytes.IndexByte(data[at:end], '\n')
		if next < 0 {
			next = end - at - 1
		}
		line := data[at : at+next+1]
		at += next + 1
		if depth := len(line) - len(bytes.TrimLeft(line, " ")); len(bytes.TrimSpace(line)) > 0 && depth >= indent {
			last = at
		}
	}
	return last
}

// lineBreak ends the last line of a text that doesn't end in one.
func lineBreak(text []byte) []byte {
	if len(text) == 0 || text[len(text)-1] == '\n' {
		return nil
	}
	return []byte("\n")
}

// entry declares a newcomer, with what isn't by default so.
func (f *File) entry(n Newcomer) string {
	var parts []string
	usual := f.instanceOf(&declaredTenant{})
	if n.Instance != usual {
		parts = append(parts, "instance: "+n.Instance)
	}
	if schema, err := n.Name.SchemaFor(f.SchemaPattern()); err != nil || schema != n.Schema {
		parts = append(parts, "schema: "+strconv.Quote(n.Schema))
	}
	if !slices.Equal(n.Services, f.servicesOf(&declaredTenant{})) {
		parts = append(parts, "services: ["+strings.Join(n.Services, ", ")+"]")
	}
	name := string(n.Name)
	if strings.Trim(name, "0123456789-e") == "" || slices.Contains([]string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}, name) {
		name = strconv.Quote(name) // YAML takes it for something else
	}
	if len(parts) == 0 {
		return name + ": {}"
	}
	return name + ": { " + strings.Join(parts, ", ") + " }"
}

// check proves that the file says what it said before, and the newcomers besides.
func (a *Addition) check(before *File, newcomers []Newcomer) error {
	same := len(a.File.tenants) == len(before.tenants)+len(newcomers)
	for _, name := range before.tenants {
		was, errWas := before.Tenant(name)
		is, errIs := a.File.Tenant(name)
		same = same && errWas == nil && errIs == nil && reflect.DeepEqual(was, is)
	}
	for _, n := range newcomers {
		is, err := a.File.Tenant(n.Name)
		same = same && err == nil && is.Schema == n.Schema && is.Instance == n.Instance && slices.Equal(is.Services, n.Services)
	}
	if !same {
		return tenant.WithHint(fmt.Errorf("%s would say something else with these tenants: %w", a.path, tenant.ErrRefused), "add them by hand")
	}
	return nil
}

// Write puts the file in place whole. A file that changed since it was read is left alone: tenant.ErrConflict.
func (a *Addition) Write() (path string, err error) {
	now, err := os.ReadFile(a.path)
	if os.IsNotExist(err) && a.was == nil {
		err = nil
	}
	if err != nil {
		return a.path, fmt.Errorf("read the tenants' file again: %w", err)
	}
	if !bytes.Equal(now, a.was) {
		return a.path, tenant.WithHint(fmt.Errorf("%s changed meanwhile: %w", a.path, tenant.ErrConflict), "run the command again")
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(a.path); err == nil {
		mode = info.Mode().Perm()
	}
	target, err := filepath.EvalSymlinks(a.path)
	if err != nil {
		target = a.path
	}
	fresh, err := os.CreateTemp(filepath.Dir(target), ".tenants-*")
	if err != nil {
		return a.path, fmt.Errorf("write the tenants' file: %w", err)
	}
	defer func() { _ = os.Remove(fresh.Name()) }() // gone once it was renamed
	_, err = fresh.Write(a.data)
	if err == nil {
		err = fresh.Chmod(mode)
	}
	if err == nil {
		err = fresh.Sync()
	}
	if closed := fresh.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(fresh.Name(), target)
	}
	if err != nil {
		return a.path, fmt.Errorf("write the tenants' file: %w", err)
	}
	return a.path, nil
}
