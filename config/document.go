package config

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The parser is quadratic in what it is given, and recursive in its depth: both are bounded before it sees anything. A configuration of
// a hundred domains has about 6,000 tokens, and four levels.
const (
	maxTokens = 20_000
	maxDepth  = 16
	maxColumn = 200 // of a key or list entry; deeper indentation is deeper nesting
)

// document parses data into the one mapping it holds; nil when the file says nothing. Only the plain part of YAML is let in: no
// anchors, aliases, tags, directives, or keys that are no plain words.
func document(data []byte) (body ast.Node, fault *Fault) {
	text, fault := decodeText(data)
	if fault != nil {
		return nil, fault
	}
	tokens := lexer.Tokenize(text)
	if fault := checkTokens(tokens); fault != nil {
		return nil, fault
	}
	// The parser is known to panic on rare nonsense; that is a fault of the file, too.
	defer func() {
		if r := recover(); r != nil {
			body, fault = nil, &Fault{Line: 1, Text: "this is not YAML"}
		}
	}()
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxFault(err)
	}
	for i, doc := range file.Docs {
		switch {
		case i > 0:
			return nil, &Fault{Line: start(doc), Text: "a second document begins here, want one: remove the line ---"}
		case doc.Body != nil:
			body = doc.Body
		}
	}
	return body, nil
}

// decodeText checks size and encoding, and takes the byte order mark off.
func decodeText(data []byte) (string, *Fault) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	switch {
	case len(data) > maxFile:
		return "", &Fault{Line: 1, Text: fmt.Sprintf("the file has more than %d bytes", maxFile)}
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")), bytes.IndexByte(data, 0) >= 0:
		return "", &Fault{Line: 1, Text: "the file is UTF-16 or binary, want UTF-8: save it with that encoding"}
	}
	for number, l := range bytes.Split(data, []byte("\n")) {
		if !utf8.Valid(l) {
			return "", &Fault{Line: number + 1, Text: "this line is not UTF-8: save the file with that encoding"}
		}
	}
	return string(data), nil
}

var refused = map[token.Type]string{
	token.AnchorType:     "anchors (&name) are not supported: write the value out",
	token.AliasType:      "aliases (*name) are not supported: write the value out, or put it in quotes",
	token.TagType:        "tags (!name) are not supported: remove it, or put the value in quotes",
	token.MergeKeyType:   "merge keys (<<) are not supported: write the keys out",
	token.MappingKeyType: "keys after ? are not supported: write key: value",
	token.DirectiveType:  "directives (%) are not supported: remove the line, or put the value in quotes",
}

// checkTokens bounds what reaches the parser.
func checkTokens(tokens token.Tokens) *Fault {
	if len(tokens) > maxTokens {
		return &Fault{Line: tokens[maxTokens].Position.Line, Text: fmt.Sprintf("the file has more than %d keys, values and separators", maxTokens)}
	}
	deep := 0               // of [ and {
	entries, onLine := 0, 0 // of - on one line
	for _, t := range tokens {
		if t.Position.Line != onLine {
			entries, onLine = 0, t.Position.Line
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			deep++
		case token.SequenceEndType, token.MappingEndType:
			deep--
		case token.SequenceEntryType:
			entries++
		}
		if text := refused[t.Type]; text != "" {
			return &Fault{Line: t.Position.Line, Text: text}
		}
		structural := t.Type == token.MappingValueType || t.Type == token.SequenceEntryType
		if deep > maxDepth || entries > maxDepth || structural && t.Position.IndentNum > maxColumn {
			return &Fault{Line: t.Position.Line, Text: fmt.Sprintf("nested more than %d levels deep", maxDepth)}
		}
	}
	return nil
}

// syntaxFault keeps the parser's message and line, not the excerpt it quotes: a password may stand there.
func syntaxFault(err error) *Fault {
	if e, ok := errors.AsType[yaml.Error](err); ok && e.GetToken() != nil && e.GetToken().Position != nil {
		return &Fault{Line: e.GetToken().Position.Line, Text: "this is not YAML: " + e.GetMessage()}
	}
	return &Fault{Line: 1, Text: "this is not YAML"}
}

// start is the line of the --- that begins a document.
func start(doc *ast.DocumentNode) int {
	if doc.Start != nil && doc.Start.Position != nil {
		return doc.Start.Position.Line
	}
	return line(doc)
}

// line is where a node begins.
func line(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}
