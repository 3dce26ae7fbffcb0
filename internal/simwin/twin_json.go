package simwin

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// An object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any // bool, int, int64, uint32, uint64, string, []uint16, []string, []object
}

// json writes the object as the script's own writer does: ASCII, everything below 32, above 126, quote and backslash as \u00xx.
func (o object) json() string {
	var b strings.Builder
	writeJSON(&b, o)
	return b.String()
}

func writeJSON(b *strings.Builder, value any) {
	switch v := value.(type) {
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int, int64, uint32, uint64:
		fmt.Fprint(b, v)
	case string:
		writeUnits(b, utf16.Encode([]rune(v)))
	case []uint16:
		writeUnits(b, v)
	case []string:
		writeList(b, v)
	case []object:
		writeList(b, v)
	case object:
		b.WriteByte('{')
		for i, m := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, m.name)
			b.WriteByte(':')
			writeJSON(b, m.value)
		}
		b.WriteByte('}')
	default:
		panic(fmt.Sprintf("simwin: no JSON for %T", value))
	}
}

func writeList[T any](b *strings.Builder, list []T) {
	b.WriteByte('[')
	for i, v := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		writeJSON(b, v)
	}
	b.WriteByte(']')
}

func writeUnits(b *strings.Builder, units []uint16) {
	b.WriteByte('"')
	for _, u := range units {
		if u < 32 || u > 126 || u == '"' || u == '\\' {
			fmt.Fprintf(b, `\u%04x`, u)
			continue
		}
		b.WriteByte(byte(u))
	}
	b.WriteByte('"')
}
