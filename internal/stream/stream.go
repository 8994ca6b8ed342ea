package stream

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"tenantctl/internal/tenant"
)

// Scope says how often a stream's objects exist.
type Scope string

// The scopes of a stream.
const (
	PerTenant   Scope = "tenant"   // once in each tenant's schema
	PerInstance Scope = "instance" // once on each instance, shared by its tenants
)

// Stream is one service's migrations, as read. It never changes and may be shared between goroutines.
type Stream struct {
	Service string
	Scope   Scope
	// VersionTable is the table that holds the version in each schema; "" is TableFor(Service). A fleet that golang-migrate made
	// keeps the one it has.
	VersionTable string

	files   []File
	at      map[uint64]int
	hashes  []string // what leads up to each version, the last file included
	notices []string
}

// File is one version: the way up and the way down.
type File struct {
	Version uint64
	Name    string // between the number and .up.sql; it may be empty, and the way down may have another
	Up      Script // without a path where there is no file: the version then does nothing
	Down    Script // likewise
}

// Reversible tells whether there is a way down: a file that has statements, or nothing to take back.
func (f File) Reversible() bool { return f.Down.statements > 0 || f.Up.statements == 0 }

// Script is one file's text and what was found in it.
type Script struct {
	Path string // within the file system that was read
	SQL  string
	// Sum is the SHA-256 of the file, in hex.
	Sum string
	// Mode says how it has to be run.
	Mode Mode
	// Creates tells that it makes something which others need privileges on: a table, view, sequence or routine.
	Creates bool

	body       string // SQL without a BEGIN and COMMIT around it, which are blanked out
	statements int
	apart      bool // Autocommit, a message for each statement: one of them must be alone in its message
	leaks      bool // does what would outlast the transaction and reach the next tenant on the connection
	resetsPath bool // goes back to the search path that the session began with
}

// Files lists the versions in order. The caller must not change them.
func (s *Stream) Files() []File { return s.files }

// Notices tells of what golang-migrate says nothing of, and nobody wants: a file that is never run, a version without a way up.
func (s *Stream) Notices() []string {
	found := slices.Clone(s.notices)
	for _, file := range s.files {
		if file.Up.Path == "" {
			found = append(found, fmt.Sprintf("%s has no way up beside it: version %d does nothing", file.Down.Path, file.Version))
		}
	}
	return found
}

// Versions lists the numbers of the versions in order.
func (s *Stream) Versions() []uint64 {
	numbers := make([]uint64, len(s.files))
	for i, file := range s.files {
		numbers[i] = file.Version
	}
	return numbers
}

// Newest is the last version.
func (s *Stream) Newest() uint64 { return s.files[len(s.files)-1].Version }

// File finds a version; the error wraps tenant.ErrNotFound.
func (s *Stream) File(version uint64) (File, error) {
	i, ok := s.at[version]
	if !ok {
		return File{}, fmt.Errorf("version %d of %s (it has %d to %d): %w", version, s.Service, s.files[0].Version, s.Newest(), tenant.ErrNotFound)
	}
	return s.files[i], nil
}

// CheckReversible refuses to go back from one version to another, nil for before the first one, where a file between them has no
// way down: tenant.ErrRefused, naming them all.
func (s *Stream) CheckReversible(from uint64, to *uint64) error {
	var missing []string
	hint := "write its .down.sql, or go forward with a new version that undoes it"
	for _, file := range s.files {
		if file.Version <= from && (to == nil || file.Version > *to) && !file.Reversible() {
			missing = append(missing, file.Up.Path)
			if file.Down.Path != "" {
				hint = "write the statements of " + file.Down.Path + ", which has none (`select 1;` says that nothing is to be undone), or go forward with a new version that undoes it"
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return tenant.WithHint(fmt.Errorf("%s: no way down for %s: %w", s.Service, strings.Join(missing, ", "), tenant.ErrRefused), hint)
}

// Between lists the files above a version, nil for before the first one, up to another.
func (s *Stream) Between(above *uint64, upTo uint64) []File {
	var files []File
	for _, file := range s.files {
		if (above == nil || file.Version > *above) && file.Version <= upTo {
			files = append(files, file)
		}
	}
	return files
}

// Hash is a digest of all that leads up to a version: what a template of it is cached under, and what is kept of a schema that
// stands there. It is "" below the first version.
func (s *Stream) Hash(upTo uint64) string {
	for i := len(s.files) - 1; i >= 0; i-- {
		if s.files[i].Version <= upTo {
			return s.hashes[i]
		}
	}
	return ""
}

// Table names the version table within a schema; it is golang-migrate's x-migrations-table.
func (s *Stream) Table() string { return cmp.Or(s.VersionTable, TableFor(s.Service)) }

// TableFor names the version table that a service has unless its stream says otherwise.
func TableFor(service string) string { return tablePrefix + service }

const tablePrefix = "schema_migrations_"

func newStream(service string, files map[uint64]File) *Stream {
	s := &Stream{Service: service, Scope: PerTenant, at: make(map[uint64]int, len(files))}
	for _, file := range files {
		s.files = append(s.files, file)
	}
	sort.Slice(s.files, func(i, j int) bool { return s.files[i].Version < s.files[j].Version })
	hash := ""
	for i, file := range s.files {
		s.at[file.Version] = i
		hash = chain(hash, service, file)
		s.hashes = append(s.hashes, hash)
	}
	return s
}

// chain is the hash of a version from the hash of the version before it.
func chain(before, service string, file File) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %q %d %s", before, service, file.Version, file.Up.Sum))
	return hex.EncodeToString(sum[:])
}

func label(version int) string {
	if version < 0 {
		return "none"
	}
	return strconv.Itoa(version)
}
