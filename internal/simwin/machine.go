package simwin

import (
	"cmp"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/photopush/photopush"
)

// Keys of the inside, 64-bit view.
const (
	currentVersionNT = `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	currentVersion   = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion`
	policyKey        = currentVersion + `\Policies\Explorer`
	pictureUsersKey  = currentVersion + `\AccountPicture\Users`
	profileListKey   = currentVersionNT + `\ProfileList`
	frameworkKey     = `HKLM\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full`
	cryptographyKey  = `HKLM\SOFTWARE\Microsoft\Cryptography`
	tcpipKey         = `HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters`
	joinInfoKey      = `HKLM\SYSTEM\CurrentControlSet\Control\CloudDomainJoin\JoinInfo`
	volatileKey      = `Volatile Environment`
)

// MachineOptions say what kind of workstation it is. The zero value is a domain-joined Windows 11 23H2 client with room on its disk.
type MachineOptions struct {
	Build          int              // 22631 when zero
	Revision       uint32           // UBR; 4317 when zero
	Release        string           // DisplayVersion; 23H2 when empty
	Edition        string           // Enterprise when empty
	Type           string           // InstallationType: Client when empty
	InstallDate    time.Time        // 2023-11-14 22:13:20 UTC when zero
	MachineGUID    string           // one of its own when empty, made from InstallDate
	Domain         string           // DNS domain; corp.example when empty
	EntraJoined    bool             // also joined to Entra
	Net            uint32           // .NET Framework release; 533320 (4.8.1) when zero
	PowerShell     string           // version of the engine; 5.1.22621.2506 when empty
	ProgramFiles   string           // C:\Program Files when empty
	FreeBytes      int64            // on drive C:; 80 GB when zero
	UseDefaultTile bool             // policy: everybody has the default picture
	Constrained    bool             // PowerShell runs in Constrained Language Mode
	Privileged     bool             // administrators have SeTakeOwnershipPrivilege and SeRestorePrivilege enabled, as in WinRM's sessions
	GuardedKeys    bool             // keys of users that Windows makes are as MakeWindowsKey makes them; else they inherit
	Now            func() time.Time // the clock of file times; time.Now when nil
	ScriptTime     time.Duration    // what a run of the script takes besides its work, as a cold start does; none when zero
}

