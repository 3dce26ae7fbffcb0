//go:build !linux

package directory

import "errors"

func serveReader(string) error {
	return errors.New("the benchmark beside ldapsearch runs on Linux only")
}
