package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// webSecret is the address of something that is asked by HTTP, with ${VAR} where a secret goes.
type webSecret struct{ Secret }

// secretParameter finds parameters of a web address whose value is likely a secret.
var secretParameter = regexp.MustCompile(`(?i)[?&][^=&#]*(?:token|key|auth|sig)[^=&#]*=([^&#]*)`)

func (s *webSecret) parse(text string, in spot) error {
	if err := checkReferences(text); err != nil {
		return err
	}
	if !strings.HasPrefix(text, "${") && !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") {
		return errors.New("expected " + s.wants()) // the text may be a secret
	}
	if holdsWebSecret(text) {
		return fmt.Errorf("holds a secret, which doesn't belong in this file; write ${%s} in its place and set that variable", variableFor(in.path, "TOKEN"))
	}
	s.Secret = Secret{text: text, path: in.path, place: in.place}
	return nil
}

func (s *webSecret) wants() string { return "a web address such as http://prometheus:9090, or ${VAR}" }

func (s *webSecret) describe() *schemaNode {
	return &schemaNode{Type: "string", Pattern: `^([$][{]|https?://)`, Not: &schemaNode{Pattern: literalPassword}, Examples: []any{"http://prometheus:9090"}}
}

// holdsWebSecret tells whether an address has a login, or a parameter for a secret, that isn't a reference.
func holdsWebSecret(text string) bool {
	bare := referenceText.ReplaceAllString(text, stand)
	user, _, hasPassword := strings.Cut(userinfo(bare), ":")
	if holdsPassword(text) || !hasPassword && user != "" && user != stand {
		return true
	}
	for _, found := range secretParameter.FindAllStringSubmatch(bare, -1) {
		if found[1] != "" && found[1] != stand {
			return true
		}
	}
	return false
}

// headerText is the value of a header, with ${VAR} where a secret goes. One whose name says that it is a secret has to have a
// reference.
type headerText struct{ Secret }

var secretHeader = regexp.MustCompile(`(?i)auth|token|key|secret|passw|cookie|credential|signature`)

func (s *headerText) parse(text string, in spot) error {
	if err := checkReferences(text); err != nil {
		return err
	}
	name := lastKey(in.path)
	if secretHeader.MatchString(name) && len(references(text)) == 0 {
		return fmt.Errorf("%s is a secret by its name, which doesn't belong in this file; write ${%s} in its place and set that variable", name, variableFor("x."+name+".x", "TOKEN"))
	}
	if strings.ContainsAny(text, "\r\n\x00") {
		return errors.New("a header is one line")
	}
	s.Secret = Secret{text: text, verbatim: true, path: in.path, place: in.place}
	return nil
}

func (s *headerText) wants() string { return "a header's value, such as Bearer ${TOKEN}" }

func (s *headerText) describe() *schemaNode {
	return &schemaNode{Type: "string", Examples: []any{"Bearer ${TOKEN}"}}
}
