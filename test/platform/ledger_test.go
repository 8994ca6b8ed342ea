package platform

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
	"tenantctl/internal/local/localtest"
	"tenantctl/test/fleet"
)

// works is a platform with everything: a broker behind a proxy, a mail server, jobs, and people who order and ask for statements.
type works struct {
	*stage
	proxy  *fleet.Proxy
	office *fleet.PostOffice

	mutex        sync.Mutex
	asked        []string // orders by their notes, and mailings by their subjects
	acknowledged []string
	statements   []string // the jobs that were acknowledged
	unanswered   int      // statements that were asked for, and may be there
}

// Anna has a mail of each order at once, and Berta one a day of all that came.
const (
	anna  = "anna@example.com"
	berta = "berta@example.com"
)

// The kinds of faults.
const (
	withoutMail = 3
	withMail    = 4
)

func newWorks(t *testing.T, server *local.Postgres) *works {
	t.Helper()
	broker, err := url.Parse(localtest.Broker(t).URL())
	require.NoError(t, err)
	w := &works{proxy: fleet.NewProxy(t, nil, broker.Host), office: fleet.NewPostOffice(t)}
	broker.Host = w.proxy.Address()
	w.stage = openStageOn(t, server, `broker: { url: "${AMQP_URL}", namespace: `+strings.ToLower(rand.Text())+` }
platform: { mail: { url: "${SMTP_URL}", from: "Shop <shop@example.com>" } }
defaults: { limits: { requestsPerSecond: 100000 } }
services: { bus: {}, jobs: {}, users: {}, auth: {}, core: {}, notifications: {} }
tenants: { acme: {} }
`, "AMQP_URL="+broker.String(), "SMTP_URL="+w.office.URL())
	w.tenantctl("", "provision", "--all")
	w.serve("all")
	w.tenantctl(password, "user", "add", "acme", "admin", "--role", "admin", "--password-stdin")
	w.tokens["acme"] = w.login("acme")
	w.create("acme", "/v1/customers", `{"code":"c","name":"c"}`, "code")
	w.tenantctl(password, "user", "add", "acme", "berta", "--password-stdin")
	w.prefers(w.tokens["acme"], "immediate", anna)
	w.prefers(w.loginAs("acme", "berta"), "digest", berta)
	return w
}

func (w *works) prefers(token, mail, address string) {
	w.t.Helper()
	got := w.send(request{method: "PUT", path: "/v1/notifications/preferences", host: host("acme"), token: token, body: `{"mail":"` + mail + `","address":"` + address + `"}`})
	require.Equal(w.t, http.StatusOK, got.status, got.body)
}

// people write until it is over. What isn't answered may have happened or not: the tables tell.
func (w *works) people(ctx context.Context) (stopped func()) {
	var all sync.WaitGroup
	for person := range 2 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				note := fmt.Sprintf("%d-%d", person, n)
				w.ask(note, "/v1/orders", `{"customer_code":"c","note":"`+note+`"}`)
				if n%5 == 0 {
					w.ask("to-"+note, "/v1/mailings", `{"subject":"to-`+note+`","body":"b","to":{"addresses":[{"address":"to-`+note+`@example.com"},{"address":"too-`+note+`@example.com"}]}}`)
				}
				w.askForStatement()
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	return all.Wait
}

// ask asks for what has a name of its own.
func (w *works) ask(name, path, body string) {
	w.mutex.Lock()
	w.asked = append(w.asked, name)
	w.mutex.Unlock()
	if _, ok := w.post(path, body); ok {
		w.mutex.Lock()
		w.acknowledged = append(w.acknowledged, name)
		w.mutex.Unlock()
	}
}

func (w *works) askForStatement() {
	answer, ok := w.post("/v1/statements", `{"month":"2026-10"}`)
	var job struct{ ID string }
	ok = ok && json.Unmarshal(answer, &job) == nil
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if ok {
		w.statements = append(w.statements, job.ID)
	} else {
		w.unanswered++
	}
}

