package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
)

const manualHead = `# Configuration

<!-- Made from the declarations in the code by: go generate ./config -->

One YAML file in UTF-8, ` + "`/etc/photopush/photopush.yaml`" + ` unless ` + "`--config`" + ` or the environment variable ` + "`PHOTOPUSH_CONFIG`" + ` names another.
` + "`photopush config example`" + ` prints a complete commented file to start from; ` + "`photopush config check`" + ` reports every fault at once, each with its line, those of the files that it names too.

- An unknown key is a fault; so are a key that stands twice, a second document, anchors, aliases and tags.
- Durations have a unit: ` + "`30s`, `5m`, `2h`, `7d`, `1d12h`" + `. Sizes have one, too: ` + "`512 B`, `100 KB`, `64 MiB`" + `.
- Passwords never stand in the file. Where one is needed, ` + "`password_file`" + ` names a file whose first line it is, or ` + "`password_env`" + ` an environment variable.
- Relative paths are meant from the folder of the file.
`

// Manual is the page docs/configuration.md: every key, made from what the rooms declare.
func Manual() []byte {
	m := &manual{required: required()}
	m.out.WriteString(manualHead)
	m.section(reflect.TypeFor[Config](), "", "")
	return m.out.Bytes()
}

type manual struct {
	out      bytes.Buffer
	required map[string]bool
}

// section writes the table of the keys of t, and then the sections in it, each under its own heading.
func (m *manual) section(t reflect.Type, path, help string) {
	all := fields(t)
	if path != "" {
		fmt.Fprintf(&m.out, "\n## %s\n\n", strings.ReplaceAll(path, "[0]", "[]"))
		if help != "" {
			fmt.Fprintf(&m.out, "%s\n\n", help)
		}
		m.table(all, path)
	}
	for _, f := range all {
		switch full := join(path, f.key); {
		case f.section():
			m.section(f.typ, full, f.help)
		case f.list():
			m.section(f.typ.Elem(), full+"[0]", f.help)
		}
	}
}

// table writes the plain keys of a section.
func (m *manual) table(all []field, path string) {
	rows := ""
	for _, f := range all {
		if f.section() || f.list() {
			continue
		}
		standard := "—"
		switch {
		case m.required[join(path, f.key)] && f.unless != "":
			standard = "required, unless " + f.unless
		case m.required[join(path, f.key)]:
			standard = "required"
		case f.standard != "":
			standard = "`" + f.standard + "`"
		case f.typ.Kind() == reflect.Bool:
			standard = "`false`"
		}
		help := f.help
		if f.example != "" {
			help += " Example: `" + f.example + "`"
		}
		rows += fmt.Sprintf("| `%s` | %s | %s | %s |\n", f.key, form(f.typ), standard, strings.ReplaceAll(help, "|", `\|`))
	}
	if rows != "" {
		m.out.WriteString("| key | form | default | meaning |\n|---|---|---|---|\n" + rows)
	}
}

// form names the type of a value in a word.
func form(t reflect.Type) string {
	switch {
	case t == durationType:
		return "duration"
	case t == bytesType:
		return "size"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true, false"
	case reflect.Int, reflect.Int64:
		return "number"
	case reflect.Slice:
		return "list"
	}
	return "text"
}
