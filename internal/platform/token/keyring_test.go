package token_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

func keyFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.jwk"))
	require.NoError(t, err)
	return files
}

// privateKey reads the only key of a folder.
func privateKey(t testing.TB, dir string) (ed25519.PrivateKey, string) {
	t.Helper()
	files := keyFiles(t, dir)
	require.Len(t, files, 1)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	var key struct{ D, Kid string }
	require.NoError(t, json.Unmarshal(text, &key))
	seed, err := base64.RawURLEncoding.DecodeString(key.D)
	require.NoError(t, err)
	return ed25519.NewKeyFromSeed(seed), key.Kid
}

func states(t testing.TB, k *token.Keyring) []token.KeyState {
	t.Helper()
	infos, err := k.List()
	require.NoError(t, err)
	var all []token.KeyState
	for _, info := range infos {
		all = append(all, info.State)
	}
	return all
}

func TestOfManyThatStartAtOnceOneMakesTheFirstKey(t *testing.T) {
	t.Parallel()
	dir, c := filepath.Join(t.TempDir(), "deep", "keys"), newClock()
	rings := make([]*token.Keyring, 16)
	var group sync.WaitGroup
	for i := range rings {
		group.Go(func() { rings[i], _ = token.OpenKeyring(dir, token.KeyringOptions{Now: c.now}) })
	}
	group.Wait()
	require.Len(t, keyFiles(t, dir), 1)
	for _, signs := range rings {
		require.NotNil(t, signs)
		raw, err := signs.Sign(access())
		require.NoError(t, err)
		for _, verifies := range rings {
			_, err := verifies.Verify(t.Context(), raw, token.Access)
			require.NoError(t, err)
		}
	}
}

func TestKeysAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	keyring(t, dir, newClock())
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	file := keyFiles(t, dir)[0]
	info, err = os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, os.Chmod(file, 0o640))
	_, err = token.OpenKeyring(dir, token.KeyringOptions{})
	require.ErrorIs(t, err, tenant.ErrRefused)
	require.Contains(t, tenant.Hints(err)[0], "chmod 600 "+file)
	require.NoError(t, os.Chmod(file, 0o600))
	require.NoError(t, os.Chmod(dir, 0o770))
	_, err = token.OpenKeyring(dir, token.KeyringOptions{})
	require.ErrorIs(t, err, tenant.ErrRefused)
	require.NoError(t, os.Chmod(dir, 0o700))
	_, err = token.OpenKeyring(dir, token.KeyringOptions{})
	require.NoError(t, err)
}

func TestAFileThatIsNoKeyIsRefusedWithoutBeingQuoted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keyring(t, dir, newClock())
	path := keyFiles(t, dir)[0]
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(whole, &fields))
	seed := fields["d"].(string)
	for _, text := range []string{"", "{}", string(whole[:len(whole)/2]), strings.Replace(string(whole), seed, seed[:20], 1), strings.Replace(string(whole), seed, strings.Repeat("A", 43), 1)} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := token.OpenKeyring(dir, token.KeyringOptions{})
		require.ErrorIs(t, err, tenant.ErrInvalid)
		require.NotContains(t, err.Error(), seed[:20])
	}
}

