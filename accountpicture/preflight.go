package accountpicture

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/photopush/photopush"
)

// What a workstation must have: builds before 14393 (Windows 10 1607, Server 2016) read fewer and other sizes; the script is written
// for PowerShell 5.1 and .NET Framework 4.6.2.
const (
	minBuild = 14393
	minNET   = 394802
)

// Preflight says why no picture could be shown there, as a *photopush.Error: Unsupported, BlockedPolicy. Whether a server or a
// hybrid-joined machine should have pictures is for want to decide; room on the disk is seen to by Plan.
func Preflight(inv *photopush.Inventory) error {
	if err := PreflightSystem(inv); err != nil {
		return err
	}
	return PreflightPolicy(inv)
}

// PreflightSystem is the part of Preflight that is about versions: Unsupported.
func PreflightSystem(inv *photopush.Inventory) error {
	major, minor := engineVersion(inv.PowerShell)
	switch {
	case inv.Build < minBuild:
		return refuse(photopush.Unsupported, "its build is %d, want %d or later", inv.Build, minBuild)
	case major < 5 || major == 5 && minor < 1:
		return refuse(photopush.Unsupported, "its PowerShell is %q, want 5.1 or later", inv.PowerShell)
	case major == 5 && inv.NETRelease < minNET: // later ones bring their own .NET
		return refuse(photopush.Unsupported, "its .NET Framework has the release number %d, want %d (4.6.2) or later", inv.NETRelease, minNET)
	}
	return nil
}

// PreflightPolicy is the part of Preflight that is about group policy: BlockedPolicy.
func PreflightPolicy(inv *photopush.Inventory) error {
	if inv.DefaultTile {
		return refuse(photopush.BlockedPolicy, "UseDefaultTile is set")
	}
	return nil
}

func refuse(reason photopush.Reason, format string, args ...any) error {
	return &photopush.Error{Reason: reason, Op: "check the workstation", Err: fmt.Errorf(format, args...)}
}

// engineVersion reads the first two numbers of a version; 0 where there is none.
func engineVersion(s string) (major, minor int) {
	parts := strings.SplitN(s, ".", 3)
	major, _ = strconv.Atoi(parts[0])
	if len(parts) > 1 {
		minor, _ = strconv.Atoi(parts[1])
	}
	return major, minor
}
