# photopush: keeps the account pictures of this computer in step with the photos in Active Directory.
#
# For the administrator who approves it: this is the whole script; every run has the same bytes. An administrator's account starts it
# over WinRM. It reads verbs from standard input, one per line, does exactly those, answers, and ends. It decides nothing by itself,
# loads no module, opens no connection, and changes these two places and no other, whatever its input says:
#   <Program Files>\photopush                                                      picture files and a lock file
#   HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\<SID>      the values Image32 to Image1080
# It writes nothing where a folder on the way is a link, or can be changed by anyone but administrators (Assert-SafePath).
# It overwrites no file, and deletes only picture files of its own naming, by exact name. Every change is one of the six functions
# under "Effects". docs/script.md of photopush has the protocol.
param([string[]] $lines, [int] $next)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

$VerbNames = 'inventory', 'put_file', 'set_values', 'delete_files'
$ImageNames = @('32', '40', '48', '64', '96', '192', '200', '208', '240', '424', '448', '1080' | ForEach-Object { "Image$_" })
$SidPattern = '\AS-1-5-21(-[0-9]{1,10}){4}\z'
$FilePattern = '\A[0-9a-f]{32}-[0-9a-f]{16}(-[1-9][0-9]{0,2})?-(' + ($ImageNames -join '|') + ')\.jpg\z'
$HashPattern = '\A[0-9a-f]{64}\z'
$StatePattern = '\A(absent|[0-9a-f]{64})\z'
$RootPattern = '\A[A-Za-z]:(\\[A-Za-z0-9 ()_-]+)+\z'
$UsersKey = 'SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users'

# Administrators and SYSTEM change our folders, users and packaged apps read the pictures; only the first two see the lock.
$FolderSddl = 'O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;AC)'
$StateSddl = 'O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
# SYSTEM, Administrators, TrustedInstaller.
$Insiders = 'S-1-5-18', 'S-1-5-32-544', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'
# What nobody else may have on the way: GENERIC_ALL, GENERIC_WRITE, WRITE_OWNER, WRITE_DAC, DELETE, DELETE_CHILD.
# At a volume's root DELETE means nothing. On our folders also: write EA, write attributes, add folder, add file.
$ParentRights = 0x500d0040
$RootRights = 0x500c0040
$OurRights = 0x500d0156

# HRESULTs decide the reason, never texts, which are in the language of the administrator.
$Reasons = @{
  '0x80070005' = 'denied'; '0x8013150a' = 'denied'; '0x8007051b' = 'denied'; '0x80070522' = 'denied'
  '0x80070070' = 'disk_full'; '0x80070027' = 'disk_full'; '0x80070718' = 'quota'; '0x80070050' = 'conflict'; '0x800700b7' = 'conflict'
}
$machine = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
# What the run knows of itself: the verb and the step it is at, our folder and that of the pictures, the lock, lists that were cut.
$run = @{ verb = ''; where = ''; home = ''; pictures = ''; lock = $null; truncated = $false }

# ---- Effects: nothing else changes anything ----

# Opens the lock file, or creates it; nobody else can open it until this process ends.
function Enter-Lock([string] $path) {
  Invoke-Patiently '0x80070020' { [IO.File]::Open($path, 'OpenOrCreate', 'ReadWrite', 'None') }
}

# Creates a folder, with its owner and permissions in the same call.
function New-SecureFolder([string] $path, [string] $sddl) {
  $security = [Security.AccessControl.DirectorySecurity]::new()
  $security.SetSecurityDescriptorSddlForm($sddl)
  $null = [IO.Directory]::CreateDirectory($path, $security)
}

# Creates a file that must not be there, writes it, flushes it to the disk. What it could not finish it takes away again.
function Write-PictureFile([string] $path, [byte[]] $bytes) {
  $file = Invoke-Patiently '0x80070020 0x80070021 0x80070005' { [IO.File]::Open($path, 'CreateNew', 'Write', 'None') }
  $done = $false
  try {
    $file.Write($bytes, 0, $bytes.Length)
    $file.Flush($true)
    $done = $true
  } finally {
    try { $file.Dispose() } finally { if (-not $done) { [IO.File]::Delete($path) } }
  }
}

# Creates the key of a user.
function New-PictureKey([string] $sid) { $machine.CreateSubKey("$UsersKey\$sid") }

