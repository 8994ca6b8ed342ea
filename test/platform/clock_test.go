package platform

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

const day = 24 * time.Hour

// steps sets the clock of the platform's server an hour off and a day, ahead and back in any order, while there are faults.
func (w *works) steps(clock *localtest.Clock, lasting time.Duration, kinds int) {
	w.t.Helper()
	for began := time.Now(); time.Since(began) < lasting; {
		offs := []time.Duration{-time.Hour, 0, time.Hour, day}
		rand.Shuffle(len(offs), func(i, j int) { offs[i], offs[j] = offs[j], offs[i] })
		for _, off := range offs {
			clock.Set(off)
			w.faults(lasting/8, kinds)
		}
	}
}

// morning comes by the server's clock: then each order is in one of Berta's daily mails, and each of these came.
func (w *works) morning(clock *localtest.Clock) {
	w.t.Helper()
	clock.Set(3 * day) // behind all that was put off while it was a day ahead
	require.Eventually(w.t, func() bool {
		return w.text(`select (select count(*) from bus.outbox where sent_at is null) || ' ' || (select count(*) from tenant_acme.notifications where waiting)
			|| ' ' || (select count(*) from tenant_acme.notification_mails where sent_at is null)`) == "0 0 0"
	}, 2*time.Minute, 50*time.Millisecond)
	placed := w.text(`select string_agg(subject, e'\n' order by subject) from tenant_acme.notifications n join tenant_acme.notification_preferences p using (user_id) where mail = 'digest'`)
	told := w.text(`select string_agg(line, e'\n' order by line) from tenant_acme.notification_mails, regexp_split_to_table(body, e'\n') as line
		where address = '` + berta + `' and line like 'Order %'`)
	require.Equal(w.t, placed, told, "each is told of in one daily mail")
	mails := w.office.Received(berta)
	require.Equal(w.t, w.text(`select count(*)::text from tenant_acme.notification_mails where address = '`+berta+`'`), fmt.Sprint(len(mails)))
	w.t.Logf("%d news in %d daily mails", len(strings.Split(told, "\n")), len(mails))
}

// The same while the server's clock is an hour or a day off, and goes forwards and back again and again: services and server never agree
// for long. Retries, leases and daily mails wait for times, and what was sent and handled is kept for some.
func TestEachCauseHasItsEffectOnceWhileTheClockSteps(t *testing.T) {
	t.Parallel()
	server, clock := localtest.NewClockedServer(t, nil, -time.Hour)
	w := newWorks(t, server)
	ctx, stop := context.WithCancel(t.Context())
	stopped := w.people(ctx)
	w.steps(clock, 4*time.Second, withoutMail)
	clock.Set(time.Hour)
	w.helper(1500 * time.Millisecond)
	clock.Set(-time.Hour)
	stop()
	stopped()
	w.settle(2 * time.Minute)
	w.morning(clock)
}
