//go:build linux

package sambalab

import (
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A process is a running samba, with all it has started: a process group of its own.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer // samba ends at its end: nothing is left behind when the test itself is killed
	done  chan struct{}
}

// Start starts the controller again after Stop or Kill, with all its data, and returns when it answers.
func (d *Domain) Start() {
	d.t.Helper()
	if d.proc != nil {
		d.t.Fatal("the domain controller is running already")
	}
	cmd := exec.Command("samba", "--configfile="+filepath.Join(d.dir, "smb.conf"), "--foreground", "--model=single", "--no-process-group")
	cmd.Env = append(cmd.Environ(), "TDB_NO_FSYNC=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	p := &process{cmd: cmd, stdin: stdin, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended does not matter: that it ended while it was needed is noticed by what needed it
	}()
	d.proc = p
	d.await("the domain controller answers", d.answers)
}

// answers tells whether the administrator can sign in. It ends the test when the controller has given up.
func (d *Domain) answers() bool {
	d.t.Helper()
	select {
	case <-d.proc.done:
		d.t.Fatalf("the domain controller ended at once; end of its log:\n%s", d.log())
	default:
	}
	c, err := d.dial()
	if err != nil {
		return false
	}
	defer c.Close()
	dns, err := net.DialTimeout("tcp", d.DNS(), time.Second)
	if err != nil {
		return false
	}
	dns.Close()
	return true
}

// Stop ends the controller in order.
func (d *Domain) Stop() { d.end(syscall.SIGTERM) }

// Kill ends it at once, as a power cut does. It may be stopped already.
func (d *Domain) Kill() { d.end(syscall.SIGKILL) }

func (d *Domain) end(sig syscall.Signal) {
	if d.proc == nil {
		return
	}
	d.signal(sig)
	d.signal(syscall.SIGCONT)
	d.proc.stdin.Close()
	<-d.proc.done
	d.proc = nil
}

// Restart is Stop and Start.
func (d *Domain) Restart() {
	d.t.Helper()
	d.Stop()
	d.Start()
}

// Hang stops the controller from answering while its connections stay open, until Resume.
func (d *Domain) Hang() { d.signal(syscall.SIGSTOP) }

// Resume lets a hung controller go on.
func (d *Domain) Resume() { d.signal(syscall.SIGCONT) }

// signal reaches all processes of the controller. One that has just ended needs no signal any more.
func (d *Domain) signal(sig syscall.Signal) {
	d.t.Helper()
	if err := syscall.Kill(-d.proc.cmd.Process.Pid, sig); err != nil && err != syscall.ESRCH {
		d.t.Fatal(err)
	}
}
