package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

const amqpTimeout = 5 * time.Second

// Ping says AMQP 0-9-1's greeting and waits for the node's Connection.Start. No client library is needed for that; the one
// that the platform uses stays in its room.
func (b *Broker) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, amqpTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp4", localAddress(b.Port))
	if err != nil {
		return fmt.Errorf("connect to the private RabbitMQ: %w", err)
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return fmt.Errorf("greet the private RabbitMQ: %w", err)
	}
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return fmt.Errorf("greet the private RabbitMQ: %w", err)
	}
	answer := make([]byte, 11) // frame: type, channel, size; class, method
	if _, err := io.ReadFull(conn, answer); err != nil {
		return fmt.Errorf("greet the private RabbitMQ: %w", err)
	}
	if start := []byte{0, 10, 0, 10}; answer[0] != 1 || !bytes.Equal(answer[7:], start) {
		return fmt.Errorf("greet the private RabbitMQ: it answered %q", answer)
	}
	return nil
}
