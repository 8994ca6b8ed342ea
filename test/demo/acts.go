package main

import (
	"context"
	"slices"
)

// act is one part of the story.
type act struct {
	title, text string
	play        func(ctx context.Context, s *stage) error
}

// acts are the whole story, in order.
func acts() []act {
	end := act{"Clearing up", "", func(ctx context.Context, s *stage) error { return s.localDown(ctx) }}
	return append(slices.Concat(movesOfClients(), wavesOfShops(), quietNeighbors()), end)
}

// movesOfClients: three clients of one old monolith move, and one goes back.
func movesOfClients() []act {
	return []act{
		{
			"Three clients, three old databases",
			`Three clients each ran the same monolith on a server of their own. client-y had it extended with a table and columns of
its own; client-z never got the last version. Their databases are made now, with the same rows every time:`,
			func(ctx context.Context, s *stage) error { return s.buildClients(ctx) },
		},
		{
			"The shared platform",
			`tenants.yaml declares the fleet. It names no shared instance, so a private PostgreSQL is started on this machine.
Connection strings come from the variables CLIENT_X_DSN, CLIENT_Y_DSN and CLIENT_Z_DSN.`,
			playPlatform,
		},
		{
			"client-x moves by a mapping",
			`examples/monolith/mapping.yaml says which legacy column becomes which column of the platform's service "core". migrate looks
for everything that could break, stops the client's writes, copies, and proves that every row arrived.`,
			playMapped,
		},
		{
			"client-z is refused, and says why",
			`client-z's monolith stands at version 6, and the mapping was written for version 7. inspect says so without
touching anything, and migrate finds the same first.`,
			playRefused,
		},
		{
			"client-z moves as it is instead",
			`Without a mapping a legacy schema is carried as it is: tables, views, functions, triggers, sequences. The mapping is taken
out of tenants.yaml:`,
			playLift,
		},
		{
			"client-y: killed in the middle, finished by the next run",
			`client-y's own mapping extends the common one by what only this client has. The copy is slowed down, so that there is time
to kill it: SIGKILL, which no program can answer.`,
			playKilled,
		},
		{
			"client-x goes back",
			`Until a move is completed the client can have its old database back. What was written on the platform since is never lost
in silence: the rollback refuses, until it is told to keep these rows in an archive.`,
			playRollback,
		},
		{
			"Where everybody is now",
			`One line for each tenant, the proofs, and the end of client-z's way back.`,
			playEnd,
		},
	}
}

// wavesOfShops: many tenants get a new version; then nobody types any more.
func wavesOfShops() []act {
	return []act{
		{
			"Forty shops join",
			`A service of the company's own, examples/shop, is declared with forty tenants in two rings: two canaries, and the rest in three
waves. Each gets 50 customers with an order; shop-17 has one e-mail address twice.`,
			playShops,
		},
		{
			"A new version for all of them, in waves",
			`Versions 2 and 3 of the shop make addresses unique and add a view and an index. The dry run tries the files on one tenant, in
a transaction that it rolls back, and asks everybody's data: shop-17 is foreseen to fail. The rollout's budget allows that.`,
			playRollout,
		},
		{
			"And back again",
			`A rollback takes exactly the touched tenants back, last first, by the ways down.`,
			playRolledBack,
		},
		{
			"A client moves while people work",
			`The services run now, all in one process, and client-x's old monolith in another. People of client-x, acme and beta add customers
and look at them, through the gateway. Under them client-x is moved again, with its users this time: who logged in at the monolith goes
on with the same token. Every acknowledged write is kept in a ledger.`,
			playServed,
		},
		{
			"The file is kept true",
			`From here on nobody types commands: two operators make true what tenants.yaml says. One of them is killed, the file is broken,
and once it loses forty tenants by mistake.`,
			playOperator,
		},
	}
}

// quietNeighbors: what one tenant does, and what the others feel of it.
func quietNeighbors() []act {
	return []act{
		{
			"A noisy tenant, and quiet neighbors",
			`A second project: four shops with every service, a broker among its servers. People of "flood" ask for statements without a pause, of
which two may be made at once; those of the others for one now and then. How long each statement waited is counted by SQL.`,
			playNoisy,
		},
		{
			"A message that nobody could handle",
			`Ann of south places an order and wants a mail about it. Her mail server knows no such mailbox: the mail isn't tried over and over,
and isn't lost.`,
			playParked,
		},
		{
			"From the click to the mail",
			`The mail names its trace. What all services wrote of it, from Ann's order to the mail that was refused, parked and sent in the end:`,
			playTrace,
		},
		{
			"A version that breaks is stopped by itself",
			`Version 7 of core renames a column that the service asks for. It goes to one canary first, while people of all shops look at their
customers; then what the running services counted of it is compared with what they counted of the others.`,
			playStopped,
		},
	}
}
