// Command tenantctl moves clients to a shared PostgreSQL platform and looks after them there.
package main

import (
	"os"

	"tenantctl/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()...))
}
