package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// plainKey is what may be printed as it is.
var plainKey = regexp.MustCompile(`\A[A-Za-z0-9_-]{1,60}\z`)

// unknown notes a key that its section does not have, and what was probably meant. What stands at the key is not repeated: it may be
// a password.
func (d *decoder) unknown(path, key string, at int, known []field) {
	full := join(path, key)
	if !plainKey.MatchString(key) {
		full = join(path, short(key))
	}
	if isPassword(key) && indexOf(known, "password_file") >= 0 {
		d.fault(full, at, "is not allowed: put the password into a file and name that in password_file, or name an environment variable in password_env")
		d.faults[len(d.faults)-1].Key = join(path, "password_file")
		return
	}
	if near := nearest(key, known); near != "" {
		d.fault(full, at, "is unknown, did you mean %s?", near)
		d.faults[len(d.faults)-1].Key = join(path, near)
		return
	}
	if elsewhere := places(reflect.TypeFor[Config](), "", key); len(elsewhere) > 0 {
		d.fault(full, at, "is unknown here; it belongs to %s", strings.Join(elsewhere, " or "))
		return
	}
	keys := make([]string, len(known))
	for i, f := range known {
		keys[i] = f.key
	}
	d.fault(full, at, "is unknown; known here: %s", strings.Join(keys, ", "))
}

func isPassword(key string) bool {
	return slices.Contains([]string{"password", "passwd", "pwd", "pass", "secret", "bind_password"}, strings.ToLower(key))
}

// nearest is the known key that key is probably a slip of; empty for none.
func nearest(key string, known []field) string {
	best, fewest := "", len(key)/3+2
	folded := strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(key))
	for _, f := range known {
		if n := distance(folded, f.key, fewest); n < fewest {
			best, fewest = f.key, n
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with their neighbour that make b of a, up to most.
func distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)} // before last, last, current
	for j := range rows[2] {
		rows[2][j] = j
	}
	for i := 1; i <= len(a); i++ {
		rows[0], rows[1], rows[2] = rows[1], rows[2], rows[0]
		rows[2][0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[2][j] = min(rows[1][j]+1, rows[2][j-1]+1, rows[1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[2][j] = min(rows[2][j], rows[0][j-2]+1)
			}
		}
	}
	return min(rows[2][len(b)], most)
}

// places lists the sections that have key, by path.
func places(t reflect.Type, path, key string) []string {
	var all []string
	for _, f := range fields(t) {
		full := join(path, f.key)
		switch {
		case f.key == key && path == "":
			all = append(all, "the top of the file")
		case f.key == key:
			all = append(all, path)
		case f.section():
			all = append(all, places(f.typ, full, key)...)
		case f.list():
			all = append(all, places(f.typ.Elem(), full+"[]", key)...)
		}
	}
	return all
}
