// Package faults moves a client's database by the real program between real servers while everything goes wrong that can: the
// program is killed, servers are away, disks are full, people interfere. What has to hold afterwards is in check_test.go.
package faults

import (
	"testing"

	"tenantctl/internal/local/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// program is the program as these tests run it: with the moments in it at which it can be killed. It is built once.
func program(t testing.TB) string {
	t.Helper()
	return localtest.Program(t, "pausepoints")
}