function Set-PictureValue([Microsoft.Win32.RegistryKey] $key, [string] $name, [string] $data) { $key.SetValue($name, $data, 'String') }

function Remove-PictureFile([string] $path) { Invoke-Patiently '0x80070020 0x80070021' { [IO.File]::Delete($path) } }

# ---- File security: read here and nowhere else ----

function Get-PathSddl([string] $path) {
  [IO.DirectoryInfo]::new($path).GetAccessControl('Owner, Access').GetSecurityDescriptorSddlForm('Owner, Access')
}

function Get-PathAttributes([string] $path) { [IO.File]::GetAttributes($path) }

# ---- Errors ----

# Ends the run with a reason of our own. HRESULT 0 says that a guard or an expected state did not hold.
function Stop-Verb([string] $reason, [string] $where, [string] $message, [int] $hresult = 0) {
  $e = [InvalidOperationException]::new($message)
  $e.Data['reason'] = $reason
  $e.Data['hresult'] = $hresult
  $run.where = $where
  throw $e
}

function Stop-Unsafe([string] $message) { Stop-Verb 'unsafe_path' 'guard' $message }

function Assert-Input([bool] $fits) { if (-not $fits) { Stop-Verb 'script' 'input' 'the line does not fit its verb' } }

function Format-HResult($record) { '0x{0:x8}' -f $record.Exception.GetBaseException().HResult }

function Get-Failure($record) {
  $e = $record.Exception.GetBaseException()
  $reason, $hresult = $Reasons[(Format-HResult $record)], $e.HResult
  if ($e.Data.Contains('reason')) { $reason, $hresult = $e.Data['reason'], $e.Data['hresult'] }
  if ($null -eq $reason) { $reason = 'script' }
  [ordered]@{ verb = $run.verb; ok = $false; reason = $reason; hresult = [long] $hresult -band 4294967295; where = $run.where; message = Limit-Text $e.Message 300 }
}

# A file that a virus scanner or the shell holds for a moment, which gives one of these codes, is tried three times more.
function Invoke-Patiently([string] $codes, [scriptblock] $block) {
  for ($tries = 1; ; $tries++) {
    try { return & $block } catch { if ($tries -gt 3 -or -not $codes.Contains((Format-HResult $_))) { throw } }
    [Threading.Thread]::Sleep(100)
  }
}

# ---- The answer's text: JSON ----

function Limit-Text([string] $text, [int] $most) { $text.Substring(0, [Math]::Min($text.Length, $most)) }

function Format-Json($value) {
  if ($null -eq $value) { return 'null' }
  if ($value -is [bool]) { return $value.ToString().ToLowerInvariant() }
  if ($value -is [int] -or $value -is [long]) { return $value.ToString([Globalization.CultureInfo]::InvariantCulture) }
  if ($value -is [string]) { # all but printable ASCII is escaped, quote and backslash too: no code page can spoil it
    return '"' + [regex]::Replace($value, '[^\x20\x21\x23-\x5b\x5d-\x7e]', { param($m) '\u{0:x4}' -f [int][char] $m.Value }) + '"'
  }
  if ($value -is [Collections.IDictionary]) {
    return '{' + (@(foreach ($name in $value.Keys) { (Format-Json $name) + ':' + (Format-Json $value[$name]) }) -join ',') + '}'
  }
  '[' + (@(foreach ($item in $value) { Format-Json $item }) -join ',') + ']'
}

# ---- Reading ----

# -eq and -ceq compare as a language does, where some characters count for nothing.
function Test-Same([string] $a, [string] $b) { [string]::Equals($a, $b, [StringComparison]::Ordinal) }

function Get-Sha256($data) { [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($data)).Replace('-', '').ToLowerInvariant() }

function Get-FileSha256([string] $path) {
  Invoke-Patiently '0x80070020 0x80070021' {
    $file = [IO.File]::Open($path, 'Open', 'Read', 'ReadWrite, Delete')
    try { Get-Sha256 $file } finally { $file.Dispose() }
  }
}

# A text below HKEY_LOCAL_MACHINE; empty without one.
function Read-Text([string] $path, [string] $name) {
  $key = $machine.OpenSubKey($path)
  if ($null -ne $key -and $key.GetValue($name) -is [string]) { Limit-Text $key.GetValue($name) 260 } else { '' }
}

