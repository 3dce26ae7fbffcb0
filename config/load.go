package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
)

// maxFile bounds the file, in bytes.
const maxFile = 1 << 20

// Load reads the file and reports every fault in it at once: errors joined, each of type *Fault. Relative paths in the file are
// meant from the folder the file is in.
func Load(path string) (*Config, error) {
	return load(path, func(*Config) error { return nil })
}

// Check is Load that also reads the files that the file names, and reports those that cannot be used in the same way.
func Check(path string) (*Config, error) { return load(path, (*Config).checkFiles) }

func load(path string, more func(*Config) error) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return parse(path, data, more)
}

// read takes no more of the file than it may have.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("no configuration file %s: name one with --config, or start from what `photopush config example` prints", path)
		}
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return data, nil
}

// parse makes a Config of the bytes of the file called path. More reports further faults of what was read.
func parse(path string, data []byte, more func(*Config) error) (*Config, error) {
	body, fault := document(data)
	if fault != nil {
		fault.File = filepath.Clean(path)
		return nil, fault
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("find the folder of %s: %w", path, err)
	}
	if _, ok := mapping(body); !ok {
		return nil, &Fault{File: filepath.Clean(path), Line: line(body), Text: "the file is " + kind(body) + ", want keys and values"}
	}
	var c Config
	d := &decoder{folder: folder, lines: map[string]int{"": 1}}
	applyDefaults(reflect.ValueOf(&c).Elem())
	d.section("", body, reflect.ValueOf(&c).Elem())
	d.addInvalid(c.validate())
	d.addInvalid(more(&c))
	if len(d.faults) > 0 {
		return nil, d.report(path)
	}
	return &c, nil
}
