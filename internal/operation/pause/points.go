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
		CopyChunkStreamed, CopyChunkMarked, CopyChunkCommitted,
	}
}
