# photopush: what its scripts have in common. Changes nothing by itself.
#
# For the administrator who approves it: a run of photopush is this text, and after it one of "read", "push" and "repair", each the same bytes in
# every run. This part says which places there are, guards the way to them, and reads; it opens one file exclusively, the lock.
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

# ---- What is read, written and allowed

# -eq and -ceq ignore some characters: they compare only what has matched a pattern, or what we computed.
$ImageNames = '32 40 48 64 96 192 200 208 240 424 448 1080'.Split(' ') | ForEach-Object { "Image$_" }
$SidPattern = '\AS-1-5-21(-[0-9]{1,10}){4}\z'
$FilePattern = '\A[0-9a-f]{32}-[0-9a-f]{16}(-[1-9][0-9]{0,2})?-(' + ($ImageNames -join '|') + ')\.jpg\z'
$StatePattern = '\A(absent|[0-9a-f]{64})\z'
$PlainPattern = '\A[A-Za-z]:\\[^/:*?"<>|\x00-\x1f]{1,250}\.([Jj][Pp][Ee]?[Gg]|[Pp][Nn][Gg]|[Bb][Mm][Pp]|[Gg][Ii][Ff])\z' # a picture on a drive: no share, device or stream
$RungsPattern = '\Aplain(,ace)?\z'
$SetRights, $AclRights = 'SetValue, QueryValues', 'ChangePermissions, ReadPermissions'
$LookRights = $AclRights + ', QueryValues, EnumerateSubKeys'
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
# The run: its verb and step, why it stops, our folders, the lock, what journals undid, whether a list was cut.
$run = @{ verb = ''; where = ''; reason = ''; hresult = 0; home = ''; pictures = ''; state = ''; lock = $null; undone = @(); truncated = $false }

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
    $text = $value.Replace('\', '\u005c').Replace('"', '\u0022')
    if ($text -cmatch '[^ -~]') { $text = [regex]::Replace($text, '[^ -~]', { param($m) '\u{0:x4}' -f [int][char] $m.Value }) }
    return '"' + $text + '"'
  }
  if ($value -is [Collections.IDictionary]) {
    return '{' + (@(foreach ($name in $value.Keys) { (Format-Json $name) + ':' + (Format-Json $value[$name]) }) -join ',') + '}'
  }
  '[' + (@(foreach ($item in $value) { Format-Json $item }) -join ',') + ']'
}

# ---- Files, keys and values

function Get-PathSddl($path) { [IO.DirectoryInfo]::new($path).GetAccessControl('Owner, Access').GetSecurityDescriptorSddlForm('Owner, Access') }
function Get-PathAttributes($path) { [IO.File]::GetAttributes($path) }
function Get-KeySddl($key) { $key.GetAccessControl('Owner, Access').GetSecurityDescriptorSddlForm('Owner, Access') }

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

function Get-KeyNames($hive, $path) {
  $key = $hive.OpenSubKey($path)
  if ($key) { $key.GetSubKeyNames() }
}

function Open-PictureKey($sid, $rights) { $hklm.OpenSubKey("$UsersKey\$sid", 'ReadWriteSubTree', $rights) }

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

# Whether a value names a file of ours of this user.
function Test-Ours($sid, $data) { "$data".StartsWith("$($run.pictures)\$sid\", 'OrdinalIgnoreCase') }

# What save_original kept of a user: its state, empty for none, and its values.
function Read-Original($sid) {
  $original = @{ state = ''; values = [ordered]@{} }
  $path = "$($run.state)\$sid.reg"
  if (-not [IO.File]::Exists($path) -or [IO.FileInfo]::new($path).Length -gt 65536) { return $original }
  foreach ($line in [IO.File]::ReadAllLines($path)) {
    if ($line -cmatch '\A; S-[0-9-]+ before photopush: (absent|[0-9a-f]{64})\z') { $original.state = $Matches[1] }
    if ($line -cmatch '\A"(Image[0-9]+)"="(.*)"\z' -and [Array]::IndexOf($ImageNames, $Matches[1]) -ge 0) {
      $original.values[$Matches[1]] = $Matches[2] -replace '\\(.)', '$1'
    }
  }
  $original
}

# Whether data names a file of this computer that is not ours: a plain path, and no link on it. Nothing else is looked at: who follows a
# link may end on another computer, and sign in there.
function Test-OtherFile($sid, $data) {
  if ($data -cnotmatch $PlainPattern -or (Test-Ours $sid $data)) { return $false }
  $parts = $data.Split('\')
  try {
    for ($i = 1; $i -lt $parts.Count; $i++) { if ((Get-PathAttributes ($parts[0..$i] -join '\')) -band 0x400) { return $false } }
    [IO.File]::Exists($data)
  } catch { $false }
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

# Every folder from the volume's root to $path. One of ours that is missing is made by $make; without it the walk ends.
function Assert-SafePath($path, $make) {
  $run.where = 'guard'
  $parts = $path.Split('\')
  Assert-SafeFolder "$($parts[0])\" $RootRights
  for ($i = 1; $i -lt $parts.Count; $i++) {
    $folder = $parts[0..$i] -join '\'
    if ($folder.Length -lt $run.home.Length) { Assert-SafeFolder $folder $ParentRights; continue }
    if (-not [IO.Directory]::Exists($folder)) {
      if (-not $make) { return }
      & $make $folder
    }
    Assert-SafeFolder $folder $OurRights
  }
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
  $run.home, $run.pictures, $run.state = "$root\photopush", "$root\photopush\AccountPictures", "$root\photopush\State"
}

# Opens the lock file; nobody else can open it until the run ends.
function Enter-Lock($path, $mode) { Invoke-Patiently { [IO.File]::Open($path, $mode, 'ReadWrite', 'None') } }

function Get-Lock($mode) {
  $run.where = 'Enter-Lock'
  try { $run.lock = Enter-Lock "$($run.state)\lock" $mode } catch {
    if ((Format-HResult $_) -eq '0x80070020') { Stop-Verb conflict lock 'another run holds the lock' 0x80070020 }
    throw
  }
}

# Does the verbs that stand after the script, and answers. Texts are put out at once, as bytes.
function Invoke-Run {
  $answers = @('#photopush-answer')
  try {
    foreach ($verb in @(Read-Verbs)) {
      $run.verb = $verb.name
      if (-not $run.home) { Find-Roots; Start-Run }
      $answers += '{"verb":"' + $verb.name + '","ok":true,' + (Format-Json (Invoke-Verb $verb)).Substring(1)
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
}
#end-of-common
