package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tenantctl/internal/config"
)

// prometheus asks a server's HTTP API (/api/v1/query): https://prometheus.io/docs/prometheus/latest/querying/api/
type prometheus struct {
	check config.MetricsGate
	to    *request
	web   *asker
}

func newPrometheus(check config.MetricsGate, resolve func(config.Secret) (string, error), web *asker) (*prometheus, error) {
	to, err := newRequest(check.Prometheus, check.Headers, resolve)
	if err != nil {
		return nil, err
	}
	to.address = to.address.JoinPath("api", "v1", "query")
	to.header.Set("Accept", "application/json")
	return &prometheus{check: check, to: to, web: web}, nil
}

// String implements source.
func (s *prometheus) String() string { return fmt.Sprintf("Prometheus at %s", s.check.Prometheus) }

func (s *prometheus) alone(check string) string {
	return fmt.Sprintf("; set max for the check %s to judge by that alone", check)
}

// ask evaluates the check's queries.
func (s *prometheus) ask(ctx context.Context, c *comparison, before bool) (values, counts byVersion, err error) {
	var at time.Time
	if before {
		at = c.began
	}
	fill := strings.NewReplacer(config.PlaceService, c.target.Service, config.PlaceWindow, fmt.Sprintf("%ds", int(c.window.Seconds())))
	if values, err = s.query(ctx, fill.Replace(s.check.Query), at); err != nil {
		return nil, nil, fmt.Errorf("its query: %w", err)
	}
	if s.check.MinSamples > 0 {
		if counts, err = s.query(ctx, fill.Replace(s.check.Samples), at); err != nil {
			return nil, nil, fmt.Errorf("the query for the number of requests: %w", err)
		}
	}
	return values, counts, nil
}

// byVersion is a number for each version of a service.
type byVersion map[uint64]float64

// queryError is a query that the server understood and refused: asked again, it is refused again.
type queryError struct{ reason string }

func (e *queryError) Error() string { return e.reason }

// maxVector is more than the few versions of a service can need, and little to read.
const maxVector = 4 << 20

// query evaluates PromQL at a time; the zero time is the server's now.
func (s *prometheus) query(ctx context.Context, promQL string, at time.Time) (byVersion, error) {
	address := *s.to.address
	parameters := address.Query()
	parameters.Set("query", promQL)
	if !at.IsZero() {
		parameters.Set("time", strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64))
	}
	address.RawQuery = parameters.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return nil, withoutAddress(ctx, 0, err)
	}
	req.Header = s.to.header.Clone()
	got, err := s.web.ask(ctx, s.check.Timeout, maxVector, req)
	if err != nil {
		return nil, fmt.Errorf("%w; see that it runs and can be reached from here", err)
	}
	if at.IsZero() {
		at = time.Now()
	}
	return readVector(got, at)
}

// envelope is every answer of the API.
type envelope struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType"`
	Error     string `json:"error"`
	Data      struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
}

// series is one element of a vector. A native histogram has no value.
type series struct {
	Metric map[string]string  `json:"metric"`
	Value  [2]json.RawMessage `json:"value"` // Unix time, and the number as a text
}

func readVector(got answer, at time.Time) (byVersion, error) {
	if got.status >= 300 && got.status < 400 {
		return nil, &queryError{fmt.Sprintf("it answered %d, a redirect, which isn't followed: write the address to which it leads", got.status)}
	}
	var e envelope
	if err := json.Unmarshal(got.body, &e); err != nil || e.Status == "" {
		return nil, fmt.Errorf("it answered %d %s, not as Prometheus does; check its address%s", got.status, http.StatusText(got.status), quoted(got.body))
	}
	if e.Status != "success" || got.status != http.StatusOK {
		reason := fmt.Sprintf("it answered %d, %s: %s", got.status, plain(e.ErrorType), excerpt(e.Error))
		if e.ErrorType == "bad_data" {
			return nil, &queryError{reason + "; correct the query"}
		}
		return nil, errors.New(reason)
	}
	if e.Data.ResultType != "vector" {
		return nil, &queryError{fmt.Sprintf("the query gives a %s, not a vector: write it so that it gives a number for each schema_version", plain(e.Data.ResultType))}
	}
	var all []series
	if err := json.Unmarshal(e.Data.Result, &all); err != nil {
		return nil, fmt.Errorf("read its vector: %w", err)
	}
	return versions(all, at)
}

// maxSkew is how far the clock of Prometheus may be from ours: more is an old answer out of a cache, or times that mean nothing.
const maxSkew = time.Minute

func versions(all []series, at time.Time) (byVersion, error) {
	made := byVersion{}
	var unlabeled, odd string
	for _, s := range all {
		label, labeled := s.Metric["schema_version"]
		version, err := strconv.ParseUint(label, 10, 64)
		switch {
		case !labeled:
			unlabeled = "its series have no label schema_version: aggregate with sum by (schema_version) (...)"
			continue
		case err != nil:
			odd = label // of requests without a tenant, such as probes
			continue
		}
		if _, twice := made[version]; twice {
			return nil, &queryError{fmt.Sprintf("the query gives several series for schema_version %d: aggregate with sum by (schema_version) (...)", version)}
		}
		when, number, err := s.read()
		if err != nil {
			return nil, &queryError{fmt.Sprintf("the series of schema_version %d: %s", version, err)}
		}
		if off := when.Sub(at).Abs(); off > maxSkew {
			return nil, fmt.Errorf("its answer is %s away from the time that was asked for: something keeps old answers, or the clock of one side is wrong", seconds(off.Seconds()))
		}
		made[version] = number
	}
	switch {
	case len(made) > 0:
		return made, nil
	case unlabeled != "":
		return nil, &queryError{unlabeled}
	case odd != "":
		return nil, &queryError{fmt.Sprintf("no schema_version of its series is a plain number such as 12, only %q", excerpt(odd))}
	}
	return made, nil
}

func (s series) read() (time.Time, float64, error) {
	var seconds float64
	var text string
	if json.Unmarshal(s.Value[0], &seconds) != nil || json.Unmarshal(s.Value[1], &text) != nil {
		return time.Time{}, 0, errors.New("it has no number; a native histogram needs histogram_quantile or the like")
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("%q is no number", excerpt(text))
	}
	return time.UnixMilli(int64(seconds * 1000)), number, nil
}
