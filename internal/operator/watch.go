package operator

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// watchPoll is how often it is looked although nothing was told: shared volumes don't tell.
	watchPoll = 2 * time.Second
	// watchSettle is how long a file must stay as it is before it is read: nobody should act on half of it.
	watchSettle = 300 * time.Millisecond
)

// watch calls changed when what lies at a path may have changed since it looked as seen: a file, a folder of them, or either behind
// symbolic links that are swapped, as a mounted ConfigMap is. It ends with ctx.
func watch(ctx context.Context, path, seen string, changed func()) error {
	notes, errs, closeWatcher := notifications(path)
	defer closeWatcher()
	ticker := time.NewTicker(watchPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-errs: // an overflow: the look below tells
			if !open {
				errs = nil
			}
		case <-notes:
		case <-ticker.C:
		}
		now := looks(path)
		if now == seen {
			continue
		}
		for { // until it stays as it is
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(watchSettle):
			}
			later := looks(path)
			if later == now {
				break
			}
			now = later
		}
		seen = now
		changed()
	}
}

// notifications watch the folder in which the path lies, since editors and Kubernetes replace what is in it. Where the system
// can't watch, polling has to do.
func notifications(path string) (<-chan fsnotify.Event, <-chan error, func()) {
	nothing := func() {}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, nil, nothing
	}
	dir := path
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		dir = filepath.Dir(path)
	}
	if err := watcher.Add(dir); err != nil {
		_ = watcher.Close()
		return nil, nil, nothing
	}
	return watcher.Events, watcher.Errors, func() { _ = watcher.Close() }
}

// looks is what can be seen of a path without reading it: where its links lead, and each file's size and time.
func looks(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "unreachable: " + err.Error()
	}
	info, err := os.Stat(real)
	if err != nil {
		return "unreachable"
	}
	if !info.IsDir() {
		return real + " " + stamp(info)
	}
	var text strings.Builder
	entries, err := os.ReadDir(real)
	if err != nil {
		return "unreachable"
	}
	for _, entry := range entries {
		name := filepath.Join(real, entry.Name())
		target, err := filepath.EvalSymlinks(name)
		if err != nil {
			target = name
		}
		if info, err := os.Stat(target); err == nil && info.Mode().IsRegular() {
			fmt.Fprintf(&text, "%s %s %s\n", entry.Name(), target, stamp(info))
		}
	}
	return text.String()
}

func stamp(info fs.FileInfo) string {
	return fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
}
