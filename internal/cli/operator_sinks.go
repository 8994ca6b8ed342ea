package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"tenantctl/internal/operator"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/tenant"
)

const (
	webhookTimeout = 10 * time.Second
	shortestSecret = 16
)

// sinks are where the operator's events go.
func (o *operatorOptions) sinks(clock *operator.Clock, log *slog.Logger) ([]operator.Sink, error) {
	var sinks []operator.Sink
	file, err := o.Factory.Config()
	if err == nil { // a file that can't be read yet is the operator's to tell
		if reference, given := file.Broker(); given {
			address, err := o.Factory.resolve(reference)
			if err != nil {
				return nil, fmt.Errorf("broker: %w", err)
			}
			broker, err := bus.Open(bus.Options{URL: address, Log: log})
			if err != nil {
				return nil, err
			}
			facts := broker.Facts()
			o.Factory.onClose(func(context.Context) { facts.Close() })
			sinks = append(sinks, rabbit{facts})
		}
	}
	if len(o.Webhooks) == 0 {
		return sinks, nil
	}
	secret, err := os.ReadFile(o.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("secret of the webhooks: %w", err)
	}
	if secret = bytes.TrimSpace(secret); len(secret) < shortestSecret {
		return nil, &invalidUsage{fmt.Sprintf("--webhook-secret-file: %s holds less than %d characters", o.SecretFile, shortestSecret)}
	}
	for _, address := range o.Webhooks {
		sinks = append(sinks, &operator.Webhook{URL: address, Secret: secret, Now: clock.Now, Client: &http.Client{Timeout: webhookTimeout}})
	}
	return sinks, nil
}

// rabbit sends events to RabbitMQ.
type rabbit struct{ facts *bus.Facts }

// Name implements operator.Sink.
func (rabbit) Name() string { return "rabbitmq" }

// Send implements operator.Sink. The broker confirms all together.
func (r rabbit) Send(ctx context.Context, events []tenant.Event) (taken int, err error) {
	facts := make([]bus.Fact, len(events))
	for i, e := range events {
		body, err := json.Marshal(operator.CloudEventOf(e))
		if err != nil {
			return 0, fmt.Errorf("encode event %d: %w", e.ID, err)
		}
		facts[i] = bus.Fact{ID: operator.CloudEventOf(e).ID, Type: e.Type, ContentType: operator.CloudEventType, Body: body, At: e.Time}
	}
	return 0, r.facts.Send(ctx, facts)
}
