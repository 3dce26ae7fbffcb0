# photopush: what is on this computer of account pictures. Changes nothing: it has no function that could.
#
# For the administrator who approves it: this is the whole script, the same bytes in every run. An administrator's account starts it over
# WinRM. It does the verbs that it reads from standard input, answers, and ends. It loads no module and opens no connection. It reads
#   what Windows this is, who has a profile, and the policy for account pictures, from the registry
#   HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users, with its permissions
#   our own files in <Program Files>\photopush, and when the picture files were written that Windows shows
# Beside it there are "push", which puts pictures there, and "repair", which takes them back and mends permissions.
$VerbPattern = '\A(inventory|check)\z'

# ---- Verbs

function Invoke-Verb($verb) {
  switch ($verb.name) {
    inventory { Invoke-Inventory $verb.fields }
    check { Invoke-Check $verb.fields }
    input { Assert-Input $false }
  }
}

function Invoke-Inventory($fields) {
  Assert-Input ($fields.Count -eq 1)
  $run.where = 'system'
  $answer = [ordered]@{
    version = 2
    ps = $PSVersionTable.PSVersion.ToString()
    net = Read-Number 'SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full' Release
    build = Read-Number $NT CurrentBuildNumber
    ubr = Read-Number $NT UBR
    display = Read-Text $NT DisplayVersion
    edition = Read-Text $NT EditionID
    type = Read-Text $NT InstallationType
    installed = Read-Number $NT InstallDate
    machine = Read-Text 'SOFTWARE\Microsoft\Cryptography' MachineGuid
    domain = Read-Text 'SYSTEM\CurrentControlSet\Services\Tcpip\Parameters' Domain
    entra = [bool] (Get-KeyNames $hklm 'SYSTEM\CurrentControlSet\Control\CloudDomainJoin\JoinInfo')
    program_files = [IO.Path]::GetDirectoryName($run.home)
    free = $(try { [IO.DriveInfo]::new($run.home[0]).AvailableFreeSpace } catch { -1 })
    default_tile = (Read-Number "$Windows\Policies\Explorer" UseDefaultTile) -ne 0
    profiles = @(Read-Profiles)
  }
  $run.where = 'users'
  $names = @(Get-KeyNames $hklm $UsersKey)
  $answer.acl = Read-Acl $UsersKey
  $answer.others = @($names | Where-Object { $_.ToUpperInvariant() -cnotmatch $SidPattern }).Count
  if ([IO.Directory]::Exists($run.pictures)) { $names += [IO.Directory]::GetDirectories($run.pictures) | ForEach-Object { [IO.Path]::GetFileName($_) } }
  $answer.users = @(foreach ($sid in Select-Sids $names) { Read-User $sid })
  $answer.truncated = $run.truncated
  $answer
}