// TestRotation follows one change of keys from end to end, as another process sees it.
func TestRotation(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	operator, server := keyring(t, dir, c), keyring(t, dir, c)
	old, err := server.Sign(token.Claims{Tenant: "a", Subject: "1", Use: token.Refresh, Family: "f"})
	require.NoError(t, err)
	verify := func(raw string) error {
		_, err := server.Verify(t.Context(), raw, token.Refresh)
		return err
	}

	c.advance(time.Hour)
	made, err := operator.Rotate()
	require.NoError(t, err)
	require.Equal(t, token.Waiting, made.State)
	require.Equal(t, c.now().Add(token.Lead), made.SignsFrom)
	c.advance(2 * time.Second)
	require.Len(t, server.KeySet().Keys, 2, "published at once, without a restart")
	signedBy := func() string {
		raw, err := server.Sign(access())
		require.NoError(t, err)
		header, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[0])
		require.NoError(t, err)
		var fields struct{ Kid string }
		require.NoError(t, json.Unmarshal(header, &fields))
		return fields.Kid
	}
	require.NotEqual(t, made.ID, signedBy(), "some verifier may not have heard of it")
	c.advance(token.Lead)
	require.Equal(t, made.ID, signedBy())
	require.NoError(t, verify(old))
	require.Equal(t, []token.KeyState{token.Verifying, token.Signing}, states(t, operator))

	infos, err := operator.List()
	require.NoError(t, err)
	err = operator.Retire(infos[0].ID, token.RetireUnneeded)
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.NotEmpty(t, tenant.Hints(err))
	require.ErrorIs(t, operator.Retire(infos[1].ID, token.RetireUnneeded), tenant.ErrConflict)
	require.ErrorIs(t, operator.Retire("nobody", token.RetireUnneeded), tenant.ErrNotFound)
	c.advance(token.RefreshLife - time.Hour)
	require.NoError(t, verify(mustSign(t, server)), "issued by the new key")
	c.advance(2 * time.Hour)
	require.NoError(t, operator.Retire(infos[0].ID, token.RetireUnneeded))
	require.NoError(t, operator.Retire(infos[0].ID, token.RetireUnneeded), "again")
	require.Equal(t, []token.KeyState{token.Retired, token.Signing}, states(t, operator))
	c.advance(2 * time.Second)
	require.Len(t, server.KeySet().Keys, 1)
	require.ErrorIs(t, operator.Retire(infos[1].ID, token.RetireNow), tenant.ErrConflict, "the only one")
}

func mustSign(t testing.TB, k *token.Keyring) string {
	t.Helper()
	raw, err := k.Sign(token.Claims{Tenant: "a", Subject: "1", Use: token.Refresh, Family: "f"})
	require.NoError(t, err)
	return raw
}

func TestAStolenKeyIsRetiredAtOnce(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	operator, server := keyring(t, dir, c), keyring(t, dir, c)
	stolen := mustSign(t, server)
	infos, err := operator.List()
	require.NoError(t, err)
	_, err = operator.Rotate()
	require.NoError(t, err)
	require.NoError(t, operator.Retire(infos[0].ID, token.RetireNow))
	text, err := os.ReadFile(filepath.Join(dir, infos[0].ID+".jwk"))
	require.NoError(t, err)
	require.NotContains(t, string(text), `"d"`, "the private half is gone")
	c.advance(2 * time.Second)
	_, err = server.Verify(t.Context(), stolen, token.Refresh)
	require.Equal(t, token.ErrInvalid, err)
	_, err = server.Verify(t.Context(), mustSign(t, server), token.Refresh)
	require.NoError(t, err, "the new key is the only one and signs at once")
}

func TestKeysThatCantBeReadAnyMoreStayInUse(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	var log strings.Builder
	k, err := token.OpenKeyring(dir, token.KeyringOptions{Now: c.now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.jwk"), []byte("{"), 0o600))
	for range 3 {
		c.advance(time.Minute)
		_, err = k.Verify(t.Context(), mustSign(t, k), token.Refresh)
		require.NoError(t, err)
	}
	require.Equal(t, 1, strings.Count(log.String(), "can't be read"), "said once")
	_, err = k.List()
	require.ErrorIs(t, err, tenant.ErrInvalid)
	require.NoError(t, os.Remove(filepath.Join(dir, "bad.jwk")))
	require.Equal(t, []token.KeyState{token.Signing}, states(t, k))
}

func TestRotatingAtOnceLosesNoKey(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	keyring(t, dir, c)
	errs := make([]error, 8)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			_, errs[i] = token.ReadKeyring(dir, token.KeyringOptions{Now: c.now}).Rotate()
		})
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	ring := keyring(t, dir, c)
	infos, err := ring.List()
	require.NoError(t, err)
	require.Len(t, infos, 9)
	require.Equal(t, token.Signing, infos[0].State, "the first, though all are of one second")
	for i, info := range infos[1:] {
		require.Equal(t, token.Waiting, info.State)
		require.True(t, info.Created.After(infos[i].Created))
	}
}
