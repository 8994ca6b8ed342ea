package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tenantctl/internal/tenant"
)

// File is a tenants.yaml that was found to be right, defaults filled in where it is asked.
type File struct {
	name    string
	dir     string
	sources []source
	doc     document
	tenants []tenant.Name // sorted
	control Setting       // from flag or environment, which come first; zero if there is none
}

// LocalInstance is the name of the instance that stands for the private PostgreSQL of the local stack.
const LocalInstance = "local"

// What holds where the file doesn't say otherwise.
const (
	DefaultSchema            = "tenant_{tenant}"
	DefaultRing              = "general"
	DefaultTenantsPerCell    = 500
	DefaultRequestsPerSecond = 200
	DefaultJobs              = 4
	DefaultWeight            = 1
	defaultCredentials       = ".tenantctl/credentials"
	defaultKeys              = ".tenantctl/keys"
)

// Instance is a shared PostgreSQL database.
type Instance struct {
	Name           string
	Local          bool   // the local stack's private PostgreSQL, started when it is needed; DSN is zero
	DSN            Secret //
	TenantsPerCell int
	RolePrefix     string
	CredentialsDir string // holds <cell>.<service> for each login
}

// Control is the database of tenantctl's own records.
type Control struct {
	DSN      Secret
	Instance string // set where the records live on a declared instance; LocalInstance with Local
	Local    bool
}

// Scope says how often a stream's tables exist.
type Scope string

// The scopes of a stream.
const (
	ScopeTenant   Scope = "tenant"   // once in each tenant's schema
	ScopeInstance Scope = "instance" // once on each instance
)

// Stream is one service's ordered schema migrations.
type Stream struct {
	Name    string
	Builtin bool
	Dir     string // folder of the migration files; "" with Builtin
	Pin     uint64 // version that tenants stay at; 0 is the newest
	Table   string // version table in each schema; "" is the service's own
	URL     string // where a user's own service answers
	Scope   Scope
}

// Move is how the operator may move a tenant's legacy database.
type Move struct {
	Mode   string // auto, live or offline
	Until  string // last phase
	Window Window // when the cutover may happen
}

// Name is the file or folder as it was named to Load.
func (f *File) Name() string { return f.name }

