# photopush: keeps the account pictures of this computer in step with the photos in Active Directory.
#
# For the administrator who approves it: this is the whole script, the same bytes in every run. An administrator's account starts it over
# WinRM. It does the verbs that it reads from standard input, answers, and ends. It decides nothing, loads no module, opens no connection,
# and changes two places and no other, whatever its input says:
#   picture files and a lock file in <Program Files>\photopush
#   values Image32 to Image1080 of HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\<SID>
# It writes no file where a folder on the way is a link, or can be changed by others than administrators (Assert-SafePath). It
# overwrites no file, and deletes only files named as its own. "Effects" has every change.
param([string[]] $lines, [int] $next)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

# -eq and -ceq ignore some characters: they compare only what has matched a pattern, or what we computed.
$VerbPattern = '\A(inventory|check|put_file|set_values|delete_files)\z' # those with _ change something
$ImageNames = '32 40 48 64 96 192 200 208 240 424 448 1080'.Split(' ') | ForEach-Object { "Image$_" }
$SidPattern = '\AS-1-5-21(-[0-9]{1,10}){4}\z'
$FilePattern = '\A[0-9a-f]{32}-[0-9a-f]{16}(-[1-9][0-9]{0,2})?-(' + ($ImageNames -join '|') + ')\.jpg\z'
$StatePattern = '\A(absent|[0-9a-f]{64})\z'
$Windows, $NT = 'SOFTWARE\Microsoft\Windows\CurrentVersion', 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'
$UsersKey = "$Windows\AccountPicture\Users"

# Administrators and SYSTEM change our folders; users and packaged apps read the pictures, and cannot open the lock.
$StateSddl = 'O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
$FolderSddl = $StateSddl + '(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;AC)'
# SYSTEM, Administrators, TrustedInstaller; what nobody else may have: GENERIC_ALL, GENERIC_WRITE, WRITE_OWNER, WRITE_DAC, DELETE
# (nothing at a volume's root), DELETE_CHILD; on our folders also write EA and attributes, add folder and file.
$Insiders = 'S-1-5-18', 'S-1-5-32-544', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'
$RootRights, $ParentRights, $OurRights = 0x500c0040, 0x500d0040, 0x500d0156

$hklm = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
# The run: its verb and step, why it stops, our folder and that of the pictures, the lock, whether a list was cut.
$run = @{ verb = ''; where = ''; reason = ''; hresult = 0; home = ''; pictures = ''; lock = $null; truncated = $false }

# ---- Effects: nothing else changes anything

# Opens or creates the lock file; nobody else can open it until the run ends.
function Enter-Lock($path) { Invoke-Patiently { [IO.File]::Open($path, 'OpenOrCreate', 'ReadWrite', 'None') } }

# Creates a folder with its owner and permissions, in one call.
function New-SecureFolder($path, $sddl) {
  $security = [Security.AccessControl.DirectorySecurity]::new()
  $security.SetSecurityDescriptorSddlForm($sddl)
  $null = [IO.Directory]::CreateDirectory($path, $security)
}

# Creates a file that must not be there, writes and flushes it. What it cannot finish it takes away.
function Write-PictureFile($path, [byte[]] $bytes) {
  $file = Invoke-Patiently { [IO.File]::Open($path, 'CreateNew', 'Write', 'None') }
  try {
    $file.Write($bytes, 0, $bytes.Length)
    $file.Flush($true)
    $file.Dispose()
  } catch {
    try { $file.Dispose() } finally { [IO.File]::Delete($path) }
    throw
  }
}

function New-PictureKey($sid) { $hklm.CreateSubKey("$UsersKey\$sid") }
function Set-PictureValue($key, $name, $data) { $key.SetValue($name, $data, 'String') }
function Remove-PictureFile($path) { Invoke-Patiently { [IO.File]::Delete($path) } }

# ---- File security: read here and nowhere else

