package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tenantctl/internal/postgres"
)

// templateFormat changes with what initialize leaves behind, so that no older template is taken.
const templateFormat = "2"

// MakeTemplate returns a folder with a freshly initialized server of the installed version, made once and kept under cacheDir.
// Processes that make it at once are harmless: the first to finish wins.
func MakeTemplate(ctx context.Context, cacheDir string) (string, error) {
	tools, err := postgres.FindServer(0)
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(tools.Bin, "postgres"), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask postgres for its version: %w", err)
	}
	template := filepath.Join(cacheDir, "initdb-"+templateFormat+"-"+fileName(string(out)))
	if _, err := os.Stat(template); err == nil {
		return template, nil
	}
	folder, err := ServerFolder("tenantctl-initdb-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if _, err := makeServer(ctx, ServerOptions{Dir: folder}); err != nil {
		return "", err
	}
	return template, publish(folder, template)
}

// publish copies data and password to where they are looked for, both or neither.
func publish(folder, template string) error {
	cacheDir := filepath.Dir(template)
	if err := os.MkdirAll(cacheDir, 0o700); err != nil {
		return fmt.Errorf("make cache folder: %w", err)
	}
	partial, err := os.MkdirTemp(cacheDir, "partial-")
	if err != nil {
		return fmt.Errorf("make cache folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(partial) }()
	if err := copyTemplate(folder, partial, account{}); err != nil {
		return err
	}
	err = os.Rename(partial, template)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keep template: %w", err)
	}
	return nil
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

// copyTemplate copies the password, and the data of a stopped server, which is given to the account.
func copyTemplate(from, to string, owner account) error {
	if err := copyFile(filepath.Join(from, passwordName), filepath.Join(to, passwordName)); err != nil {
		return fmt.Errorf("copy server password: %w", err)
	}
	from, to = filepath.Join(from, "data"), filepath.Join(to, "data")
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyEntry(path, filepath.Join(to, name), entry, owner)
	})
	if err != nil {
		return fmt.Errorf("copy server files from %s: %w", from, err)
	}
	return nil
}

func copyEntry(from, to string, entry fs.DirEntry, owner account) error {
	switch {
	case entry.IsDir():
		if err := os.MkdirAll(to, 0o700); err != nil {
			return err
		}
	case entry.Type().IsRegular():
		if err := copyFile(from, to); err != nil {
			return err
		}
	default:
		return nil
	}
	return owner.own(to)
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		_ = target.Close()
		return err
	}
	return target.Close()
}
