package notifications

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

const smtpTimeout = 30 * time.Second

// SMTP hands mails to a server.
type SMTP struct {
	address string // host:port
	host    string
	login   *url.Userinfo
	tls     bool // from the first byte; otherwise as the server offers
	from    *mail.Address
}

// OpenSMTP reads smtp://user:password@host:25, or smtps:// with TLS from the first byte. It doesn't connect.
func OpenSMTP(address, from string) (*SMTP, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "smtp" && parsed.Scheme != "smtps" || parsed.Hostname() == "" {
		// Not the parser's text, which quotes the password.
		return nil, tenant.WithHint(fmt.Errorf("the mail server's address isn't valid: %w", tenant.ErrInvalid), "it looks like smtp://user:password@host:25, or smtps://")
	}
	s := &SMTP{host: parsed.Hostname(), login: parsed.User, tls: parsed.Scheme == "smtps"}
	port := parsed.Port()
	switch {
	case port != "":
	case s.tls:
		port = "465"
	default:
		port = "25"
	}
	s.address = net.JoinHostPort(s.host, port)
	if s.from, err = mail.ParseAddress(from); err != nil {
		return nil, fmt.Errorf("sender %q of mails: %w: %w", from, err, tenant.ErrInvalid)
	}
	return s, nil
}

// Send implements Mailer.
func (s *SMTP) Send(ctx context.Context, m Mail) error {
	ctx, span := telemetry.Start(ctx, telemetry.Client, "send mail", slog.String("network.protocol.name", "smtp"), slog.String("server.address", s.host))
	defer span.End()
	client, err := s.connect(ctx)
	if err != nil {
		span.Fail("unreachable")
		return bus.Later(err)
	}
	defer func() { _ = client.Close() }() // after Quit it is closed
	if err := s.hand(client, m); err != nil {
		span.Fail("declined")
		return judged(err)
	}
	_ = client.Quit() // the mail is the server's by now
	return nil
}

// judged tells a mail that the server will never take from a server that can't take any just now.
func judged(err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) && answer.Code >= 500 {
		return bus.Permanent(err)
	}
	return bus.Later(err)
}

func (s *SMTP) connect(ctx context.Context) (*smtp.Client, error) {
	dialer := net.Dialer{Timeout: smtpTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, fmt.Errorf("connect to the mail server: %w", err)
	}
	if err := conn.SetDeadline(time.Now().Add(smtpTimeout)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	secure := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	if s.tls {
		conn = tls.Client(conn, secure)
	}
	client, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("greet the mail server: %w", err), conn.Close())
	}
	if offered, _ := client.Extension("STARTTLS"); offered && !s.tls {
		if err := client.StartTLS(secure); err != nil {
			return nil, errors.Join(fmt.Errorf("TLS with the mail server: %w", err), client.Close())
		}
	}
	if s.login != nil {
		password, _ := s.login.Password()
		if err := client.Auth(smtp.PlainAuth("", s.login.Username(), password, s.host)); err != nil {
			return nil, errors.Join(fmt.Errorf("log in to the mail server: %w", err), client.Close())
		}
	}
	return client, nil
}

func (s *SMTP) hand(client *smtp.Client, m Mail) error {
	if err := client.Mail(s.from.Address); err != nil {
		return err
	}
	if err := client.Rcpt(m.To); err != nil {
		return err
	}
	data, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := data.Write(s.message(m)); err != nil {
		return errors.Join(err, data.Close())
	}
	return data.Close()
}

// traceHeader names the trace in a mail, for whoever is asked why it was sent.
const traceHeader = "X-Trace-Id"

// message is a mail as it travels. Every mail has one Message-ID, however often it is sent.
func (s *SMTP) message(m Mail) []byte {
	_, domain, _ := strings.Cut(s.from.Address, "@")
	var out bytes.Buffer
	headers := [][2]string{
		{"From", s.from.String()},
		{"To", (&mail.Address{Address: m.To}).String()},
		{"Subject", mime.QEncoding.Encode("utf-8", m.Subject)},
		{"Date", time.Now().Format(time.RFC1123Z)},
		{"Message-ID", "<" + m.ID + "@" + domain + ">"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
		{"Auto-Submitted", "auto-generated"},
	}
	if m.Trace != "" {
		headers = append(headers, [2]string{traceHeader, m.Trace})
	}
	for _, header := range headers {
		out.WriteString(header[0] + ": " + header[1] + "\r\n")
	}
	out.WriteString("\r\n")
	body := quotedprintable.NewWriter(&out)
	_, _ = body.Write([]byte(m.Body)) // a buffer takes every write
	_ = body.Close()
	return out.Bytes()
}
