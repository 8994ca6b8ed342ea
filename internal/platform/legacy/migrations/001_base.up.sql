-- lint:ignore-file R32 what clients bring is like this: serial keys, char and timestamp are what moves have to cope with
create table schema_info (
    version   integer   not null primary key,
    installed timestamp not null default now()
);

create table "Users" (
    "UserID"       serial       primary key,
    "Login"        varchar(40)  not null unique,
    "PasswordHash" char(32)     not null,
    "FullName"     varchar(80),
    "Email"        varchar(120),
    "Role"         char(1)      not null default 'U' check ("Role" in ('A', 'U', 'R')),
    "LastLogin"    timestamp,
    "Deleted"      boolean      not null default false
);

comment on column "Users"."PasswordHash" is 'md5 of login and password';
comment on column "Users"."Role" is 'A admin, U user, R read only';

create table settings (
    name    varchar(60) primary key,
    value   text,
    changed timestamp   not null default now()
);

create table audit_log (
    id       serial      primary key,
    happened timestamp   not null default now(),
    user_id  integer     references "Users",
    action   varchar(20) not null,
    detail   text
);

create index audit_log_happened on audit_log (happened);

insert into schema_info (version) values (1);