# A DWORD, which .NET gives as a signed number, or a text of digits; 0 for anything else.
function Read-Number([string] $path, [string] $name) {
  $key = $machine.OpenSubKey($path)
  $value = if ($null -ne $key) { $key.GetValue($name) }
  if ($value -is [int] -or $value -cmatch '\A[0-9]{1,9}\z') { [long] $value -band 4294967295 } else { [long] 0 }
}

# A FILETIME out of two DWORDs; 0 where Windows does not write it (before 1809).
function Read-Time([string] $path, [string] $name) { ((Read-Number $path "${name}High") -shl 32) -bor (Read-Number $path "${name}Low") }

function Get-SubKeyNames([Microsoft.Win32.RegistryKey] $hive, [string] $path) {
  $key = $hive.OpenSubKey($path)
  if ($null -ne $key) { $key.GetSubKeyNames() }
}

function Limit-List([object[]] $list, [int] $most) {
  if ($list.Count -le $most) { return $list }
  $run.truncated = $true
  $list[0..($most - 1)]
}

# Those of the names that are SIDs of accounts: each once, sorted, the first 1,000.
function Select-Sids([string[]] $names) {
  $sids = [Collections.Generic.SortedSet[string]]::new([StringComparer]::Ordinal)
  foreach ($name in $names) { if ($name.ToUpperInvariant() -cmatch $SidPattern) { $null = $sids.Add($name.ToUpperInvariant()) } }
  Limit-List @($sids) 1000
}

# The Image values of a user, and the state that names them exactly.
function Read-Values([string] $sid) {
  $run.where = 'values'
  $key = $machine.OpenSubKey("$UsersKey\$sid")
  if ($null -eq $key) { return @{ state = 'absent'; values = @() } }
  $there = [Collections.Generic.HashSet[string]]::new([string[]] @($key.GetValueNames()), [StringComparer]::OrdinalIgnoreCase)
  $text = [Text.StringBuilder]::new()
  $values = @(foreach ($name in $ImageNames) {
    if (-not $there.Contains($name)) { continue }
    $kind, $data = 'other', ''
    switch ($key.GetValueKind($name)) { 'String' { $kind = 'sz' } 'ExpandString' { $kind = 'expand_sz' } }
    if ($kind -ne 'other') { $data = $key.GetValue($name, '', 'DoNotExpandEnvironmentNames') }
    $null = $text.Append("${name}=${kind}:").Append($data).Append([char] 10)
    [ordered]@{ name = $name; kind = $kind; data = Limit-Text $data 520 }
  })
  @{ state = Get-Sha256 ([Text.Encoding]::UTF8.GetBytes($text.ToString())); values = $values }
}

# Our files of a user: sorted, the first 100.
function Read-Files([string] $sid) {
  $run.where = 'files'
  $folder = "$($run.pictures)\$sid"
  if (-not [IO.Directory]::Exists($folder)) { return }
  $names = [string[]] @([IO.Directory]::GetFiles($folder) | ForEach-Object { [IO.Path]::GetFileName($_) } | Where-Object { $_ -cmatch $FilePattern })
  [Array]::Sort($names, [StringComparer]::Ordinal)
  foreach ($name in @(Limit-List $names 100)) {
    $hash = try { Get-FileSha256 "$folder\$name" } catch { '' }
    [ordered]@{ name = $name; length = [IO.FileInfo]::new("$folder\$name").Length; sha256 = $hash }
  }
}

# One user for the inventory; what cannot be read of him does not stop the others.
function Read-User([string] $sid) {
  $user = [ordered]@{ sid = $sid; state = ''; values = @(); files = @(); error = '' }
  try {
    $read = Read-Values $sid
    $user.state, $user.values = $read.state, $read.values
    $user.files = @(Read-Files $sid)
  } catch { $user.error = (Format-HResult $_) + ' ' + $run.where }
  $user
}

