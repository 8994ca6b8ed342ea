create table roles (
    name        text        primary key check (name ~ '^[a-z][a-z0-9-]{0,39}$'),
    description text,
    builtin     boolean     not null default false,
    created_at  timestamptz not null default now()
);

create table role_permissions (
    role       text not null references roles on delete cascade,
    permission text not null check (permission ~ '^([*]|[a-z][a-z-]*:([*]|[a-z][a-z-]*))$'),
    primary key (role, permission)
);

create table user_roles (
    user_id text not null references users on delete cascade,
    role    text not null references roles,
    primary key (user_id, role)
);

create index user_roles_role_idx on user_roles (role);

comment on table roles is 'Permissions under a name.';
comment on column roles.builtin is 'Came with the platform: can''t be changed or removed.';
comment on column role_permissions.permission is 'thing:read or thing:write; thing:* is both, * is everything.';

insert into roles (name, description, builtin) values
    ('admin', 'May do everything.', true),
    ('user', 'Works with customers, products, orders and invoices.', true),
    ('readonly', 'Looks at them.', true);

insert into role_permissions (role, permission) values
    ('admin', '*'),
    ('user', 'customers:*'), ('user', 'products:*'), ('user', 'orders:*'), ('user', 'invoices:*'),
    ('readonly', 'customers:read'), ('readonly', 'products:read'), ('readonly', 'orders:read'), ('readonly', 'invoices:read');
