package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// A decoder fills a Config from a document. It goes on after a fault, so that all of them are told at once.
type decoder struct {
	folder string         // of the file, absolute
	lines  map[string]int // where each key and each list entry stands, by full path
	faults []*Fault
}

// section fills the struct v from the keys and values in n, which may be missing.
func (d *decoder) section(path string, n ast.Node, v reflect.Value) {
	pairs, ok := mapping(n)
	if !ok {
		d.fault(path, line(n), "is %s, want keys and values", kind(n))
		return
	}
	known := fields(v.Type())
	for _, p := range pairs {
		key, at := p.Key.GetToken().Value, line(p.Key)
		full := join(path, key)
		i := indexOf(known, key)
		if i < 0 {
			d.unknown(path, key, at, known)
			continue
		}
		if first, ok := d.lines[full]; ok {
			d.fault(full, at, "stands here a second time, first in line %d: remove one of them", first)
			continue
		}
		d.lines[full] = at
		d.value(full, known[i], p.Value, at, v.FieldByIndex(known[i].index))
	}
}

// value fills v from what stands at one key.
func (d *decoder) value(path string, f field, n ast.Node, at int, v reflect.Value) {
	switch {
	case f.section():
		d.section(path, n, v)
	case v.Kind() == reflect.Slice:
		d.list(path, f, n, at, v)
	default:
		d.scalar(path, f.key, n, at, v)
	}
}

func (d *decoder) list(path string, f field, n ast.Node, at int, v reflect.Value) {
	seq, ok := n.(*ast.SequenceNode)
	switch {
	case isNull(n):
		return
	case !ok:
		d.fault(path, at, "is %s, want a list", kind(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, entry := range seq.Values {
		full := fmt.Sprintf("%s[%d]", path, i)
		d.lines[full] = line(entry)
		if !f.list() {
			d.scalar(full, f.key, entry, line(entry), v.Index(i))
			continue
		}
		applyDefaults(v.Index(i))
		d.section(full, entry, v.Index(i))
	}
}

// scalar fills v from a single value.
func (d *decoder) scalar(path, key string, n ast.Node, at int, v reflect.Value) {
	text, fits := scalarText(n, v)
	switch {
	case isNull(n):
		d.fault(path, at, "has no value, want %s, or no such line", wanted(v.Type()))
		return
	case !fits, setText(v, text) != nil:
		d.fault(path, at, "is %s, want %s", shown(key, n), wanted(v.Type()))
		return
	case strings.ContainsFunc(text, unicode.IsControl):
		d.fault(path, at, "holds a line break or another control character, want one line of text")
		return
	}
	if file(key) && text != "" && !filepath.IsAbs(text) {
		v.SetString(filepath.Join(d.folder, text))
	}
}

// scalarText is the text of a single value, and whether it may stand where v is wanted. A number may be text (an account named 1234);
// true and false are text in quotes only.
func scalarText(n ast.Node, v reflect.Value) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return strings.TrimRight(n.Value.Value, "\n"), true
	case *ast.BoolNode:
		return n.GetToken().Value, v.Kind() == reflect.Bool
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// shown names a value in an error: never one that may be a secret.
func shown(key string, n ast.Node) string {
	switch n.(type) {
	case *ast.StringNode, *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		if !secret(key) {
			return short(n.GetToken().Value)
		}
	}
	return kind(n)
}

// short quotes text from the file, cut where it is long.
func short(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// kind names what stands where something else is wanted.
func kind(n ast.Node) string {
	switch n.(type) {
	case nil, *ast.NullNode:
		return "empty"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.BoolNode:
		return "a truth value"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	}
	return "text"
}

// mapping gives the keys and values of n; none for a section whose lines are all comments.
func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return nil, true
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func isNull(n ast.Node) bool {
	_, null := n.(*ast.NullNode)
	return null || n == nil
}

func indexOf(known []field, key string) int {
	for i, f := range known {
		if f.key == key {
			return i
		}
	}
	return -1
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
