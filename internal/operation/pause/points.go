// Package pause names the moments at which a process may die, so that a test can kill it at each of them.
//
// In a binary built with the tag "pausepoints" the variable TENANTCTL_KILL_AT=NAME[:N] ends the process by SIGKILL when
// it reaches the point NAME for the Nth time (1 where left out). In every other binary Point does nothing.
package pause

// Name is a moment in a durable operation.
type Name string

// The moments, by the room they lie in.
const (
	StepStarted Name = "operation.step.started"
	StepRan     Name = "operation.step.ran"
	StepEnded   Name = "operation.step.ended"

	DefinitionRan       Name = "ddl.definition.ran"
	DefinitionCommitted Name = "ddl.definition.committed"

	FenceSet      Name = "fence.set"
	FenceReleased Name = "fence.released"

	RolledBack Name = "migrate.rolled-back"

	TenantUpgraded     Name = "upgrade.tenant.upgraded"
	OutcomesUnrecorded Name = "upgrade.outcomes.unrecorded"
	OutcomesRecorded   Name = "upgrade.outcomes.recorded"
	WaveEnded          Name = "upgrade.wave.ended"
	GatesJudged        Name = "upgrade.gates.judged"

	// A file of a stream that can't be in a transaction: it is marked dirty, and it ran and is still marked.
	StreamMarkedDirty  Name = "stream.marked-dirty"
	StreamStatementRan Name = "stream.statement.ran"
	// Each message of a stream's: the server has done its work, and nobody here knows yet.
	StreamMessageSent Name = "stream.message.sent"

	// The relay: events read and not sent; confirmed by the broker and not noted; noted and not committed; committed.
	BusRelayRead      Name = "bus.relay.read"
	BusRelaySent      Name = "bus.relay.sent"
	BusRelayMarked    Name = "bus.relay.marked"
	BusRelayCommitted Name = "bus.relay.committed"
	// A lost queue: the relays are told and it isn't made anew; its events wait again and nobody knows that they do.
	BusLossTold  Name = "bus.loss.told"
	BusSentAgain Name = "bus.loss.sent-again"
	// A consumer: the effect isn't committed; it is, and the broker doesn't know; a failed message is in two queues.
	BusHandled          Name = "bus.consumer.handled"
	BusHandledCommitted Name = "bus.consumer.committed"
	BusDiverted         Name = "bus.consumer.diverted"
	// A parked message is in two queues.
	BusReplayed Name = "bus.parking.replayed"

	// A worker: jobs taken and not begun; the work isn't committed; it is, and nobody here knows; the same of a checkpoint.
	JobTaken      Name = "jobs.taken"
	JobWorked     Name = "jobs.worked"
	JobCompleted  Name = "jobs.completed"
	JobCheckpoint Name = "jobs.checkpoint"

	CopyChunkStreamed  Name = "copy.chunk.streamed"
	CopyChunkMarked    Name = "copy.chunk.marked"
	CopyChunkCommitted Name = "copy.chunk.committed"
)

// All lists every name, for the test that kills at each.
func All() []Name {
	return []Name{
		StepStarted, StepRan, StepEnded,
		DefinitionRan, DefinitionCommitted, FenceSet, FenceReleased, RolledBack,
		TenantUpgraded, OutcomesUnrecorded, OutcomesRecorded, WaveEnded, GatesJudged,
		StreamMarkedDirty, StreamStatementRan, StreamMessageSent,
		BusRelayRead, BusRelaySent, BusRelayMarked, BusRelayCommitted, BusLossTold, BusSentAgain,
		BusHandled, BusHandledCommitted, BusDiverted, BusReplayed,
		JobTaken, JobWorked, JobCompleted, JobCheckpoint,
		CopyChunkStreamed, CopyChunkMarked, CopyChunkCommitted,
	}
}
