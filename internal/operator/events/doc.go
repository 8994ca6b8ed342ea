// Package events describes what operators tell outside: the kinds of events, each with the type of its detail, and the JSON Schema
// that is made of them (docs/events.schema.json).
package events
