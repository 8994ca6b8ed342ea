package lint

import (
	"slices"
	"strings"

	"tenantctl/internal/lint/parse"
)

func transactionTheme() Theme {
	return Theme{
		Title: "Transactions and files",
		Intro: "A file that can run in a transaction is one, with its version row and a short lock_timeout; tenantctl sees to both.",
		Rules: []Rule{
			alone(), leftover(), unbalanced(), leak(), enumRule(), wayBack(), invalidFiles(), timeoutRule(),
		},
	}
}

func alone() Rule {
	return Rule{
		ID: "R24", Name: "not-alone", Severity: Error,
		What: "CONCURRENTLY, VACUUM and their kin beside other statements, or within BEGIN and COMMIT",
		Why:  "They can't run in a transaction, so a file that fails halfway is neither done nor undone, and golang-migrate's own tool refuses it.",
		Examples: []Example{{
			Bad:  "alter table orders add column paid boolean;\ncreate index concurrently orders_customer_id_idx on orders (customer_id);",
			Safe: []string{"alter table orders add column paid boolean;", "create index concurrently orders_customer_id_idx on orders (customer_id);"},
		}},
		check: func(s *site) {
			if len(s.statements) > 1 && outsideTransactions(s.statement) {
				s.report(s.Pos, "", s.apart(s.statement, true), "this can't run in a transaction, so what stands beside it isn't undone when it fails")
			}
		},
	}
}

// outsideTransactions knows the statements that the server refuses within a transaction.
func outsideTransactions(st *statement) bool {
	switch {
	case st.IndexStmt != nil:
		return st.IndexStmt.Concurrent
	case st.DropStmt != nil:
		return st.DropStmt.Concurrent
	case st.ReindexStmt != nil:
		return parse.On(st.ReindexStmt.Params, "concurrently") || st.ReindexStmt.Relation == nil
	case st.VacuumStmt != nil:
		return st.VacuumStmt.IsVacuum
	case st.ClusterStmt != nil:
		return st.ClusterStmt.Relation == nil
	}
	for _, a := range st.alters {
		if p := a.Def.PartitionCmd; p != nil && p.Concurrent {
			return true
		}
	}
	return slices.Contains([]string{"CreatedbStmt", "DropdbStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt", "AlterSystemStmt", "CreateSubscriptionStmt", "DropSubscriptionStmt"}, st.Kind)
}

func leftover() Rule {
	return Rule{
		ID: "R25", Name: "invalid-index-passes", Severity: Error,
		What: "CREATE INDEX CONCURRENTLY IF NOT EXISTS",
		Why:  "An attempt that failed leaves an invalid index behind, which IF NOT EXISTS takes for the one that is wanted.",
		Examples: []Example{{
			Bad: "create index concurrently if not exists orders_customer_id_idx on orders (customer_id);",
		}},
		check: func(s *site) {
			if i := s.IndexStmt; i != nil && i.Concurrent && i.IfNotExists {
				s.report(s.Pos, i.Relation.Key(), sql("drop index concurrently if exists "+ident(i.Name)+";", drop(s.Text, "if", "not", "exists")+";"),
					"an invalid %s that an earlier attempt left would pass for the index", i.Name)
			}
		},
	}
}

func unbalanced() Rule {
	return Rule{
		ID: "R26", Name: "transaction-control", Severity: Error,
		What: "BEGIN, COMMIT and ROLLBACK, unless one pair is around the whole file",
		Why:  "The file is no longer one transaction with its version row: when it fails, some of it stays.",
		Examples: []Example{
			{Bad: "alter table orders add column paid boolean;\ncommit;\nalter table orders add column shipped boolean;", Safe: []string{"alter table orders add column paid boolean;\nalter table orders add column shipped boolean;"}},
		},
		whole: func(s *script) {
			control := func(st *statement) string {
				if st.TransactionStmt == nil || st.block != nil {
					return ""
				}
				switch kind := strings.TrimPrefix(st.TransactionStmt.Kind, "TRANS_STMT_"); kind {
				case "BEGIN", "START", "COMMIT", "ROLLBACK", "PREPARE":
					return kind
				}
				return ""
			}
			last := len(s.statements) - 1
			around := last > 0 && (control(s.statements[0]) == "BEGIN" || control(s.statements[0]) == "START") && control(s.statements[last]) == "COMMIT"
			for i, st := range s.statements {
				if kind := control(st); kind != "" && (!around || i > 0 && i < last) {
					s.found(s.run.book["R26"], st, st.Pos, "", Error, words("take it away; tenantctl runs the file in a transaction"), kind+" ends the transaction that the file is, or begins one within it")
				}
			}
		},
	}
}

