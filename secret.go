package photopush

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
	"unicode/utf8"
)

// maxSecret bounds a secret: a longer file is not a password.
const maxSecret = 4096

// A Secret is where a password is kept: a file or an environment variable, never the configuration or argv. It is read when it
// is needed, so that a corrected file is noticed. No form of printing shows more than the place.
type Secret struct {
	File string // path; the first line counts
	Env  string // name of an environment variable
}

// IsZero tells whether no place is named.
func (s Secret) IsZero() bool { return s.File == "" && s.Env == "" }

// String names the place.
func (s Secret) String() string {
	switch {
	case s.File != "":
		return "file " + s.File
	case s.Env != "":
		return "environment variable " + s.Env
	}
	return "no secret"
}

// LogValue keeps to the place too.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Reveal reads the secret.
func (s Secret) Reveal() (string, error) {
	var b []byte
	switch {
	case s.File != "" && s.Env != "":
		return "", errors.New("a file and an environment variable are both named, want one of them")
	case s.File != "":
		f, err := os.Open(s.File)
		if err != nil {
			return "", fmt.Errorf("read secret: %w", err)
		}
		defer f.Close()
		if b, err = io.ReadAll(io.LimitReader(f, maxSecret+1)); err != nil {
			return "", fmt.Errorf("read secret: %w", err)
		}
	case s.Env != "":
		b = []byte(os.Getenv(s.Env))
	default:
		return "", errors.New("no secret is named: set a file or an environment variable")
	}
	b, _, _ = bytes.Cut(bytes.TrimPrefix(b, []byte("\ufeff")), []byte("\n"))
	b = bytes.TrimSuffix(b, []byte("\r"))
	switch {
	case len(b) == 0:
		return "", fmt.Errorf("%s is empty", s)
	case len(b) > maxSecret:
		return "", fmt.Errorf("%s holds more than %d bytes", s, maxSecret)
	case !utf8.Valid(b):
		return "", fmt.Errorf("%s is not UTF-8", s)
	}
	return string(b), nil
}

// A SecretMark tells whether a secret was changed since it was rejected, without keeping anything of it.
type SecretMark struct {
	ModTime time.Time // of the file; zero for an environment variable
	Size    int64
}

// Mark reads the mark. A file that may not be read has none: giving the right to would not change it. An environment variable cannot tell its age:
// its size alone counts.
func (s Secret) Mark() (SecretMark, error) {
	if s.File != "" {
		f, err := os.Open(s.File)
		if err != nil {
			return SecretMark{}, fmt.Errorf("read secret: %w", err)
		}
		defer f.Close()
		fi, err := f.Stat()
		if err != nil {
			return SecretMark{}, fmt.Errorf("read secret: %w", err)
		}
		return SecretMark{fi.ModTime().UTC(), fi.Size()}, nil
	}
	return SecretMark{Size: int64(len(os.Getenv(s.Env)))}, nil
}
