package platform

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/test/fleet"
)

// certify writes a certificate for this machine's loopback, which is its own authority, and its key.
func certify(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"acme.localhost"},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	certificate, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return pool
}

// TestSettings runs the services in processes of their own, which speak TLS with one another, with a cache that they share and limits of the file.
func TestSettings(t *testing.T) {
	t.Parallel()
	redis := fleet.NewRedis(t)
	s := openStage(t, `platform:
  tls: { cert: cert.pem, key: key.pem }
  ca: cert.pem
  redis: { url: "${REDIS_URL}" }
  proxies: [10.0.0.0/8]
  limits: { connections: 3, connectionsPerTenant: 2, requestsAtOnce: 8 }
services: { users: {}, auth: {}, core: {} }
tenants: { acme: {} }
`, "REDIS_URL="+redis.URL)
	trusting := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certify(t, s.dir)}} //nolint:gosec // a test's own server
	t.Cleanup(trusting.CloseIdleConnections)
	s.client.Transport, s.scheme = trusting, "https://"
	s.tenantctl("", "provision", "--all")
	s.serve("users", "auth")
	core := s.serve("core")
	s.address = s.serve("gateway", "--admin-listen", "127.0.0.1:0")
	s.tenantctl(password, "user", "add", "acme", "admin", "--password-stdin")
	s.tokens["acme"] = s.login("acme")
	product := s.create("acme", "/v1/products", `{"name":"Tea"}`, "id")
	for range 2 {
		got := s.send(request{method: "GET", path: "/v1/products/" + product, host: host("acme"), token: s.tokens["acme"]})
		require.Equal(t, http.StatusOK, got.status, got.body)
	}
	counted := s.send(request{address: core, method: "GET", path: "/metrics"}).body
	for _, line := range []string{
		`cache_requests_total{kind="products",result="hit",service="core"} 1`, `db_pool_connections_max{cell="c1",instance="shared-1",service="core"} 3`,
	} {
		require.Contains(t, counted, line)
	}
	require.Equal(t, http.StatusNotFound, s.send(request{method: "GET", path: "/metrics"}).status, "not for the public")

	var running struct {
		Services []struct{ Service, URL string }
	}
	require.NoError(t, json.Unmarshal([]byte(s.tenantctl("", "services", "-o", "json")), &running))
	auth := ""
	for _, one := range running.Services {
		if one.Service == "auth" {
			auth = strings.TrimPrefix(one.URL, s.scheme)
		}
	}
	// Whom this machine's own requests say they are passed on for isn't believed: another network's proxies are.
	for _, of := range []string{"192.0.2.1", "192.0.2.2"} {
		got := s.send(request{address: auth, method: "POST", path: "/v1/auth/login", host: host("acme"), body: `{"login":"admin","password":"wrong"}`, header: map[string]string{"X-Forwarded-For": of}})
		require.Equal(t, http.StatusUnauthorized, got.status, got.body)
	}
	require.Equal(t, "1", s.text(`select count(*)::text from tenant_acme.login_attempts where kind = 'address'`))

	// A certificate that was renewed is served to who comes next.
	trusting.TLSClientConfig.RootCAs = certify(t, s.dir)
	require.NoError(t, os.Chtimes(filepath.Join(s.dir, "cert.pem"), time.Time{}, time.Now().Add(time.Second)))
	trusting.CloseIdleConnections()
	require.Equal(t, http.StatusOK, s.send(request{address: core, method: "GET", path: "/healthz"}).status)

	out, err := s.command("config", "view").CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), "platform.limits.requestsAtOnce")
	require.False(t, strings.Contains(string(out), redis.URL), "a secret is shown by its reference")
}
