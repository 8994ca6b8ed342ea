package config

import (
	"fmt"
	"strconv"
	"strings"

	"tenantctl/internal/tenant"
)

// Setting is one value that holds, and where it came from.
type Setting struct {
	Path  string `json:"path"`
	Value string `json:"value"`
	// Origin is "flag --output", "env TENANTCTL_OUTPUT", "tenants.yaml:12" or "default".
	Origin string `json:"origin"`
}

// OriginDefault is the origin of a value that nobody gave.
const OriginDefault = "default"

// Option is a setting of the program itself: a flag, and a variable of the environment that is named after it.
type Option struct {
	Name    string // of the flag, without hyphens in front
	Default string
}

// Env is the variable that gives the option: TENANTCTL_LOG_LEVEL for log-level.
func (o Option) Env() string {
	return "TENANTCTL_" + strings.ToUpper(strings.ReplaceAll(o.Name, "-", "_"))
}

// The options that every command has. The control database has no flag: its password would show in the list of processes.
const (
	OptionFile       = "file"
	OptionControlDSN = "control-dsn"
	OptionOutput     = "output"
	OptionProgress   = "progress"
	OptionLogLevel   = "log-level"
	OptionYes        = "yes"
	OptionNoInput    = "no-input"
	OptionNoColor    = "no-color"
)

// Options lists them with their defaults.
func Options() []Option {
	return []Option{
		{Name: OptionFile, Default: "./tenants.yaml"},
		{Name: OptionControlDSN},
		{Name: OptionOutput, Default: "table"},
		{Name: OptionProgress, Default: "auto"},
		{Name: OptionLogLevel, Default: "info"},
		{Name: OptionYes, Default: "false"},
		{Name: OptionNoInput, Default: "false"},
		{Name: OptionNoColor, Default: "false"},
	}
}

// Layers looks a setting up: flag first, then environment, then default. The file stands between the last two.
type Layers struct {
	// Flag gives the value of a flag that was given on the command line.
	Flag func(name string) (value string, given bool)
	// Env is os.LookupEnv.
	Env func(name string) (value string, given bool)
}

// Get is the value of an option, not masked. An empty variable counts as not set.
func (l Layers) Get(o Option) Setting {
	if l.Flag != nil {
		if value, given := l.Flag(o.Name); given {
			return Setting{Path: o.Name, Value: value, Origin: "flag --" + o.Name}
		}
	}
	if l.Env != nil {
		if value, given := l.Env(o.Env()); given && value != "" {
			return Setting{Path: o.Name, Value: value, Origin: "env " + o.Env()}
		}
	}
	return Setting{Path: o.Name, Value: o.Default, Origin: OriginDefault}
}

// Option is the value of one of Options by its name; the zero Setting for a name that isn't among them.
func (l Layers) Option(name string) Setting {
	for _, o := range Options() {
		if o.Name == name {
			return l.Get(o)
		}
	}
	return Setting{}
}

// Bool reads a setting that is on or off. The error says where the value came from.
func (s Setting) Bool() (bool, error) {
	on, err := strconv.ParseBool(s.Value)
	if err != nil {
		return false, fmt.Errorf("%s: expected true or false, got %q: %w", strings.TrimPrefix(s.Origin, "env "), s.Value, tenant.ErrInvalid)
	}
	return on, nil
}

// With is the file with what flags and environment override in it: the control database.
func (f *File) With(l Layers) *File {
	changed := *f
	changed.control = Setting{}
	if s := l.Option(OptionControlDSN); s.Origin != OriginDefault {
		changed.control = s
	}
	return &changed
}
