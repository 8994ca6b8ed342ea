package local

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// passwordName is the file of a server's folder with the password of its administrator, readable by whoever runs this program.
const passwordName = "password"

// readPassword reads the password of a folder; "" where there is none (any more: a Down may have been killed halfway).
func readPassword(dir string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dir, passwordName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read server password: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// keepPassword reads the password of a folder, made at random the first time.
func keepPassword(dir string) (string, error) {
	password, err := readPassword(dir)
	if password != "" || err != nil {
		return password, err
	}
	password = rand.Text()
	return password, writePassword(dir, password)
}

func writePassword(dir, password string) error {
	if err := os.WriteFile(filepath.Join(dir, passwordName), []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write server password: %w", err)
	}
	return nil
}
