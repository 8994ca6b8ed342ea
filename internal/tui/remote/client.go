package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"tenantctl/internal/platform/service"
	"tenantctl/internal/tenant"
)

// Client asks the status API of an operator.
type Client struct {
	server    string
	tokenFile string
	http      http.Client
}

// NewClient makes a client for the API at an address such as http://operator:8090. The file with the token is read at each question,
// as the operator reads its own, so that it can be changed.
func NewClient(server, tokenFile string) (*Client, error) {
	address, err := url.Parse(server)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" {
		return nil, fmt.Errorf("%q is no address: %w", server, tenant.ErrInvalid)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment} // its own, so that Close ends its connections and nobody else's
	return &Client{server: strings.TrimSuffix(server, "/"), tokenFile: tokenFile, http: http.Client{Transport: transport}}, nil
}

// Server is the address that is asked.
func (c *Client) Server() string { return c.server }

// Close ends the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// mostTold is as much of an answer as is told of an error.
const mostTold = 4 << 10

// Get reads the answer at a path into a value. What isn't there is tenant.ErrNotFound, a token that is declined tenant.ErrAuth.
func (c *Client) Get(ctx context.Context, path string, query url.Values, into any) error {
	key, err := os.ReadFile(c.tokenFile)
	if err != nil {
		return fmt.Errorf("read the token: %w", err)
	}
	address := c.server + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.server, err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(key)))
	response, err := c.http.Do(request)
	if err != nil {
		var failed *url.Error // it repeats the whole address
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return tenant.WithHint(fmt.Errorf("ask %s: %w", c.server, err), "check that an operator runs there with --listen")
	}
	defer func() { _ = response.Body.Close() }() // it was read
	if response.StatusCode != http.StatusOK {
		return c.refused(response)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.server, err)
	}
	return nil
}

// refused is the error that an answer tells.
func (c *Client) refused(response *http.Response) error {
	said := response.Status
	var problem service.Problem
	if err := json.NewDecoder(io.LimitReader(response.Body, mostTold)).Decode(&problem); err == nil && problem.Title != "" {
		said = problem.Title
		if problem.Detail != "" {
			said += ": " + problem.Detail
		}
	}
	switch response.StatusCode {
	case http.StatusUnauthorized:
		return tenant.WithHint(fmt.Errorf("%s declines the token: %w", c.server, tenant.ErrAuth), "--token-file has to hold what the operator's --token-file holds")
	case http.StatusNotFound:
		return fmt.Errorf("%s: %w", said, tenant.ErrNotFound)
	}
	return fmt.Errorf("%s answers: %s", c.server, said)
}
