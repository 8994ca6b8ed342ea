// Package config reads tenants.yaml: the file, or the folder of files, that declares the fleet.
//
// Decoding is strict and complete: every problem of the file is reported at once, each with its place, in words that a
// newcomer can act on. The file holds no secret: connection strings are references (${VAR}, dsnFile) that are kept as
// Secrets and resolved only where they are used, so that a command about one tenant needs the variables of that tenant only.
//
// Load gives a File, which answers with the words of the domain (tenant.Spec, Instance, Stream, Rollout), defaults filled in.
// Effective says where each value came from: flag, environment, file or default. JSONSchema describes the format for editors;
// decoder and schema are driven by the same struct tags in document.go.
package config
