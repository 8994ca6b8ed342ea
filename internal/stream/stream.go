package stream

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"strconv"

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
	files   []File
	at      map[uint64]int
}

// File is one version: the way up and the way down.
type File struct {
	Version  uint64
	Name     string // between the number and .up.sql
	Up, Down Script
}

// Script is one file's text and what was found in it.
type Script struct {
	Path string // within the file system that was read
	SQL  string
	// Sum is the SHA-256 of the file, in hex.
	Sum string
	// Mode says how it has to be run.
	Mode Mode

	body         string // SQL without a BEGIN and COMMIT around it, which are blanked out
	leaksSetting bool   // sets what would outlast the transaction
}

// Files lists the versions in order. The caller must not change them.
func (s *Stream) Files() []File { return s.files }

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

// Hash is a digest of all that leads up to a version: what a template of it is cached under.
func (s *Stream) Hash(upTo uint64) string {
	digest := sha256.New()
	_, _ = fmt.Fprintf(digest, "%q\n", s.Service) // a hash takes every write
	for _, file := range s.files {
		if file.Version <= upTo {
			_, _ = fmt.Fprintf(digest, "%d %s\n", file.Version, file.Up.Sum)
		}
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// Table names the version table within a schema; it is golang-migrate's x-migrations-table.
func (s *Stream) Table() string { return TableFor(s.Service) }

// TableFor names the version table of a service.
func TableFor(service string) string { return tablePrefix + service }

const tablePrefix = "schema_migrations_"

func newStream(service string, files map[uint64]File) *Stream {
	s := &Stream{Service: service, Scope: PerTenant, at: make(map[uint64]int, len(files))}
	for _, file := range files {
		s.files = append(s.files, file)
	}
	sort.Slice(s.files, func(i, j int) bool { return s.files[i].Version < s.files[j].Version })
	for i, file := range s.files {
		s.at[file.Version] = i
	}
	return s
}

func label(version int) string {
	if version < 0 {
		return "none"
	}
	return strconv.Itoa(version)
}
