package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/photopush/photopush/accountpicture"
)

type versionCommand struct {
	Format string `enum:"text,json" default:"text" help:"text or json."`
}

// A version tells which program this is. Fields that are not known are empty.
type version struct {
	Version  string `json:"version"`  // of the module; (devel) when built from a work tree
	Revision string `json:"revision"` // of the work tree it was built from
	Modified bool   `json:"modified"` // the work tree differed from the revision
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	// Scripts has, for each that workstations run, the lower-case hex SHA-256 of it as it is sent. Those of its blocks, as Windows logs them,
	// photopush script tells.
	Scripts map[string]string `json:"scripts"`
}

func (c *versionCommand) Run(_ context.Context, a *app) error {
	v := version{Version: "(devel)", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Scripts: map[string]string{}}
	for _, s := range accountpicture.Scripts {
		v.Scripts[s.Name] = s.SHA256()
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.fill(info)
	}
	if c.Format == "json" {
		return writeJSON(a.Stdout, v)
	}
	_, err := fmt.Fprintln(a.Stdout, v)
	return err
}

func (v *version) fill(info *debug.BuildInfo) {
	v.Version = cmp.Or(info.Main.Version, v.Version)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
}

func (v version) String() string {
	s := "photopush " + v.Version
	if v.Revision != "" {
		s += " " + v.Revision
	}
	if v.Modified {
		s += " (modified)"
	}
	s += fmt.Sprintf(" %s %s/%s", v.Go, v.OS, v.Arch)
	for _, script := range accountpicture.Scripts {
		s += fmt.Sprintf("\nscript %s SHA-256 %s", script.Name, v.Scripts[script.Name])
	}
	return s
}

// writeJSON prints v as one indented JSON value.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
