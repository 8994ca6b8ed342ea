package notifications

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"tenantctl/internal/platform/bus"
)

// text is what is said of an event: {name} stands for a value of it.
type text struct {
	Subject string `json:"subject"`
	Body    string `json:"body"`
}

// words are the platform's own, by type of event. They are also the types that the service listens to: those of ofFleet among what
// operators tell, the others among what services do.
var words = map[string]text{ //nolint:gochecknoglobals // a constant table
	"order.placed":    {"Order {id} was placed", "Customer {customer_code} ordered for {total} {currency}."},
	"order.shipped":   {"Order {id} was shipped", "The order of customer {customer_code} for {total} {currency} is on its way."},
	"order.cancelled": {"Order {id} was canceled", "The order of customer {customer_code} for {total} {currency} was canceled."},
	"invoice.issued":  {"Invoice {number} was issued", "Customer {customer_code} is to pay {net} {currency} net."},
	"message.sent":    {"A message in {subject}", "User {actor} wrote in the conversation \"{subject}\"."},
	"invoice.paid":    {"Invoice {number} was paid", "Customer {customer_code} paid {net} {currency} net."},

	"tenant.moved":            {"Your application has moved", "{tenant} is served by the platform now; every row was carried over and proven."},
	"tenant.versions_changed": {"Your application was upgraded", "{tenant} works with {versions} now."},
}

// values are the names that a text may have; not every event has each.
var values = []string{"id", "number", "customer_code", "status", "currency", "total", "net", "tax", "subject", "actor", "tenant", "versions"} //nolint:gochecknoglobals // a constant list

var place = regexp.MustCompile(`\{([^{}]*)\}`)

// unknown is a name in a text that isn't one of those that there are; "" where there is none.
func (t text) unknown(values []string) string {
	for _, found := range place.FindAllStringSubmatch(t.Subject+"\n"+t.Body, -1) {
		if !slices.Contains(values, found[1]) {
			return found[1]
		}
	}
	return ""
}

// filled puts an event's values into the text. What the event hasn't got is left empty.
func (t text) filled(m bus.Message) (text, error) {
	var payload map[string]any
	decoder := json.NewDecoder(bytes.NewReader(m.Payload))
	decoder.UseNumber() // 7 stays 7
	if err := decoder.Decode(&payload); err != nil {
		return text{}, bus.Permanent(fmt.Errorf("payload of %s: %w", m.Type, err))
	}
	payload["tenant"] = string(m.Tenant)
	fill := func(s string) string {
		return place.ReplaceAllStringFunc(s, func(at string) string {
			switch value := payload[at[1:len(at)-1]].(type) {
			case string:
				return value
			case json.Number:
				return value.String()
			}
			return ""
		})
	}
	return text{fill(t.Subject), fill(t.Body)}, nil
}
