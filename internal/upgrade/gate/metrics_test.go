package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/upgrade"
)

// vector is a number by the label schema_version, as Prometheus writes numbers.
type vector map[string]string

// fake answers queries as Prometheus does: by what is asked for, and whether of now or of a time.
type fake struct {
	values, counts             vector // of now
	valuesBefore, countsBefore vector

	asked []string // one after the other: a gate asks so
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, at := r.URL.Query().Get("query"), r.URL.Query().Get("time")
	f.asked = append(f.asked, fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, query))
	when, answer := float64(time.Now().UnixMilli())/1000, f.values
	counts := strings.HasPrefix(query, "sum by (schema_version) (increase(")
	switch {
	case at != "" && counts:
		answer = f.countsBefore
	case at != "":
		answer = f.valuesBefore
	case counts:
		answer = f.counts
	}
	if at != "" {
		when, _ = strconv.ParseFloat(at, 64)
	}
	result := []any{}
	for _, version := range slices.Sorted(maps.Keys(answer)) {
		result = append(result, map[string]any{"metric": map[string]string{"schema_version": version}, "value": []any{when, answer[version]}})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": result}})
}

// check is a metrics gate over a server. options come after name and prometheus.
func check(t *testing.T, server *httptest.Server, name, options string) *metrics {
	t.Helper()
	declared := gatesOf(t, `metrics: [ { name: `+name+`, prometheus: "`+server.URL+`/p/?key=${TOKEN}"`+options+` } ]`).Metrics[0]
	source, err := newPrometheus(declared, literal("hunter2"), newAsker(server.Client()))
	require.NoError(t, err)
	return &metrics{check: declared, source: source}
}

func TestCohortsAreCompared(t *testing.T) {
	t.Parallel()
	const pass, fail, open = upgrade.Pass, upgrade.Fail, upgrade.Inconclusive
	many := vector{"11": "4000", "12": "800"}
	for name, c := range map[string]struct {
		options string
		fake    fake
		verdict upgrade.Verdict
		says    string
	}{
		"alike": {
			"",
			fake{values: vector{"11": "0.002", "12": "0.0021"}, counts: many},
			pass,
			"errors of core at version 12 (800 requests) is 0.0021, against 0.002 of core at version 11 (4000 requests), not yet upgraded, over 2m (limit 0.012)",
		},
		"better": {"", fake{values: vector{"11": "0.5", "12": "0"}, counts: many}, pass, "is 0, against 0.5"},
		"worse": {
			"",
			fake{values: vector{"11": "0.002", "12": "0.08"}, counts: many},
			fail,
			"errors of core at version 12 (800 requests) is 0.08, against 0.002 of core at version 11 (4000 requests), not yet upgraded, over 2m: " +
				"more than 1.5 times and more than 0.01 above (maxRatio, maxIncrease); look at what these requests do at version 12",
		},
		"many times, but little":  {"", fake{values: vector{"11": "0.001", "12": "0.009"}, counts: many}, pass, "limit 0.011"},
		"much, but not far above": {"", fake{values: vector{"11": "0.5", "12": "0.6"}, counts: many}, pass, "limit 0.75"},
		"from nothing":            {"", fake{values: vector{"11": "0", "12": "0.02"}, counts: many}, fail, "against 0 of core"},
		"limits of one's own":     {", maxRatio: 1, maxIncrease: 0", fake{values: vector{"11": "0.1", "12": "0.1001"}, counts: many}, fail, "more than 1 times and more than 0 above"},
		"several older versions, weighted": {
			"",
			fake{values: vector{"9": "0.1", "11": "0.02", "12": "0.03"}, counts: vector{"9": "100", "11": "300", "12": "800"}},
			pass,
			"against 0.04 of core at version 9, 11 (400 requests)",
		},
		"newer versions and probes are left aside": {
			"",
			fake{values: vector{"11": "0.1", "12": "0.1", "13": "0", "": "9", "probe": "9"}, counts: many},
			pass,
			"against 0.1 of core at version 11 (4000 requests)",
		},
		"an older version without requests": {"", fake{values: vector{"10": "NaN", "11": "0.1", "12": "0.1"}, counts: many}, pass, "at version 11 (4000 requests)"},
		"not counted": {
			", minSamples: 0",
			fake{values: vector{"9": "0.1", "11": "0.3", "12": "0.2"}},
			pass,
			"errors of core at version 12 is 0.2, against 0.2 of core at version 9, 11, not yet upgraded",
		},

		"too few upgraded":       {"", fake{values: vector{"11": "0", "12": "1"}, counts: vector{"11": "4000", "12": "99.4"}}, open, "core: of tenants at version 12 there are 99 requests, of which 100 are needed (minSamples) in the last 2m: wait for traffic or send some"},
		"none upgraded":          {"", fake{values: vector{"11": "0"}, counts: many}, open, "there are no series in the last 2m"},
		"upgraded not a number":  {"", fake{values: vector{"11": "0", "12": "NaN"}, counts: many}, open, "there are no requests from which a number could be made (NaN)"},
		"upgraded infinite":      {"", fake{values: vector{"11": "0", "12": "+Inf"}, counts: many}, open, "(NaN)"},
		"nothing at all":         {"", fake{}, open, "there are no series"},
		"the count isn't there":  {"", fake{values: vector{"11": "0", "12": "0"}}, open, "0 requests, of which 100 are needed"},
		"no others, now or then": {"", fake{values: vector{"12": "0"}, counts: many}, open, "errors of core at version 12 (800 requests) is 0, with nothing to compare it with: of older versions there are no series now and, before the wave, no series; set max for the check errors"},

		"no others any more, so those before": {
			"",
			fake{values: vector{"12": "0.002"}, counts: many, valuesBefore: vector{"11": "0.002", "12": "0.5"}, countsBefore: many},
			pass,
			"against 0.002 of core at version 11 (4000 requests), before the wave, as too few are left now, over 2m",
		},
		"worse than before": {
			"",
			fake{values: vector{"11": "0.9", "12": "0.2"}, counts: vector{"11": "3", "12": "800"}, valuesBefore: vector{"11": "0.002"}, countsBefore: many},
			fail,
			"against 0.002 of core at version 11 (4000 requests), before the wave",
		},
		"too few before": {
			"",
			fake{values: vector{"12": "0"}, counts: many, valuesBefore: vector{"11": "0"}, countsBefore: vector{"11": "4"}},
			open,
			"no series now and, before the wave, 4 requests, of which 100 are needed",
		},
		"max decides alone":        {", max: 0.05", fake{values: vector{"12": "0.04"}, counts: many}, pass, "is 0.04 (max 0.05, which decides alone: of older versions there are no series now and, before the wave, no series)"},
		"above max":                {", max: 0.05", fake{values: vector{"12": "0.06"}, counts: many}, fail, "errors of core at version 12 (800 requests) is 0.06 (max 0.05)"},
		"above max, as others are": {", max: 0.05", fake{values: vector{"11": "0.06", "12": "0.06"}, counts: many}, fail, "(max 0.05)"},
		"below max, but worse":     {", max: 0.5", fake{values: vector{"11": "0.01", "12": "0.06"}, counts: many}, fail, "more than 1.5 times"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(&c.fake)
			t.Cleanup(server.Close)
			j, again, err := check(t, server, "errors", c.options).look(t.Context(), passage())
			require.NoError(t, err)
			require.Equal(t, c.verdict, j.Verdict, j.Message)
			require.Contains(t, j.Message, c.says)
			require.Equal(t, c.verdict != upgrade.Pass, again, "other requests may come")
			_, err = json.Marshal(j)
			require.NoError(t, err)
		})
	}
}

