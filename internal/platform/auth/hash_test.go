package auth

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"tenantctl/internal/platform/scope"
)

// TestNobodyCostsAsMuchAsSomebody isn't parallel: it measures the memory that the process takes, which an argon2id of 8 MiB shows in.
func TestNobodyCostsAsMuchAsSomebody(t *testing.T) {
	h := newHasher(Cost{Memory: 8 << 10, Rounds: 1, Threads: 1}, 1)
	kept, err := h.make(t.Context(), "a", "secret")
	require.NoError(t, err)
	const oneHash = 8 << 20
	for name, kept := range map[string]string{
		"nobody": "", "wrong": kept, "wrong md5": "legacy-md5$" + strings.Repeat("0", 32), "broken": "$argon2id$v=19$m=8192,t=1,p=1$$",
		"absurd": "$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		found, err := h.check(t.Context(), "a", "ada", "guess", kept)
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		require.Equal(t, verdict{}, found, name)
		took := after.TotalAlloc - before.TotalAlloc
		require.True(t, took >= oneHash && took < oneHash*3/2, "%s took %d bytes", name, took)
	}
}

func TestHashesOfOtherLibrariesAndOlderCosts(t *testing.T) {
	t.Parallel()
	h := newHasher(Cost{Memory: 64, Rounds: 2, Threads: 1}, 1)
	right := func(login, password, kept string) verdict {
		found, err := h.check(t.Context(), "a", login, password, kept)
		require.NoError(t, err)
		return found
	}
	// From the test suite of argon2's reference implementation.
	reference := "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	require.Equal(t, verdict{right: true}, right("x", "password", reference))
	cheap := format(Cost{Memory: 32, Rounds: 1, Threads: 1}, []byte("saltsalt"), argon2.IDKey([]byte("pw"), []byte("saltsalt"), 1, 32, 1, hashSize))
	found := right("x", "pw", cheap)
	require.True(t, found.right)
	require.Contains(t, found.fresh, "$m=64,t=2,p=1$")
	require.Equal(t, verdict{right: true}, right("x", "pw", found.fresh), "made once")
	legacy := "legacy-md5$0116c67eef1d53790db34ed763afa552" // md5 of user1secret
	found = right("user1", "secret", legacy)
	require.True(t, found.right)
	require.NotContains(t, found.fresh, "md5")
	require.Equal(t, verdict{}, right("user", "1secret!", legacy))
	require.Equal(t, verdict{}, right("user1", "Secret", legacy))
}

func TestAFloodOfOneTenantWaitsInItsOwnQueue(t *testing.T) {
	t.Parallel()
	h := newHasher(Cost{Memory: 64, Rounds: 1, Threads: 1}, 1)
	done, err := h.turn(t.Context(), "flood") // the only one
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, maxWaiting)
	for range maxWaiting {
		go func() {
			_, err := h.make(ctx, "flood", "x")
			ended <- err
		}()
	}
	waiting := func(n int) bool {
		h.mutex.Lock()
		defer h.mutex.Unlock()
		return h.waiting["flood"] == n
	}
	for !waiting(maxWaiting) {
		runtime.Gosched()
	}
	_, err = h.make(t.Context(), "flood", "x")
	require.ErrorIs(t, err, scope.ErrBusy, "answered at once")
	cancel()
	for range maxWaiting {
		require.ErrorIs(t, <-ended, context.Canceled)
	}
	other := make(chan error, 1)
	go func() {
		_, err := h.make(t.Context(), "other", "x")
		other <- err
	}()
	done()
	require.NoError(t, <-other)
	require.Empty(t, h.waiting)
}

func FuzzHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=32,t=1,p=1$c2FsdHNhbHQ$AAAA")
	f.Add("legacy-md5$")
	f.Add("$argon2id$v=19$m=-1,t=0,p=0$$")
	f.Fuzz(func(t *testing.T, kept string) {
		cost, salt, sum, ok := parse(kept)
		if ok {
			require.True(t, cost.atMost(maxCost()))
			require.Len(t, sum, hashSize)
			require.NotEmpty(t, salt)
		}
	})
}
