package simwin

import (
	"context"
	"slices"
	"strings"
)

// Descriptors of our folders, docs/script.md.
const (
	pictureFolderSDDL = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;AC)"
	stateFolderSDDL   = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
)

// Rights of outsiders that make a folder unsafe.
const (
	unsafeOnParent = rightDelete | fileDeleteChild | rightWriteDAC | rightWriteOwner | genericAll | genericWrite
	unsafeOnOurs   = unsafeOnParent | fileWriteData | fileAppendData | fileWriteEA | fileWriteAttr
)

var insiders = []string{sidSystem, sidAdministrators, sidTrustedInstaller}

// safePath judges every folder from the volume's root down to path, which is one of ours. One of ours that is missing is created, the
// last with sddl; without sddl the walk ends there.
func (p *process) safePath(ctx context.Context, path, sddl string) error {
	p.where = "guard"
	parts := strings.Split(path, `\`)
	if err := p.safeFolder(parts[0]+`\`, unsafeOnParent&^rightDelete); err != nil {
		return err
	}
	for i := 1; i < len(parts); i++ {
		folder := strings.Join(parts[:i+1], `\`)
		ours, bad := len(folder) >= len(p.home), uint32(unsafeOnParent)
		if ours {
			bad = unsafeOnOurs
		}
		if ours && !p.m.folderExists(folder) {
			if sddl == "" {
				return nil
			}
			own := pictureFolderSDDL
			if i == len(parts)-1 {
				own = sddl
			}
			if err := p.newSecureFolder(ctx, folder, own); err != nil {
				return err
			}
			p.where = "guard"
		}
		if err := p.safeFolder(folder, bad); err != nil {
			return err
		}
	}
	return nil
}

// safeFolder judges one folder; no outsider may have one of the bad rights.
func (p *process) safeFolder(path string, bad uint32) error {
	attrs, err := p.m.attributes(path)
	if err != nil {
		return err
	}
	if attrs&AttrReparsePoint != 0 {
		return failure{"unsafe_path", 0, "guard", path + " is a link"}
	}
	sddl, err := p.m.pathSddl(path)
	if err != nil {
		return err
	}
	if why := judge(sddl, bad); why != "" {
		return failure{"unsafe_path", 0, "guard", path + " " + why}
	}
	return nil
}

// judge says why a folder with this descriptor is unsafe, in the script's words; "" when it is not.
func judge(sddl string, bad uint32) string {
	sd, err := ParseSDDL(sddl)
	switch {
	case err != nil:
		return "has a descriptor that cannot be read: " + err.Error()
	case !slices.Contains(insiders, sd.Owner):
		return "is owned by '" + sd.Owner + "'"
	case sd.NullDACL:
		return "is open to everybody"
	}
	for _, a := range sd.DACL {
		allow := a.Kind == Allow || a.Kind == AllowCallback || a.Kind == AllowObject
		if allow && a.Flags&inheritOnly == 0 && !slices.Contains(insiders, a.SID) && a.Mask&bad != 0 {
			return "can be changed by " + a.SID
		}
	}
	return ""
}
