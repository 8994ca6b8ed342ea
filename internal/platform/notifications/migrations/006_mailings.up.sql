-- One mail to many, sent by a job: the mailing has the job's id. Who gets it is fixed when it is asked for.
create table mailings (
    id         uuid        primary key,
    subject    text        not null check (length(subject) between 1 and 200),
    body       text        not null check (length(body) between 1 and 10000),
    asked_by   text        not null,
    created_at timestamptz not null default now()
);

create table mailing_recipients (
    mailing uuid        not null references mailings on delete cascade,
    number  integer     not null check (number > 0),
    address text        not null check (address ~ '^[^@[:space:]]+@[^@[:space:]]+$' and length(address) <= 320),
    name    text        not null default '' check (length(name) <= 200),
    sent_at timestamptz,
    refused text,
    primary key (mailing, number),
    check (sent_at is null or refused is null)
);

create unique index mailing_recipients_address_idx on mailing_recipients (mailing, lower(address));

comment on table mailings is 'One mail to many.';
comment on table mailing_recipients is 'Who gets a mailing, each address once, in the order in which it is sent.';
comment on column mailing_recipients.refused is 'Why the mail server will never take this one.';
