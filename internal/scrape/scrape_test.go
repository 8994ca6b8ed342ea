package scrape

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const page = `# TYPE http_requests_total counter
http_requests_total{service="core",route="/v1/orders",code="200",schema_version="6"} 90
http_requests_total{service="core",route="/v1/orders",code="503",schema_version="6"} 10
http_requests_total{service="core",route="/v1/products",code="500",schema_version="7"} 4
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{route="/v1/orders",schema_version="6",le="0.1"} 50
http_request_duration_seconds_bucket{route="/v1/orders",schema_version="6",le="0.2"} 100
http_request_duration_seconds_bucket{route="/v1/orders",schema_version="6",le="+Inf"} 100
http_request_duration_seconds_sum{route="/v1/orders",schema_version="6"} 9
http_request_duration_seconds_count{route="/v1/orders",schema_version="6"} 100
http_request_duration_seconds_bucket{route="/v1/products",schema_version="7",le="0.1"} 0
http_request_duration_seconds_bucket{route="/v1/products",schema_version="7",le="0.2"} 2
http_request_duration_seconds_bucket{route="/v1/products",schema_version="7",le="+Inf"} 4
http_request_duration_seconds_sum{route="/v1/products",schema_version="7"} 9
http_request_duration_seconds_count{route="/v1/products",schema_version="7"} 4
`

func TestRequestsByVersion(t *testing.T) {
	t.Parallel()
	p, err := Parse(strings.NewReader(page))
	require.NoError(t, err)
	by := p.Requests()
	require.Len(t, by, 2)
	six, seven := by["6"], by["7"]
	require.Equal(t, []float64{100, 10, 4, 4}, []float64{six.All, six.Failed, seven.All, seven.Failed})
	require.InDelta(t, 0.1, six.ErrorShare(), 1e-9)
	require.Equal(t, 100*time.Millisecond, six.Quantile(0.5), "the first bucket, whole")
	require.Equal(t, 150*time.Millisecond, six.Quantile(0.75), "half of the second bucket")
	require.Equal(t, 200*time.Millisecond, seven.Quantile(0.99), "beyond the last bound")
	require.Zero(t, Tally{}.Quantile(0.99))

	both := six.Add(seven)
	require.Equal(t, []float64{104, 14, 102}, []float64{both.All, both.Failed, both.Buckets[0.2]})
	require.Equal(t, []float64{4, 4, 2}, []float64{both.Since(six).All, both.Since(six).Failed, both.Since(six).Buckets[0.2]})
	require.InDelta(t, 100.0, six.All, 0, "sums are new")
}

func TestProcessesThatTellNothing(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good/metrics":
			_, _ = w.Write([]byte(page))
		case "/elsewhere/metrics":
			http.Redirect(w, r, "/good/metrics", http.StatusFound)
		case "/html/metrics":
			_, _ = w.Write([]byte("<html>"))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	reader := NewReader(server.Client().Transport, time.Second)
	got, err := reader.Read(t.Context(), server.URL+"/good/")
	require.NoError(t, err)
	require.Len(t, got.Series("http_requests_total"), 3)
	for path, says := range map[string]string{"/elsewhere": "302 Found", "/html": "text format parsing error", "/none": "404 Not Found"} {
		_, err := reader.Read(t.Context(), server.URL+path)
		require.ErrorContains(t, err, says)
	}
}