// Hash is a digest of what the file says, wherever it lies: two processes with the same hash were told the same.
func (f *File) Hash() string {
	sum := sha256.New()
	for _, s := range f.sources {
		fmt.Fprintf(sum, "%d\n", len(s.data))
		sum.Write(s.data)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Dir is the folder that relative paths of the file are relative to.
func (f *File) Dir() string { return f.dir }

// SchemaPattern is what the schemas of tenants are called that declare none.
func (f *File) SchemaPattern() string { return first(f.doc.Defaults.Schema, DefaultSchema) }

// Tenants are the names of the fleet, sorted.
func (f *File) Tenants() []tenant.Name { return slices.Clone(f.tenants) }

// Tenant is what the file declares of one tenant. One that isn't declared is tenant.ErrNotFound.
func (f *File) Tenant(name tenant.Name) (tenant.Spec, error) {
	t, err := f.declared(name)
	if err != nil {
		return tenant.Spec{}, err
	}
	return f.spec(name, t)
}

// LegacyDSN refers to a tenant's legacy database; tenant.ErrNotFound where none is declared.
func (f *File) LegacyDSN(name tenant.Name) (Secret, error) {
	t, err := f.declared(name)
	if err != nil {
		return Secret{}, err
	}
	if t.Legacy == nil {
		return Secret{}, tenant.WithHint(fmt.Errorf("legacy database of tenant %q: %w in %s", name, tenant.ErrNotFound, f.name),
			fmt.Sprintf("declare it: tenants.%s.legacy.dsn: ${%s}", name, variableFor(at("tenants", string(name), "legacy").String(), "DSN")))
	}
	return t.Legacy.secret(f.dir), nil
}

// LegacyURL is where a tenant's legacy application answers; "" where the file doesn't say.
func (f *File) LegacyURL(name tenant.Name) string {
	t := f.doc.Tenants.get(string(name))
	if t == nil || t.Legacy == nil {
		return ""
	}
	return string(t.Legacy.URL)
}

// Move is how the operator may move a tenant; false where it never does.
func (f *File) Move(name tenant.Name) (Move, bool) {
	t := f.doc.Tenants.get(string(name))
	if t == nil || t.Move == nil {
		return Move{}, false
	}
	return Move{Mode: first(t.Move.Mode, "auto"), Until: first(t.Move.Until, "cutover"), Window: t.Move.Window}, true
}

// Deletion is how the operator may remove a tenant that is declared deleted.
type Deletion struct {
	Retention time.Duration // kept for so long, out of service
}

// DefaultRetention is how long a tenant is kept that is declared deleted.
const DefaultRetention = 30 * 24 * time.Hour

// Deletion is how the operator may remove a tenant; false where it never does.
func (f *File) Deletion(name tenant.Name) (Deletion, bool) {
	t := f.doc.Tenants.get(string(name))
	if t == nil || t.Deletion == nil || t.State != tenant.Deleted {
		return Deletion{}, false
	}
	if t.Deletion.Retention == nil {
		return Deletion{DefaultRetention}, true
	}
	return Deletion{time.Duration(*t.Deletion.Retention)}, true
}

// Instances are the shared databases in the order of the file; the local stack's alone where none is declared.
func (f *File) Instances() []Instance {
	if len(f.doc.Instances.entries) == 0 {
		return []Instance{f.localInstance()}
	}
	all := make([]Instance, 0, len(f.doc.Instances.entries))
	for i := range f.doc.Instances.entries {
		e := &f.doc.Instances.entries[i]
		all = append(all, f.instance(e.Name, &e.Value))
	}
	return all
}

// Instance is a shared database by its name; tenant.ErrNotFound if there is none.
func (f *File) Instance(name string) (Instance, error) {
	if declared := f.doc.Instances.get(name); declared != nil {
		return f.instance(name, declared), nil
	}
	if name == LocalInstance && len(f.doc.Instances.entries) == 0 {
		return f.localInstance(), nil
	}
	return Instance{}, fmt.Errorf("instance %q: %w in %s%s", name, tenant.ErrNotFound, f.name,
		didYouMean(name, f.instanceNames(), "instances"))
}

// Control is the database of tenantctl's own records: the one given, or the first instance.
func (f *File) Control() Control {
	switch {
	case f.control.Value != "":
		return Control{DSN: Secret{literal: f.control.Value}}
	case f.doc.Control != nil:
		return Control{DSN: f.doc.Control.secret(f.dir)}
	}
	home := f.Instances()[0]
	return Control{DSN: home.DSN, Instance: home.Name, Local: home.Local}
}

// Broker refers to the RabbitMQ server; false where the local stack is to supply one.
func (f *File) Broker() (Secret, bool) {
	if f.doc.Broker == nil {
		return Secret{}, false
	}
	if f.doc.Broker.URL.IsZero() {
		return f.doc.Broker.URLFile.in(f.dir), true
	}
	return f.doc.Broker.URL.Secret, true
}

// BrokerCA is the file of the certificates that the broker's is signed by; "" where the file names none.
func (f *File) BrokerCA() string {
	if f.doc.Broker == nil || f.doc.Broker.CAFile == "" {
		return ""
	}
	return f.relative(f.doc.Broker.CAFile)
}

// BrokerNamespace begins the names on the broker; "" is the usual one.
func (f *File) BrokerNamespace() string {
	if f.doc.Broker == nil {
		return ""
	}
	return f.doc.Broker.Namespace
}

// KeysDir is the folder of the keys that sign tokens.
func (f *File) KeysDir() string { return f.relative(first(f.doc.KeysDir, defaultKeys)) }

// Streams are the services' migrations in the order of the file, in which they depend on one another.
func (f *File) Streams() []Stream {
	streams := make([]Stream, 0, len(f.doc.Services.entries))
	for i := range f.doc.Services.entries {
		e := &f.doc.Services.entries[i]
		s := Stream{
			Name: e.Name, Builtin: e.Value.builtin(), Pin: uint64(max(e.Value.Version, 0)),
			Table: e.Value.Table, URL: string(e.Value.URL), Scope: e.Value.scope(e.Name),
		}
		if !s.Builtin {
			s.Dir = f.relative(e.Value.Migrations)
		}
		streams = append(streams, s)
	}
	return streams
}

// sharedBuiltins are the builtin streams whose tables all tenants of an instance share: they know that themselves.
var sharedBuiltins = []string{"bus", "jobs"} //nolint:gochecknoglobals // a constant list

// scope is how often the tables of a declared service exist.
func (s *service) scope(name string) Scope {
	if s.builtin() && slices.Contains(sharedBuiltins, name) {
		return ScopeInstance
	}
	return Scope(first(s.Scope, string(ScopeTenant)))
}

func (s *service) builtin() bool { return s.Migrations == "" || s.Migrations == "builtin" }

func (f *File) declared(name tenant.Name) (*declaredTenant, error) {
	if t := f.doc.Tenants.get(string(name)); t != nil {
		return t, nil
	}
	return nil, tenant.WithHint(fmt.Errorf("tenant %q: %w in %s%s", name, tenant.ErrNotFound, f.name,
		didYouMean(string(name), f.doc.Tenants.names(), "tenants")), fmt.Sprintf("add it to %s under tenants:", f.name))
}

func (f *File) instance(name string, declared *instance) Instance {
	return Instance{
		Name: name, DSN: declared.secret(f.dir),
		TenantsPerCell: first(declared.TenantsPerCell, DefaultTenantsPerCell),
		RolePrefix:     declared.RolePrefix,
		CredentialsDir: f.relative(first(declared.CredentialsDir, filepath.Join(defaultCredentials, name))),
	}
}

func (f *File) localInstance() Instance {
	made := f.instance(LocalInstance, &instance{})
	made.Local = true
	return made
}

func (f *File) instanceNames() []string {
	if len(f.doc.Instances.entries) == 0 {
		return []string{LocalInstance}
	}
	return f.doc.Instances.names()
}

// relative makes a path of the file one of the program.
func (f *File) relative(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(f.dir, path)
}

// index sorts the fleet once.
func (f *File) index() {
	f.tenants = make([]tenant.Name, 0, len(f.doc.Tenants.entries))
	for i := range f.doc.Tenants.entries {
		f.tenants = append(f.tenants, tenant.Name(f.doc.Tenants.entries[i].Name))
	}
	slices.Sort(f.tenants)
}

func (c *connection) secret(dir string) Secret {
	if c.DSN.IsZero() {
		return c.DSNFile.in(dir)
	}
	return c.DSN
}

// in makes a relative file one of the program; one that begins with a variable is expected to be absolute.
func (s secretFile) in(dir string) Secret {
	made := s.Secret
	if made.text != "" && !filepath.IsAbs(made.text) && !strings.HasPrefix(made.text, "${") {
		made.text = filepath.Join(dir, made.text)
	}
	return made
}

// first is the first value that is given.
func first[T comparable](values ...T) T {
	var none T
	for _, v := range values {
		if v != none {
			return v
		}
	}
	return none
}