func TestQueriesAreFilledIn(t *testing.T) {
	t.Parallel()
	f := &fake{values: vector{"11": "0.1", "12": "0.1"}, counts: vector{"11": "500", "12": "500"}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	p := passage()
	p.Wave.Bake = 0
	p.Targets = append([]upgrade.Target{{Service: "auth", Version: 3}}, p.Targets...)
	j, _, err := check(t, server, "latency", "").look(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, upgrade.Inconclusive, j.Verdict, "nothing of auth at 3: %s", j.Message)
	require.Equal(t, []string{
		`GET /p/api/v1/query histogram_quantile(0.99, sum by (schema_version, le) (rate(http_request_duration_seconds_bucket{service="auth"}[60s])))`,
		`GET /p/api/v1/query sum by (schema_version) (increase(http_requests_total{service="auth"}[60s]))`,
		`GET /p/api/v1/query histogram_quantile(0.99, sum by (schema_version, le) (rate(http_request_duration_seconds_bucket{service="core"}[60s])))`,
		`GET /p/api/v1/query sum by (schema_version) (increase(http_requests_total{service="core"}[60s]))`,
	}, f.asked)

	f.asked = nil
	j, _, err = check(t, server, "depth", `, query: "avg by (schema_version) (depth)", service: core`).look(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, upgrade.Pass, j.Verdict, j.Message)
	require.Equal(t, "core depth", j.Figures[0].Name)
	require.InDelta(t, 0.15, j.Figures[0].Limit, 1e-9)
	require.Len(t, f.asked, 2, "only of core")
	p.Targets = p.Targets[:1]
	j, _, err = check(t, server, "depth", `, query: "avg by (schema_version) (depth)", service: core`).look(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, upgrade.Pass, j.Verdict)
	require.Equal(t, "nothing to compare: the rollout doesn't upgrade core", j.Message)
}

// Answers as the documentation of Prometheus' HTTP API has them, and as proxies give them.
func TestAnswersThatTellNothing(t *testing.T) {
	t.Parallel()
	now := strconv.FormatInt(time.Now().Unix(), 10)
	success := func(kind, result string) string {
		return `{"status":"success","data":{"resultType":"` + kind + `","result":` + result + `}}`
	}
	for name, c := range map[string]struct {
		status int
		body   string
		again  bool
		says   string
	}{
		"bad query":          {400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error: unexpected end of input"}`, false, `it answered 400, bad_data: invalid parameter "query": 1:5: parse error: unexpected end of input; correct the query`},
		"can't be executed":  {422, `{"status":"error","errorType":"execution","error":"many-to-many matching not allowed"}`, true, "422, execution: many-to-many matching not allowed"},
		"timed out there":    {503, `{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}`, true, "503, timeout: query timed out"},
		"a broken proxy":     {502, `<html>Bad Gateway</html>`, true, `it answered 502 Bad Gateway, not as Prometheus does; check its address; it says "<html>Bad Gateway</html>"`},
		"no access":          {401, `Unauthorized`, true, "it answered 401 Unauthorized, not as Prometheus does"},
		"not Prometheus":     {200, `{"hello":"world"}`, true, "not as Prometheus does"},
		"not JSON":           {200, `ok`, true, "not as Prometheus does"},
		"cut off":            {200, `{"status":"success","data":{"resultType":"vector","result":[{"met`, true, "not as Prometheus does"},
		"error with 200":     {200, `{"status":"error","errorType":"internal","error":"x"}`, true, "it answered 200, internal: x"},
		"redirect":           {302, ``, false, "it answered 302, a redirect, which isn't followed"},
		"a scalar":           {200, success("scalar", `[`+now+`,"1"]`), false, "the query gives a scalar, not a vector: write it so that it gives a number for each schema_version"},
		"a matrix":           {200, success("matrix", `[]`), false, "the query gives a matrix, not a vector"},
		"no label":           {200, success("vector", `[{"metric":{},"value":[`+now+`,"1"]}]`), false, "no label schema_version: aggregate with sum by (schema_version) (...)"},
		"labels of words":    {200, success("vector", `[{"metric":{"schema_version":"v12"},"value":[`+now+`,"1"]}]`), false, `no schema_version of its series is a plain number such as 12, only "v12"`},
		"several series":     {200, success("vector", `[{"metric":{"schema_version":"12","pod":"a"},"value":[`+now+`,"1"]},{"metric":{"schema_version":"12","pod":"b"},"value":[`+now+`,"1"]}]`), false, "several series for schema_version 12: aggregate"},
		"a native histogram": {200, success("vector", `[{"metric":{"schema_version":"12"},"histogram":[`+now+`,{"count":"1","sum":"2","buckets":[]}]}]`), false, "it has no number; a native histogram needs histogram_quantile"},
		"a word":             {200, success("vector", `[{"metric":{"schema_version":"12"},"value":[`+now+`,"high"]}]`), false, `"high" is no number`},
		"an old answer":      {200, success("vector", `[{"metric":{"schema_version":"12"},"value":[1435781451.781,"1"]}]`), true, "away from the time that was asked for: something keeps old answers, or the clock of one side is wrong"},
		"huge":               {200, success("vector", `[`+strings.Repeat(" ", maxVector)+`]`), true, "larger than any that could be meant (more than 4.0 MB)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				if r.URL.Path == "/elsewhere" {
					t.Error("followed a redirect")
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			j, again, err := check(t, server, "errors", ", max: 9").look(t.Context(), passage())
			require.NoError(t, err)
			require.Equal(t, upgrade.Inconclusive, j.Verdict, j.Message)
			require.Contains(t, j.Message, "core: Prometheus at "+server.URL+"/p/?key=${TOKEN} can't tell: its query: ")
			require.Contains(t, j.Message, c.says)
			require.Equal(t, c.again, again)
			require.NotContains(t, j.Message, "hunter2")
		})
	}
}

func TestPrometheusThatHangsOrIsAway(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hanging := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	j, again, err := check(t, hanging, "errors", ", timeout: 50ms").look(t.Context(), passage())
	require.NoError(t, err)
	require.Equal(t, upgrade.Inconclusive, j.Verdict)
	require.True(t, again)
	require.Contains(t, j.Message, "no answer within 50ms")

	away := httptest.NewServer(nil)
	g := check(t, away, "errors", "")
	away.Close()
	j, _, err = g.look(t.Context(), passage())
	require.NoError(t, err)
	require.Equal(t, upgrade.Inconclusive, j.Verdict)
	require.Contains(t, j.Message, "connection refused; see that it runs")
	require.NotContains(t, j.Message, "hunter2")
}

// Prometheus may go away between the first question and the one about the time before the wave.
func TestPrometheusGoesAwayMeanwhile(t *testing.T) {
	t.Parallel()
	f := &fake{values: vector{"12": "0"}, counts: vector{"12": "500"}}
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("time") != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		f.ServeHTTP(w, r)
	})
	j, _, err := check(t, server, "errors", "").look(t.Context(), passage())
	require.NoError(t, err)
	require.Equal(t, upgrade.Inconclusive, j.Verdict)
	require.Contains(t, j.Message, "of the time before the wave Prometheus at "+server.URL+"/p/?key=${TOKEN} can't tell: its query: it answered 503")
}

func TestAnInterruptedQuestionIsNoVerdict(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	server := serve(t, func(http.ResponseWriter, *http.Request) { cancel(); <-release })
	t.Cleanup(func() { close(release) })
	g := &patient{name: "metrics/errors", look: check(t, server, "errors", "").look, attempts: 3, interval: time.Hour}
	_, err := g.Judge(ctx, passage())
	require.ErrorIs(t, err, context.Canceled)
}
