package local

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// runsWith tells whether a process lives and has a word in its command line: how a pid on record is told from one that the
// system has given to another program since. A zombie has no command line.
func runsWith(pid int, word string) bool {
	if pid <= 0 {
		return false
	}
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		//nolint:noctx // answers at once
		line, err = exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
		if err != nil {
			return false
		}
	}
	return bytes.Contains(line, []byte(word))
}

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
	listener, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