func leak() Rule {
	return Rule{
		ID: "R27", Name: "session-setting", Severity: Error,
		What: "SET without LOCAL, RESET, DISCARD, set_config(..., false)",
		Why:  "The setting outlasts the file and reaches the next tenant on the connection.",
		Examples: []Example{
			{Bad: "set work_mem = '64MB';"},
			{Bad: "select set_config('work_mem', '64MB', false);", Safe: []string{"select set_config('work_mem', '64MB', true);"}},
		},
		check: func(s *site) {
			switch v := s.VariableSetStmt; {
			case v != nil && !v.Local && v.Kind != "VAR_SET_MULTI" && !timeout(v.Name):
				s.report(s.Pos, v.Name, sql(insertAfter(drop(drop(s.Text, "session"), "local"), "set", " local")+";"), "%s stays set for the next tenant", v.Name)
			case s.Kind == "DiscardStmt":
				s.report(s.Pos, "", words("take it away; tenantctl resets its sessions"), "DISCARD takes away what tenantctl has set for the tenant")
			case s.SelectStmt != nil:
				s.Tree().Walk(func(kind string, f parse.Fields) bool {
					if names := f.Names("funcname"); kind == "FuncCall" && len(names) > 0 && names[len(names)-1] == "set_config" && sessionWide(f) {
						s.report(s.Pos, "", words("give true as the third argument: only this transaction"), "set_config(..., false) stays set for the next tenant")
					}
					return true
				})
			}
		},
	}
}

// sessionWide tells whether the third argument of set_config is false.
func sessionWide(f parse.Fields) bool {
	args, _ := f["args"].([]any)
	if len(args) != 3 {
		return false
	}
	off := false
	f.Sub("args").Walk(func(_ string, inner parse.Fields) bool {
		if b, ok := inner["boolval"].(map[string]any); ok {
			on, _ := b["boolval"].(bool)
			off = off || !on
		}
		return true
	})
	return off
}

func timeout(name string) bool { return name == "lock_timeout" }

func enumRule() Rule {
	return Rule{
		ID: "R28", Name: "new-enum-value-used", Severity: Error,
		What: "an enum value used in the transaction that adds it",
		Why:  "PostgreSQL refuses a value whose addition isn't committed.",
		Examples: []Example{{
			Given: append(shop(), "create type size as enum ('small', 'large');\ncreate table boxes (id bigint primary key, size size);"),
			Bad:   "alter type size add value 'huge';\ninsert into boxes (id, size) values (1, 'huge');",
			Safe:  []string{"alter type size add value 'huge';", "insert into boxes (id, size) values (1, 'huge');"},
		}},
		check: func(s *site) {
			if !s.transactional || len(s.values) == 0 || s.AlterEnumStmt != nil {
				return
			}
			s.Tree().Walk(func(_ string, f parse.Fields) bool {
				if value, ok := f["sval"].(string); ok && s.values[value] {
					s.report(s.Pos, value, s.apart(s.statement, false), "%q was added in this transaction and can't be used before it is committed", value)
					return false
				}
				return true
			})
		},
	}
}

func wayBack() Rule {
	return Rule{
		ID: "R29", Name: "no-way-back", Severity: Error,
		What: "a missing, empty or comment-only NNN_name.down.sql without -- tenantctl:irreversible and a reason",
		Why:  "A rollout that has to go back finds out at the worst moment that it can't, or worse, believes that it did.",
		Examples: []Example{{
			Bad: "alter table orders add column paid boolean;", Down: NoFile,
			Safe: []string{"alter table orders add column paid boolean;"}, SafeDown: "alter table orders drop column paid;",
		}},
		whole: func(s *script) {
			rule := s.run.book["R29"]
			for _, mark := range s.marks {
				if mark.reason == "" {
					s.found(rule, nil, mark.pos, "", Error, words("-- tenantctl:irreversible why there is no way back"), "the marker that there is no way back gives no reason")
				}
			}
			missing := s.file.Down.Path == "" && s.direction == Up
			if (missing || s.direction == Down && empty(s.sql)) && len(s.marks) == 0 {
				what := "there is no way back: the file is empty or holds nothing but comments"
				if missing {
					what = "there is no way back: " + strings.TrimSuffix(s.path, ".up.sql") + ".down.sql is missing"
				}
				s.found(rule, nil, 0, "", Error, words("write the way back, or a file with -- tenantctl:irreversible and the reason"), what)
			}
		},
	}
}

func invalidFiles() Rule {
	return Rule{
		ID: invalidID, Name: "invalid-files", Severity: Error,
		What: "two files of one version, names that aren't NNN_name.up.sql, a way down without a way up; with --database, files that were edited after a tenant had them, and versions that were put in between",
		Why:  "Tenants end at the same version with different schemas.",
		whole: func(s *script) {
			if differs, found := s.input.Edited[s.file.Version]; found && s.direction == Up {
				s.found(s.run.book[invalidID], nil, 0, "", Error, words("put the files back as they were, and the change into a new one"), differs)
			}
		},
	}
}

func timeoutRule() Rule {
	return Rule{
		ID: "R31", Name: "own-lock-timeout", Severity: Error,
		What: "lock_timeout set by the file",
		Why:  "tenantctl begins with a short one that grows from attempt to attempt, so that clients never queue behind a migration for long; the file's own defeats that.",
		Examples: []Example{{
			Bad: "set local lock_timeout = '1min';\nalter table orders add column paid boolean;", Safe: []string{"alter table orders add column paid boolean;"},
		}},
		check: func(s *site) {
			if v := s.VariableSetStmt; v != nil && timeout(v.Name) {
				s.report(s.Pos, v.Name, words("take it away; tenantctl sets it"), "the file's lock_timeout takes the place of tenantctl's")
			}
		},
	}
}
