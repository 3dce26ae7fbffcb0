//go:build linux

package sambalab

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// tools makes Samba's tools work on the domain whose folder $lab names.
const tools = `db=$lab/private/sam.ldb
for tool in samba-tool ldbsearch ldbmodify; do
	eval "$tool() { command $tool \"\$@\" --configfile=$lab/smb.conf; }"
done
`

// Shell runs lines of bash, as root on the domain controller: samba-tool, ldbsearch and ldbmodify work on this domain, and $db is its database. The test ends
// where one fails.
func (d *Domain) Shell(script string) {
	d.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", "lab="+d.dir+"\n"+tools+script)
	cmd.Env = append(cmd.Environ(), "TDB_NO_FSYNC=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("%v\n%s\n%s", err, script, out)
	}
}

// Recipe is the block of lines in a Markdown file that follows a comment <!-- tested: name -->: what the page tells administrators, for Shell.
func Recipe(t testing.TB, file, name string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "<!-- tested: "+name+" -->\n")
	if !ok {
		t.Fatalf("%s has no recipe %s", file, name)
	}
	var lines []string
	for line := range strings.Lines(after) {
		code, indented := strings.CutPrefix(line, "    ")
		if !indented {
			break
		}
		lines = append(lines, code)
	}
	if len(lines) == 0 {
		t.Fatalf("the recipe %s of %s is empty", name, file)
	}
	return strings.Join(lines, "")
}

// SetPassword gives an account a password.
func (d *Domain) SetPassword(dn, password string) {
	d.t.Helper()
	err := d.with(func(c *ldap.Conn) error {
		m := ldap.NewModifyRequest(dn, nil)
		m.Replace("unicodePwd", []string{encodePassword(password)})
		return c.Modify(m)
	})
	if err != nil {
		d.t.Fatalf("set the password of %s: %v", dn, err)
	}
}

// Delete deletes an object.
func (d *Domain) Delete(dn string) {
	d.t.Helper()
	if err := d.with(func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(dn, nil)) }); err != nil {
		d.t.Fatalf("delete %s: %v", dn, err)
	}
}