# Opens to write what a push opens (where the key is missing, what is above it), and guards our folders.
function Invoke-Check($fields) {
  Assert-Input ($fields.Count -eq 1)
  $run.where = 'open-key'
  $path = $UsersKey
  while (-not $hklm.OpenSubKey($path, 'ReadWriteSubTree', 'CreateSubKey, QueryValues')) { $path = $path.Remove($path.LastIndexOf('\')) }
  $sids = @(Select-Sids (Get-KeyNames $hklm $UsersKey))
  $refused = @(foreach ($sid in $sids) { try { $null = Open-PictureKey $sid $SetRights } catch { $sid } })
  $closed = @(foreach ($sid in $refused) { try { $null = Open-PictureKey $sid $AclRights } catch { $sid } })
  Assert-SafePath $run.state
  Assert-SafePath $run.pictures
  [ordered]@{ key = $path -eq $UsersKey; users = $sids.Count; refused = $refused; closed = $closed; folder = [IO.Directory]::Exists($run.pictures) }
}

# A run that only reads waits for one that changes, and makes no lock.
function Start-Run {
  if ([IO.File]::Exists("$($run.state)\lock")) { Get-Lock Open }
}

# ---- Users

# Users with a profile; of one that cannot be read, what can be.
function Read-Profiles {
  $hives = [Microsoft.Win32.RegistryKey]::OpenBaseKey('Users', 'Registry64')
  $loaded = $hives.GetSubKeyNames()
  foreach ($sid in Select-Sids (Get-KeyNames $hklm "$NT\ProfileList")) {
    $one = [ordered]@{ sid = $sid; loaded = $sid -in $loaded; interactive = $false; load = 0; unload = 0 }
    try {
      $one.load, $one.unload = (Read-Time $sid Load), (Read-Time $sid Unload)
      $one.interactive = 'Volatile Environment' -in @(Get-KeyNames $hives $sid)
    } catch { $null = $_ }
    $one
  }
}

# One user; who cannot be read does not stop the others.
function Read-User($sid) {
  $user = [ordered]@{ sid = $sid; state = ''; values = @(); files = @(); acl = ''; changed = 0; saved = ''; earlier = 0; journal = $false; error = '' }
  try {
    $read = Read-Values $sid
    $user.state, $user.values = $read.state, $read.values
    $run.where = 'files'
    $user.files = @(Read-Files $sid)
    $user.acl, $user.changed = (Read-Acl "$UsersKey\$sid"), (Read-Changed $sid $read.values)
    $run.where = 'state'
    $saved = Read-Original $sid
    $user.saved, $user.earlier = $saved.state, @($saved.values.Values | Where-Object { Test-OtherFile $sid $_ }).Count
    $user.journal = [IO.File]::Exists("$($run.state)\$sid.journal")
  } catch { $user.error = (Format-HResult $_) + ' ' + $run.where }
  $user
}

# Our files of a user: sorted, the first 100.
function Read-Files($sid) {
  if (-not [IO.Directory]::Exists("$($run.pictures)\$sid")) { return }
  $paths = [IO.Directory]::GetFiles("$($run.pictures)\$sid")
  [Array]::Sort($paths, [StringComparer]::Ordinal)
  $count = 0
  foreach ($path in $paths) {
    $name = [IO.Path]::GetFileName($path)
    if ($name -cnotmatch $FilePattern) { continue }
    if ($count++ -ge 100) { $run.truncated = $true; return }
    $hash = try { Get-FileSha256 $path } catch { '' }
    [ordered]@{ name = $name; length = [IO.FileInfo]::new($path).Length; sha256 = $hash }
  }
}

# When the newest file was written that is shown and not ours: a FILETIME.
function Read-Changed($sid, $values) {
  $newest = [long] 0
  foreach ($value in $values) {
    if ($value.kind -ne 'sz' -or -not (Test-OtherFile $sid $value.data)) { continue }
    try { $newest = [Math]::Max($newest, [IO.File]::GetLastWriteTimeUtc($value.data).ToFileTimeUtc()) } catch { $null = $_ }
  }
  $newest
}

# ---- Reading

# Owner and DACL as SDDL; empty where the key is missing or does not let itself be read.
function Read-Acl($path) {
  try {
    $key = $hklm.OpenSubKey($path)
    if ($key) { Limit-Text (Get-KeySddl $key) 8000 } else { '' }
  } catch { '' }
}

# A DWORD, which .NET gives as a signed number, or a text of digits.
function Read-Number($path, $name) {
  $value = Read-Value $path $name
  if ($value -is [int] -or "$value" -cmatch '\A[0-9]{1,9}\z') { [long] "$value" -band 4294967295 } else { 0 }
}

# A FILETIME in two DWORDs, since 1809.
function Read-Time($sid, $name) {
  $path = "$NT\ProfileList\$sid"
  ((Read-Number $path "LocalProfile${name}TimeHigh") -shl 32) -bor (Read-Number $path "LocalProfile${name}TimeLow")
}

# The names that are SIDs of accounts: each once, sorted, at most 1,000.
function Select-Sids([string[]] $names) {
  $sids = [Collections.Generic.SortedSet[string]]::new([StringComparer]::Ordinal)
  foreach ($name in $names) {
    if ($name.ToUpperInvariant() -cnotmatch $SidPattern) { continue }
    if ($sids.Count -lt 1000) { $null = $sids.Add($name.ToUpperInvariant()) } else { $run.truncated = $true }
  }
  $sids
}

Invoke-Run
#end-of-script