// post gives an answer, and tells whether it says that it will be done.
func (w *works) post(path, body string) (answer []byte, ok bool) {
	r, err := http.NewRequest(http.MethodPost, w.scheme+w.address+path, strings.NewReader(body))
	if err != nil {
		return nil, false
	}
	r.Host = host("acme")
	r.Header.Set("Authorization", "Bearer "+w.tokens["acme"])
	r.Header.Set("Content-Type", "application/json")
	response, err := w.client.Do(r)
	if err != nil {
		return nil, false
	}
	defer func() { _ = response.Body.Close() }()
	answer, err = io.ReadAll(response.Body)
	return answer, err == nil && (response.StatusCode == http.StatusCreated || response.StatusCode == http.StatusAccepted)
}

// helper is a further process that relays, listens and does jobs, until it is killed in the midst of it.
func (w *works) helper(lives time.Duration) {
	w.t.Helper()
	cmd := w.command("serve", "--listen", "127.0.0.1:0", "core", "notifications")
	require.NoError(w.t, cmd.Start())
	time.Sleep(lives)
	require.NoError(w.t, cmd.Process.Kill())
	require.Error(w.t, cmd.Wait(), "it was killed")
}

// end ends some of the services' sessions with PostgreSQL.
func (w *works) end() {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.database)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, conn.Close(w.t.Context())) }()
	_, err = conn.Exec(w.t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' and random() < 0.3`)
	require.NoError(w.t, err)
}

// settle waits until nothing is under way, and compares causes with effects.
func (w *works) settle(within time.Duration) {
	w.t.Helper()
	defer func() {
		if w.t.Failed() {
			w.t.Log("jobs:", w.text(`select coalesce(string_agg(t::text, e'\n'), '') from (
				select now(), j.queue, role, kind, state, count(*), min(due_at), max(due_at), min(leased_to), max(leased_to), min(j.place), max(l.place), max(attempt), max(failures), max(error) from jobs.job j left join jobs.line l using (queue)
				where state not in ('done', 'failed', 'canceled') group by 2, 3, 4, 5) t`))
			w.t.Log("sessions:", w.text(`select coalesce(string_agg(t::text, e'\n'), '') from (
				select pid, application_name, state, wait_event_type, wait_event, now() - state_change, pg_blocking_pids(pid), left(query, 200) from pg_stat_activity where datname = current_database() and state <> 'idle') t`))
		}
	}()
	var open []string // how many events, mails, jobs, and orders that aren't told of, or are told of too often
	require.Eventually(w.t, func() bool {
		open = strings.Fields(w.text(`select (select count(*) from bus.outbox where sent_at is null and type <> 'digest.due') || ' ' || (select count(*) from tenant_acme.notification_mails where sent_at is null)
			|| ' ' || (select count(*) from jobs.job where state not in ('done', 'failed', 'canceled'))
			|| ' ' || 2 * (select count(*) from tenant_acme.orders) - (select count(*) from tenant_acme.notifications)`))
		return slices.Equal(open, []string{"0", "0", "0", "0"})
	}, within, 50*time.Millisecond, "something is lost, or doubled: %v", &open)
	orders := w.text(`select count(*)::text from tenant_acme.orders`)
	told := `from tenant_acme.orders o join tenant_acme.notifications n on n.subject = 'Order ' || o.id || ' was placed'`
	for _, address := range []string{anna, berta} {
		require.Equal(w.t, orders+" "+orders, w.text(`select count(*) || ' ' || count(distinct o.id) `+told+` join tenant_acme.notification_preferences p using (user_id)
			where p.address = '`+address+`'`), "%s is told of each order once", address)
	}
	require.Equal(w.t, orders+" "+orders, w.text(`select count(*) || ' ' || count(distinct subject) from tenant_acme.notification_mails where address = '`+anna+`'`))
	mails, repeated := w.office.Received(anna), 0
	for _, times := range mails {
		repeated += times - 1
	}
	require.Equal(w.t, orders, fmt.Sprint(len(mails)), "each has one mail")
	require.Equal(w.t, "0", w.text(`select count(*)::text from jobs.job where state <> 'done' or result is null`))
	for _, times := range w.mailed() {
		repeated += times - 1
	}
	w.matched()
	w.t.Logf("%s orders and %s mailings, %d of them acknowledged, %s statements, %d of them acknowledged; %d mails came twice, under one Message-ID", orders,
		w.text(`select count(*)::text from tenant_acme.mailings`), len(w.acknowledged), w.text(`select count(*)::text from jobs.job where kind = 'statement'`), len(w.statements), repeated)
}

