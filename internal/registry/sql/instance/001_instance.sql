-- What must commit together with a tenant's rows, and hence lives where they land.

-- The newest token of each lease that this instance has heard of. Whoever writes under a lease holds a share lock on the row
-- until its commit; whoever raises the token waits for that.
create table tenantctl_instance.lease (
    name      text collate "C" primary key,
    token     bigint not null,
    raised_at timestamptz not null default now(),
    constraint lease_name_is_given check (name <> ''),
    constraint lease_token_is_positive check (token > 0)
) with (fillfactor = 50);

-- The chunks of a copy that have arrived: what they held, and the sum of their rows' hashes.
create table tenantctl_instance.chunk (
    operation  text collate "C" not null,
    table_name text collate "C" not null,
    chunk      integer not null,
    lo         text,
    hi         text,
    token      bigint not null,
    rows       bigint not null,
    hash       bytea not null,
    bytes      bigint not null,
    done_at    timestamptz not null default now(),
    primary key (operation, table_name, chunk),
    constraint chunk_operation_is_given check (operation <> ''),
    constraint chunk_table_is_given check (table_name <> ''),
    constraint chunk_number_is_not_negative check (chunk >= 0),
    constraint chunk_token_is_positive check (token > 0),
    constraint chunk_counts_are_not_negative check (rows >= 0 and bytes >= 0),
    constraint chunk_hash_has_128_bits check (octet_length(hash) = 16)
);
