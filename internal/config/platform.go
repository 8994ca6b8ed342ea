package config

import (
	"net/netip"
	"strings"
	"time"
)

// DefaultDomain is what hosts are under where the file doesn't say.
const DefaultDomain = "localhost"

// Platform is how services run. What is zero is for the services to decide.
type Platform struct {
	Domain    string
	Cert, Key string // files; "" is plain HTTP
	CA        string // file; "" is the system's own authorities
	Mail      Secret // address of the mail server; zero: no mail is sent
	MailFrom  string
	Redis     Secret // zero: nothing is cached
	Proxies   []netip.Prefix
	Limits    PlatformLimits
	Logs      string   // folder; "" is the default one, NoLogs none
	Collector string   // its address; "" where the environment says, or nowhere
	Traced    *float64 // share of the traces that is recorded; nil: all
}

// NoLogs is the folder for logs where none are kept.
const NoLogs = "-"

// PlatformLimits bound what a process uses.
type PlatformLimits struct {
	Connections, ConnectionsPerTenant         int
	RequestsAtOnce, StreamsAtOnce, HeldWrites int
	HeldFor                                   time.Duration
}

// Platform is how services run.
func (f *File) Platform() Platform {
	declared := &f.doc.Platform
	p := Platform{Domain: first(declared.Domain, DefaultDomain), Limits: PlatformLimits{
		Connections: declared.Limits.Connections, ConnectionsPerTenant: declared.Limits.ConnectionsPerTenant, RequestsAtOnce: declared.Limits.RequestsAtOnce,
		StreamsAtOnce: declared.Limits.StreamsAtOnce, HeldWrites: declared.Limits.HeldWrites, HeldFor: time.Duration(declared.Limits.HeldFor),
	}}
	if t := declared.TLS; t != nil {
		p.Cert, p.Key = f.relative(t.Cert), f.relative(t.Key)
	}
	if declared.CA != "" {
		p.CA = f.relative(declared.CA)
	}
	if m := declared.Mail; m != nil {
		p.Mail, p.MailFrom = m.URL.Secret, m.From
		if m.URL.IsZero() {
			p.Mail = m.URLFile.in(f.dir)
		}
	}
	if r := declared.Redis; r != nil {
		p.Redis = r.URL.Secret
		if r.URL.IsZero() {
			p.Redis = r.URLFile.in(f.dir)
		}
	}
	if p.Logs = declared.Logs; p.Logs != "" && p.Logs != NoLogs {
		p.Logs = f.relative(p.Logs)
	}
	if t := declared.Tracing; t != nil {
		p.Collector, p.Traced = string(t.Endpoint), t.Ratio
	}
	for _, n := range declared.Proxies {
		p.Proxies = append(p.Proxies, netip.Prefix(n))
	}
	return p
}

// platform finds what no single value of the section shows.
func (c *checker) platform() {
	limits := c.file.doc.Platform.Limits
	const usual = 8 // connections
	if most := first(limits.Connections, usual); limits.ConnectionsPerTenant > most {
		c.problem(at("platform", "limits", "connectionsPerTenant"), "one tenant may hold %d connections, but there are %d", limits.ConnectionsPerTenant, most)
	}
	if t := c.file.doc.Platform.Tracing; t != nil && t.Ratio != nil && *t.Ratio > 1 {
		c.problem(at("platform", "telemetry", "ratio"), "no more than all traces can be recorded: 1")
	}
}

func (e *effective) platform() {
	p, in := e.file.Platform(), at("platform")
	e.add(p.Domain, in.key("domain"))
	e.add(p.Cert, in.key("tls", "cert"))
	e.add(p.Key, in.key("tls", "key"))
	e.add(p.CA, in.key("ca"))
	if !p.Mail.IsZero() {
		e.secret(in.key("mail"), "url", p.Mail)
		e.add(p.MailFrom, in.key("mail", "from"))
	}
	if !p.Redis.IsZero() {
		e.secret(in.key("redis"), "url", p.Redis)
	}
	proxies := make([]string, len(p.Proxies))
	for i, n := range p.Proxies {
		proxies[i] = n.String()
	}
	e.add(strings.Join(proxies, ", "), in.key("proxies"))
	e.add(p.Logs, in.key("logs"))
	e.add(p.Collector, in.key("telemetry", "endpoint"))
	if p.Traced != nil {
		e.add(plainNumber(*p.Traced), in.key("telemetry", "ratio"))
	}
	for _, limit := range []struct {
		key   string
		value int
	}{
		{"connections", p.Limits.Connections},
		{"connectionsPerTenant", p.Limits.ConnectionsPerTenant},
		{"requestsAtOnce", p.Limits.RequestsAtOnce},
		{"streamsAtOnce", p.Limits.StreamsAtOnce},
		{"heldWrites", p.Limits.HeldWrites},
	} {
		e.number(limit.value, in.key("limits", limit.key))
	}
	if p.Limits.HeldFor > 0 {
		e.add(Duration(p.Limits.HeldFor).String(), in.key("limits", "heldFor"))
	}
}

// network is a range of addresses.
type network netip.Prefix

func (n *network) parse(text string, _ spot) error {
	parsed, err := netip.ParsePrefix(text)
	if err != nil {
		return unexpected(n, text)
	}
	*n = network(parsed.Masked())
	return nil
}

func (n *network) wants() string { return "a network such as 10.0.0.0/8" }

func (n *network) describe() *schemaNode {
	return &schemaNode{Type: "string", Pattern: "^[0-9a-fA-F:.]+/[0-9]{1,3}$", Examples: []any{"10.0.0.0/8"}}
}

// mailURL is the address of a mail server.
type mailURL struct{ Secret }

func (s *mailURL) parse(text string, in spot) error {
	return s.parseAddress(text, in, s.wants(), "smtp://", "smtps://")
}

func (s *mailURL) wants() string {
	return "the address of a mail server: ${SMTP_URL}, or smtp://user:${SMTP_PASSWORD}@host:587"
}

func (s *mailURL) describe() *schemaNode {
	return &schemaNode{Type: "string", Pattern: `^([$][{]|smtps?://)`, Not: &schemaNode{Pattern: literalPassword}, Examples: []any{"${SMTP_URL}"}}
}

// redisURL is the address of Redis.
type redisURL struct{ Secret }

func (s *redisURL) parse(text string, in spot) error {
	return s.parseAddress(text, in, s.wants(), "redis://", "rediss://")
}

func (s *redisURL) wants() string {
	return "the address of Redis: ${REDIS_URL}, or redis://user:${REDIS_PASSWORD}@host:6379/0"
}

func (s *redisURL) describe() *schemaNode {
	return &schemaNode{Type: "string", Pattern: `^([$][{]|rediss?://)`, Not: &schemaNode{Pattern: literalPassword}, Examples: []any{"${REDIS_URL}"}}
}
