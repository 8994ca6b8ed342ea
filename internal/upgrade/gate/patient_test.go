package gate

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// says answers with one verdict after the other.
func says(looks *int, again bool, verdicts ...upgrade.Verdict) look {
	return func(context.Context, upgrade.Passage) (upgrade.Judgement, bool, error) {
		*looks++
		return upgrade.Judgement{Verdict: verdicts[*looks-1], Message: "so it is"}, again, nil
	}
}

func TestAnswersThatArentPassAreLookedAtAgain(t *testing.T) {
	t.Parallel()
	const pass, fail, open = upgrade.Pass, upgrade.Fail, upgrade.Inconclusive
	for name, c := range map[string]struct {
		verdicts []upgrade.Verdict
		again    bool
		looks    int
		message  string
	}{
		"passes":             {[]upgrade.Verdict{pass}, true, 1, "so it is"},
		"passes later":       {[]upgrade.Verdict{fail, open, pass}, true, 3, "so it is"},
		"fails":              {[]upgrade.Verdict{open, fail, fail}, true, 3, "so it is (looked 3 times)"},
		"can't tell":         {[]upgrade.Verdict{fail, fail, open}, true, 3, "so it is (looked 3 times)"},
		"no use to go on":    {[]upgrade.Verdict{open}, false, 1, "so it is"},
		"nor with a failure": {[]upgrade.Verdict{fail}, false, 1, "so it is"},
	} {
		looks := 0
		g := &patient{name: "g", look: says(&looks, c.again, c.verdicts...), attempts: 3, interval: time.Millisecond}
		j, err := g.Judge(t.Context(), upgrade.Passage{})
		require.NoError(t, err)
		require.Equal(t, c.verdicts[len(c.verdicts)-1], j.Verdict, name)
		require.Equal(t, c.looks, looks, name)
		require.Equal(t, c.message, j.Message, name)
		require.Equal(t, "g", j.Gate)
		require.WithinDuration(t, time.Now(), j.At, time.Minute)
	}
}

func TestAnInterruptedWaitIsNoVerdict(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("Ctrl-C")
	g := &patient{attempts: 2, interval: time.Hour, look: func(context.Context, upgrade.Passage) (upgrade.Judgement, bool, error) {
		time.AfterFunc(time.Millisecond, func() { cancel(stop) })
		return upgrade.Judgement{Verdict: upgrade.Fail}, true, nil
	}}
	_, err := g.Judge(ctx, upgrade.Passage{})
	require.ErrorIs(t, err, stop)
}

func TestAllGatesInOrder(t *testing.T) {
	t.Parallel()
	declared := gatesOf(t, `metrics: [ { name: errors, prometheus: "http://p" }, { name: latency, prometheus: "http://p" } ], http: [ { name: smoke, url: "${URL}" } ]`)
	gates, err := All(config.Rollout{Gates: declared}, Options{Resolve: literal("http://hook")})
	require.NoError(t, err)
	var names []string
	for _, g := range gates {
		names = append(names, g.Name())
	}
	require.Equal(t, []string{"database", "metrics/errors", "metrics/latency", "http/smoke"}, names)

	gates, err = All(config.Rollout{Gates: gatesOf(t, "database: { off: true }")}, Options{})
	require.NoError(t, err)
	require.Empty(t, gates)
}

// What a secret comes to shows before the first wave, and isn't printed.
func TestSecretsAreResolvedFirst(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`http: [ { name: smoke, url: "${URL}" } ]`:                                                             "tenants.yaml:3:49: ${URL} doesn't come to a web address such as https://host/path: invalid",
		`http: [ { name: smoke, url: "http://${URL}/" } ]`:                                                     "tenants.yaml:3:49: http://${URL}/ doesn't come to a web address such as https://host/path: invalid",
		`metrics: [ { name: errors, prometheus: "${URL}" } ]`:                                                  "tenants.yaml:3:60: ${URL} doesn't come to a web address such as https://host/path: invalid",
		`metrics: [ { name: errors, prometheus: "http://p", headers: { Authorization: "Bearer ${TOKEN}" } } ]`: "tenants.yaml:3:98: Bearer ${TOKEN} doesn't come to one line of text, which the header Authorization must be: invalid",
	} {
		_, err := All(config.Rollout{Gates: gatesOf(t, content)}, Options{Resolve: literal("hunter2\nhunter3 ^")})
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, tenant.ErrInvalid)
		require.Regexp(t, "^check what is in the environment: (URL|TOKEN)$", tenant.Hints(err)[0])
	}
	unset := func(s config.Secret) (string, error) {
		return s.Resolve(func(string) (string, bool) { return "", false }, nil)
	}
	for _, content := range []string{
		`http: [ { name: smoke, url: "${URL}" } ]`, `metrics: [ { name: errors, prometheus: "${URL}" } ]`,
		`http: [ { name: smoke, url: "http://x", headers: { X-Token: "${URL}" } } ]`,
	} {
		_, err := All(config.Rollout{Gates: gatesOf(t, content)}, Options{Resolve: unset})
		require.ErrorContains(t, err, "the variable URL isn't set")
	}
}
