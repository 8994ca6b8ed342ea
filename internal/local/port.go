package local

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
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

func localAddress(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
