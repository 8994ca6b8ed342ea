package stream

import "tenantctl/internal/postgres/lexer"

// Statements are those of a script as Apply runs them: without a BEGIN and COMMIT around the whole. Their lines are the file's.
func (s Script) Statements() []lexer.Statement { return lexer.Statements(s.body) }