function Get-PathSddl($path) { [IO.DirectoryInfo]::new($path).GetAccessControl('Owner, Access').GetSecurityDescriptorSddlForm('Owner, Access') }
function Get-PathAttributes($path) { [IO.File]::GetAttributes($path) }

# ---- Errors and the answer's text

# Ends the run. HRESULT 0: a guard or an expected state did not hold.
function Stop-Verb($reason, $where, $message, [int] $hresult = 0) {
  $run.reason, $run.where, $run.hresult = $reason, $where, $hresult
  throw $message
}

function Stop-Unsafe($message) { Stop-Verb unsafe_path guard $message }
function Assert-Input([bool] $fits) { if (-not $fits) { Stop-Verb script input 'the line fits no verb' } }

function Format-HResult($record) { '0x{0:x8}' -f $record.Exception.GetBaseException().HResult }

# A scanner or the shell may hold a file for a moment: tried again, three times.
function Invoke-Patiently([scriptblock] $block) {
  for ($tries = 1; ; $tries++) {
    try { return & $block } catch { if ($tries -gt 3 -or (Format-HResult $_) -notmatch '8007002[01]') { throw } }
    [Threading.Thread]::Sleep(100)
  }
}

function Limit-Text([string] $text, [int] $most) { $text.Substring(0, [Math]::Min($text.Length, $most)) }

function Format-Json($value) {
  if ($value -is [ValueType]) { return "$value".ToLowerInvariant() } # bool, int, long
  if ($value -is [string]) { # all but printable ASCII is escaped, and quote and backslash: no code page can spoil it
    return '"' + [regex]::Replace($value, '[^\x20\x21\x23-\x5b\x5d-\x7e]', { param($m) '\u{0:x4}' -f [int][char] $m.Value }) + '"'
  }
  if ($value -is [Collections.IDictionary]) {
    return '{' + (@(foreach ($name in $value.Keys) { (Format-Json $name) + ':' + (Format-Json $value[$name]) }) -join ',') + '}'
  }
  '[' + (@(foreach ($item in $value) { Format-Json $item }) -join ',') + ']'
}

# ---- Reading

function Get-Sha256($data) { [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($data)).Replace('-', '').ToLowerInvariant() }

function Get-FileSha256($path) {
  Invoke-Patiently {
    $file = [IO.File]::Open($path, 'Open', 'Read', 'ReadWrite, Delete')
    try { Get-Sha256 $file } finally { $file.Dispose() }
  }
}

function Read-Value($path, $name) {
  $key = $hklm.OpenSubKey($path)
  if ($key) { $key.GetValue($name) }
}

