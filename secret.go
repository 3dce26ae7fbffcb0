package photopush

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
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

// A SecretError is a secret that cannot even be tried: its file cannot be read, is empty, or holds something else. That is a fault of the
// configuration, not of the account: nothing was sent, and nothing counts against the credential.
type SecretError struct {
	What  string // password, keytab, credential cache, certificate, key
	Place Secret
	Err   error
}

func (e *SecretError) Error() string {
	cause := e.Err
	if path, ok := errors.AsType[*fs.PathError](cause); ok && path.Path == e.Place.File {
		cause = path.Err // the place says it
	}
	text := fmt.Sprintf("cannot use the %s in %s: %v", e.What, e.Place, cause)
	if do := "; " + e.Remedy(); !strings.HasSuffix(text, do) {
		text += do
	}
	return text
}

func (e *SecretError) Unwrap() error { return e.Err }

// Remedy is what to do about it: what its cause says, or else to put the secret there.
func (e *SecretError) Remedy() string {
	var r interface{ Remedy() string }
	switch {
	case errors.As(e.Err, &r):
		return r.Remedy()
	case e.Place.File == "":
		return "set it in the environment of photopush"
	}
	return "put it there, readable by the account that photopush runs as"
}

var (
	errEmptySecret = errors.New("it is empty")
	errNoUTF8      = errors.New("it is not UTF-8")
	errNoPlace     = errors.New("no secret is named: set a file or an environment variable")
	errTwoPlaces   = errors.New("a file and an environment variable are both named, want one of them")
)

// Reveal reads the secret. The error is a *SecretError.
func (s Secret) Reveal() (string, error) {
	text, err := s.read()
	if err != nil {
		return "", &SecretError{What: "password", Place: s, Err: err}
	}
	return text, nil
}

func (s Secret) read() (string, error) {
	var b []byte
	switch {
	case s.File != "" && s.Env != "":
		return "", errTwoPlaces
	case s.File != "":
		f, err := os.Open(s.File)
		if err != nil {
			return "", err
		}
		defer f.Close()
		if b, err = io.ReadAll(io.LimitReader(f, maxSecret+1)); err != nil {
			return "", err
		}
	case s.Env != "":
		b = []byte(os.Getenv(s.Env))
	default:
		return "", errNoPlace
	}
	b, _, _ = bytes.Cut(bytes.TrimPrefix(b, []byte("\ufeff")), []byte("\n"))
	b = bytes.TrimSuffix(b, []byte("\r"))
	switch {
	case len(b) == 0:
		return "", errEmptySecret
	case len(b) > maxSecret:
		return "", fmt.Errorf("it has more than %d bytes", maxSecret)
	case !utf8.Valid(b):
		return "", errNoUTF8
	}
	return string(b), nil
}

// A SecretMark tells whether a secret was changed since it was rejected, without keeping anything of it.
type SecretMark struct {
	ModTime time.Time // of the file; zero for an environment variable
	Size    int64
}

// Mark reads the mark. A file that may not be read has none, for giving the right to would not change it, and neither has an empty one; the error
// is a *SecretError. An environment variable cannot tell its age: its size alone counts.
func (s Secret) Mark() (SecretMark, error) {
	mark, err := s.mark()
	if err == nil && mark.Size == 0 {
		err = errEmptySecret
	}
	if err != nil {
		return SecretMark{}, &SecretError{What: "secret", Place: s, Err: err}
	}
	return mark, nil
}

func (s Secret) mark() (SecretMark, error) {
	if s.File == "" {
		return SecretMark{Size: int64(len(os.Getenv(s.Env)))}, nil
	}
	f, err := os.Open(s.File)
	if err != nil {
		return SecretMark{}, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return SecretMark{}, err
	}
	return SecretMark{fi.ModTime().UTC(), fi.Size()}, nil
}
