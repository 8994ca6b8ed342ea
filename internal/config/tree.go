package config

import "gopkg.in/yaml.v3"

// maxMerges bounds how deep "<<" may reach: one that merges itself has no end.
const maxMerges = 8

// resolved follows an alias to what it stands for.
func resolved(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

// merges are the mappings that the "<<" keys of a mapping bring in, the strongest first.
func merges(node *yaml.Node) []*yaml.Node {
	var found []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Tag != "!!merge" {
			continue
		}
		value := resolved(node.Content[i+1])
		if value.Kind != yaml.SequenceNode {
			found = append(found, value)
			continue
		}
		for _, item := range value.Content {
			found = append(found, resolved(item))
		}
	}
	return found
}

// tree finds where the values of a parsed file stand.
type tree struct {
	file string
	root *yaml.Node
	keys map[*yaml.Node]map[string]int // position of each key in the Content of large mappings
}

func newTree(file string, root *yaml.Node) *tree {
	return &tree{file: file, root: root, keys: map[*yaml.Node]map[string]int{}}
}

// find is the place of a value: of its key where it spans lines. Where the path leads further than the file, it is the place
// of the last key that is there, with full false.
func (t *tree) find(p path) (place Place, full bool) {
	node, mark := t.root, t.root
	for _, s := range p {
		next, key := t.step(resolved(node), s)
		if next == nil {
			return t.place(mark), false
		}
		node, mark = next, next
		if key != nil && (resolved(next).Kind != yaml.ScalarNode || isNull(resolved(next))) {
			mark = key
		}
	}
	return t.place(mark), true
}

func (t *tree) place(node *yaml.Node) Place {
	return Place{File: t.file, Line: max(node.Line, 1), Column: max(node.Column, 1)}
}

func (t *tree) step(node *yaml.Node, s segment) (value, key *yaml.Node) {
	if s.inList {
		if node.Kind != yaml.SequenceNode || s.index >= len(node.Content) {
			return nil, nil
		}
		return node.Content[s.index], nil
	}
	return t.lookup(node, s.key, 0)
}

func (t *tree) lookup(node *yaml.Node, name string, depth int) (value, key *yaml.Node) {
	if node.Kind != yaml.MappingNode || depth > maxMerges {
		return nil, nil
	}
	index := t.keys[node]
	if index == nil {
		index = make(map[string]int, len(node.Content)/2)
		for i := len(node.Content) - 2; i >= 0; i -= 2 { // the first of two wins
			index[unshield(resolved(node.Content[i]).Value)] = i
		}
		t.keys[node] = index
	}
	if i, ok := index[name]; ok {
		return node.Content[i+1], node.Content[i]
	}
	for _, merged := range merges(node) {
		if value, key = t.lookup(merged, name, depth+1); value != nil {
			return value, key
		}
	}
	return nil, nil
}
