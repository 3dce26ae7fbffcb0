package simwin

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Effects of the scripts, by the names of their functions: everything they change on a workstation, they change in one of these.
const (
	EnterLock          = "Enter-Lock"
	NewSecureFolder    = "New-SecureFolder"
	WriteNewFile       = "Write-NewFile"
	MoveOwnFile        = "Move-OwnFile"
	RemoveOwnFile      = "Remove-OwnFile"
	RemoveOwnFolder    = "Remove-OwnFolder"
	NewPictureKey      = "New-PictureKey"
	RemovePictureKey   = "Remove-PictureKey"
	SetPictureValue    = "Set-PictureValue"
	RemovePictureValue = "Remove-PictureValue"
	SetKeyDacl         = "Set-KeyDacl"
	SetKeyOwner        = "Set-KeyOwner"
)

// EffectNames lists the effects.
func EffectNames() []string {
	return []string{EnterLock, NewSecureFolder, WriteNewFile, MoveOwnFile, RemoveOwnFile, RemoveOwnFolder, NewPictureKey, RemovePictureKey,
		SetPictureValue, RemovePictureValue, SetKeyDacl, SetKeyOwner}
}

// An Effect is one effect that a run came to, whether or not a fault kept it from happening.
type Effect struct {
	Name string
	Nth  int    // counts from 1 among the effects of this name in its run
	On   string // what it was applied to: a path (of a move, where to), a SID, a value's name; of a key's permissions, Users or a SID
}

// An EffectFault breaks a run at one of its effects. It works once.
type EffectFault struct {
	Effect  string // name of the effect; empty: any
	Nth     int    // which of the run's effects of that name, from 1; zero means 1. With an empty Effect all effects are counted
	After   bool   // the effect has happened; otherwise it has not
	Kind    FaultKind
	HResult uint32 // of Throw
	Code    uint32 // exit code of Exit and Torn

	// Reached is closed when a run comes to a Hold; nil for nobody who wants to know.
	Reached chan struct{}
	// Release ends a Hold when it is closed. Until then, only the end of the run's context does.
	Release chan struct{}
}

// A FaultKind says how a run breaks.
type FaultKind int

const (
	Throw FaultKind = iota // the function throws an exception with HResult
	Exit                   // the process ends here, without a word
	Torn                   // for Write-NewFile: half of the bytes are written, then the process ends; elsewhere it ends before the effect
	Hold                   // the process stands still until Release is closed
)

// SetFault sets the faults of the runs to come, in place of those that were set before.
func (m *Machine) SetFault(faults ...EffectFault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = faults
}

// Effects lists the effects that the last run came to, in their order. A run that is under way lists what it has come to so far.
func (m *Machine) Effects() []Effect {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil {
		return nil
	}
	return slices.Clone(m.last.effects)
}

// processEnd is the error of a process that ends at an effect.
type processEnd struct{ code uint32 }

func (e processEnd) Error() string { return fmt.Sprintf("the process ends with %d", e.code) }

// effect is the step that the run is at from now on: it runs one effect, with the fault that is set for it. torn is what remains of the effect when the process dies within it;
// nil where it is all or nothing.
func (p *process) effect(ctx context.Context, name, on string, do, torn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.where = name
	fault := p.nextFault(name, on)
	if fault == nil {
		return do()
	}
	if fault.Kind == Torn {
		if torn != nil {
			if err := torn(); err != nil {
				return err
			}
		}
		return processEnd{fault.Code}
	}
	if fault.After {
		if err := do(); err != nil {
			return err
		}
		return fault.strike(ctx)
	}
	if err := fault.strike(ctx); err != nil {
		return err
	}
	return do()
}

// strike is the fault itself; nil when the run goes on.
func (f *EffectFault) strike(ctx context.Context) error {
	switch f.Kind {
	case Throw:
		return winError{f.HResult, "a fault that was asked for"}
	case Hold:
		if f.Reached != nil {
			close(f.Reached)
		}
		select {
		case <-f.Release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return processEnd{f.Code}
}

// nextFault counts the effect and takes the fault that is set for it.
func (p *process) nextFault(name, on string) *EffectFault {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.counts[name]++
	p.counts[""]++
	p.effects = append(p.effects, Effect{name, p.counts[name], on})
	for i, f := range p.m.faults {
		if (f.Effect == "" || f.Effect == name) && max(f.Nth, 1) == p.counts[f.Effect] {
			p.m.faults = slices.Delete(slices.Clone(p.m.faults), i, i+1)
			return &f
		}
	}
	return nil
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
