package local

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

// Ports are drawn below the range from which systems take the ports of outgoing connections: a port of that range may be in
// use by a client at the moment a server restarts on it.
const (
	firstPort = 15500
	lastPort  = 32000
	portTries = 200
)

// freePort finds a port of 127.0.0.1 on which nothing listens.
func freePort() (int, error) {
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort) //nolint:gosec // no secret
		if portFree(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port between %d and %d of 127.0.0.1: none in %d tries", firstPort, lastPort, portTries)
}

func portFree(port int) bool {
	//nolint:noctx // a local socket, answers at once
	listener, err := net.Listen("tcp4", localAddress(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// portPatience is how long a server waits for the port of its last life.
const portPatience = 3 * time.Second

// comesFree waits until nothing listens on a port, for a while: a server that was killed keeps its sockets for a moment after its
// command line is gone, and whoever knows its address goes on asking there.
func comesFree(ctx context.Context, port int) bool {
	ctx, cancel := context.WithTimeout(ctx, portPatience)
	defer cancel()
	for !portFree(port) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollInterval):
		}
	}
	return true
}

// answers tells whether something takes connections on a port.
func answers(ctx context.Context, port int) bool {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp4", localAddress(port))
	return err == nil && connection.Close() == nil
}

func localAddress(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
