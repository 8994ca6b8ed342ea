// Package operation is what every durable thing of this program is made of: ordered Steps, run under a lease and recorded in a
// journal, so that a process may die at any moment and the next run goes on where it stopped.
package operation
