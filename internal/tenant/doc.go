// Package tenant holds the words and rules of the domain: what a tenant is called, what is declared of it (Spec), what is
// observed of it (Status), where its traffic goes (Route) and what happened to it (Event).
//
// It uses the standard library only; every other room may import it.
package tenant