# Users with a profile; of one that cannot be read, what can be.
function Read-Profiles {
  $run.where = 'profiles'
  $path = 'SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList'
  $hives = [Microsoft.Win32.RegistryKey]::OpenBaseKey('Users', 'Registry64')
  $loaded = $hives.GetSubKeyNames()
  foreach ($sid in @(Select-Sids @(Get-SubKeyNames $machine $path))) {
    $one = [ordered]@{ sid = $sid; loaded = $loaded -contains $sid; interactive = $false; load = 0; unload = 0 }
    try {
      $one.load, $one.unload = (Read-Time "$path\$sid" 'LocalProfileLoadTime'), (Read-Time "$path\$sid" 'LocalProfileUnloadTime')
      $one.interactive = @(Get-SubKeyNames $hives $sid) -contains 'Volatile Environment'
    } catch { $run.where = 'profiles' }
    $one
  }
}

# ---- The path guard ----

# $rights are those that no outsider may have. What is only passed on to things below is judged there.
function Assert-SafeFolder([string] $folder, [int] $rights) {
  $attributes = Get-PathAttributes $folder
  if ($attributes -band [IO.FileAttributes]::ReparsePoint) { Stop-Unsafe "$folder is a link" }
  if (-not ($attributes -band [IO.FileAttributes]::Directory)) { Stop-Unsafe "$folder is no folder" }
  $security = [Security.AccessControl.RawSecurityDescriptor]::new((Get-PathSddl $folder))
  if ($null -eq $security.Owner -or $Insiders -notcontains $security.Owner.Value) { Stop-Unsafe "$folder is owned by '$($security.Owner)'" }
  if ($null -eq $security.DiscretionaryAcl) { Stop-Unsafe "$folder can be changed by everybody" }
  foreach ($ace in $security.DiscretionaryAcl) {
    if ($ace.PropagationFlags -band [Security.AccessControl.PropagationFlags]::InheritOnly) { continue }
    if ($ace -isnot [Security.AccessControl.QualifiedAce]) { Stop-Unsafe "$folder has a permission of an unknown kind" }
    if ($ace.AceQualifier -ne 'AccessAllowed' -or $Insiders -contains $ace.SecurityIdentifier.Value -or -not ($ace.AccessMask -band $rights)) { continue }
    Stop-Unsafe ('{0} can be changed by {1} (0x{2:x})' -f $folder, $ace.SecurityIdentifier, $ace.AccessMask)
  }
}

