package config

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// Secret is a value that the file refers to but doesn't hold: a connection string or address by ${VAR} or by the name of a file. It is
// resolved when it is used. However it is printed, what it refers to doesn't show.
type Secret struct {
	text     string // with references; the file's name where fromFile
	fromFile bool
	literal  string // given by flag or environment instead; no reference
	verbatim bool   // values are put in as they are: the text around them is no connection string
	path     string
	place    Place
}

// IsZero tells whether nothing was given.
func (s Secret) IsZero() bool { return s.text == "" && s.literal == "" }

// Place is where the file refers to the value; zero for one from a flag or the environment.
func (s Secret) Place() Place { return s.place }

// String is the reference as it is written, which holds no secret.
func (s Secret) String() string {
	switch {
	case s.literal != "":
		return postgres.MaskDSN(s.literal)
	case s.fromFile:
		return "file " + s.text
	}
	return s.text
}

// GoString keeps %#v from showing more than String.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// MarshalText keeps JSON and YAML from showing more than String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue keeps logs from showing more than String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Variables names the environment variables that Resolve asks for.
func (s Secret) Variables() []string {
	var names []string
	for _, r := range references(s.text) {
		names = append(names, r.name)
	}
	return names
}

// Resolve gives the value. env is os.LookupEnv and readFile os.ReadFile in the program. A variable that is the whole text is
// taken as it is; one that is a part of a connection string is put in as data: a password with "/" or "@" needs no
// escaping. An error names the variable or file and the place that refers to it, and hints at the next step.
func (s Secret) Resolve(env func(string) (string, bool), readFile func(string) ([]byte, error)) (string, error) {
	if s.literal != "" {
		return s.literal, nil
	}
	if s.IsZero() {
		return "", errors.New("no connection string or address is given")
	}
	value, err := s.expand(env)
	if err != nil || !s.fromFile {
		return value, err
	}
	data, err := readFile(value)
	if err != nil {
		return "", tenant.WithHint(s.problem("can't read the file that holds it", err),
			fmt.Sprintf("write the connection string into %s, readable by you alone (chmod 600)", value))
	}
	content := strings.TrimSpace(string(data))
	if content == "" {
		return "", tenant.WithHint(s.problem("the file that holds it is empty", nil), "write the connection string into "+value)
	}
	return content, nil
}

func (s Secret) expand(env func(string) (string, bool)) (string, error) {
	var b strings.Builder
	rest := 0
	for _, r := range references(s.text) {
		value, ok := env(r.name)
		if !ok || value == "" {
			state := "isn't set"
			if ok {
				state = "is empty"
			}
			return "", tenant.WithHint(s.problem(fmt.Sprintf("the variable %s %s", r.name, state), nil), s.exportHint(r))
		}
		b.WriteString(s.text[rest:r.start])
		if s.fromFile || s.verbatim {
			b.WriteString(value)
		} else {
			b.WriteString(quoterAt(s.text, r)(value))
		}
		rest = r.end
	}
	b.WriteString(s.text[rest:])
	return b.String(), nil
}

func (s Secret) exportHint(r reference) string {
	example := "VALUE"
	switch {
	case s.fromFile || s.verbatim || r.start > 0 || r.end < len(s.text):
	case strings.HasPrefix(s.path, "rollout."):
		example = "'https://host/path'"
	case strings.HasPrefix(s.path, "platform.redis"):
		example = "'redis://user:password@host:6379/0'"
	case strings.HasPrefix(s.path, "broker."):
		example = "'amqp://user:password@host:5672/'"
	default:
		example = "'postgres://user:password@host:5432/database'"
	}
	return fmt.Sprintf("set it and run again: export %s=%s", r.name, example)
}

func (s Secret) problem(message string, cause error) *Problem {
	if cause != nil {
		message += ": " + cause.Error()
	}
	return &Problem{Place: s.place, Path: s.path, Message: message, cause: cause}
}

func (s *Secret) parse(text string, in spot) error {
	if err := checkReferences(text); err != nil {
		return err
	}
	if holdsPassword(text) {
		return fmt.Errorf("holds a password, which doesn't belong in this file; write ${%s} in its place and set that variable, "+
			"or keep the whole in a file of its own and name it with %s", variableFor(in.path, "PASSWORD"), fileKey(in.path))
	}
	if !strings.Contains(text, "://") && !strings.Contains(text, "=") && !strings.HasPrefix(text, "${") {
		return fmt.Errorf("expected a connection string: ${%s}, or postgres://user:${%s}@host:5432/database",
			variableFor(in.path, "DSN"), variableFor(in.path, "PASSWORD"))
	}
	*s = Secret{text: text, path: in.path, place: in.place}
	return nil
}

// literalPassword finds, for editors, what holdsPassword finds for us: user:password@ or password=, unless a ${VAR} follows.
const literalPassword = `://[^/?#@]*:[^/?#@$][^/?#@]*@|([pP][aA][sS][sS][wW][oO][rR][dD]|[pP][wW][dD]) *= *'?[^ $&']`

func (s *Secret) wants() string { return "a connection string such as ${SHARED_1_DSN}" }

func (s *Secret) describe() *schemaNode {
	return &schemaNode{Type: "string", Not: &schemaNode{Pattern: literalPassword}, Examples: []any{"${SHARED_1_DSN}"}}
}

// secretFile names a file that holds a secret.
type secretFile struct{ Secret }

func (s *secretFile) parse(text string, in spot) error {
	if err := checkReferences(text); err != nil {
		return err
	}
	if strings.Contains(text, "://") {
		return fmt.Errorf("expected the name of a file, got an address; that belongs in %s", strings.TrimSuffix(lastKey(in.path), "File"))
	}
	s.Secret = Secret{text: text, fromFile: true, path: in.path, place: in.place}
	return nil
}

func (s *secretFile) wants() string { return "the name of a file" }

func (s *secretFile) describe() *schemaNode {
	return &schemaNode{Type: "string", Not: &schemaNode{Pattern: "://"}, Examples: []any{"secrets/shared-1.dsn"}}
}

// parseAddress reads the address of a server that is spoken to by one of some schemes.
func (s *Secret) parseAddress(text string, in spot, wants string, schemes ...string) error {
	if err := s.parse(text, in); err != nil {
		return err
	}
	if slices.ContainsFunc(append(schemes, "${"), func(scheme string) bool { return strings.HasPrefix(text, scheme) }) {
		return nil
	}
	return errors.New("expected " + wants) // the text may be a secret
}

// brokerURL is the address of RabbitMQ.
type brokerURL struct{ Secret }

func (s *brokerURL) parse(text string, in spot) error {
	return s.parseAddress(text, in, s.wants(), "amqp://", "amqps://")
}

func (s *brokerURL) wants() string {
	return "the address of RabbitMQ: ${AMQP_URL}, or amqp://user:${AMQP_PASSWORD}@host:5672/"
}

func (s *brokerURL) describe() *schemaNode {
	return &schemaNode{Type: "string", Pattern: `^([$][{]|amqps?://)`, Not: &schemaNode{Pattern: literalPassword}, Examples: []any{"${AMQP_URL}"}}
}
