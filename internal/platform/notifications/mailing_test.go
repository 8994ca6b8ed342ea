package notifications_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/notifications"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

// mailingTo is a mailing to n addresses.
func mailingTo(n int) string {
	to := make([]string, n)
	for i := range to {
		to[i] = fmt.Sprintf(`{"address": "%d@example.com", "name": "Nr. %d"}`, i, i)
	}
	return `{"subject": "News for {name}", "body": "Of {tenant}.", "to": {"addresses": [` + strings.Join(to, ", ") + `]}}`
}

// mailing asks for one, and gives its path.
func (b *bundle) mailing(t *testing.T, name tenant.Name, body string) string {
	t.Helper()
	return "/v1/mailings/" + b.ask(t, 202, name, "7", "POST", "/v1/mailings", body)["id"].(string)
}

// becomes waits until a mailing has a state.
func (b *bundle) becomes(t *testing.T, name tenant.Name, at, state string) (mailing map[string]any) {
	t.Helper()
	require.Eventually(t, func() bool {
		mailing = b.ask(t, 200, name, "7", "GET", at, "")
		return mailing["state"] == state
	}, patience, tick, "%s of %s", at, name)
	return mailing
}

// Users who want mail and addresses get a mailing once each, whom the mail server doesn't know is told of, and nobody else sees it.
func TestAMailingReachesEachOnce(t *testing.T) {
	t.Parallel()
	office := fleet.NewPostOffice(t)
	b := setup(t, mailer(t, office), "a", "b")
	for user, mail := range map[string]string{"7": "immediate", "8": "digest", "6": "off"} {
		b.ask(t, 200, "a", user, "PUT", "/v1/notifications/preferences", `{"mail": "`+mail+`", "address": "user-`+user+`@example.com"}`)
	}
	at := b.mailing(t, "a", `{"subject": "Hello {name}", "body": "From {tenant}.", "to": {"everyone": true, "users": ["7", "6"],
		"addresses": [{"address": "USER-7@example.com", "name": "Ann"}, {"address": "x@example.com", "name": "Xaver\u00e9"}, {"address": "nobody@example.com"}]}}`)
	done := b.becomes(t, "a", at, "done")
	require.Equal(t, []any{4.0, 3.0, 1.0, 1.0}, []any{done["recipients"], done["sent"], done["refused"], done["progress"]})
	require.Equal(t, map[string]any{"sent": 3.0, "refused": 1.0}, done["result"])
	for address, n := range map[string]int{"user-8@example.com": 1, "user-6@example.com": 0, "x@example.com": 1, "nobody@example.com": 0} {
		require.Len(t, office.Received(address), n, address)
	}
	require.Equal(t, 1, len(office.Received("user-7@example.com"))+len(office.Received("USER-7@example.com")), "an address is one, however it is written")
	require.Len(t, b.ask(t, 200, "a", "7", "GET", "/v1/mailings", "")["items"], 1)

	require.Empty(t, b.ask(t, 200, "b", "7", "GET", "/v1/mailings", "")["items"])
	b.ask(t, 404, "b", "7", "GET", at, "")
	b.ask(t, 404, "b", "7", "POST", at+"/cancel", "")
	b.ask(t, 422, "b", "7", "POST", "/v1/mailings", `{"subject": "x", "body": "y", "to": {"everyone": true}}`)
	b.ask(t, 422, "a", "7", "POST", "/v1/mailings", `{"subject": "{secret}", "body": "y", "to": {"everyone": true}}`)
	b.ask(t, 422, "a", "7", "POST", "/v1/mailings", `{"subject": "x", "body": "y", "to": {"addresses": [{"address": "a@b\r\nBcc: c@d"}]}}`)
	b.ask(t, 422, "a", "7", "POST", "/v1/mailings", `{"subject": "x", "body": "y"}`)
}

// A mailing goes on where it was when the mail server comes back, and when its process dies over a mail.
func TestAMailingGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	office := fleet.NewPostOffice(t)
	b := setup(t, &hesitant{Mailer: mailer(t, office)}, "a")
	const n = 30
	at := b.mailing(t, "a", mailingTo(n))
	require.Eventually(t, func() bool { return len(office.Received("9@example.com")) > 0 }, patience, tick)
	office.Shut()
	office.Open(t)
	done := b.becomes(t, "a", at, "done")
	require.InDelta(t, n, done["sent"], 0)
	twice := 0
	for i := range n {
		got := office.Received(fmt.Sprintf("%d@example.com", i))
		require.Len(t, got, 1, "one Message-ID for each recipient")
		for _, times := range got {
			twice += times - 1
		}
	}
	require.Equal(t, 1, twice, "twice comes only what the process died over")
}

// gate lets a number of mails pass, and then none until it is opened.
type gate struct {
	notifications.Mailer
	pass atomic.Int64
	shut chan struct{}
}

func (g *gate) Send(ctx context.Context, m notifications.Mail) error {
	if g.pass.Add(-1) < 0 {
		select {
		case <-g.shut:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g.Mailer.Send(ctx, m)
}

// One that is canceled sends no more, and goes on from there when that is asked for. Another tenant's isn't behind it.
func TestAMailingIsCanceledAndGoesOn(t *testing.T) {
	t.Parallel()
	office := fleet.NewPostOffice(t)
	slow := &gate{Mailer: mailer(t, office), shut: make(chan struct{})}
	slow.pass.Store(5)
	b := setup(t, slow, "a")
	at := b.mailing(t, "a", mailingTo(40))
	require.Eventually(t, func() bool { return slow.pass.Load() < 0 }, patience, tick)
	canceled := make(chan map[string]any)
	go func() { canceled <- b.ask(t, 200, "a", "7", "POST", at+"/cancel", "") }() // it waits for the mail that is being sent
	close(slow.shut)
	<-canceled
	sent := b.becomes(t, "a", at, "canceled")["sent"].(float64)
	require.Less(t, sent, 40.0)
	b.ask(t, 200, "a", "7", "POST", at+"/retry", "")
	require.InDelta(t, 40, b.becomes(t, "a", at, "done")["sent"], 0)
	for i := range 40 {
		for id, times := range office.Received(fmt.Sprintf("%d@example.com", i)) {
			require.Equal(t, 1, times, id)
		}
	}
}

// A long mailing gives way to another tenant's.
func TestAMailingGivesWay(t *testing.T) {
	t.Parallel()
	office := fleet.NewPostOffice(t)
	b := setup(t, mailer(t, office), "a", "b")
	long := b.mailing(t, "a", mailingTo(400))
	short := b.mailing(t, "b", mailingTo(5))
	b.becomes(t, "b", short, "done")
	require.Less(t, b.ask(t, 200, "a", "7", "GET", long, "")["sent"], 400.0, "the long one isn't done before")
	require.InDelta(t, 400, b.becomes(t, "a", long, "done")["sent"], 0)
}
