package preflight

// constraint reads a table's constraint as files write it and as the catalog gives it; nothing where there is nothing to ask.
// unchecked says that it holds for new rows only until it is validated.
func constraint(p *parser, only bool) (questions []question, unchecked bool) {
	switch {
	case p.words("check"):
		expression, ok := p.group()
		if !ok || expression.text() == "" {
			return nil, false
		}
		questions = []question{broken{expression: expression.text(), only: only || p.holds("no", "inherit")}}
	case p.words("foreign", "key"):
		questions = foreignKey(p)
	case p.words("unique"):
		distinct := !p.words("nulls", "not", "distinct")
		p.words("nulls", "distinct")
		if columns, ok := p.columns(); ok {
			questions = []question{duplicates{elements: elementsOf(columns), columns: columns, nullsEqual: !distinct}}
		}
	case p.words("primary", "key"):
		if columns, ok := p.columns(); ok {
			questions = []question{
				nulls{columns: columns},
				duplicates{elements: elementsOf(columns), columns: columns},
			}
		}
	}
	if p.holds("not", "enforced") {
		return nil, false
	}
	return questions, p.holds("not", "valid")
}

func foreignKey(p *parser) []question {
	columns, ok := p.columns()
	if !ok || !p.words("references") {
		return nil
	}
	parent, ok := p.table()
	if !ok {
		return nil
	}
	var keys []string
	if p.peek().IsSymbol("(") {
		if keys, ok = p.columns(); !ok || len(keys) != len(columns) {
			return nil
		}
	}
	return []question{orphans{columns: columns, parent: parent, keys: keys, full: p.holds("match", "full")}}
}

// addConstraint notes a constraint that is not yet valid for when it is validated, and asks about all others.
func (r *reader) addConstraint(table tableName, name string, p *parser) {
	questions, unchecked := constraint(p, r.only)
	if unchecked {
		r.unchecked[constraintName{table.name, name}] = questions
		return
	}
	for _, q := range questions {
		r.risk(table, q)
	}
}

// validate asks what the constraint asks: the one of an earlier file, or else the one that the tenant has.
func (r *reader) validate(table tableName, name string) {
	questions, pending := r.unchecked[constraintName{table.name, name}]
	if !pending {
		r.recorded(table, name)
		return
	}
	for _, q := range questions {
		r.risk(table, q)
	}
}

type constraintName struct{ table, constraint string }

// createIndex reads what follows CREATE UNIQUE INDEX.
func (r *reader) createIndex(p *parser) {
	p.words("concurrently")
	p.words("if", "not", "exists")
	var index string
	if !p.words("on") {
		index, _ = p.name()
		if !p.words("on") {
			return
		}
	}
	r.only = p.words("only")
	table, ok := p.table()
	if !ok || p.words("using") && !p.words("btree") {
		return
	}
	keys, ok := p.group()
	if !ok {
		return
	}
	asked := duplicates{index: index}
	for _, part := range keys.list() {
		element, column, ok := indexElement(part)
		if !ok {
			return
		}
		asked.elements = append(asked.elements, element)
		if column != "" {
			asked.columns = append(asked.columns, column)
		}
	}
	asked.nullsEqual = p.holds("nulls", "not", "distinct")
	if p.holds("where") {
		p.until("where")
		p.words("where")
		if asked.where = p.text(); asked.where == "" {
			return
		}
	}
	r.risk(table, asked)
}

// indexElement reads one key of an index: its SQL, and its column if it is nothing but one. Operator classes of an equality of
// their own aren't understood.
func indexElement(p *parser) (element, column string, ok bool) {
	begin := p.at
	if _, ok = p.group(); !ok {
		if column, ok = p.name(); !ok {
			return "", "", false
		}
		for p.symbol(".") { // a function of another schema
			if _, ok := p.name(); !ok {
				return "", "", false
			}
		}
		if _, isCall := p.group(); isCall {
			column = ""
		}
	}
	element = p.piece(begin, p.at).text()
	if p.words("collate") {
		from := p.at
		if _, ok := p.table(); !ok {
			return "", "", false
		}
		element += " collate " + p.piece(from, p.at).text()
	}
	for _, class := range []string{"text_pattern_ops", "varchar_pattern_ops", "bpchar_pattern_ops"} {
		p.words(class)
	}
	_ = p.words("asc") || p.words("desc")
	_ = p.words("nulls", "first") || p.words("nulls", "last")
	return element, column, p.ended() && element != ""
}
