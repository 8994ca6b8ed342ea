// Package cli is the command line: the commands, what they print, and how their errors become exit codes. It is also where the
// rooms are plugged together, since they don't know one another.
//
// A command is an options struct, newCmdX, which turns flags into options, and runX, which does the work. Everything that
// a command needs comes from the Factory, which opens files, servers and the local stack when they are first asked for.
package cli

//go:generate go run ./docgen ../../docs/cli
//go:generate go run ./schemagen ../../docs
