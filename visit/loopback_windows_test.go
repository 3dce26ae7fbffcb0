//go:build windows

package visit_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/windows/registry"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/internal/summary"
	"github.com/photopush/photopush/visit"
	"github.com/photopush/photopush/winrm"
)

// ourHome is where everything of ours lies on a Windows.
const ourHome = `C:\Program Files\photopush`

// A loopback is a scene whose workstation is this machine, reached by its own WinRM service.
type loopback struct {
	*scene
	client *winrm.Client
}

func (l loopback) Open(ctx context.Context, w photopush.Workstation) (visit.Session, error) {
	s, err := l.client.Open(ctx, w)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Pairs is that of ada, who has no profile here.
func (l loopback) Pairs(_ context.Context, w photopush.Workstation, _ *photopush.Inventory) ([]photopush.Pair, error) {
	return []photopush.Pair{{Workstation: w.ID, User: ada, Want: l.wants[ada]}}, nil
}

// TestLoopback pushes the picture of somebody whom nobody knows to this machine, over its WinRM service, reads it back by other means, and
// takes it away by the repair script. It has never run: no Windows was at hand when it was written (docs/windows-lab.md).
func TestLoopback(t *testing.T) {
	user, file := os.Getenv("PHOTOPUSH_WINDOWS_USER"), os.Getenv("PHOTOPUSH_WINDOWS_PASSWORD_FILE")
	if user == "" || file == "" {
		t.Skip("this test signs in to this machine's WinRM service, HTTP on port 5985 with NTLM: PHOTOPUSH_WINDOWS_USER names a local administrator, PHOTOPUSH_WINDOWS_PASSWORD_FILE a file whose first line is his password")
	}
	if _, err := os.Stat(ourHome); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%s is there, or cannot be seen (%v): this machine is in use", ourHome, err)
	}
	cfg := winrm.DefaultConfig()
	cfg.Auth, cfg.User, cfg.PasswordFile = "ntlm", user, file
	client, err := winrm.New(cfg, winrm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := loopback{newScene(t, ada), client}
	l.w.Host = "localhost"
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(ourHome); err != nil {
			t.Error(err)
		}
		if err := registry.DeleteKey(registry.LOCAL_MACHINE, accountpicture.UsersKey+`\`+string(ada)); err != nil && !errors.Is(err, registry.ErrNotExist) {
			t.Error(err)
		}
	})
	v := l.visitor()
	v.Remote, v.Planner = l, l

	first := v.Visit(t.Context(), photopush.Visit{Workstation: l.w})
	says(t, first, "", "")
	if p := pairOf(t, first, ada); !p.InStep() || p.Have != l.sets[ada].Digest {
		t.Fatalf("after the first visit: %+v", p)
	}
	l.shows(t)
	second := v.Visit(t.Context(), photopush.Visit{Workstation: l.w, Inventory: first.Inventory})
	says(t, second, "", "")
	if len(second.Pushed) > 0 {
		t.Errorf("what is in step was pushed again: %v", second.Pushed)
	}
	l.remove(t, first.Inventory.Account(ada))
	if !t.Failed() {
		summary.Line(t, "loopback push on Windows build %d.%d, PowerShell %s: pushed, read back, taken away", first.Inventory.Build, first.Inventory.Revision, first.Inventory.PowerShell)
	}
}

// shows reads ada's values and files: each names a whole file of her picture set.
func (l loopback) shows(t *testing.T) {
	t.Helper()
	hashes := map[string]bool{}
	for _, v := range l.sets[ada].Variants {
		hashes[v.SHA256] = true
	}
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, accountpicture.UsersKey+`\`+string(ada), registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	for _, size := range accountpicture.Sizes {
		name := fmt.Sprintf("Image%d", size)
		path, kind, err := key.GetStringValue(name)
		if err != nil || kind != registry.SZ {
			t.Errorf("%s has kind %d, %v", name, kind, err)
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil || !hashes[fmt.Sprintf("%x", sha256.Sum256(content))] {
			t.Errorf("%s names %s, which has %d bytes, %v", name, path, len(content), err)
		}
	}
}

// remove deletes ada's values and files by the repair script, and looks that they are gone.
func (l loopback) remove(t *testing.T, a photopush.Account) {
	t.Helper()
	line := "delete_values\t" + string(ada) + "\t" + a.State + "\tplain"
	for _, v := range a.Values {
		line += "\t" + v.Name
	}
	line += fmt.Sprintf("\ndelete_files\t%s\t%x", ada, sha256.Sum256(nil)) // a key without values
	for _, f := range a.Files {
		line += "\t" + f.Name
	}
	session, err := l.client.Open(t.Context(), l.w)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(t.Context())
	out, err := session.Run(t.Context(), accountpicture.CommandLine, []byte(accountpicture.RepairScript.Text+line+"\n"))
	if err != nil || strings.Count(string(out.Stdout), `"ok":true`) != 2 || len(out.Stderr) > 0 {
		t.Errorf("taking it away: %v, exit code %d: %s%s", err, out.ExitCode, out.Stdout, out.Stderr)
	}
	if _, err := os.Stat(ourHome + `\AccountPictures\` + string(ada)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("her folder is still there: %v", err)
	}
}