# Every folder from the volume's root down to $path, one of ours. Where one of ours is missing it is made, the last with $sddl;
# without $sddl the walk ends there.
function Assert-SafePath([string] $path, [string] $sddl = '') {
  $run.where = 'guard'
  $parts = $path.Split('\')
  Assert-SafeFolder "$($parts[0])\" $RootRights
  for ($i = 1; $i -lt $parts.Count; $i++) {
    $folder = $parts[0..$i] -join '\'
    if ($folder.Length -lt $run.home.Length) { Assert-SafeFolder $folder $ParentRights; continue }
    if (-not [IO.Directory]::Exists($folder) -and -not [IO.File]::Exists($folder)) {
      if (-not $sddl) { return }
      $run.where = 'New-SecureFolder'
      New-SecureFolder $folder $(if ($folder.Length -eq $path.Length) { $sddl } else { $FolderSddl })
      $run.where = 'guard'
    }
    Assert-SafeFolder $folder $OurRights
  }
}

# ---- Verbs ----

function Invoke-Inventory($verb) {
  Assert-Input ($verb.fields.Count -eq 1)
  $run.where = 'system'
  $windows = 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'
  $answer = [ordered]@{
    version = 1
    ps = $PSVersionTable.PSVersion.ToString()
    net = Read-Number 'SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full' 'Release'
    build = Read-Number $windows 'CurrentBuildNumber'
    ubr = Read-Number $windows 'UBR'
    display = Read-Text $windows 'DisplayVersion'
    edition = Read-Text $windows 'EditionID'
    type = Read-Text $windows 'InstallationType'
    installed = Read-Number $windows 'InstallDate'
    machine = Read-Text 'SOFTWARE\Microsoft\Cryptography' 'MachineGuid'
    domain = Read-Text 'SYSTEM\CurrentControlSet\Services\Tcpip\Parameters' 'Domain'
    entra = @(Get-SubKeyNames $machine 'SYSTEM\CurrentControlSet\Control\CloudDomainJoin\JoinInfo').Count -gt 0
    program_files = [IO.Path]::GetDirectoryName($run.home)
    free = $(try { [IO.DriveInfo]::new($run.home.Substring(0, 3)).AvailableFreeSpace } catch { -1 })
    default_tile = (Read-Number 'SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\Explorer' 'UseDefaultTile') -ne 0
    profiles = @(Read-Profiles)
  }
  $run.where = 'users'
  $sids = @(Get-SubKeyNames $machine $UsersKey)
  if ([IO.Directory]::Exists($run.pictures)) { $sids += @([IO.Directory]::GetDirectories($run.pictures) | ForEach-Object { [IO.Path]::GetFileName($_) }) }
  $answer.users = @(foreach ($sid in @(Select-Sids $sids)) { Read-User $sid })
  $answer.truncated = $run.truncated
  $answer
}

function Invoke-PutFile($verb) {
  $f = $verb.fields
  Assert-Input ($verb.fits -and $f.Count -eq 5 -and $f[1] -cmatch $SidPattern -and $f[2] -cmatch $FilePattern)
  Assert-Input ($f[3] -cmatch '\A[1-9][0-9]{0,7}\z' -and $f[4] -cmatch $HashPattern -and (Test-Same $f[2].Substring(33, 16) $f[4].Substring(0, 16)))
  try { $bytes = [Convert]::FromBase64String($verb.body.ToString()) } catch { Assert-Input $false }
  if ($bytes.Length -ne [int] $f[3] -or -not (Test-Same (Get-Sha256 $bytes) $f[4])) { Stop-Verb 'script' 'content' 'the bytes are not what the line says' }
  $folder = "$($run.pictures)\$($f[1])"
  Assert-SafePath $folder $FolderSddl
  $state = 'same'
  if (-not [IO.File]::Exists("$folder\$($f[2])")) {
    $run.where = 'Write-PictureFile'
    Write-PictureFile "$folder\$($f[2])" $bytes
    $state = 'new'
  }
  $run.where = 'read-back'
  $hash = Get-FileSha256 "$folder\$($f[2])"
  if (-not (Test-Same $hash $f[4])) { Stop-Verb 'conflict' 'file' "$($f[2]) has other content" }
  [ordered]@{ sid = $f[1]; name = $f[2]; sha256 = $hash; state = $state }
}

function Invoke-SetValues($verb) {
  $f = $verb.fields
  Assert-Input ($f.Count -ge 5 -and $f[1] -cmatch $SidPattern -and $f[2] -cmatch $StatePattern -and (Test-Same $f[3] 'plain'))
  $wanted = [ordered]@{}
  foreach ($field in $f[4..($f.Count - 1)]) {
    $name, $file = $field.Split([char[]] '=', 2)
    Assert-Input ([Array]::IndexOf($ImageNames, $name) -ge 0 -and $file -cmatch $FilePattern -and -not $wanted.Contains($name))
    $wanted[$name] = $file
  }
  $folder = "$($run.pictures)\$($f[1])"
  Assert-SafePath $folder
  $null = Assert-State $f[1] $f[2]
  $run.where = 'file'
  foreach ($file in $wanted.Values) { # a value may name a file only when that is there, with the content that its name tells
    $start = if ([IO.File]::Exists("$folder\$file")) { (Get-FileSha256 "$folder\$file").Substring(0, 16) }
    if (-not (Test-Same $start $file.Substring(33, 16))) { Stop-Verb 'conflict' 'file' "$file is not there, or has other content" }
  }
  $run.where = 'open-key'
  $key = $machine.OpenSubKey("$UsersKey\$($f[1])", 'ReadWriteSubTree', 'SetValue, QueryValues')
  if ($null -eq $key) {
    $run.where = 'New-PictureKey'
    $key = New-PictureKey $f[1]
  }
  $run.where = 'Set-PictureValue'
  foreach ($name in $wanted.Keys) { Set-PictureValue $key $name "$folder\$($wanted[$name])" }
  $read = Read-Values $f[1]
  [ordered]@{ sid = $f[1]; rung = 'plain'; state = $read.state; values = $read.values }
}

# Returns the values where they are what was expected.
function Assert-State([string] $sid, [string] $state) {
  $read = Read-Values $sid
  if (-not (Test-Same $read.state $state)) { Stop-Verb 'conflict' 'state' 'the values are not what was expected' }
  $read.values
}

function Invoke-DeleteFiles($verb) {
  $f = $verb.fields
  Assert-Input ($f.Count -ge 4 -and $f[1] -cmatch $SidPattern -and $f[2] -cmatch $StatePattern)
  $files = @($f[3..($f.Count - 1)])
  foreach ($file in $files) { Assert-Input ($file -cmatch $FilePattern) }
  $folder = "$($run.pictures)\$($f[1])"
  Assert-SafePath $folder
  foreach ($value in @(Assert-State $f[1] $f[2])) {
    if ($files -contains $value.data.Substring($value.data.LastIndexOfAny([char[]] '\/') + 1)) { Stop-Verb 'conflict' 'named' "$($value.name) names $($value.data)" }
  }
  $deleted, $kept = @(), @()
  foreach ($file in $files) {
    try {
      if ([IO.File]::Exists("$folder\$file")) { Remove-PictureFile "$folder\$file" }
      $deleted += $file
    } catch { $kept += $file } # somebody has it open: it stays for the next time
  }
  [ordered]@{ sid = $f[1]; deleted = $deleted; kept = $kept }
}

# ---- The run ----

# Splits what stands after the script into verbs. Base64 lines follow put_file, up to a line with a single dot.
function Read-Verbs {
  while ($next -lt $lines.Count) {
    $fields = $lines[$next++].Split([char] 9)
    $verb = @{ name = 'input'; fields = $fields; body = [Text.StringBuilder]::new(); fits = $true }
    if ([Array]::IndexOf($VerbNames, $fields[0]) -ge 0) { $verb.name = $fields[0] }
    if ($verb.name -eq 'put_file') {
      while ($next -lt $lines.Count -and -not (Test-Same $lines[$next] '.')) {
        if ($lines[$next] -cnotmatch '\A[A-Za-z0-9+/=]{1,4096}\z') { $verb.fits = $false }
        $null = $verb.body.Append($lines[$next++])
      }
      if ($next++ -ge $lines.Count) { $verb.fits = $false }
    }
    $verb
  }
}

# Our folders. Program Files may lie elsewhere, but must be a plain path of a local drive.
function Find-Roots {
  $run.where = 'roots'
  $root = (Read-Text 'SOFTWARE\Microsoft\Windows\CurrentVersion' 'ProgramFilesDir').TrimEnd('\')
  if ($root -cnotmatch $RootPattern) { Stop-Verb 'unsupported' 'roots' "ProgramFilesDir is '$root'" }
  $run.home, $run.pictures = "$root\photopush", "$root\photopush\AccountPictures"
}

# A run that changes something holds the lock until it ends; one that only reads takes it where there is one.
function Get-Lock([bool] $changes) {
  $folder = "$($run.home)\State"
  if ($changes) { Assert-SafePath $folder $StateSddl } elseif (-not [IO.File]::Exists("$folder\lock")) { return }
  $run.where = 'Enter-Lock'
  try { $run.lock = Enter-Lock "$folder\lock" } catch {
    if ((Format-HResult $_) -eq '0x80070020') { Stop-Verb 'conflict' 'lock' 'another run holds the lock' 0x80070020 }
    throw
  }
}

$answers = @('#photopush-answer')
try {
  $verbs = @(Read-Verbs)
  foreach ($verb in $verbs) {
    $run.verb = $verb.name
    if (-not $run.home) { Find-Roots; Get-Lock (@($verbs | Where-Object { $_.name -notin 'input', 'inventory' }).Count -gt 0) }
    $done = switch ($verb.name) {
      'inventory' { Invoke-Inventory $verb }
      'put_file' { Invoke-PutFile $verb }
      'set_values' { Invoke-SetValues $verb }
      'delete_files' { Invoke-DeleteFiles $verb }
      'input' { Assert-Input $false }
    }
    $answers += '{"verb":"' + $verb.name + '","ok":true,' + (Format-Json $done).Substring(1)
  }
} catch { $answers += Format-Json (Get-Failure $_) }
finally {
  if ($null -ne $run.lock) { $run.lock.Dispose() }
  $bytes = [Text.Encoding]::ASCII.GetBytes((@($answers + '#end-of-answer' + '') -join [string][char] 10))
  $out = [Console]::OpenStandardOutput()
  $out.Write($bytes, 0, $bytes.Length)
  $out.Flush()
}
#end-of-script
