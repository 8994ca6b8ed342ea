package stream

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"strings"

	"tenantctl/internal/tenant"
)

// fileName is what golang-migrate takes for a migration: any name, none too, and any ending.
var fileName = regexp.MustCompile(`^([0-9]+)_(.*)\.(down|up)\.(.*)$`)

// likelyName is what somebody may have meant to be one.
var likelyName = regexp.MustCompile(`^[0-9].*\.sql$|\.(up|down)\.sql$`)

// ReadEmbedded reads the stream of a service from the folder migrations of files that come with the program.
func ReadEmbedded(service string, files embed.FS) (*Stream, error) {
	folder, err := fs.Sub(files, "migrations")
	if err != nil {
		return nil, err
	}
	return Read(service, folder)
}

// Read reads the files NNN_name.up.sql and NNN_name.down.sql at the top of a file system, the same ones as golang-migrate. Every
// fault found is in the error, which wraps tenant.ErrInvalid and names the files. A version needs no way down until somebody asks
// to go there. What is no migration is left alone; Notices tells of what looks like one.
func Read(service string, fsys fs.FS) (*Stream, error) {
	if err := tenant.CheckIdentifier(TableFor(service)); err != nil {
		return nil, fmt.Errorf("version table of service %q: %w", service, err)
	}
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("list migrations of %s: %w", service, err)
	}
	read := reader{fsys: fsys, files: map[uint64]File{}}
	for _, entry := range entries {
		if !entry.IsDir() {
			read.add(entry.Name())
		}
	}
	if len(read.files) == 0 && len(read.faults) == 0 {
		read.fault("no NNN_name.up.sql")
	}
	if len(read.faults) > 0 {
		return nil, fmt.Errorf("migrations of %s: %w", service, errors.Join(read.faults...))
	}
	stream := newStream(service, read.files)
	stream.notices = read.notices
	return stream, nil
}

type reader struct {
	fsys    fs.FS
	files   map[uint64]File
	notices []string
	faults  []error
}

func (r *reader) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf(format+": %w", append(args, tenant.ErrInvalid)...))
}

func (r *reader) add(name string) {
	match := fileName.FindStringSubmatch(name)
	if match == nil {
		if likelyName.MatchString(name) {
			r.notices = append(r.notices, fmt.Sprintf("%s isn't called NNN_name.up.sql or NNN_name.down.sql, and is never run", name))
		}
		return
	}
	version, err := strconv.ParseUint(match[1], 10, 64)
	if err != nil || version > math.MaxInt64 {
		r.fault("%s: %s is too large for a version", name, match[1])
		return
	}
	body, err := fs.ReadFile(r.fsys, name)
	if err != nil {
		r.faults = append(r.faults, fmt.Errorf("read %s: %w", name, err))
		return
	}
	sum := sha256.Sum256(body)
	// The server takes a byte order mark for the beginning of a word.
	sql := strings.TrimPrefix(string(body), "\uFEFF")
	script, err := analyze(Script{Path: name, SQL: sql, Sum: hex.EncodeToString(sum[:])})
	if err != nil {
		r.faults = append(r.faults, err)
		return
	}
	r.place(version, match[2], match[3], script)
}

func (r *reader) place(version uint64, name, direction string, script Script) {
	file := r.files[version]
	slot := &file.Up
	if direction == "down" {
		slot = &file.Down
	}
	if slot.Path != "" {
		r.fault("%s and %s are both version %d", slot.Path, script.Path, version)
		return
	}
	*slot = script
	if direction == "up" || file.Name == "" {
		file.Name = name
	}
	file.Version = version
	r.files[version] = file
}
