package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/photopush/photopush/accountpicture"
)

type scriptCommand struct {
	Name   string `arg:"" optional:"" help:"common, read, push or repair: print this block, byte for byte. Without it the blocks are listed, with their hashes and what they may change."`
	Format string `enum:"text,json" default:"text" help:"text or json, for the list."`
}

// A scriptList is all that workstations run.
type scriptList struct {
	CommandLine string         `json:"command_line"`
	Bootstrap   listedBlock    `json:"bootstrap"` // what stands between the quotes of the command line
	Blocks      []listedBlock  `json:"blocks"`
	Scripts     []listedScript `json:"scripts"`
}

// A listedBlock is what PowerShell compiles, and logs, as one.
type listedBlock struct {
	Name       string `json:"name"`
	Changes    string `json:"changes"`
	Characters int    `json:"characters"` // ASCII, so bytes too
	SHA256     string `json:"sha256"`     // of the text as event 4104 shows it
}

// A listedScript says which blocks a run sends.
type listedScript struct {
	Name   string   `json:"name"`
	Blocks []string `json:"blocks"`
	Bytes  int      `json:"bytes"`
	SHA256 string   `json:"sha256"` // of both as they are sent
}

func (c *scriptCommand) Run(_ context.Context, a *app) error {
	switch {
	case c.Name != "" && c.Format != "text":
		return withExit(exitUsage, fmt.Errorf("--format %s is for the list: leave %s out", c.Format, c.Name))
	case c.Name != "":
		return c.print(a.Stdout)
	case c.Format == "json":
		return writeJSON(a.Stdout, listScripts())
	}
	_, err := io.WriteString(a.Stdout, listScripts().String())
	return err
}

func (c *scriptCommand) print(w io.Writer) error {
	for _, b := range accountpicture.AllBlocks() {
		if b.Name == c.Name {
			_, err := io.WriteString(w, b.Text)
			return err
		}
	}
	return withExit(exitUsage, fmt.Errorf("there is no block %s: want common, read, push or repair", c.Name))
}

func listScripts() scriptList {
	_, bootstrap, _ := strings.Cut(strings.TrimSuffix(accountpicture.CommandLine, `"`), `"`)
	list := scriptList{
		CommandLine: accountpicture.CommandLine,
		Bootstrap:   listed(accountpicture.Block{Name: "bootstrap", Changes: "nothing; it runs the two blocks that it reads", Text: bootstrap}),
	}
	for _, b := range accountpicture.AllBlocks() {
		list.Blocks = append(list.Blocks, listed(b))
	}
	for _, s := range accountpicture.Scripts {
		sent := listedScript{Name: s.Name, Bytes: len(s.Text), SHA256: s.SHA256()}
		for _, b := range s.Blocks() {
			sent.Blocks = append(sent.Blocks, b.Name)
		}
		list.Scripts = append(list.Scripts, sent)
	}
	return list
}

func listed(b accountpicture.Block) listedBlock {
	return listedBlock{b.Name, b.Changes, len(b.Text), b.SHA256()}
}

func (l scriptList) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Every run has this command line, of %d characters:\n\n%s\n\n", len(l.CommandLine), l.CommandLine)
	b.WriteString("Standard input has two blocks, and then what is to be done. What PowerShell compiles, and logs as event 4104,\neach in one piece:\n\n")
	for _, block := range append([]listedBlock{l.Bootstrap}, l.Blocks...) {
		fmt.Fprintf(&b, "%-9s  %5d characters  SHA-256 %s\n           may change %s\n", block.Name, block.Characters, block.SHA256, block.Changes)
	}
	b.WriteString("\nWhat a run sends, with the SHA-256 of both blocks together:\n\n")
	for _, s := range l.Scripts {
		fmt.Fprintf(&b, "%-9s  %5d bytes       SHA-256 %s\n           %s\n", s.Name, s.Bytes, s.SHA256, strings.Join(s.Blocks, ", then "))
	}
	return b.String()
}
