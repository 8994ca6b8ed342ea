// Package remote carries the dashboard's questions over HTTP: Source asks them, Handlers answer in an operator's status API, from whatever source the
// operator has. Answers are the dashboard's own types as JSON, so that what is seen from afar is what is seen beside the records.
package remote
