// Package bus carries events from one service to others: what a tenant's transaction published is delivered if, and only if, that
// transaction was committed, and has its effect once for each consumer, whatever is killed, cut or restarted in between.
//
// An event is a row of the instance's outbox, written in the tenant's transaction (Publish). A Relay for each instance sends rows to
// RabbitMQ, waits for its confirms, and keeps for a day what it sent: what is lost with a queue or a broker is sent again. A
// Consumer runs its handler in a transaction of the event's tenant, in which the inbox notes that it was done, and acknowledges
// after the commit. What fails goes through a ladder of delays to the parking queue, from which Parking shows, replays and purges.
//
// The tenant is never taken from what a service says: on the way in it is the role of the transaction, which row security checks;
// on the way out a handler gets a transaction of that tenant, and none without one.
package bus