func (o MachineOptions) complete() MachineOptions {
	o.Build = cmp.Or(o.Build, 22631)
	o.Revision = cmp.Or(o.Revision, 4317)
	o.Release = cmp.Or(o.Release, "23H2")
	o.Edition = cmp.Or(o.Edition, "Enterprise")
	o.Type = cmp.Or(o.Type, "Client")
	if o.InstallDate.IsZero() {
		o.InstallDate = time.Unix(0x6553f100, 0).UTC()
	}
	o.MachineGUID = cmp.Or(o.MachineGUID, fmt.Sprintf("7d3a1c52-90be-4f0e-8a44-%012x", uint32(o.InstallDate.Unix())))
	o.Domain = cmp.Or(o.Domain, "corp.example")
	o.Net = cmp.Or(o.Net, 533320)
	o.PowerShell = cmp.Or(o.PowerShell, "5.1.22621.2506")
	o.ProgramFiles = cmp.Or(o.ProgramFiles, `C:\Program Files`)
	o.FreeBytes = cmp.Or(o.FreeBytes, 80e9)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// A Machine is the inside of one workstation, in memory: registry, files and what its processes did. It is an Engine, and safe for
// concurrent use. Its methods that set something up ask for no right and are not counted; a process of Run is held to the
// descriptors of keys and files as an administrator is.
type Machine struct {
	actor       // an administrator, whose doings are counted in counters
	mu          sync.Mutex
	hives       map[string]*regKey
	drive       *node
	free        int64 // bytes on drive C:
	quota       int64 // bytes that may still be stored; negative for no limit
	now         func() time.Time
	guardedKeys bool
	powerShell  string
	constrained bool
	scriptTime  time.Duration
	pictures    int // account pictures made by Windows so far: their GUIDs differ
	counters    Counters
	faults      []EffectFault
	last        *process // the run that was started last
}

// Counters are what the processes of a workstation did since it was made. What a test sets up is not counted.
type Counters struct {
	Processes       int // started
	RegistryWrites  int // keys created, values set
	RegistryDeletes int // keys, values
	SecurityChanges int // owners or DACLs of keys written
	FileWrites      int // files created
	FileDeletes     int
	FileMoves       int // files moved, or put in another's place
	FoldersCreated  int
	FoldersDeleted  int
}

// Writes is the sum of all changes.
func (c Counters) Writes() int {
	return c.RegistryWrites + c.RegistryDeletes + c.SecurityChanges + c.FileWrites + c.FileDeletes + c.FileMoves + c.FoldersCreated + c.FoldersDeleted
}

// NewMachine makes a workstation on which nobody has signed in yet.
func NewMachine(o MachineOptions) *Machine {
	o = o.complete()
	m := &Machine{free: o.FreeBytes, quota: -1, now: o.Now, guardedKeys: o.GuardedKeys, powerShell: o.PowerShell, constrained: o.Constrained, scriptTime: o.ScriptTime}
	m.actor = actor{m, administrator, &m.counters}
	m.who.takeOwnership, m.who.restore = o.Privileged, o.Privileged
	m.makeRegistry(o)
	m.makeDrive(o.ProgramFiles)
	return m
}

func (m *Machine) makeRegistry(o MachineOptions) {
	m.hives = map[string]*regKey{}
	for _, hive := range []string{hiveHKLM, hiveHKU} {
		m.hives[hive] = newKey(hive, nil, mustSDDL(defaultKeySDDL))
	}
	build := strconv.Itoa(o.Build)
	m.SetValue(currentVersionNT, "CurrentBuild", StringValue(build))
	m.SetValue(currentVersionNT, "CurrentBuildNumber", StringValue(build))
	m.SetValue(currentVersionNT, "UBR", DWordValue(o.Revision))
	m.SetValue(currentVersionNT, "DisplayVersion", StringValue(o.Release))
	m.SetValue(currentVersionNT, "EditionID", StringValue(o.Edition))
	m.SetValue(currentVersionNT, "InstallationType", StringValue(o.Type))
	m.SetValue(currentVersion, "ProgramFilesDir", StringValue(o.ProgramFiles))
	m.SetValue(currentVersion, "ProgramFilesDir (x86)", StringValue(o.ProgramFiles+" (x86)"))
	m.SetValue(frameworkKey, "Release", DWordValue(o.Net))
	m.SetValue(tcpipKey, "Domain", StringValue(o.Domain))
	m.setInstallation(o.InstallDate, o.MachineGUID)
	m.CreateKey(profileListKey)
	m.CreateKey(pictureUsersKey)
	if o.EntraJoined {
		m.CreateKey(joinInfoKey + `\51B4C7A02F0E4E5A9B1C6D3E8F7A9B0C1D2E3F40`)
	}
	if o.UseDefaultTile {
		m.SetDefaultTile(true)
	}
}

func (m *Machine) setInstallation(installed time.Time, guid string) {
	m.SetValue(currentVersionNT, "InstallDate", DWordValue(uint32(installed.Unix())))
	m.SetValue(cryptographyKey, "MachineGuid", StringValue(guid))
}

func (m *Machine) makeDrive(programFiles string) {
	m.drive = newFolder("C:", mustSDDL(rootSDDL))
	m.makeFolders(programFiles).security = mustSDDL(programFilesSDDL)
	m.makeFolders(usersFolder).security = mustSDDL(usersSDDL)
	m.makeFolders(publicFolder).security = mustSDDL(publicSDDL)
}

// mustSDDL reads a descriptor of this package's own.
func mustSDDL(sddl string) SecurityDescriptor {
	sd, err := ParseSDDL(sddl)
	if err != nil {
		panic("simwin: " + err.Error())
	}
	return sd
}

// SetDefaultTile sets the policy "Apply the default account picture to all users", or takes it off.
func (m *Machine) SetDefaultTile(on bool) {
	if on {
		m.SetValue(policyKey, "UseDefaultTile", DWordValue(1))
		return
	}
	m.DeleteValue(policyKey, "UseDefaultTile")
}

// SetConstrained puts PowerShell into Constrained Language Mode, or back into the full one.
func (m *Machine) SetConstrained(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.constrained = on
}

// SetFree sets the free bytes of drive C:: a write that needs more stores what fits, and fails.
func (m *Machine) SetFree(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = bytes
}

// SetQuota sets how many bytes more may be stored on drive C: before the quota is exceeded; what is deleted may be stored again. A
// negative number takes the quota off.
func (m *Machine) SetQuota(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quota = bytes
}

// Counters are what the processes did so far.
func (m *Machine) Counters() Counters {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counters
}

// A UserProfile is somebody who has signed in on a workstation.
type UserProfile struct {
	SID         photopush.SID
	Name        string    // of the folder below C:\Users
	Loaded      bool      // the hive is loaded: HKEY_USERS\<SID>
	Interactive bool      // signed in at the console or by RDP now; loaded too, then
	Load        time.Time // zero where Windows does not say (before 1809)
	Unload      time.Time
}

// AddProfile adds a profile, or replaces that of the same SID.
func (m *Machine) AddProfile(p UserProfile) {
	key := profileListKey + `\` + string(p.SID)
	m.DeleteKey(key)
	m.SetValue(key, "ProfileImagePath", ExpandStringValue(usersFolder+`\`+p.Name))
	m.SetValue(key, "State", DWordValue(0))
	m.setFileTime(key, "LocalProfileLoadTime", p.Load)
	m.setFileTime(key, "LocalProfileUnloadTime", p.Unload)
	m.SetSignedIn(p.SID, p.Loaded, p.Interactive)
}

func (m *Machine) setFileTime(key, name string, t time.Time) {
	if t.IsZero() {
		return
	}
	ft := fileTime(t)
	m.SetValue(key, name+"High", DWordValue(uint32(ft>>32)))
	m.SetValue(key, name+"Low", DWordValue(uint32(ft)))
}

// fileTime counts 100 ns since 1601 (MS-DTYP 2.3.3).
func fileTime(t time.Time) uint64 {
	const toUnix = 11644473600 // seconds from 1601 to 1970
	return uint64(t.Unix()+toUnix)*1e7 + uint64(t.Nanosecond()/100)
}

// SetSignedIn loads or unloads a user's hive; interactive means a desktop now, and that the hive is loaded.
func (m *Machine) SetSignedIn(sid photopush.SID, loaded, interactive bool) {
	key := hiveHKU + `\` + string(sid)
	m.DeleteKey(key)
	if loaded || interactive {
		m.CreateKey(key)
	}
	if interactive {
		m.SetValue(key+`\`+volatileKey, "USERNAME", StringValue(string(sid)))
	}
}

// Reinstall is what a new installation of Windows leaves: another InstallDate and MachineGuid, no account picture and no file of
// anybody; profiles are those of whoever has signed in again.
func (m *Machine) Reinstall(installed time.Time, machineGUID string) {
	m.setInstallation(installed, machineGUID)
	m.DeleteKey(pictureUsersKey)
	m.CreateKey(pictureUsersKey)
	m.Remove(publicFolder + `\AccountPictures`)
	m.Remove(m.programFiles() + `\photopush`)
}

// programFiles is the 64-bit Program Files as the registry names it.
func (m *Machine) programFiles() string {
	v, _ := m.Value(currentVersion, "ProgramFilesDir")
	s, _ := v.Text()
	return s
}
