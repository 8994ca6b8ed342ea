package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"tenantctl/internal/postgres"
)

// templateFormat changes with what initialize leaves behind, so that no older template is taken.
const templateFormat = "3"

// template is a folder with the data of a freshly initialized server, to be copied: several times faster than initdb. It
// appears under its name when it is complete. Nothing waits for the disk while it is made; the sum beside the data tells one
// that a power cut left incomplete.
type template struct{ dir string }

const (
	templateData = "data"
	templateSum  = "sum"
)

// templateOf is the place of the template for some server programs; there may be none yet.
func templateOf(ctx context.Context, tools postgres.Tools, cacheDir string) (template, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(tools.Bin, "postgres"), "--version").Output()
	if err != nil {
		return template{}, fmt.Errorf("ask postgres for its version: %w", err)
	}
	return template{filepath.Join(cacheDir, "initdb-"+templateFormat+"-"+fileName(string(out)))}, nil
}

// fileName keeps the letters, digits, dots and dashes of a version text.
func fileName(text string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.':
			return r
		}
		return '-'
	}, strings.TrimSpace(text)), "-")
}

// copyTo makes a data folder for an account, and tells the password that goes with it.
func (t template) copyTo(dataDir string, owner account) (password string, err error) {
	want, err := os.ReadFile(filepath.Join(t.dir, templateSum))
	if err != nil {
		return "", fmt.Errorf("read server template: %w", err)
	}
	if password, err = readPassword(t.dir); err != nil {
		return "", err
	}
	sum, err := copyData(filepath.Join(t.dir, templateData), dataDir, owner)
	if err != nil {
		return "", fmt.Errorf("copy server template: %w", err)
	}
	if !bytes.Equal(want, templateSumOf(sum, password)) {
		return "", fmt.Errorf("server template %s is damaged", t.dir)
	}
	return password, nil
}

// keep makes the template from the data of a server that has never run, in place of one that isn't whole. Of several processes
// at once one does. What a killed one left is removed by the next.
func (t template) keep(dataDir, password string) error {
	cache := filepath.Dir(t.dir)
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return fmt.Errorf("keep server template: %w", err)
	}
	lock, err := os.Open(cache)
	if err != nil {
		return fmt.Errorf("keep server template: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("keep server template: %w", err)
	}
	partial := t.dir + ".new"
	if err := errors.Join(os.RemoveAll(partial), os.RemoveAll(t.dir), os.Mkdir(partial, 0o700)); err != nil {
		return fmt.Errorf("keep server template: %w", err)
	}
	sum, err := copyData(dataDir, filepath.Join(partial, templateData), account{})
	if err == nil {
		err = writePassword(partial, password)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(partial, templateSum), templateSumOf(sum, password), 0o600)
	}
	if err == nil {
		err = os.Rename(partial, t.dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep server template: %w", err), os.RemoveAll(partial))
	}
	return nil
}

func templateSumOf(data hash.Hash, password string) []byte {
	return fmt.Appendf(nil, "%x\n", data.Sum([]byte(password)))
}

const copyBuffer = 256 << 10

// copyData copies the folders and files of a server that doesn't run into a new folder, which is given to the account, and sums names and
// contents. Neither side leads out of its folder: as root, this program reads and writes beside what a server's user may change.
func copyData(from, to string, owner account) (hash.Hash, error) {
	source, err := os.OpenRoot(from)
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }()
	if err := owner.ownFolder(to); err != nil {
		return nil, err
	}
	target, err := os.OpenRoot(to)
	if err != nil {
		return nil, err
	}
	defer func() { _ = target.Close() }()
	sum, buffer := sha256.New(), make([]byte, copyBuffer)
	return sum, fs.WalkDir(source.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
			return err
		case entry.IsDir():
			if err := target.Mkdir(name, 0o700); err != nil {
				return err
			}
		case entry.Type().IsRegular():
			_, _ = fmt.Fprintf(sum, "%s\x00", name) // a hash takes all it is given
			if err := copyFile(source, target, name, sum, buffer); err != nil {
				return err
			}
		default:
			return nil
		}
		if owner.other {
			return target.Lchown(name, owner.uid, owner.gid)
		}
		return nil
	})
}

func copyFile(source, target *os.Root, name string, sum io.Writer, buffer []byte) error {
	from, err := source.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := target.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(io.MultiWriter(to, sum), onlyReader{from}, buffer)
	return errors.Join(err, to.Close())
}

// onlyReader hides that a file can copy itself, with a buffer of its own.
type onlyReader struct{ io.Reader }
