package config

import (
	"reflect"
	"strings"
	"time"

	"github.com/photopush/photopush"
)

// A field is one key of a section, as its room declares it in struct tags.
type field struct {
	key      string // as written in the file
	index    []int  // for reflect.Value.FieldByIndex
	typ      reflect.Type
	standard string // the default, as it would be written in the file; empty for the zero value
	example  string // as it would be written in the file
	help     string
	unless   string // when a key that is required need not be set all the same
}

// fields lists the keys of a section in the order of the struct; those of an embedded struct with yaml:",inline" come in its place.
func fields(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			for _, inner := range fields(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				all = append(all, inner)
			}
		case key != "" && key != "-":
			all = append(all, field{
				key: key, index: []int{i}, typ: f.Type,
				standard: f.Tag.Get("default"), example: f.Tag.Get("example"), help: f.Tag.Get("help"), unless: f.Tag.Get("unless"),
			})
		}
	}
	return all
}

// section tells whether the key holds keys of its own.
func (f field) section() bool { return f.typ.Kind() == reflect.Struct }

// list tells whether the key holds sections, one after another.
func (f field) list() bool {
	return f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct
}

// secret tells whether what stands at the key is better not repeated in an error.
func secret(key string) bool {
	return strings.Contains(key, "password") || strings.Contains(key, "secret") || strings.Contains(key, "token")
}

// file tells whether the key names a file or folder, meant from the folder of the configuration when it is relative.
func file(key string) bool {
	return key == "path" || key == "folder" || strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_conf") || strings.HasSuffix(key, "_dir") || strings.HasSuffix(key, "_path")
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	bytesType    = reflect.TypeFor[photopush.Bytes]()
)

// wanted describes a value of the type, for errors and for the manual page.
func wanted(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration with a unit, such as 30s, 5m, 2h or 7d"
	case t == bytesType:
		return "a size with a unit, such as 512 B, 100 KB or 64 MiB"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct:
		return "keys and values"
	}
	return "text"
}