function Read-Text($path, $name) {
  $value = Read-Value $path $name
  if ($value -is [string]) { Limit-Text $value 260 } else { '' }
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

function Get-KeyNames($hive, $path) {
  $key = $hive.OpenSubKey($path)
  if ($key) { $key.GetSubKeyNames() }
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

function Open-PictureKey($sid) { $hklm.OpenSubKey("$UsersKey\$sid", 'ReadWriteSubTree', 'SetValue, QueryValues') }

# A user's Image values, and the state that names them exactly.
function Read-Values($sid) {
  $run.where = 'values'
  $key = $hklm.OpenSubKey("$UsersKey\$sid")
  if (-not $key) { return @{ state = 'absent'; values = @() } }
  $there = [Collections.Generic.HashSet[string]]::new($key.GetValueNames(), [StringComparer]::OrdinalIgnoreCase)
  $text = ''
  $values = @(foreach ($name in $ImageNames) {
    if (-not $there.Contains($name)) { continue }
    $kind = switch ($key.GetValueKind($name)) { String { 'sz' } ExpandString { 'expand_sz' } default { 'other' } }
    $data = if ($kind -ne 'other') { $key.GetValue($name, '', 'DoNotExpandEnvironmentNames') } else { '' }
    $text += "${name}=${kind}:$data`n"
    [ordered]@{ name = $name; kind = $kind; data = Limit-Text $data 520 }
  })
  @{ state = Get-Sha256 ([Text.Encoding]::UTF8.GetBytes($text)); values = $values }
}

# Our files of a user: sorted, the first 100.
function Read-Files($sid) {
  $run.where = 'files'
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

# One user; who cannot be read does not stop the others.
function Read-User($sid) {
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

# ---- The path guard

# $rights are what nobody else may have. What is only passed on is judged below.
function Assert-SafeFolder($folder, [int] $rights) {
  if ((Get-PathAttributes $folder) -band 0x400) { Stop-Unsafe "$folder is a link" }
  $security = [Security.AccessControl.RawSecurityDescriptor]::new((Get-PathSddl $folder))
  if ("$($security.Owner)" -notin $Insiders) { Stop-Unsafe "$folder is owned by '$($security.Owner)'" }
  if ($null -eq $security.DiscretionaryAcl) { Stop-Unsafe "$folder is open to everybody" }
  foreach ($ace in $security.DiscretionaryAcl) {
    if ($ace.AceFlags -band 8) { continue } # inherit only
    if ($ace -isnot [Security.AccessControl.QualifiedAce]) { Stop-Unsafe "$folder has an ACE of type $($ace.AceType)" }
    $sid = "$($ace.SecurityIdentifier)"
    if ($ace.AceQualifier -eq 'AccessAllowed' -and $sid -notin $Insiders -and ($ace.AccessMask -band $rights)) { Stop-Unsafe "$folder can be changed by $sid" }
  }
}

# Every folder from the volume's root to $path. One of ours that is missing is made, the last with $sddl; without $sddl the walk ends.
function Assert-SafePath($path, $sddl) {
  $run.where = 'guard'
  $parts = $path.Split('\')
  Assert-SafeFolder "$($parts[0])\" $RootRights
  for ($i = 1; $i -lt $parts.Count; $i++) {
    $folder = $parts[0..$i] -join '\'
    if ($folder.Length -lt $run.home.Length) { Assert-SafeFolder $folder $ParentRights; continue }
    if (-not [IO.Directory]::Exists($folder)) {
      if (-not $sddl) { return }
      $run.where = 'New-SecureFolder'
      New-SecureFolder $folder $(if ($folder -eq $path) { $sddl } else { $FolderSddl })
      $run.where = 'guard'
    }
    Assert-SafeFolder $folder $OurRights
  }
}

# ---- Verbs

function Invoke-Inventory($fields) {
  Assert-Input ($fields.Count -eq 1)
  $run.where = 'system'
  $answer = [ordered]@{
    version = 1
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
  $sids = @(Get-KeyNames $hklm $UsersKey)
  if ([IO.Directory]::Exists($run.pictures)) { $sids += [IO.Directory]::GetDirectories($run.pictures) | ForEach-Object { [IO.Path]::GetFileName($_) } }
  $answer.users = @(foreach ($sid in Select-Sids $sids) { Read-User $sid })
  $answer.truncated = $run.truncated
  $answer
}

# Opens to write what a push opens (where the key is missing, what is above it), and guards our folders. Changes nothing.
function Invoke-Check($fields) {
  Assert-Input ($fields.Count -eq 1)
  $run.where = 'open-key'
  $path = $UsersKey
  while (-not $hklm.OpenSubKey($path, 'ReadWriteSubTree', 'CreateSubKey, QueryValues')) { $path = $path.Remove($path.LastIndexOf('\')) }
  $sids = @(Select-Sids (Get-KeyNames $hklm $UsersKey))
  $refused = @(foreach ($sid in $sids) { try { $null = Open-PictureKey $sid } catch { $sid } })
  Assert-SafePath "$($run.home)\State"
  Assert-SafePath $run.pictures
  [ordered]@{ key = $path -eq $UsersKey; users = $sids.Count; refused = $refused; folder = [IO.Directory]::Exists($run.pictures) }
}

function Invoke-PutFile($fields, $base64) {
  $null, $sid, $name, $length, $hash = $fields
  Assert-Input ($fields.Count -eq 5 -and $sid -cmatch $SidPattern -and $name -cmatch $FilePattern -and $length -cmatch '\A[1-9][0-9]{0,7}\z')
  Assert-Input ($hash -cmatch '\A[0-9a-f]{64}\z' -and $hash.StartsWith($name.Substring(33, 16), 'Ordinal') -and $base64 -cmatch '\A[A-Za-z0-9+/=]+\.\z')
  try { $bytes = [Convert]::FromBase64String($base64.TrimEnd('.')) } catch { Assert-Input $false }
  if ($bytes.Length -ne [int] $length -or (Get-Sha256 $bytes) -cne $hash) { Stop-Verb script content 'wrong length or hash' }
  $folder = "$($run.pictures)\$sid"
  $path = "$folder\$name"
  Assert-SafePath $folder $FolderSddl
  $state = 'same'
  if (-not [IO.File]::Exists($path)) {
    $run.where = 'Write-PictureFile'
    Write-PictureFile $path $bytes
    $state = 'new'
  }
  $run.where = 'read-back'
  if ((Get-FileSha256 $path) -cne $hash) { Stop-Verb conflict file "$name has other content" }
  [ordered]@{ sid = $sid; name = $name; sha256 = $hash; state = $state }
}

# Gives the values, where they are what was expected.
function Assert-State($sid, $state) {
  $read = Read-Values $sid
  if ($read.state -cne $state) { Stop-Verb conflict state 'the values are others' }
  $read.values
}

function Invoke-SetValues($fields) {
  $null, $sid, $state, $rungs, $pairs = $fields
  Assert-Input ($fields.Count -ge 5 -and $sid -cmatch $SidPattern -and $state -cmatch $StatePattern -and $rungs -cmatch '\Aplain\z')
  $wanted = [ordered]@{}
  foreach ($pair in $pairs) {
    $name, $file = $pair.Split([char[]] '=', 2)
    Assert-Input ([Array]::IndexOf($ImageNames, $name) -ge 0 -and $file -cmatch $FilePattern -and -not $wanted.Contains($name))
    $wanted[$name] = $file
  }
  $folder = "$($run.pictures)\$sid"
  Assert-SafePath $folder
  $null = Assert-State $sid $state
  $run.where = 'file'
  foreach ($file in $wanted.Values) { # only a complete file may be named
    $hash = if ([IO.File]::Exists("$folder\$file")) { Get-FileSha256 "$folder\$file" } else { 'missing' }
    if (-not $hash.StartsWith($file.Substring(33, 16), 'Ordinal')) { Stop-Verb conflict file "$file is missing, or has other content" }
  }
  $run.where = 'open-key'
  $key = Open-PictureKey $sid
  if (-not $key) { $run.where = 'New-PictureKey'; $key = New-PictureKey $sid }
  $run.where = 'Set-PictureValue'
  foreach ($name in $wanted.Keys) { Set-PictureValue $key $name "$folder\$($wanted[$name])" }
  $read = Read-Values $sid
  [ordered]@{ sid = $sid; rung = 'plain'; state = $read.state; values = $read.values }
}

function Invoke-DeleteFiles($fields) {
  $null, $sid, $state, $files = $fields
  Assert-Input ($fields.Count -ge 4 -and $sid -cmatch $SidPattern -and $state -cmatch $StatePattern)
  foreach ($file in $files) { Assert-Input ($file -cmatch $FilePattern) }
  $folder = "$($run.pictures)\$sid"
  Assert-SafePath $folder
  foreach ($value in Assert-State $sid $state) {
    if ($value.data.Split([char[]] '\/')[-1] -in $files) { Stop-Verb conflict named "$($value.name) names $($value.data)" }
  }
  $deleted, $kept = @(), @()
  foreach ($file in $files) {
    try {
      if ([IO.File]::Exists("$folder\$file")) { Remove-PictureFile "$folder\$file" }
      $deleted += $file
    } catch { $kept += $file } # in use: it stays for the next time
  }
  [ordered]@{ sid = $sid; deleted = $deleted; kept = $kept }
}

# ---- The run

# Verbs follow the script. Base64 lines follow put_file, up to a single dot.
function Read-Verbs {
  while ($next -lt $lines.Count) {
    $verb = @{ name = 'input'; fields = $lines[$next++].Split([char] 9); base64 = '' }
    if ($verb.fields[0] -cmatch $VerbPattern) { $verb.name = $verb.fields[0] }
    if ($verb.name -eq 'put_file') {
      $first = $next
      while ($next -lt $lines.Count -and $lines[$next] -cnotmatch '\A\.\z') { $next++ }
      $verb.base64 = $lines[$first..$next++] -join '' # with the dot
    }
    $verb
  }
}

# Program Files may be elsewhere, but must be a plain path of a drive.
function Find-Roots {
  $run.where = 'roots'
  $root = (Read-Text $Windows ProgramFilesDir).TrimEnd('\')
  if ($root -cnotmatch '\A[A-Za-z]:(\\[A-Za-z0-9 ()_-]+)+\z') { Stop-Verb unsupported roots "ProgramFilesDir is '$root'" }
  $run.home, $run.pictures = "$root\photopush", "$root\photopush\AccountPictures"
}

# Held until the run ends. One that only reads takes it where there is one.
function Get-Lock([bool] $changes) {
  $folder = "$($run.home)\State"
  if ($changes) { Assert-SafePath $folder $StateSddl } elseif (-not [IO.File]::Exists("$folder\lock")) { return }
  $run.where = 'Enter-Lock'
  try { $run.lock = Enter-Lock "$folder\lock" } catch {
    if ((Format-HResult $_) -eq '0x80070020') { Stop-Verb conflict lock 'another run holds the lock' 0x80070020 }
    throw
  }
}

$answers = @('#photopush-answer')
try {
  $verbs = @(Read-Verbs)
  foreach ($verb in $verbs) {
    $run.verb = $verb.name
    if (-not $run.home) { Find-Roots; Get-Lock ([bool] ($verbs | Where-Object { $_.name -match '_' })) }
    $done = switch ($verb.name) {
      inventory { Invoke-Inventory $verb.fields }
      check { Invoke-Check $verb.fields }
      put_file { Invoke-PutFile $verb.fields $verb.base64 }
      set_values { Invoke-SetValues $verb.fields }
      delete_files { Invoke-DeleteFiles $verb.fields }
      input { Assert-Input $false }
    }
    $answers += '{"verb":"' + $verb.name + '","ok":true,' + (Format-Json $done).Substring(1)
  }
} catch {
  $e = $_.Exception.GetBaseException()
  if (-not $run.reason) { # HRESULTs decide: texts are in the administrator's language
    $run.hresult = $e.HResult
    $run.reason = switch -Regex (Format-HResult $_) {
      '80070005|8013150a|8007051b|80070522' { 'denied' }
      '80070070|80070027' { 'disk_full' }
      '80070718' { 'quota' }
      '80070050|800700b7' { 'conflict' }
      default { 'script' }
    }
  }
  $answers += Format-Json ([ordered]@{
    verb = $run.verb; ok = $false; reason = $run.reason; hresult = [long] $run.hresult -band 4294967295; where = $run.where; message = Limit-Text $e.Message 300
  })
} finally {
  if ($run.lock) { $run.lock.Dispose() }
  $bytes = [Text.Encoding]::ASCII.GetBytes(($answers -join "`n") + "`n#end-of-answer`n")
  [Console]::OpenStandardOutput().Write($bytes, 0, $bytes.Length)
}
#end-of-script
