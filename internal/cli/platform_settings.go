package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"tenantctl/internal/config"
	"tenantctl/internal/platform/cache"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/tenant"
)

// configure takes over what tenants.yaml says of how services run. Files that can't be read are told of before anything begins.
func (p *platform) configure(settings config.Platform, domain string) error {
	p.settings, p.domain = settings, cmp.Or(domain, settings.Domain)
	if settings.Cert != "" {
		served := &certificate{cert: settings.Cert, key: settings.Key}
		if _, err := served.get(nil); err != nil {
			return err
		}
		p.tls = &tls.Config{GetCertificate: served.get, MinVersion: tls.VersionTLS12}
	}
	var err error
	p.authority, err = authorities(settings.CA)
	return err
}

// authorities are those that calls to services believe: of a file, besides the system's; nil where none is given.
func authorities(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("platform.ca: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificate authorities: %w", err)
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("platform.ca: %s holds no certificate: %w", file, tenant.ErrInvalid)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// transportBy is what calls go through that believe authorities; nil, the default, where there are none of one's own.
func (f *Factory) transportBy(authority *tls.Config) http.RoundTripper {
	if authority == nil {
		return nil
	}
	made := http.DefaultTransport.(*http.Transport).Clone() // it is one
	made.TLSClientConfig = authority
	f.onClose(func(context.Context) { made.CloseIdleConnections() })
	return made
}

// toServices is what commands ask running services through.
func (f *Factory) toServices() (http.RoundTripper, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	authority, err := authorities(file.Platform().CA)
	return f.transportBy(authority), err
}

// scheme is how a service of this process is spoken to: only the one at --listen has the certificate.
func (p *platform) scheme(service string) string {
	if service == p.front && p.tls != nil {
		return "https://"
	}
	return "http://"
}

// ofFront is the certificate for a service, if it is the one at --listen.
func (p *platform) ofFront(service string) *tls.Config {
	if service != p.front {
		return nil
	}
	return p.tls
}

// transport is what calls of this process go through.
func (p *platform) transport() http.RoundTripper { return p.f.transportBy(p.authority) }

// cache is the Redis that core's processes share. Without one nothing is remembered: a process's own memory wouldn't hear of what others write.
func (p *platform) cache() (*cache.Cache, error) {
	if p.settings.Redis.IsZero() {
		return nil, nil
	}
	url, err := p.f.resolve(p.settings.Redis)
	if err != nil {
		return nil, err
	}
	opened, err := cache.Redis(url, cache.Options{Service: core.Service, Log: p.logOf(core.Service)})
	if err != nil {
		return nil, err
	}
	p.f.onClose(func(context.Context) { _ = opened.Close() })
	return opened, nil
}

// certificate is a pair of files that somebody renews while we run.
type certificate struct {
	cert, key string

	mu     sync.Mutex
	loaded *tls.Certificate
	of     time.Time // when the certificate's file was written
}

// get is the pair as the files have it now. A renewal that is half written leaves the old pair in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stat, err := os.Stat(c.cert)
	if err == nil && c.loaded != nil && stat.ModTime().Equal(c.of) {
		return c.loaded, nil
	}
	pair, loadErr := tls.LoadX509KeyPair(c.cert, c.key)
	switch {
	case err == nil && loadErr == nil:
		c.loaded, c.of = &pair, stat.ModTime()
	case c.loaded == nil:
		return nil, fmt.Errorf("platform.tls: %w", cmp.Or(err, loadErr))
	}
	return c.loaded, nil
}
