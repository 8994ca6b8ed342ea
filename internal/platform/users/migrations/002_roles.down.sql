drop table user_roles, role_permissions, roles;
