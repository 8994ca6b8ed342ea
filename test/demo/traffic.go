package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	writers = 2
	pace    = 100 * time.Millisecond
)

// traffic is what a tenant's people do: some add customers, one looks at the list. Every acknowledged write is in the ledger.
type traffic struct {
	tenant, gateway, token string
	client                 *http.Client

	mu      sync.Mutex
	ledger  []string // codes of customers that were acknowledged
	reads   int
	longest map[string]time.Duration // of a request of a kind, by the method
	failed  error                    // the first
}

// people begin to work for a tenant, until ctx is over. The returned function waits for the answers that are still to come.
func (tr *traffic) people(ctx context.Context) (wait func()) {
	tr.client, tr.longest = &http.Client{Timeout: time.Minute}, map[string]time.Duration{}
	var group sync.WaitGroup
	work := func(do func(n int) error) {
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := do(n); err != nil {
					tr.mu.Lock()
					tr.failed = err
					tr.mu.Unlock()
					return
				}
				select {
				case <-ctx.Done():
				case <-time.After(pace):
				}
			}
		})
	}
	asking := context.WithoutCancel(ctx) // who has asked waits for the answer
	for w := range writers {
		work(func(n int) error {
			return tr.write(asking, fmt.Sprintf("%s, customer %d of writer %d", tr.tenant, n, w))
		})
	}
	work(func(int) error { return tr.read(asking) })
	return group.Wait
}

// write adds a customer. Whoever is told by 503 when to come again knows that nothing was done, and comes.
func (tr *traffic) write(ctx context.Context, name string) error {
	began := time.Now()
	for {
		status, header, body, err := tr.ask(ctx, http.MethodPost, "/v1/customers", map[string]string{"name": name})
		if err != nil {
			return err
		}
		again, _ := strconv.Atoi(header.Get("Retry-After"))
		if status == http.StatusServiceUnavailable && again > 0 {
			time.Sleep(time.Duration(again) * time.Second)
			continue
		}
		var made struct{ Code string }
		if status != http.StatusCreated || json.Unmarshal(body, &made) != nil || made.Code == "" {
			return fmt.Errorf("%s: a write was answered with %d: %s", tr.tenant, status, body)
		}
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.ledger = append(tr.ledger, made.Code)
		tr.longest[http.MethodPost] = max(tr.longest[http.MethodPost], time.Since(began))
		return nil
	}
}

func (tr *traffic) read(ctx context.Context) error {
	began := time.Now()
	status, _, body, err := tr.ask(ctx, http.MethodGet, "/v1/customers?limit=5", nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: a read was answered with %d: %s", tr.tenant, status, body)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.reads++
	tr.longest[http.MethodGet] = max(tr.longest[http.MethodGet], time.Since(began))
	return err
}

// login takes a token of a user.
func (tr *traffic) login(ctx context.Context, login, password string) error {
	status, _, body, err := tr.ask(ctx, http.MethodPost, "/v1/auth/login", map[string]string{"login": login, "password": password})
	if err != nil {
		return err
	}
	var tokens struct{ AccessToken string }
	if err := json.Unmarshal(body, &tokens); err != nil || status != http.StatusOK {
		return fmt.Errorf("%s: the log-in was answered with %d: %s", tr.tenant, status, body)
	}
	tr.token = tokens.AccessToken
	return nil
}

func (tr *traffic) ask(ctx context.Context, method, path string, body any) (int, http.Header, []byte, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return 0, nil, nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, tr.gateway+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, nil, err
	}
	r.Host = tr.tenant + ".localhost"
	r.Header.Set("Content-Type", "application/json")
	if tr.token != "" {
		r.Header.Set("Authorization", "Bearer "+tr.token)
	}
	client := tr.client
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%s: %w", tr.tenant, err)
	}
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Header, got, err
}