// mailed has each recipient of a mailing look for their mail, and tells how often they got it.
func (w *works) mailed() (times []int) {
	w.t.Helper()
	list := w.text(`select coalesce(string_agg(address, ' '), '') from tenant_acme.mailing_recipients`)
	for _, address := range strings.Fields(list) {
		got := w.office.Received(address)
		require.Len(w.t, got, 1, "%s has one mail", address)
		for _, n := range got {
			times = append(times, n)
		}
	}
	require.NotEmpty(w.t, times)
	return times
}

// matched compares what is there with what was asked for, one by one: what was acknowledged is there once, and nothing is there that
// nobody asked for.
func (w *works) matched() {
	w.t.Helper()
	there := map[string]int{}
	for _, name := range strings.Fields(w.text(`select string_agg(name, ' ') from (select note as name from tenant_acme.orders union all select subject from tenant_acme.mailings) as t`)) {
		there[name]++
	}
	require.NotEmpty(w.t, w.acknowledged)
	for _, name := range w.acknowledged {
		require.Equal(w.t, 1, there[name], "%s was acknowledged", name)
	}
	for _, name := range w.asked {
		require.LessOrEqual(w.t, there[name], 1, name)
		delete(there, name)
	}
	require.Empty(w.t, there, "nobody asked for these")
	jobs := map[string]bool{}
	for _, id := range strings.Fields(w.text(`select string_agg(id::text, ' ') from jobs.job where kind = 'statement'`)) {
		jobs[id] = true
	}
	require.NotEmpty(w.t, w.statements)
	require.LessOrEqual(w.t, len(jobs), len(w.statements)+w.unanswered, "more statements than were asked for")
	for _, id := range w.statements {
		require.True(w.t, jobs[id], "statement %s was acknowledged", id)
		delete(jobs, id)
	}
}

// faults are what happens at random meanwhile. Mails that find the server away are tried again after half a minute.
func (w *works) faults(lasting time.Duration, kinds int) {
	w.t.Helper()
	for began := time.Now(); time.Since(began) < lasting; {
		switch mathrand.IntN(kinds) {
		case 0:
			w.proxy.Cut()
		case 1:
			w.end()
		case 2:
			w.helper(500*time.Millisecond + time.Duration(mathrand.IntN(1500))*time.Millisecond)
		case 3:
			w.office.Shut()
			time.Sleep(200 * time.Millisecond)
			w.office.Open(w.t)
		}
		time.Sleep(time.Duration(mathrand.IntN(200)) * time.Millisecond)
	}
}

// Each order that was committed is told of once and has one mail, each recipient of a mailing has it, and what was acknowledged is there
// and nothing else, though processes are
// killed, connections cut and the mail server is away meanwhile.
func TestEachCauseHasItsEffectOnce(t *testing.T) {
	t.Parallel()
	w := newWorks(t, localtest.Server(t))
	ctx, stop := context.WithCancel(t.Context())
	stopped := w.people(ctx)
	w.faults(4*time.Second, withoutMail)
	w.helper(1500 * time.Millisecond)
	w.proxy.Cut()
	stop()
	stopped()
	w.settle(2 * time.Minute)
}
