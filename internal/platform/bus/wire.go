package bus

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"tenantctl/internal/tenant"
)

// The headers: attributes of CloudEvents 1.0 as its AMQP binding spells them, with the tenant, the trace context and the version of
// the payload as extensions; and what the bus itself notes.
const (
	headerSpec     = "cloudEvents_specversion"
	headerID       = "cloudEvents_id"
	headerSource   = "cloudEvents_source"
	headerType     = "cloudEvents_type"
	headerTime     = "cloudEvents_time"
	headerTenant   = "cloudEvents_tenant"
	headerVersion  = "cloudEvents_dataversion"
	headerTrace    = "cloudEvents_traceparent"
	headerAttempt  = "tenantctl_attempt"
	headerQueue    = "tenantctl_queue"  // that a parked message was in
	headerReason   = "tenantctl_reason" // why it was parked
	headerParked   = "tenantctl_parked_at"
	cloudEvents    = "1.0"
	jsonType       = "application/json"
	maxReason      = 1000
	headerDeadFrom = "x-first-death-queue" // written by the broker
)

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func publishing(m Message) amqp.Publishing {
	headers := amqp.Table{
		headerSpec: cloudEvents, headerID: m.ID, headerSource: "/" + m.Source, headerType: m.Type, headerTime: m.Occurred.UTC().Format(time.RFC3339Nano),
		headerTenant: string(m.Tenant), headerVersion: int64(m.Version), headerAttempt: int64(m.Attempt),
	}
	if m.Traceparent != "" {
		headers[headerTrace] = m.Traceparent
	}
	return amqp.Publishing{
		Headers: headers, ContentType: jsonType, DeliveryMode: amqp.Persistent, MessageId: m.ID, Type: m.Type, Timestamp: m.Occurred, Body: m.Payload,
	}
}

// read takes a message from its headers. What it can't make out it leaves empty, so that a parked message can be shown whatever it
// is; the error names the first fault.
func read(headers amqp.Table, id string, body []byte) (Message, error) {
	m := Message{
		ID: text(headers, headerID), Source: strings.TrimPrefix(text(headers, headerSource), "/"), Type: text(headers, headerType),
		Version: int(number(headers, headerVersion)), Traceparent: text(headers, headerTrace), Attempt: int(number(headers, headerAttempt)), Payload: body,
	}
	var timeErr error
	m.Occurred, timeErr = time.Parse(time.RFC3339Nano, text(headers, headerTime))
	name, nameErr := tenant.ParseName(text(headers, headerTenant))
	m.Tenant = name
	switch {
	case text(headers, headerSpec) != cloudEvents:
		return m, fmt.Errorf("not a CloudEvent of version %s", cloudEvents)
	case !uuidPattern.MatchString(m.ID) || m.ID != id:
		return m, fmt.Errorf("id %q isn't the UUID that the message bears", m.ID)
	case nameErr != nil:
		return m, fmt.Errorf("it names no tenant: %w", nameErr)
	case m.Type == "":
		return m, fmt.Errorf("it has no type")
	case m.Version < 1:
		return m, fmt.Errorf("it has no version")
	case timeErr != nil:
		return m, fmt.Errorf("time: %w", timeErr)
	}
	return m, nil
}

func text(headers amqp.Table, key string) string {
	value, _ := headers[key].(string)
	return value
}

func number(headers amqp.Table, key string) int64 {
	switch value := headers[key].(type) {
	case int64:
		return value
	case int32:
		return int64(value)
	}
	return 0
}

// again is a copy of a delivery for another queue, with some headers changed. What the broker notes of earlier queues is left out.
func again(d amqp.Delivery, changed amqp.Table) amqp.Publishing {
	headers := amqp.Table{}
	for key, value := range d.Headers {
		if strings.HasPrefix(key, "cloudEvents_") || strings.HasPrefix(key, "tenantctl_") {
			headers[key] = value
		}
	}
	for key, value := range changed {
		headers[key] = value
		if value == nil {
			delete(headers, key)
		}
	}
	return amqp.Publishing{
		Headers: headers, ContentType: d.ContentType, DeliveryMode: amqp.Persistent, MessageId: d.MessageId, Type: d.Type, Timestamp: d.Timestamp, Body: d.Body,
	}
}

// parkedWith are the headers of a message that is parked.
func parkedWith(queue, reason string) amqp.Table {
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	return amqp.Table{headerQueue: queue, headerReason: strings.ToValidUTF8(reason, "?"), headerParked: time.Now().UTC().Format(time.RFC3339Nano)}
}
