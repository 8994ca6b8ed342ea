package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Source is something that holds lines.
type Source interface {
	// discover gives what can be read that the known ones don't cover.
	discover(known map[string]bool) ([]*tail, error)
}

// Folder is where processes write their files by Create; it need not be there yet.
func Folder(dir string) Source { return folder(dir) }

type folder string

func (dir folder) discover(known map[string]bool) ([]*tail, error) {
	paths, err := filepath.Glob(filepath.Join(string(dir), "*"+extension))
	if err != nil {
		return nil, fmt.Errorf("look for logs: %w", err)
	}
	var found []*tail
	for _, path := range paths {
		if !known[path] {
			known[path] = true
			found = append(found, &tail{path: path, chain: true})
		}
	}
	return found, nil
}

// Path is one file, with what was set aside of it if it is one of Create's.
func Path(path string) Source { return onePath(path) }

type onePath string

func (path onePath) discover(known map[string]bool) ([]*tail, error) {
	if known[string(path)] {
		return nil, nil
	}
	known[string(path)] = true
	if _, err := os.Stat(string(path)); err != nil {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	return []*tail{{path: string(path), chain: strings.HasSuffix(string(path), extension)}}, nil
}

// Stream is what is read until its end: standard input. It can be asked for once.
func Stream(from io.Reader) Source { return &stream{from: from} }

type stream struct{ from io.Reader }

func (s *stream) discover(map[string]bool) ([]*tail, error) {
	if s.from == nil {
		return nil, nil
	}
	t := &tail{lines: lineReader{from: s.from}}
	s.from = nil
	return []*tail{t}, nil
}

// tail reads one process's lines, over rotations.
type tail struct {
	path  string   // "": there is no file, and lines has all
	chain bool     // files that were set aside belong to it
	file  *os.File // nil: none yet
	lines lineReader
	last  time.Time // of the line before
}

// next gives the next line that may be wanted; false at the end of what there is now.
func (t *tail) next(q *Query, whole bool) (Line, bool, error) {
	for {
		text, there, err := t.lines.next(whole || t.path == "")
		if err != nil {
			return Line{}, false, err
		}
		if !there {
			on, err := t.goOn(q)
			if err != nil || !on {
				return Line{}, false, err
			}
			continue
		}
		if len(text) == 0 || !q.may(text) {
			continue
		}
		l := parse(text)
		if l.Time.IsZero() {
			l.Time = t.last
		}
		t.last = l.Time
		if q.takes(l) {
			return l, true, nil
		}
	}
}

// goOn opens the next file, where what is open has been set aside and is read to its end. It is false where there is none.
func (t *tail) goOn(q *Query) (bool, error) {
	if t.path == "" || t.newest() {
		return false, nil
	}
	files, err := t.files()
	if err != nil || len(files) == 0 {
		return false, err
	}
	defer func() {
		for _, f := range files {
			_ = f.Close() // read only
		}
	}()
	at := -1
	if t.file != nil {
		at = indexOf(files, t.file)
	}
	if at == len(files)-1 {
		return false, nil
	}
	if t.lines.more() {
		return true, nil // written after we had come to the end, and before it was set aside
	}
	at++
	for t.file == nil && at < len(files)-1 && older(files[at], q.Since) {
		at++
	}
	t.close()
	t.file, t.lines = files[at], lineReader{from: files[at]}
	files = slices.Delete(files, at, at+1)
	return true, nil
}

// files opens what belongs to the tail, the oldest first. They are opened the newest first, since that is the way in which a rotation
// moves them: one may be met twice, and none is missed.
func (t *tail) files() ([]*os.File, error) {
	var files []*os.File
	for n := 0; n == 0 || t.chain && n <= kept; n++ {
		file, err := os.Open(aside(t.path, n))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return files, fmt.Errorf("read logs: %w", err)
		}
		if indexOf(files, file) >= 0 {
			_ = file.Close() // read only
			continue
		}
		files = append(files, file)
	}
	slices.Reverse(files)
	return files, nil
}

// indexOf finds an open file among others; -1 where it isn't.
func indexOf(files []*os.File, file *os.File) int {
	mine, err := file.Stat()
	if err != nil {
		return -1
	}
	return slices.IndexFunc(files, func(f *os.File) bool {
		info, err := f.Stat()
		return err == nil && os.SameFile(info, mine)
	})
}

// newest tells whether what is open is the file that is written.
func (t *tail) newest() bool {
	if t.file == nil {
		return false
	}
	mine, err := t.file.Stat()
	written, writtenErr := os.Stat(t.path)
	return err == nil && writtenErr == nil && os.SameFile(mine, written)
}

func older(file *os.File, since time.Time) bool {
	info, err := file.Stat()
	return err == nil && info.ModTime().Before(since)
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close() // read only
	}
	t.file = nil
}

// lineReader cuts what it reads into lines. At the end it can be asked again, when there may be more.
type lineReader struct {
	from    io.Reader
	buffer  []byte
	skipped bool // the rest of a line that is too long
}

const (
	// longest is how much of a line is read; the rest is left out.
	longest   = 1 << 20
	readBlock = 64 << 10
)

// next gives the next line without its end; false where there is none yet. whole has what follows the last line's end taken for a
// line, too.
func (r *lineReader) next(whole bool) (text []byte, there bool, err error) {
	searched := 0
	for {
		if end := bytes.IndexByte(r.buffer[searched:], '\n'); end >= 0 {
			end += searched
			text = r.buffer[:end]
			r.buffer = r.buffer[end+1:]
			if r.skipped {
				r.skipped, searched = false, 0
				continue
			}
			return trimmed(text), true, nil
		}
		if len(r.buffer) >= longest {
			text, r.buffer = r.buffer[:longest], nil
			if !r.skipped {
				r.skipped = true
				return text, true, nil
			}
		}
		searched = len(r.buffer)
		more, err := r.fill()
		if err != nil {
			return nil, false, err
		}
		if more {
			continue
		}
		if whole && len(r.buffer) > 0 && !r.skipped {
			text, r.buffer = r.buffer, nil
			return trimmed(text), true, nil
		}
		return nil, false, nil
	}
}

func trimmed(text []byte) []byte {
	if n := len(text); n > 0 && text[n-1] == '\r' {
		return text[:n-1]
	}
	return text
}

// more tells whether there is more to read, and reads it.
func (r *lineReader) more() bool {
	if r.from == nil {
		return false
	}
	more, err := r.fill()
	return more && err == nil
}

func (r *lineReader) fill() (more bool, err error) {
	if r.from == nil {
		return false, nil
	}
	r.buffer = slices.Grow(r.buffer, readBlock)
	n, err := r.from.Read(r.buffer[len(r.buffer) : len(r.buffer)+readBlock])
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil {
		return false, fmt.Errorf("read logs: %w", err)
	}
	r.buffer = r.buffer[:len(r.buffer)+n]
	return n > 0, nil
}
