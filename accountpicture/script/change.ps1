
# ---- Effects: nothing else changes anything

# Creates a folder with its owner and permissions, in one call.
function New-SecureFolder($path, $sddl) {
  $security = [Security.AccessControl.DirectorySecurity]::new()
  $security.SetSecurityDescriptorSddlForm($sddl)
  $null = [IO.Directory]::CreateDirectory($path, $security)
}

# Creates a file that must not be there, writes and flushes it. What it cannot finish it takes away.
function Write-NewFile($path, [byte[]] $bytes) {
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

# $null would become an empty string here.
function Move-OwnFile($from, $to) {
  if ([IO.File]::Exists($to)) { [IO.File]::Replace($from, $to, [NullString]::Value) } else { [IO.File]::Move($from, $to) }
}

function Remove-OwnFile($path) { Invoke-Patiently { [IO.File]::Delete($path) } }
function Remove-OwnFolder($path) { [IO.Directory]::Delete($path) } # fails when something is in it
function New-PictureKey($sid) { $hklm.CreateSubKey("$UsersKey\$sid") }
function Set-PictureValue($key, $name, $data) { $key.SetValue($name, $data, 'String') }

# What is not protected (P) inherits anew when it is written: a DACL without inherited entries must not gain any.
function Set-KeyDacl($key, $sddl) {
  if ($sddl -cnotmatch '\(\w+;[A-Z]*ID') { $sddl = $sddl -creplace 'D:[A-Z]*', 'D:P' }
  $security = [Security.AccessControl.RegistrySecurity]::new()
  $security.SetSecurityDescriptorSddlForm($sddl, 'Access')
  $key.SetAccessControl($security)
}

# ---- The start of a run

# Takes the lock, and undoes what a run that was ended left behind.
function Start-Run {
  Use-Folder $run.state $StateSddl
  Get-Lock OpenOrCreate
  $run.where = 'journal'
  $paths = [IO.Directory]::GetFiles($run.state)
  [Array]::Sort($paths, [StringComparer]::Ordinal)
  foreach ($path in $paths) {
    $sid = [IO.Path]::GetFileName($path) -creplace '\.journal\z', ''
    if ("$($run.state)\$sid.journal" -ne $path -or $sid -cnotmatch $SidPattern) { continue }
    $run.where = 'journal'
    $undone = [ordered]@{ sid = $sid; acl = [IO.File]::ReadAllText($path); after = '' }
    $run.where = 'open-key'
    $key = Open-PictureKey $sid $AclRights
    if ($key) {
      $run.where = 'Set-KeyDacl'
      Set-KeyDacl $key $undone.acl
      $undone.after = Get-KeySddl $key
    }
    $run.where = 'Remove-OwnFile'
    Remove-OwnFile $path
    $run.undone += $undone
  }
}

# Makes what is missing of a folder of ours and of those above it, and guards it all.
function Use-Folder($path, $sddl) {
  Assert-SafePath $path { param($folder)
    $run.where = 'New-SecureFolder'
    New-SecureFolder $folder $(if ($folder -eq $path) { $sddl } else { $FolderSddl })
    $run.where = 'guard'
  }
}

# A file in State is complete whenever it is there.
function Write-StateFile($name, $bytes) {
  $path = "$($run.state)\$name"
  if ([IO.File]::Exists("$path.new")) { $run.where = 'Remove-OwnFile'; Remove-OwnFile "$path.new" }
  $run.where = 'Write-NewFile'
  Write-NewFile "$path.new" $bytes
  $run.where = 'Move-OwnFile'
  Move-OwnFile "$path.new" $path
}

# ---- The rights ladder

# Lets $write write the values of a user, and gives the answer. The key is made where it is missing. Where Windows refuses to open it, and
# $rungs allow it, a permission is added to this key alone for the time of the writing. Before that, what the permissions were is
# kept in a journal: a run that is ended here is mended by the next one.
function Use-PictureKey($sid, $rungs, [scriptblock] $write) {
  $answer = [ordered]@{ sid = $sid; rung = 'plain'; before = ''; after = '' }
  $run.where = 'open-key'
  $key = $null
  try { $key = Open-PictureKey $sid $SetRights } catch {
    if ((Format-HResult $_) -ne '0x8013150a' -or $rungs -eq 'plain') { throw }
    $answer.rung = 'ace'
  }
  if ($answer.rung -eq 'ace') { Use-TemporaryEntry $sid $answer $write } else {
    if (-not $key) { $run.where = 'New-PictureKey'; $key = New-PictureKey $sid }
    & $write $key
  }
  $read = Read-Values $sid
  $answer.state, $answer.values = $read.state, $read.values
  $answer
}

function Use-TemporaryEntry($sid, $answer, $write) {
  $run.where = 'open-key'
  $guard = Open-PictureKey $sid $LookRights
  $run.where = 'key'
  Assert-PictureKey $sid $guard
  $run.where = 'acl'
  $answer.before = Get-KeySddl $guard
  $security = Get-KeyRules $guard $sid
  $security.AddAccessRule([Security.AccessControl.RegistryAccessRule]::new([Security.Principal.SecurityIdentifier]::new('S-1-5-32-544'), $SetRights, 'Allow'))
  Write-StateFile "$sid.journal" ([Text.Encoding]::ASCII.GetBytes($answer.before))
  $key = $null
  try {
    $run.where = 'Set-KeyDacl'
    Set-KeyDacl $guard ($security.GetSecurityDescriptorSddlForm('Access'))
    $run.where = 'open-key'
    $key = Open-PictureKey $sid $SetRights
    & $write $key
  } finally {
    $where, $run.where = $run.where, 'Set-KeyDacl'
    Set-KeyDacl $guard $answer.before
    $answer.after = Get-KeySddl $guard
    if ($key) { $key.Flush() } # before its journal goes
    $run.where = 'Remove-OwnFile'
    Remove-OwnFile "$($run.state)\$sid.journal"
    $run.where = $where
  }
}

# The DACL of a key, which must be in order: .NET changes no other.
function Get-KeyRules($key, $name) {
  $security = $key.GetAccessControl('Access')
  if (-not $security.AreAccessRulesCanonical) { Stop-Verb denied acl "the permissions of $name are out of order" }
  $security
}

# A key that holds pictures has no subkeys: what has some may be a link to another key, which cannot be seen otherwise.
function Assert-PictureKey($sid, $key) {
  if ($key -and $key.SubKeyCount) { Stop-Verb unsafe_path key "the key $sid has subkeys" }
}

# ---- Verbs of both scripts that change something

# Gives the values, where they are what was expected.
function Assert-State($sid, $state) {
  $read = Read-Values $sid
  if ($read.state -cne $state) { Stop-Verb conflict state 'the values are others' }
  $read.values
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
      if ([IO.File]::Exists("$folder\$file")) { Remove-OwnFile "$folder\$file" }
      $deleted += $file
    } catch { $kept += $file } # in use: it stays for the next time
  }
  try { if (-not [IO.Directory]::GetFileSystemEntries($folder)) { Remove-OwnFolder $folder } } catch { $null = $_ } # it stays
  [ordered]@{ sid = $sid; deleted = $deleted; kept = $kept; folder = [IO.Directory]::Exists($folder) }
}

# The start of the run has done it.
function Invoke-Recover($fields) {
  Assert-Input ($fields.Count -eq 1)
  [ordered]@{ undone = @($run.undone) }
}

Invoke-Run
#end-of-script
