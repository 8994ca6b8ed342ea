package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/tenant"
)

// remote prints what an operator's status API tells. What is declared it doesn't know: that is in the operator's file.
func (o *statusOptions) remote(ctx context.Context) error {
	f := o.Factory
	statuses, err := o.fetch(ctx)
	if err != nil {
		return err
	}
	conditions, err := parseSelector(&cobra.Command{Use: "tenantctl"}, o.Selection.Selector)
	if err != nil {
		return err
	}
	items := []statusItem{}
	var names []string
	for i := range statuses {
		t := reconcile.Tenant{Name: statuses[i].Name, Declared: true, Spec: reconcile.RecordedSpec(&statuses[i]), Status: &statuses[i]}
		if matches(t, conditions) {
			items = append(items, itemOf(t))
			names = append(names, "tenant/"+string(t.Name))
		}
	}
	p := f.Printer()
	return p.List("TenantStatusList", items, output.View{Names: names, Table: func(w io.Writer) error { return f.statusTable(w, p, items) }})
}

const remoteTimeout = 30 * time.Second

// fetch reads the tenants named, or all of them, page by page.
func (o *statusOptions) fetch(ctx context.Context) ([]tenant.Status, error) {
	key, err := os.ReadFile(o.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	ask := statusAPI{server: strings.TrimSuffix(o.Server, "/"), token: strings.TrimSpace(string(key))}
	var found []tenant.Status
	for _, name := range o.Selection.Names {
		var one struct {
			Tenant tenant.Status `json:"tenant"`
		}
		if err := ask.get(ctx, "/v1/tenants/"+url.PathEscape(name), &one); err != nil {
			return nil, fmt.Errorf("tenant %s: %w", name, err)
		}
		found = append(found, one.Tenant)
	}
	for next := ""; len(o.Selection.Names) == 0; {
		var page service.Page[tenant.Status]
		if err := ask.get(ctx, "/v1/tenants?limit=500&after="+url.QueryEscape(next), &page); err != nil {
			return nil, err
		}
		found = append(found, page.Items...)
		if next = page.Next; next == "" {
			break
		}
	}
	return found, nil
}

// statusAPI is an operator's status API.
type statusAPI struct{ server, token string }

func (r statusAPI) get(ctx context.Context, path string, into any) error {
	path = strings.TrimSuffix(path, "&after=")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.server+path, nil)
	if err != nil {
		return tenant.WithHint(&invalidUsage{fmt.Sprintf("--server: %q is no address", r.server)}, "it looks like http://operator:8090")
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return tenant.WithHint(fmt.Errorf("ask %s: %w", r.server, err), "check that an operator runs there with --listen")
	}
	defer func() { _ = response.Body.Close() }() // it was read
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return tenant.WithHint(fmt.Errorf("%s declines the token: %w", r.server, tenant.ErrAuth), "--token-file has to hold what the operator's --token-file holds")
	case http.StatusNotFound:
		return tenant.ErrNotFound
	default:
		return fmt.Errorf("%s answers %s", r.server, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", r.server, err)
	}
	return nil
}
