// Package local is the private stack that stands in for what tenants.yaml doesn't give: a PostgreSQL server and, when
// something needs one, a RabbitMQ broker, each from the programs installed on this machine, on free ports of 127.0.0.1,
// with its files under a state folder of its own. Any number of stacks run side by side, one per project folder.
//
// A stack outlives the process that started it, until Down. What is left of one after a crash or a restart of the machine is
// recognized, and Up starts it anew on the same data. Run as root, the servers run as an ordinary user, because PostgreSQL
// refuses to run as root.
package local
