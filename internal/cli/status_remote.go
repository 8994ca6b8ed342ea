package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
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
	ask, err := o.client()
	if err != nil {
		return nil, err
	}
	defer ask.Close()
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	var found []tenant.Status
	for _, name := range o.Selection.Names {
		var one struct {
			Tenant tenant.Status `json:"tenant"`
		}
		if err := ask.Get(ctx, "/v1/tenants/"+url.PathEscape(name), nil, &one); err != nil {
			return nil, fmt.Errorf("tenant %s: %w", name, err)
		}
		found = append(found, one.Tenant)
	}
	for next := ""; len(o.Selection.Names) == 0; {
		var page service.Page[tenant.Status]
		query := url.Values{"limit": {"500"}}
		if next != "" {
			query.Set("after", next)
		}
		if err := ask.Get(ctx, "/v1/tenants", query, &page); err != nil {
			return nil, err
		}
		found = append(found, page.Items...)
		if next = page.Next; next == "" {
			break
		}
	}
	return found, nil
}
