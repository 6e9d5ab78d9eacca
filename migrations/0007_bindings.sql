-- The rights of a principal are looked up with every request.
CREATE INDEX role_binding_by_principal ON role_binding (principal_id);
