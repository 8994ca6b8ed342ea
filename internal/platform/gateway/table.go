package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tenantctl/internal/platform/service"
	"tenantctl/internal/tenant"
)

// Backend is a service that requests may be sent to.
type Backend struct {
	Name       string
	URL        string
	Operations []service.Operation // by its description; those that are internal are never passed on
	Prefix     string              // of a service without a description: everything below goes there, such as /v1/billing
}

// table finds the service of a path. What isn't in it isn't passed on to a service.
type table struct {
	root  *node
	names []string // of the services, sorted
}

// node is a part of a path: what follows by its text, or whatever it is.
type node struct {
	next    map[string]*node
	any     *node
	methods map[string]endpoint // where a path ends
	below   *endpoint           // of a service without a description
}

// endpoint is where a request goes.
type endpoint struct {
	service  string
	url      *url.URL
	public   bool
	internal bool
}

func newTable(backends []Backend) (*table, error) {
	t := &table{root: &node{}}
	for _, backend := range backends {
		base, err := parseBase(backend.URL)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", backend.Name, err)
		}
		if !slices.Contains(t.names, backend.Name) {
			t.names = append(t.names, backend.Name)
		}
		for _, o := range backend.Operations {
			n := t.node(o.Path)
			if other, taken := n.methods[o.Method]; taken {
				return nil, fmt.Errorf("services %s and %s both have %s %s: %w", other.service, backend.Name, o.Method, o.Path, tenant.ErrConflict)
			}
			if n.methods == nil {
				n.methods = map[string]endpoint{}
			}
			n.methods[o.Method] = endpoint{service: backend.Name, url: base, public: o.Public, internal: o.Internal}
		}
		if backend.Prefix == "" {
			continue
		}
		n := t.node(strings.TrimSuffix(backend.Prefix, "/"))
		if n.below != nil {
			return nil, fmt.Errorf("services %s and %s both have all below %s: %w", n.below.service, backend.Name, backend.Prefix, tenant.ErrConflict)
		}
		n.below = &endpoint{service: backend.Name, url: base}
	}
	slices.Sort(t.names)
	return t, nil
}

func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("%q is no http(s) URL: %w", text, tenant.ErrInvalid)
	}
	return base, nil
}

// node makes the way to a path.
func (t *table) node(path string) *node {
	n := t.root
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if strings.HasPrefix(part, "{") {
			if n.any == nil {
				n.any = &node{}
			}
			n = n.any
			continue
		}
		if n.next == nil {
			n.next = map[string]*node{}
		}
		if n.next[part] == nil {
			n.next[part] = &node{}
		}
		n = n.next[part]
	}
	return n
}

// find finds who answers a clean path. It is tenant.ErrNotFound where nobody does, or only for other services.
func (t *table) find(method, path string) (endpoint, error) {
	n, below := t.walk(path)
	if n == nil || len(n.methods) == 0 {
		if below == nil {
			return endpoint{}, tenant.ErrNotFound
		}
		return *below, nil
	}
	e, known := n.methods[method]
	if method == http.MethodHead && !known {
		e, known = n.methods[http.MethodGet]
	}
	if known && !e.internal {
		return e, nil
	}
	var allowed []string
	for method, e := range n.methods {
		if !e.internal {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return endpoint{}, tenant.ErrNotFound
	}
	slices.Sort(allowed)
	return endpoint{}, &methodError{allowed: allowed}
}

// walk goes as far as a path leads: text before whatever, as http.ServeMux has it.
func (t *table) walk(path string) (n *node, below *endpoint) {
	n = t.root
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if n.below != nil {
			below = n.below
		}
		switch next := n.next[part]; {
		case next != nil:
			n = next
		case n.any != nil && part != "":
			n = n.any
		default:
			return nil, below
		}
	}
	if n.below != nil {
		below = n.below
	}
	return n, below
}

// methodError is a path that knows other methods.
type methodError struct{ allowed []string }

func (e *methodError) Error() string { return "method not allowed" }
