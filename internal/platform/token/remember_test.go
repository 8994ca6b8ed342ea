package token

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counting is a Verifier that knows one key, until it is withdrawn.
type counting struct {
	asked     int
	withdrawn bool
	expires   time.Time
}

func (c *counting) Verify(_ context.Context, raw string, use Use) (Claims, error) {
	c.asked++
	if c.withdrawn || raw == "bad" || use != Access {
		return Claims{}, ErrInvalid
	}
	return Claims{Login: raw, Expires: c.expires}, nil
}

func TestRemembering(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	source := &counting{expires: now.Add(time.Hour)}
	v := &remembering{Verifier: source, now: func() time.Time { return now }}
	good := func(raw string, asked int) {
		t.Helper()
		claims, err := v.Verify(t.Context(), raw, Access)
		require.NoError(t, err)
		require.Equal(t, raw, claims.Login, "another token's claims")
		require.Equal(t, asked, source.asked)
	}
	good("a", 1)
	good("a", 1)
	good("b", 2)
	_, err := v.Verify(t.Context(), "a", Refresh)
	require.ErrorIs(t, err, ErrInvalid, "good for one use, it is for another")
	for range 2 {
		_, err := v.Verify(t.Context(), "bad", Access)
		require.ErrorIs(t, err, ErrInvalid)
	}
	require.Equal(t, 5, source.asked, "a bad token is remembered")
	now = now.Add(rememberFor - 1)
	good("a", 5)
	now = now.Add(1)
	good("a", 6)
	source.withdrawn = true
	now = now.Add(rememberFor)
	_, err = v.Verify(t.Context(), "a", Access)
	require.ErrorIs(t, err, ErrInvalid, "a withdrawn key is believed for ever")

	source.withdrawn, source.expires = false, now.Add(time.Second)
	good("short", 8)
	now = now.Add(time.Second)
	good("short", 9) // asked anew: whether it is still good isn't ours to say
	for i := range 3 * rememberMost {
		source.expires = now.Add(time.Hour)
		_, err := v.Verify(t.Context(), fmt.Sprint(i), Access)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(v.recent)+len(v.remaining), 2*rememberMost)
}
