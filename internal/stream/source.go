package stream

import (
	"io"
	"math"
	"os"
	"strings"

	"github.com/golang-migrate/migrate/v4/source"
)

// fileSource gives golang-migrate's engine the files that were read. Its own iofs source indexes itself while it is used and
// ran a wrong file when two goroutines shared it; this one never changes.
type fileSource struct {
	stream *Stream
}

var _ source.Driver = fileSource{}

func (f fileSource) Open(string) (source.Driver, error) { return f, nil }

func (f fileSource) Close() error { return nil }

func (f fileSource) First() (uint, error) { return f.number(0) }

func (f fileSource) Prev(version uint) (uint, error) { return f.beside(version, -1) }

func (f fileSource) Next(version uint) (uint, error) { return f.beside(version, +1) }

func (f fileSource) beside(version uint, step int) (uint, error) {
	i, ok := f.stream.at[uint64(version)]
	if !ok {
		return 0, os.ErrNotExist
	}
	return f.number(i + step)
}

func (f fileSource) number(i int) (uint, error) {
	if i < 0 || i >= len(f.stream.files) {
		return 0, os.ErrNotExist
	}
	number := f.stream.files[i].Version
	if number > math.MaxUint {
		return 0, os.ErrNotExist
	}
	return uint(number), nil
}

func (f fileSource) ReadUp(version uint) (io.ReadCloser, string, error) {
	file, err := f.stream.File(uint64(version))
	if err != nil {
		return nil, "", os.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(file.Up.SQL)), file.Name, nil
}

func (f fileSource) ReadDown(version uint) (io.ReadCloser, string, error) {
	file, err := f.stream.File(uint64(version))
	if err != nil {
		return nil, "", os.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(file.Down.SQL)), file.Name, nil
}
