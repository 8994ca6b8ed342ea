package gateway

import (
	"crypto/rand"
	"net/http"
	"regexp"
	"strings"

	"tenantctl/internal/platform/service"
)

var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// refuse checks that a request can be read in one way only.
func refuse(r *http.Request) *service.Problem {
	switch {
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return service.Refuse(http.StatusMethodNotAllowed, "method-not-allowed", "%s isn't passed on", r.Method)
	case !strings.HasPrefix(r.URL.Path, "/") || r.Host == "":
		return service.Refuse(http.StatusBadRequest, "malformed", "a request names a host and a path")
	case len(r.Header.Values("Authorization")) > 1:
		return service.Refuse(http.StatusBadRequest, "malformed", "a request is made in one name")
	}
	for _, list := range r.Header.Values("Connection") {
		for name := range strings.SplitSeq(list, ",") {
			if endToEnd(strings.TrimSpace(name)) {
				return service.Refuse(http.StatusBadRequest, "malformed", "%q isn't between us alone", strings.TrimSpace(name))
			}
		}
	}
	return nil
}

// endToEnd tells headers that a client can't have us take away: who asks, whom, and what for.
func endToEnd(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Cookie", "Host", "Content-Type", "Content-Length", "Content-Encoding", "Expect", "Idempotency-Key", "If-Match",
		"If-None-Match", "Origin", "Range", service.RequestID:
		return true
	}
	return ours(name)
}

// ours tells headers that only the gateway sets, or that only a proxy in front of an application would: some applications believe
// them. An underscore is as good as a hyphen, since many servers make both the same.
func ours(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	switch name {
	case "forwarded", "x-real-ip", "x-original-url", "x-rewrite-url", "x-original-host", "x-host", "x-client-ip", "true-client-ip",
		"x-tenant", "x-tenant-id", "http2-settings":
		return true
	}
	return strings.HasPrefix(name, "x-forwarded-") || strings.HasPrefix(name, "x-tenant-")
}

// prepare takes off what a client may not say, and names the request.
func prepare(r *http.Request) {
	for name := range r.Header {
		if ours(name) {
			delete(r.Header, name)
		}
	}
	id := r.Header.Get(service.RequestID)
	if !requestID.MatchString(id) {
		id = rand.Text()
	}
	r.Header.Set(service.RequestID, id)
	if !isWebSocket(r) {
		// Any other protocol, h2c for one, would be a way around us.
		r.Header.Del("Upgrade")
	}
}

func isWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && len(r.Header.Values("Upgrade")) == 1
}

// kindOf tells what a request may do. One that names another method in a header may do anything.
func kindOf(r *http.Request) kind {
	for name := range r.Header {
		if strings.Contains(strings.ReplaceAll(strings.ToLower(name), "_", "-"), "method-override") {
			return writes
		}
	}
	switch {
	case isWebSocket(r):
		return tunnels
	case r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions:
		return reads
	}
	return writes
}
