package config

import (
	"errors"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/photopush/photopush"
)

var errScalar = errors.New("not of the wanted form")

// setText puts a value into v as text from the file or from a default tag gives it. It knows just the types that sections use.
func setText(v reflect.Value, text string) error {
	switch {
	case v.Type() == durationType:
		d, err := parseDuration(text)
		v.SetInt(int64(d))
		return err
	case v.Type() == bytesType:
		return v.Addr().Interface().(*photopush.Bytes).UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errScalar
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return errScalar
		}
		v.SetInt(n)
	default:
		panic("config: no section may have a key of type " + v.Type().String())
	}
	return nil
}

var days = regexp.MustCompile(`\A([0-9]{1,6})d(.*)\z`)

// parseDuration reads what time.ParseDuration does, with days of 24 hours before it: 7d, 1d12h, 30s. A bare 0 and anything below
// zero are refused: zero has a unit like all others, and no setting means less.
func parseDuration(text string) (time.Duration, error) {
	var whole time.Duration
	if m := days.FindStringSubmatch(text); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || n > math.MaxInt64/int64(24*time.Hour) {
			return 0, errScalar
		}
		if whole, text = time.Duration(n)*24*time.Hour, m[2]; text == "" {
			return whole, nil
		}
	}
	rest, err := time.ParseDuration(text)
	if err != nil || rest < 0 || text == "0" || whole > math.MaxInt64-rest {
		return 0, errScalar
	}
	return whole + rest, nil
}

// applyDefaults sets every key of a section to its default.
func applyDefaults(v reflect.Value) {
	for _, f := range fields(v.Type()) {
		switch at := v.FieldByIndex(f.index); {
		case f.section():
			applyDefaults(at)
		case at.Kind() == reflect.Slice && f.standard != "": // [a, b]
			at.Set(reflect.ValueOf(strings.Split(strings.Trim(f.standard, "[]"), ", ")))
		case f.standard != "":
			if err := setText(at, f.standard); err != nil {
				panic("config: the default of " + f.key + " is " + strconv.Quote(f.standard) + ", want " + wanted(f.typ))
			}
		}
	}
}
