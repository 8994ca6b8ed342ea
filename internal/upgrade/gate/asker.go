package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"tenantctl/internal/config"
	"tenantctl/internal/tenant"
)

// asker asks by HTTP. It follows no redirect, which would carry headers with secrets to an address that nobody wrote down, reads
// answers up to a bound, and its errors hold no address: there may be a secret in it.
type asker struct{ client *http.Client }

func newAsker(client *http.Client) *asker {
	if client == nil {
		client = &http.Client{}
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &asker{client: &own}
}

// answer is what came back.
type answer struct {
	status int
	body   []byte
}

var errHuge = errors.New("the answer is larger than any that could be meant")

// ask sends a request and reads the answer within the timeout.
func (a *asker) ask(ctx context.Context, timeout time.Duration, most int64, req *http.Request) (answer, error) {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := a.client.Do(req.WithContext(bounded))
	if err != nil {
		return answer{}, withoutAddress(bounded, timeout, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return answer{}, withoutAddress(bounded, timeout, err)
	case int64(len(body)) > most:
		return answer{}, fmt.Errorf("%w (more than %s)", errHuge, size(float64(most)))
	}
	return answer{status: resp.StatusCode, body: body}, nil
}

func withoutAddress(ctx context.Context, timeout time.Duration, err error) error {
	var wrapped *url.Error
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", span(timeout))
	case errors.As(err, &wrapped):
		return wrapped.Err
	}
	return err
}

// request makes requests to one address.
type request struct {
	address *url.URL
	header  http.Header
}

// newRequest resolves an address and its headers. Its errors name the place in the file and nothing of the values.
func newRequest(address config.Secret, headers []config.Header, resolve func(config.Secret) (string, error)) (*request, error) {
	text, err := resolve(address)
	if err != nil {
		return nil, err
	}
	made := &request{header: http.Header{"User-Agent": {"tenantctl"}}}
	if made.address, err = url.Parse(text); err != nil || made.address.Host == "" || made.address.Scheme != "http" && made.address.Scheme != "https" {
		return nil, unfit(address, "doesn't come to a web address such as https://host/path")
	}
	for _, h := range headers {
		value, err := resolve(h.Value)
		if err != nil {
			return nil, err
		}
		if strings.IndexFunc(value, unicode.IsControl) >= 0 {
			return nil, unfit(h.Value, "doesn't come to one line of text, which the header "+h.Name+" must be")
		}
		made.header.Set(h.Name, value)
	}
	return made, nil
}

// unfit is a secret with a value that can't be used, and isn't shown.
func unfit(s config.Secret, why string) error {
	err := fmt.Errorf("%s: %s %s: %w", s.Place(), s, why, tenant.ErrInvalid)
	return tenant.WithHint(err, "check what is in the environment: "+strings.Join(s.Variables(), ", "))
}

// excerpt is what others wrote, fit for a line of ours.
func excerpt(text string) string {
	const most = 200
	text = strings.Join(strings.Fields(plain(text)), " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return text
}

// plain takes out of a text what a terminal would obey.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
