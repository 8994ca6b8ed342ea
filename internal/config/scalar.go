package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// scalar is a type that is written as one text in the file.
type scalar interface {
	// parse takes the text over. Its error is a message that follows the path of the value.
	parse(text string, in spot) error
	// wants says what is expected, with an example.
	wants() string
	// describe is the type as JSON Schema.
	describe() *schemaNode
}

// unexpected is the error for a text that isn't what the type wants and can't be a secret.
func unexpected(v scalar, text string) error {
	return fmt.Errorf("expected %s, got %q", v.wants(), text)
}

// spot is where a scalar stands and what its parsing may share with others of the same file.
type spot struct {
	place Place
	path  string
	zones map[string]*time.Location
}

// Duration is a time.Duration, written with a unit: 30s, 2m, 1h30m.
type Duration time.Duration

const durationPattern = `^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$`

var durationText = regexp.MustCompile(durationPattern)

// String writes what parse reads.
func (v Duration) String() string {
	text := time.Duration(v).String()
	text = strings.TrimSuffix(text, "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	if text == "" || text[len(text)-1] >= '0' && text[len(text)-1] <= '9' {
		return time.Duration(v).String()
	}
	return text
}

func (v *Duration) parse(text string, _ spot) error {
	parsed, err := time.ParseDuration(text)
	if err != nil || !durationText.MatchString(text) {
		return unexpected(v, text)
	}
	*v = Duration(parsed)
	return nil
}

func (v *Duration) wants() string { return "a duration with its unit, such as 30s, 5m or 1h30m" }

func (v *Duration) describe() *schemaNode {
	return &schemaNode{Type: "string", Pattern: durationPattern, Examples: []any{"30s", "5m"}}
}

// Percent is a share of a hundred, written with its sign: 10%.
type Percent float64

const percentPattern = `^(100|[0-9]{1,2}([.][0-9]+)?)%$`

var percentText = regexp.MustCompile(percentPattern)

// String writes what parse reads.
func (v Percent) String() string { return strconv.FormatFloat(float64(v), 'f', -1, 64) + "%" }

func (v *Percent) parse(text string, _ spot) error {
	number, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !percentText.MatchString(text) {
		return unexpected(v, text)
	}
	*v = Percent(number)
	return nil
}

func (v *Percent) wants() string { return "a percentage with its sign, such as 10%, up to 100%" }

func (v *Percent) describe() *schemaNode {
	return &schemaNode{Type: "string", Pattern: percentPattern, Examples: []any{"10%", "100%"}}
}

// webAddress is where something answers HTTP. Users and passwords have no place in it.
type webAddress string

const webPattern = `^https?://([^][/?#@: ]+|[[][0-9a-fA-F:.]+[]])(:[0-9]{1,5})?([/?#][^ ]*)?$`

var webText = regexp.MustCompile(webPattern)

func (v *webAddress) parse(text string, _ spot) error {
	_, err := url.Parse(text)
	switch {
	case err == nil && webText.MatchString(text):
	case strings.Contains(text, "@"): // what stands before it may be a password
		return errors.New("expected a web address without user and password, such as http://billing:8080")
	default:
		return unexpected(v, text)
	}
	*v = webAddress(text)
	return nil
}

func (v *webAddress) wants() string { return "a web address such as http://billing:8080" }

func (v *webAddress) describe() *schemaNode {
	return &schemaNode{Type: "string", Pattern: webPattern, Examples: []any{"http://billing:8080"}}
}
