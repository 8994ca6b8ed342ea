package cli

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"tenantctl/internal/cli/terminal"
)

// Main runs one command line, without the program's name, and returns its exit code. environ is the environment as
// os.Environ gives it.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer, environ ...string) int {
	env := lookup(environ)
	streams := terminal.New(stdin, stdout, stderr, env)
	ctx, signals := listen(streams)
	defer signals.stop()
	f := newFactory(streams, env, signals)
	err := run(ctx, f, args)
	f.Close(ctx)
	if err != nil && ctx.Err() != nil {
		err = interrupted(err)
	}
	f.report(err)
	return ExitCode(err)
}

func run(ctx context.Context, f *Factory, args []string) error {
	root, err := newRoot(f)
	if err != nil {
		return err
	}
	root.SetArgs(longOut(args))
	root.SetIn(f.Streams.In)
	root.SetOut(f.Streams.Out)
	root.SetErr(f.Streams.Err)
	return root.ExecuteContext(f.traced(ctx))
}

// longOut lets -out be written with one hyphen, as other planners have it. Read as flags of one letter it could mean nothing.
func longOut(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if arg == "-out" || strings.HasPrefix(arg, "-out=") {
			args[i] = "-" + arg
		}
	}
	return args
}

// lookup is os.LookupEnv over a list of NAME=value; the last one counts, as it does for a shell.
func lookup(environ []string) func(string) (string, bool) {
	values := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	return func(name string) (string, bool) {
		value, found := values[name]
		return value, found
	}
}

// silentError is a failure that the command has told of already: only its exit code counts.
type silentError struct{ error }

func (e silentError) Unwrap() error { return e.error }

// silent keeps an error's exit code and not its message.
func silent(err error) error {
	if err == nil {
		return nil
	}
	return silentError{err}
}

func isSilent(err error) bool {
	var s silentError
	return errors.As(err, &s)
}
